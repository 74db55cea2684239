package stats

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// newRecorder returns a Recorder whose clock is at *now.
func newRecorder(now *time.Time, budget int64) (*Recorder, *memory.Budget) {
	b := memory.New(budget, nil)
	return New(b, func() time.Time { return *now }), b
}

// held returns what the statistics hold of a budget.
func held(t *testing.T, b *memory.Budget) int64 {
	t.Helper()
	for _, h := range b.Holders() {
		if h.Name == "statistics" {
			return h.Bytes
		}
	}
	t.Fatal("statistics have no account")
	return 0
}

// randomRun returns a run of one of a few functions and tenants that ended within the last time.
func randomRun(rng *rand.Rand, now time.Time, last time.Duration) runtime.EndedRun {
	states := []runtime.State{runtime.StateSucceeded, runtime.StateSucceeded, runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled}
	r := runtime.EndedRun{
		Tenant: runtime.Tenant(fmt.Sprint("t", rng.IntN(3))), Function: fmt.Sprint("f", rng.IntN(4)), State: states[rng.IntN(len(states))],
		Finished: now.Add(-time.Duration(rng.Int64N(int64(last)))), Started: rng.IntN(10) > 0,
	}
	if r.Started {
		r.Duration = time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))
	}
	return r
}

// count counts runs one by one.
func count(runs []runtime.EndedRun) (s runtime.RunStats, durations []time.Duration) {
	var sum time.Duration
	for _, r := range runs {
		switch r.State {
		case runtime.StateSucceeded:
			s.Succeeded++
		case runtime.StateFailed:
			s.Failed++
		case runtime.StateTimeout:
			s.Timeout++
		case runtime.StateCancelled:
			s.Cancelled++
		}
		if r.Started {
			durations = append(durations, r.Duration)
			s.Max = max(s.Max, r.Duration)
			sum += r.Duration
		}
	}
	if s.Ran = len(durations); s.Ran > 0 {
		s.Mean = sum / time.Duration(s.Ran)
	}
	slices.Sort(durations)
	return s, durations
}

