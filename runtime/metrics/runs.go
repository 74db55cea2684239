package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// MaxTenants and MaxFunctions bound the tenants, and the functions of all tenants, that have series of
	// their own.
	MaxTenants   = 50
	MaxFunctions = 200
	// Other is the label of all other tenants, and of all other functions. No function and no tenant can
	// have this name.
	Other = "(other)"
)

// runs counts the runs that have ended.
type runs struct {
	labels   *labels
	outcomes *prometheus.CounterVec
	duration *prometheus.HistogramVec
	wait     *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	sent     prometheus.Counter // of bytes
	received prometheus.Counter // of bytes
	opened   prometheus.Counter
}

// The buckets of durations and waits, in seconds: from a half of a millisecond to an hour.
var seconds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

func newRuns() *runs {
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, []string{"mode"})
	}
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faaspot_egress_bytes_total", Help: "Bytes that runs which have ended have exchanged with the network."}, []string{"direction"})
	return &runs{
		labels:   newLabels(),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faaspot_executions_total", Help: "Runs that have ended."}, []string{"tenant", "function", "outcome"}),
		duration: histogram("faaspot_execution_duration_seconds", "Time that the latest attempts of runs took which have ended."),
		wait:     histogram("faaspot_execution_wait_seconds", "Time from the acceptance of runs which have ended to the start of their latest attempt."),
		bytes:    bytes,
		sent:     bytes.WithLabelValues("sent"),
		received: bytes.WithLabelValues("received"),
		opened:   prometheus.NewCounter(prometheus.CounterOpts{Name: "faaspot_egress_connections_total", Help: "Connections of runs that have ended."}),
	}
}

func (r *runs) collectors() []prometheus.Collector {
	return []prometheus.Collector{r.outcomes, r.duration, r.wait, r.bytes, r.opened}
}

// count counts a run that has ended.
func (r *runs) count(x *runtime.Execution, blocking bool) {
	tenant, function := r.labels.of(string(x.Tenant), x.Function)
	r.outcomes.WithLabelValues(tenant, function, string(x.State)).Inc()
	if x.Started.IsZero() {
		return
	}
	mode := "background"
	if blocking {
		mode = "blocking"
	}
	r.duration.WithLabelValues(mode).Observe(x.Duration().Seconds())
	r.wait.WithLabelValues(mode).Observe(max(0, x.Started.Sub(x.Created).Seconds()))
	for i := range x.Egress {
		e := &x.Egress[i]
		r.sent.Add(float64(max(0, e.Sent)))
		r.received.Add(float64(max(0, e.Received)))
		r.opened.Add(float64(max(0, e.Connections)))
	}
}

// labels are the tenants and functions with series of their own.
type labels struct {
	mu        sync.Mutex
	tenants   map[string]map[string]struct{} // names of functions by tenant
	functions int
}

func newLabels() *labels { return &labels{tenants: make(map[string]map[string]struct{})} }

// of returns the labels for a function of a tenant.
func (l *labels) of(tenant, function string) (tenantLabel, functionLabel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	functions, known := l.tenants[tenant]
	if !known {
		if len(l.tenants) == MaxTenants {
			return Other, Other
		}
		functions = make(map[string]struct{})
		l.tenants[tenant] = functions
	}
	if _, known := functions[function]; !known {
		if l.functions == MaxFunctions {
			return tenant, Other
		}
		functions[function] = struct{}{}
		l.functions++
	}
	return tenant, function
}
