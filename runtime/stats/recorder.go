package stats

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// maxBytes bounds the memory of all steps, in bytes; with a small budget, its memoryShare.
	maxBytes    = 16 * runtime.MiB
	memoryShare = 64
	// freeParts is the divisor of the bound that gives what is freed at once beyond it, so that the
	// tenant that holds most is seldom looked for.
	freeParts = 16
	// queryBatch is the number of counts that a query sums up before it lets runs be counted.
	queryBatch = 256
)

// Recorder counts runs that have ended. All methods may be called concurrently.
type Recorder struct {
	now    func() time.Time
	memory *memory.Account
	limit  int64

	mu      sync.Mutex
	tenants map[runtime.Tenant]*tenant
	bytes   int64
	expired int64     // the finest step in which old steps were dropped last
	since   time.Time // runs that ended before are not counted yet; zero: all are
}

// tenant is what is counted of one tenant.
type tenant struct {
	levels [len(levels)]series
	bytes  int64
	// queries is held by a query of the tenant, before the mutex of the Recorder: queries of one tenant
	// do not add up in memory, and delay nobody else.
	queries sync.Mutex
}

// New returns a Recorder whose memory is of a budget. It counts nothing that ended before a time until
// [Recorder.Complete].
func New(b *memory.Budget, now func() time.Time) *Recorder {
	return &Recorder{
		now: now, limit: min(maxBytes, b.Total()/memoryShare), since: now(),
		memory:  b.Open(memory.Options{Name: "statistics", Heap: true}),
		tenants: make(map[runtime.Tenant]*tenant),
	}
}

// Add counts runs.
func (r *Recorder) Add(runs ...runtime.EndedRun) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.bytes
	r.expire(now)
	var at place
	for i := range runs {
		r.add(&runs[i], now, &at)
	}
	if r.bytes > r.limit {
		r.shrink()
	}
	switch change := r.bytes - before; {
	case change > 0:
		r.memory.Add(change)
	case change < 0:
		r.memory.Give(-change)
	}
}

// Complete says that the runs of the time before the Recorder was made are counted.
func (r *Recorder) Complete() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = time.Time{}
}

// Forget drops all that is counted of a tenant.
func (r *Recorder) Forget(name runtime.Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.tenants[name]; t != nil {
		delete(r.tenants, name)
		r.bytes -= t.bytes
		r.memory.Give(t.bytes)
	}
}

// Close drops all that is counted. Nothing may be added afterwards.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tenants)
	r.memory.Give(r.bytes)
	r.bytes = 0
}

// The methods below are called with mu held.

// place is where the runs of one function are counted that ended in one of the finest steps.
type place struct {
	tenant   *tenant // nil: nowhere
	name     runtime.Tenant
	function string
	index    int64 // of the finest step
	cells    [len(levels)]cell
}

// cell is the counts of a function in a step; without counts, the level does not have the step.
type cell struct {
	step   *step
	counts *counts
}

// add counts a run. at is the place of the run before, which is often that of this one.
func (r *Recorder) add(run *runtime.EndedRun, now time.Time, at *place) {
	ended := run.Finished
	if ended.After(now) { // the clock was set back
		ended = now
	}
	if index := levels[0].index(ended); at.tenant == nil || at.index != index || at.function != run.Function || at.name != run.Tenant {
		*at = place{name: run.Tenant, function: run.Function, index: index}
		r.find(at, ended, now)
	}
	class := classOf(run.Duration)
	for _, c := range at.cells {
		if c.counts != nil {
			at.tenant.grow(r, c.step.add(c.counts, run, class))
		}
	}
}

// find finds, or adds, the cells of a place for runs that ended at a time.
func (r *Recorder) find(at *place, ended, now time.Time) {
	for i, l := range levels {
		index := l.index(ended)
		if l.index(now)-index >= int64(l.keep) {
			continue
		}
		if at.tenant == nil {
			if at.tenant = r.tenants[at.name]; at.tenant == nil {
				at.tenant = &tenant{}
				r.tenants[at.name] = at.tenant
			}
		}
		if s := &at.tenant.levels[i]; index >= s.from {
			step, grown := s.at(index)
			counts, more := step.open(at.function)
			at.cells[i] = cell{step, counts}
			at.tenant.grow(r, grown+more)
		}
	}
}

func (t *tenant) grow(r *Recorder, n int64) {
	t.bytes += n
	r.bytes += n
}

// expire drops the steps that are too old, once in each of the finest steps.
func (r *Recorder) expire(now time.Time) {
	present := levels[0].index(now)
	if present == r.expired {
		return
	}
	r.expired = present
	for name, t := range r.tenants {
		for i, l := range levels {
			t.grow(r, -t.levels[i].dropBefore(l.index(now)-int64(l.keep)+1))
		}
		if t.bytes == 0 && !t.hasGivenUp(now) {
			delete(r.tenants, name)
		}
	}
}