// checkRuns compares statistics with the runs that they count.
func checkRuns(t *testing.T, what string, got runtime.RunStats, runs []runtime.EndedRun) {
	t.Helper()
	want, durations := count(runs)
	for _, q := range []struct {
		part float64
		got  time.Duration
	}{{0.5, got.P50}, {0.9, got.P90}, {0.99, got.P99}} {
		if len(durations) == 0 {
			continue
		}
		exact := durations[min(int(q.part*float64(len(durations))), len(durations)-1)]
		if off := max(q.got-exact, exact-q.got); off > exact/16+time.Microsecond {
			t.Errorf("%s: the quantile %g is %v instead of %v", what, q.part, q.got, exact)
		}
	}
	got.P50, got.P90, got.P99 = 0, 0, 0
	if d := diff.Diff(want, got); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

// within returns the runs of a tenant, and of a function unless it is empty, that ended in a span.
func within(runs []runtime.EndedRun, tenant runtime.Tenant, function string, from, to time.Time) (some []runtime.EndedRun) {
	for _, r := range runs {
		if r.Tenant == tenant && (function == "" || r.Function == function) && !r.Finished.Before(from) && r.Finished.Before(to) {
			some = append(some, r)
		}
	}
	return some
}

// TestQuery compares answers with the runs that they count, whatever window, step and function is asked
// for, and in whatever order the runs are added.
func TestQuery(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	now := start
	r, _ := newRecorder(&now, 1<<30)
	r.Complete()
	var runs, batch []runtime.EndedRun
	add := func() {
		r.Add(batch...)
		runs, batch = append(runs, batch...), nil
	}
	for range 4000 {
		span := []time.Duration{10 * time.Minute, 3 * time.Hour, 20 * time.Hour, 7 * 24 * time.Hour}[rng.IntN(4)]
		run := randomRun(rng, now, span)
		for range 1 + rng.IntN(3) { // runs of one function often end one after the other
			batch = append(batch, run)
		}
		if rng.IntN(20) == 0 {
			add()
		}
	}
	add()
	for _, q := range []struct {
		back, step, counted time.Duration // counted is the step of the series
		function            string
	}{
		{time.Minute, 0, 0, ""},
		{time.Hour, time.Minute, time.Minute, ""},
		{time.Hour, 90 * time.Second, 2 * time.Minute, "f1"},
		{2*time.Hour - time.Minute, time.Second, time.Minute, ""},
		{3 * time.Hour, time.Minute, 15 * time.Minute, ""},
		{24*time.Hour - time.Minute, time.Hour, time.Hour, "f2"},
		{30 * time.Hour, time.Minute, 2 * time.Hour, ""},
		{7 * 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, ""},
		{30 * 24 * time.Hour, 0, 0, "f3"},
		{time.Hour, time.Minute, time.Minute, "unknown"},
	} {
		what := fmt.Sprint(q)
		s := r.Query("t1", runtime.StatsQuery{Function: q.function, Since: now.Add(-q.back), Step: q.step}, nil)
		if s.From.After(now.Add(-min(q.back, runtime.MaxStatsWindow))) || s.Step != q.counted || !s.Complete.Equal(s.From) || !s.To.Equal(now) {
			t.Errorf("%s: from %v to %v, complete since %v, steps of %v", what, s.From, s.To, s.Complete, s.Step)
		}
		end := now.Add(time.Nanosecond)
		checkRuns(t, what, s.Total, within(runs, "t1", q.function, s.From, end))
		for i, step := range s.Series {
			from := s.From.Add(time.Duration(i) * s.Step)
			checkRuns(t, fmt.Sprint(what, i), step, within(runs, "t1", q.function, from, from.Add(s.Step)))
		}
		if last := s.From.Add(time.Duration(len(s.Series)) * s.Step); q.step > 0 && !last.After(now) {
			t.Errorf("%s: the series ends at %v", what, last)
		}
		for _, f := range s.Functions {
			checkRuns(t, what+f.Function, f.RunStats, within(runs, "t1", f.Function, s.From, end))
		}
		if !slices.IsSortedFunc(s.Functions, func(a, b runtime.FunctionStats) int { return cmp.Compare(b.Ended(), a.Ended()) }) || q.function == "" && len(s.Functions) == 0 {
			t.Errorf("%s: the functions are %v", what, s.Functions)
		}
	}
}

// TestManyFunctions checks that an answer names the functions with most runs, and counts all.
func TestManyFunctions(t *testing.T) {
	now := start
	r, _ := newRecorder(&now, 1<<30)
	const functions = runtime.MaxStatsFunctions + 20
	for i := range functions {
		for range i + 1 {
			r.Add(runtime.EndedRun{Tenant: "t", Function: fmt.Sprint("f", i), State: runtime.StateSucceeded, Finished: now})
		}
	}
	s := r.Query("t", runtime.StatsQuery{Since: now}, nil)
	if s.OtherFunctions != 20 || len(s.Functions) != runtime.MaxStatsFunctions || s.Functions[0].Function != fmt.Sprint("f", functions-1) || s.Total.Succeeded != functions*(functions+1)/2 {
		t.Errorf("%d functions, %d others, first %+v, %d in all", len(s.Functions), s.OtherFunctions, s.Functions[0], s.Total.Succeeded)
	}
}

// TestIncomplete checks that answers say from when on they are complete, until the history is counted.
func TestIncomplete(t *testing.T) {
	now := start
	r, _ := newRecorder(&now, 1<<30)
	now = now.Add(time.Minute)
	q := runtime.StatsQuery{Since: now.Add(-time.Hour)}
	if s := r.Query("t", q, nil); !s.Complete.Equal(start) {
		t.Errorf("before the history is counted it is complete since %v", s.Complete)
	}
	r.Complete()
	if s := r.Query("t", q, nil); !s.Complete.Equal(s.From) {
		t.Errorf("then since %v", s.Complete)
	}
}

// TestBounded has one tenant run far more functions than there is memory for: the bound is kept, the answers
// of that tenant say from when on they are complete, and are right from then on; another tenant loses
// nothing.
func TestBounded(t *testing.T) {
	now := start
	const budget = 32 * runtime.MiB
	r, b := newRecorder(&now, budget)
	r.Complete()
	add := func(tenant runtime.Tenant, function string) {
		r.Add(runtime.EndedRun{Tenant: tenant, Function: function, State: runtime.StateSucceeded, Finished: now, Started: true, Duration: time.Millisecond})
	}
	const minutes, functions = 100, 200
	for range minutes {
		add("small", "f")
		for i := range functions {
			add("large", fmt.Sprint("function-", i))
		}
		if h := held(t, b); h > budget/memoryShare || h != r.bytes || h == 0 {
			t.Fatalf("%d bytes are held, %d counted", h, r.bytes)
		}
		now = now.Add(time.Minute)
	}
	now = now.Add(-time.Minute)
	q := runtime.StatsQuery{Since: now.Add(-(minutes - 1) * time.Minute), Step: time.Minute}
	if s := r.Query("small", q, nil); s.Total.Succeeded != minutes || !s.Complete.Equal(s.From) {
		t.Errorf("the small tenant has %d runs, complete since %v of %v", s.Total.Succeeded, s.Complete, s.From)
	}
	s := r.Query("large", q, nil)
	if !s.Complete.After(s.From) || s.Complete.After(now) {
		t.Fatalf("the large tenant is complete since %v, of %v to %v", s.Complete, s.From, now)
	}
	for i, step := range s.Series {
		switch at := s.From.Add(time.Duration(i) * s.Step); {
		case at.Before(s.Complete) && step.Ended() != 0:
			t.Errorf("a step that was given up has %d runs", step.Ended())
		case !at.Before(s.Complete) && step.Succeeded != functions:
			t.Errorf("a step has %d runs, want %d", step.Succeeded, functions)
		}
	}
}

// TestOneStepBeyondTheBound has so many functions run in one step that not even that has room.
func TestOneStepBeyondTheBound(t *testing.T) {
	now := start
	const budget = 4 * runtime.MiB
	r, b := newRecorder(&now, budget)
	for i := range 5000 {
		r.Add(runtime.EndedRun{Tenant: "t", Function: fmt.Sprint("function-", i), State: runtime.StateFailed, Finished: now})
	}
	if h := held(t, b); h > budget/memoryShare {
		t.Errorf("%d bytes are held", h)
	}
}

// TestOldStepsAreDropped checks that nothing stays of runs that ended long ago, and of deleted tenants.
func TestOldStepsAreDropped(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	now := start
	r, b := newRecorder(&now, 1<<30)
	for range 2000 {
		r.Add(randomRun(rng, now, 9*24*time.Hour))
	}
	r.Forget("t0")
	if s := r.Query("t0", runtime.StatsQuery{Since: now.Add(-runtime.MaxStatsWindow)}, nil); s.Total.Ended() != 0 {
		t.Errorf("a tenant that was forgotten has %d runs", s.Total.Ended())
	}
	before := held(t, b)
	now = now.Add(runtime.MaxStatsWindow + 3*time.Hour)
	r.Add()
	if h := held(t, b); before == 0 || h != 0 || len(r.tenants) != 0 {
		t.Errorf("%d bytes of %d are left, of %d tenants", h, before, len(r.tenants))
	}
}

// TestClockSetBack counts runs that end in the future, as the clock has it now.
func TestClockSetBack(t *testing.T) {
	now := start
	r, _ := newRecorder(&now, 1<<30)
	run := runtime.EndedRun{Tenant: "t", Function: "f", State: runtime.StateSucceeded, Finished: start}
	r.Add(run)
	now = start.Add(-3 * time.Hour)
	r.Add(run)
	if s := r.Query("t", runtime.StatsQuery{Since: now.Add(-time.Hour)}, nil); s.Total.Succeeded != 1 {
		t.Errorf("after the clock was set back there are %d runs", s.Total.Succeeded)
	}
	now = start
	if s := r.Query("t", runtime.StatsQuery{Since: now.Add(-4 * time.Hour)}, nil); s.Total.Succeeded != 2 {
		t.Errorf("later there are %d runs", s.Total.Succeeded)
	}
}

// TestConcurrently adds and asks at the same time; the race detector looks on.
func TestConcurrently(t *testing.T) {
	r := New(memory.New(1<<30, nil), time.Now)
	const each = 500
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range each {
				r.Add(runtime.EndedRun{Tenant: "t", Function: "f", State: runtime.StateSucceeded, Finished: time.Now()})
				r.Query("t", runtime.StatsQuery{Since: time.Now(), Step: time.Minute}, nil)
			}
		})
	}
	group.Wait()
	if s := r.Query("t", runtime.StatsQuery{Since: time.Now().Add(-time.Hour)}, nil); s.Total.Succeeded != 4*each {
		t.Errorf("%d runs are counted", s.Total.Succeeded)
	}
}

