package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faaspot/faaspot/runtime"
)

// runs counts the runs that have ended.
type runs struct {
	labels     *labels
	durations  [len(modes)]prometheus.Observer
	waits      [len(modes)]prometheus.Observer
	sent       prometheus.Counter // bytes
	received   prometheus.Counter // bytes
	opened     prometheus.Counter
	collectors []prometheus.Collector
}

// The buckets of durations and waits, in seconds: from a half of a millisecond to an hour.
var seconds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

func newRuns() *runs {
	r := &runs{}
	byMode := func(name, help string) (all [len(modes)]prometheus.Observer) {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, []string{"mode"})
		for i, mode := range modes {
			all[i] = v.WithLabelValues(mode)
		}
		r.collectors = append(r.collectors, v)
		return all
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.collectors = append(r.collectors, v)
		return v
	}
	r.labels = newLabels(counter("faaspot_executions_total", "Runs that have ended.", "tenant", "function", "outcome"))
	r.durations = byMode("faaspot_execution_duration_seconds", "Time that the latest attempts of runs took which have ended.")
	r.waits = byMode("faaspot_execution_wait_seconds", "Time from the acceptance of runs which have ended to the start of their latest attempt.")
	bytes := counter("faaspot_egress_bytes_total", "Bytes that runs which have ended have exchanged with the network.", "direction")
	r.sent, r.received = bytes.WithLabelValues("sent"), bytes.WithLabelValues("received")
	r.opened = counter("faaspot_egress_connections_total", "Connections of runs that have ended.").WithLabelValues()
	return r
}

// count counts a run that has ended.
func (r *runs) count(x *runtime.Execution, blocking bool) {
	r.labels.count(string(x.Tenant), x.Function, x.State, x.Finished)
	if x.Started.IsZero() {
		return
	}
	mode := background
	if blocking {
		mode = inCall
	}
	r.durations[mode].Observe(x.Duration().Seconds())
	r.waits[mode].Observe(max(0, x.Started.Sub(x.Created).Seconds()))
	for i := range x.Egress {
		e := &x.Egress[i]
		r.sent.Add(float64(max(0, e.Sent)))
		r.received.Add(float64(max(0, e.Received)))
		r.opened.Add(float64(max(0, e.Connections)))
	}
}

// The modes of runs, and their labels.
const (
	background = iota
	inCall     // a caller waits for it
)

var modes = [...]string{background: "background", inCall: "blocking"}