// hasGivenUp reports whether a step that would still be kept was given up.
func (t *tenant) hasGivenUp(now time.Time) bool {
	for i, l := range levels {
		if t.levels[i].from > l.index(now)-int64(l.keep)+1 {
			return true
		}
	}
	return false
}

// shrink frees memory: the tenant that holds most gives up the oldest steps of the level that has most.
func (r *Recorder) shrink() {
	for r.bytes > r.limit-r.limit/freeParts {
		var most *tenant
		for _, t := range r.tenants {
			if most == nil || t.bytes > most.bytes {
				most = t
			}
		}
		if most == nil || most.bytes == 0 {
			return
		}
		for enough := most.bytes / 2; most.bytes > enough && r.bytes > r.limit-r.limit/freeParts; {
			longest := &most.levels[0]
			for i := range most.levels {
				if s := &most.levels[i]; len(s.steps) > len(longest.steps) {
					longest = s
				}
			}
			most.grow(r, -longest.giveUp())
		}
	}
}

// Query returns the statistics of a tenant, without its queue. load has the runs of its functions that have
// not ended. Queries of a tenant wait for each other.
// Runs are counted meanwhile, and may be part of the answer.
func (r *Recorder) Query(name runtime.Tenant, q runtime.StatsQuery, load map[string]runtime.FunctionLoad) runtime.Stats {
	now := r.now()
	if oldest := now.Add(-runtime.MaxStatsWindow); q.Since.Before(oldest) {
		q.Since = oldest
	}
	if q.Since.After(now) {
		q.Since = now
	}
	n := levelFor(q.Since, now)
	l := levels[n]
	first, last := l.index(q.Since), l.index(now)
	s := runtime.Stats{From: l.start(first), To: now.UTC()}
	s.Complete = s.From
	g := grouping{width: 1}
	if q.Step > 0 {
		g.width = max(1, int64((q.Step+l.step-1)/l.step), (last-first)/runtime.MaxStatsSteps+1)
		s.Step = time.Duration(g.width) * l.step
		g.series = make([]counts, (last-first)/g.width+1)
	}
	g.functions = make(map[string]*counts)

	r.mu.Lock()
	t := r.tenants[name]
	complete := r.since.UTC()
	r.mu.Unlock()
	if t != nil {
		t.queries.Lock()
		defer t.queries.Unlock()
		steps, from := r.stepsOf(t, n)
		if from > first {
			s.Complete = l.start(from)
		}
		for _, step := range steps {
			if step.index >= first && step.index <= last {
				r.sum(&g, step, q.Function, step.index-first)
			}
		}
	}
	s.Complete = runtime.Later(s.Complete, complete)
	for function := range load {
		if (q.Function == "" || q.Function == function) && g.functions[function] == nil {
			g.functions[function] = &counts{}
		}
	}
	g.report(&s, load)
	return s
}

// stepsOf returns the present steps of a level of a tenant, and the first one that was not given up.
func (r *Recorder) stepsOf(t *tenant, level int) (steps []*step, from int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(t.levels[level].steps), t.levels[level].from
}

// sum adds a step to a grouping, of one function unless its name is empty.
func (r *Recorder) sum(g *grouping, s *step, function string, at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if function != "" {
		if c := s.of[function]; c != nil {
			g.addCounts(function, c, at)
		}
		return
	}
	n := 0
	for name, c := range s.of {
		g.addCounts(name, c, at)
		if n++; n%queryBatch == 0 {
			r.mu.Unlock()
			r.mu.Lock()
		}
	}
}

// grouping sums up steps.
type grouping struct {
	width     int64 // steps that are one of the series
	series    []counts
	functions map[string]*counts
}

func (g *grouping) addCounts(name string, c *counts, at int64) {
	if g.series != nil {
		g.series[at/g.width].merge(c)
	}
	f := g.functions[name]
	if f == nil {
		f = &counts{}
		g.functions[name] = f
	}
	f.merge(c)
}

// report fills in the sums.
func (g *grouping) report(s *runtime.Stats, load map[string]runtime.FunctionLoad) {
	var total counts
	for _, c := range g.functions {
		total.merge(c)
	}
	s.Total = total.report()
	for i := range g.series {
		s.Series = append(s.Series, g.series[i].report())
	}
	names := slices.Collect(maps.Keys(g.functions))
	all := func(name string) int { return int(g.functions[name].ended()) + load[name].Queued + load[name].Running }
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(all(b), all(a)), strings.Compare(a, b))
	})
	if n := len(names); n > runtime.MaxStatsFunctions {
		s.OtherFunctions = n - runtime.MaxStatsFunctions
		names = names[:runtime.MaxStatsFunctions]
	}
	for _, name := range names {
		s.Functions = append(s.Functions, runtime.FunctionStats{Function: name, RunStats: g.functions[name].report(), FunctionLoad: load[name]})
	}
}