// TestQueriesDoNotDelayRuns has a tenant with very many functions ask again and again, while a run of
// another one is counted: it waits for a part of a query only. Before that, queries of the same tenant are
// shown to wait for each other without delaying runs.
func TestQueriesDoNotDelayRuns(t *testing.T) {
	now := start
	r, _ := newRecorder(&now, 1<<30)
	const functions, adds = 5000, 60
	add := func(tenant runtime.Tenant, function string) {
		r.Add(runtime.EndedRun{Tenant: tenant, Function: function, State: runtime.StateSucceeded, Finished: now})
	}
	for i := range functions {
		add("large", fmt.Sprint("f", i))
	}
	q := runtime.StatsQuery{Since: now, Step: time.Minute}
	answers, stop := make(chan runtime.Stats), make(chan struct{})
	var group sync.WaitGroup
	var queries atomic.Int64
	large := r.tenants["large"]
	large.queries.Lock()
	for range 8 {
		group.Go(func() {
			for {
				s := r.Query("large", q, nil)
				queries.Add(1)
				select {
				case answers <- s:
				case <-stop:
					return
				}
			}
		})
	}
	add("large", "f0") // a query that waits holds up nothing
	large.queries.Unlock()
	group.Go(func() {
		defer close(stop)
		for range adds {
			add("small", "f")
		}
	})
	for open := true; open; {
		select {
		case s := <-answers:
			if s.Total.Succeeded != functions+1 || s.OtherFunctions != functions-runtime.MaxStatsFunctions || s.Functions[0].Function != "f0" {
				t.Errorf("%d runs of %d functions, first %+v", s.Total.Succeeded, s.OtherFunctions, s.Functions[0])
			}
		case <-stop:
			open = false
		}
	}
	group.Wait()
	if n := queries.Load(); n > adds {
		t.Errorf("%d queries were answered while %d runs were counted", n, adds)
	}
}

