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
	r.labels.of(string(x.Tenant), x.Function).count(x.State)
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

// outcomes are the series of one function.
type outcomes struct {
	succeeded, failed, timeout, cancelled prometheus.Counter
}

func (o *outcomes) count(state runtime.State) {
	switch state {
	case runtime.StateSucceeded:
		o.succeeded.Inc()
	case runtime.StateTimeout:
		o.timeout.Inc()
	case runtime.StateCancelled:
		o.cancelled.Inc()
	default:
		o.failed.Inc()
	}
}

// labels are the series of the tenants and functions that have some of their own, and of all others.
type labels struct {
	counter *prometheus.CounterVec // by tenant, function and outcome

	mu        sync.RWMutex
	tenants   map[string]map[string]*outcomes // by name of the tenant and of the function; guarded by mu
	functions int                             // without Other; guarded by mu
}

func newLabels(counter *prometheus.CounterVec) *labels {
	return &labels{counter: counter, tenants: make(map[string]map[string]*outcomes)}
}

// of returns the series for a function of a tenant.
func (l *labels) of(tenant, function string) *outcomes {
	l.mu.RLock()
	known := l.tenants[tenant][function]
	l.mu.RUnlock()
	if known != nil {
		return known
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenants[tenant] == nil && len(l.tenants) >= MaxTenants {
		tenant = Other
	}
	if l.tenants[tenant] == nil {
		l.tenants[tenant] = make(map[string]*outcomes)
	}
	if l.tenants[tenant][function] == nil && (tenant == Other || l.functions == MaxFunctions) {
		function = Other
	}
	if l.tenants[tenant][function] == nil {
		l.tenants[tenant][function] = l.open(tenant, function)
		if function != Other {
			l.functions++
		}
	}
	return l.tenants[tenant][function]
}

// open adds the series of a function.
func (l *labels) open(tenant, function string) *outcomes {
	of := func(state runtime.State) prometheus.Counter {
		return l.counter.WithLabelValues(tenant, function, string(state))
	}
	return &outcomes{of(runtime.StateSucceeded), of(runtime.StateFailed), of(runtime.StateTimeout), of(runtime.StateCancelled)}
}
