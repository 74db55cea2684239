package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// MaxTenants and MaxFunctions bound the tenants, and the functions of all tenants, that have series of
	// their own.
	MaxTenants   = 50
	MaxFunctions = 200
	// MaxTenantFunctions bounds the functions of one tenant that have series of their own.
	MaxTenantFunctions = MaxFunctions / 2
	// Other is the label of all other tenants, and of all other functions. No function and no tenant can
	// have this name.
	Other = "(other)"

	// Period is the time after which series go to the functions and tenants that were busy in it. A holder of
	// series loses them only to one that was more than busier times as busy, so that few change.
	Period = 10 * time.Minute
	busier = 2
	// candidates bounds those without series of their own that are counted, as a multiple of those with.
	candidates = 4
)

// outcomes are the series of a function.
type outcomes struct {
	succeeded, failed, timeout, cancelled prometheus.Counter
	recent                                atomic.Uint64 // runs in this period
}

func (o *outcomes) count(state runtime.State) {
	o.recent.Add(1)
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

// labels are the series of the tenants and functions that have series of their own, and those of all others. A
// series that is dropped starts at 0 if it comes back, as after a restart of the server. Its count is not added
// to the series of the others, which would jump.
type labels struct {
	counter *prometheus.CounterVec // by tenant, function and outcome
	next    atomic.Int64           // when the period ends, in nanoseconds since the epoch

	mu        sync.RWMutex
	tenants   map[string]*tenantLabels // guarded by mu, as is all that follows
	other     *outcomes                // of tenants without series
	functions int                      // with series
	waiting   [2]candidateCounts       // tenants without series, and functions of others
}

// tenantLabels are the series of a tenant.
type tenantLabels struct {
	functions map[string]*outcomes
	other     *outcomes     // of functions without series; nil: there is none
	recent    atomic.Uint64 // runs in this period
}

// name is a tenant, or a function of it.
type name struct{ tenant, function string }

const (
	ofTenants = iota
	ofFunctions
)

func newLabels(counter *prometheus.CounterVec) *labels {
	return &labels{counter: counter, tenants: make(map[string]*tenantLabels), waiting: [2]candidateCounts{
		ofTenants: {limit: candidates * MaxTenants}, ofFunctions: {limit: candidates * MaxFunctions},
	}}
}

// count counts a run that has ended at a time.
func (l *labels) count(tenant, function string, state runtime.State, now time.Time) {
	if at := now.UnixNano(); at >= l.next.Load() {
		l.mu.Lock()
		l.renew(at)
		l.mu.Unlock()
	}
	l.mu.RLock()
	if t := l.tenants[tenant]; t != nil {
		if o := t.functions[function]; o != nil {
			t.recent.Add(1)
			o.count(state)
			l.mu.RUnlock()
			return
		}
	}
	l.mu.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seriesOf(tenant, function).count(state)
}

// seriesOf returns the series of a function, which it opens if there is room. With them, a tenant has at most as
// many as are free then, so that some are left for others.
func (l *labels) seriesOf(tenant, function string) *outcomes {
	t := l.tenants[tenant]
	switch {
	case t == nil && len(l.tenants) < MaxTenants:
		t = l.admit(tenant)
	case t == nil:
		l.waiting[ofTenants].add(name{tenant: tenant})
		if l.other == nil {
			l.other = l.open(Other, Other)
		}
		return l.other
	}
	t.recent.Add(1)
	switch o := t.functions[function]; {
	case o != nil:
		return o
	case len(t.functions) < MaxFunctions-l.functions:
		return l.admitFunction(t, tenant, function)
	}
	l.waiting[ofFunctions].add(name{tenant, function})
	if t.other == nil {
		t.other = l.open(tenant, Other)
	}
	return t.other
}

func (l *labels) admit(tenant string) *tenantLabels {
	t := &tenantLabels{functions: make(map[string]*outcomes)}
	l.tenants[tenant] = t
	return t
}

func (l *labels) admitFunction(t *tenantLabels, tenant, function string) *outcomes {
	l.functions++
	t.functions[function] = l.open(tenant, function)
	return t.functions[function]
}

// renew begins a period at a time. Tenants and functions that were busy in the last one take the series of idle
// ones.
func (l *labels) renew(at int64) {
	before := l.next.Load()
	if at < before {
		return // another run has begun it
	}
	l.next.Store(at + int64(Period))
	if before == 0 {
		return // the first period
	}
	held := make(map[name]uint64, len(l.tenants))
	for tenant, t := range l.tenants {
		held[name{tenant: tenant}] = t.recent.Swap(0)
	}
	for _, c := range l.waiting[ofTenants].replacements(held) {
		l.dropTenant(c.loser.tenant)
		l.admit(c.winner.tenant)
	}
	held = make(map[name]uint64, l.functions)
	for tenant, t := range l.tenants {
		for function, o := range t.functions {
			held[name{tenant, function}] = o.recent.Swap(0)
		}
	}
	for _, c := range l.waiting[ofFunctions].replacements(held) {
		t := l.tenants[c.winner.tenant]
		if t != nil && c.winner.tenant != c.loser.tenant && len(t.functions) >= MaxTenantFunctions {
			continue
		}
		l.dropFunction(c.loser)
		if t != nil {
			l.admitFunction(t, c.winner.tenant, c.winner.function)
		}
	}
}

func (l *labels) dropTenant(tenant string) {
	l.functions -= len(l.tenants[tenant].functions)
	delete(l.tenants, tenant)
	l.counter.DeletePartialMatch(prometheus.Labels{"tenant": tenant})
}

func (l *labels) dropFunction(n name) {
	l.functions--
	delete(l.tenants[n.tenant].functions, n.function)
	l.counter.DeletePartialMatch(prometheus.Labels{"tenant": n.tenant, "function": n.function})
}

// open returns the series of a function.
func (l *labels) open(tenant, function string) *outcomes {
	of := func(state runtime.State) prometheus.Counter {
		return l.counter.WithLabelValues(tenant, function, string(state))
	}
	return &outcomes{succeeded: of(runtime.StateSucceeded), failed: of(runtime.StateFailed), timeout: of(runtime.StateTimeout), cancelled: of(runtime.StateCancelled)}
}

// candidateCounts counts what is frequent among any number of names, in bounded memory (Misra and Gries,
// "Finding repeated elements"): each count is at most 1/limit of all runs too low.
type candidateCounts struct {
	limit  int
	counts map[name]uint64
}

func (c *candidateCounts) add(n name) {
	if c.counts == nil {
		c.counts = make(map[name]uint64)
	}
	if _, known := c.counts[n]; known || len(c.counts) < c.limit {
		c.counts[n]++
		return
	}
	for n := range c.counts { // each step takes back one that add has counted
		if c.counts[n]--; c.counts[n] == 0 {
			delete(c.counts, n)
		}
	}
}

// replacement is a holder of series that loses them to a candidate.
type replacement struct{ loser, winner name }

// replacements returns the holders that lose their series, each with the candidate that gets them, and forgets
// all counts. The busiest candidate replaces the least busy holder, and so on, as long as the candidate was more
// than busier times as busy.
func (c *candidateCounts) replacements(held map[name]uint64) (all []replacement) {
	counts := c.counts
	c.counts = nil
	order := func(of map[name]uint64, sign int) []name {
		return slices.SortedFunc(maps.Keys(of), func(a, b name) int {
			return cmp.Or(sign*cmp.Compare(of[a], of[b]), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.function, b.function))
		})
	}
	losers := order(held, 1)
	for i, winner := range order(counts, -1) {
		if i == len(losers) || counts[winner] <= busier*held[losers[i]] {
			break
		}
		all = append(all, replacement{losers[i], winner})
	}
	return all
}