// TestClasses checks that the middle of a class is near its durations, and that classes are in order.
func TestClasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 10_000 {
		d := time.Duration(rng.Int64N(int64(time.Microsecond) << rng.IntN(40)))
		middle := classOf(d).middle()
		if off := max(middle-d, d-middle); off > d/16+time.Microsecond {
			t.Fatalf("%v is counted as %v", d, middle)
		}
		if more := d + time.Duration(rng.Int64N(int64(d)+1)); classOf(more) < classOf(d) {
			t.Fatalf("%v is in a class before that of %v", more, d)
		}
	}
}

// BenchmarkAdd measures the cost of a run.
func BenchmarkAdd(b *testing.B) {
	r := New(memory.New(1<<30, nil), time.Now)
	run := runtime.EndedRun{Tenant: "t", Function: "f", State: runtime.StateSucceeded, Finished: time.Now(), Started: true}
	batch := make([]runtime.EndedRun, 100)
	for i := range batch {
		run.Duration = time.Duration(i) * 10 * time.Microsecond
		batch[i] = run
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		r.Add(batch...)
	}
}

// BenchmarkQuery measures an answer over eight days of a hundred functions that always run.
func BenchmarkQuery(b *testing.B) {
	now := start
	r := New(memory.New(1<<40, nil), func() time.Time { return now })
	rng := rand.New(rand.NewPCG(7, 8))
	for range 8 * 24 * 2 {
		for f := range 100 {
			for range 3 {
				r.Add(runtime.EndedRun{Tenant: "t", Function: fmt.Sprint("f", f), State: runtime.StateSucceeded, Finished: now, Started: true, Duration: time.Duration(rng.Int64N(int64(time.Second)))})
			}
		}
		now = now.Add(30 * time.Minute)
	}
	for b.Loop() {
		r.Query("t", runtime.StatsQuery{Since: now.Add(-runtime.MaxStatsWindow), Step: 2 * time.Hour}, nil)
	}
}
