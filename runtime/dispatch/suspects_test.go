package dispatch

import (
	"container/list"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
)

// simRun is a background run of a simulated server.
type simRun struct {
	takes  time.Duration
	kills  time.Duration // time after which it kills the process; 0: it does not
	stored runtime.Execution
	began  time.Duration // in this life; negative if it has not begun
	active *attempt
}

// simCall is a run whose caller waits. Its client sends it again after each death.
type simCall struct {
	after func() time.Duration // time from the start of the process to the request
	kills time.Duration
	due   time.Duration
	began time.Duration
}

// simulation is a server that dies and starts again, with a plan, a clock and a store that are
// simulated: it takes every decision as the Dispatcher and the Engine do.
type simulation struct {
	t       interface{ Fatalf(string, ...any) }
	rng     *rand.Rand
	runs    map[string]*simRun
	calls   []*simCall
	outside []time.Duration // lives after which the process is killed from outside, one after the other
	cap     int             // runs at once

	p               *plan
	clock           time.Duration // since the start of the process
	paused          bool
	pausedAt, quiet time.Duration
	memory          list.List // attempts that wait for memory
	running         map[string]*simRun
	deaths          int
	probe           time.Duration // time at which the other function's run began in this life; negative: not yet
}

func newSimulation(t interface{ Fatalf(string, ...any) }, seed uint64) *simulation {
	return &simulation{t: t, rng: rand.New(rand.NewPCG(seed, 1)), runs: map[string]*simRun{}, cap: 1 << 20}
}

func (w *simulation) submit(takes, kills time.Duration) *simRun {
	id := fmt.Sprintf("%06d", len(w.runs))
	r := &simRun{takes: takes, kills: kills, stored: runtime.Execution{ID: id, Tenant: "a", State: runtime.StateQueued}}
	w.runs[id] = r
	return r
}

// live starts a process and returns true when it has died, false when all runs have ended.
func (w *simulation) live() bool {
	w.p, w.clock, w.paused, w.quiet, w.probe = testPlan(), 0, false, 0, -1
	w.p.random = func(n time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(n))) }
	w.memory.Init()
	w.running = map[string]*simRun{}
	w.recover()
	for _, c := range w.calls {
		c.began, c.due = -1, c.after()
	}
	kill := time.Duration(-1)
	if len(w.outside) > 0 {
		kill, w.outside = w.outside[0], w.outside[1:]
	}
	probe := queued("b", "other", "probe")
	w.p.put(probe)
	for {
		wait := w.decide()
		if kill < 0 && w.left() == 0 {
			w.check()
			return false
		}
		next, dies := w.next()
		if wait > 0 && w.clock+wait < next {
			next, dies = w.clock+wait, false
		}
		for _, c := range w.calls {
			if c.began < 0 && c.due > w.clock && c.due < next {
				next, dies = c.due, false
			}
		}
		if kill >= 0 && kill <= next {
			next, dies = max(kill, w.clock), true
		}
		if next == forever {
			w.t.Fatalf("%d runs do not start: %+v", w.left(), w.p.quiet)
		}
		w.clock = next
		if dies {
			w.deaths++
			w.check()
			return true
		}
		w.end()
	}
}

const forever = time.Duration(1<<63 - 1)

// next returns the time of the next end of a run, or of the next death.
func (w *simulation) next() (at time.Duration, dies bool) {
	at = forever
	for _, r := range w.running {
		if r.kills > 0 {
			if r.began+r.kills <= at {
				at, dies = r.began+r.kills, true
			}
		} else if r.began+r.takes < at {
			at, dies = r.began+r.takes, false
		}
	}
	for _, c := range w.calls {
		if c.began >= 0 && c.began+c.kills <= at {
			at, dies = c.began+c.kills, true
		}
	}
	return at, dies
}

// end ends the runs whose time has come.
func (w *simulation) end() {
	for id, r := range w.running {
		if r.kills == 0 && r.began+r.takes <= w.clock {
			r.stored.State = runtime.StateSucceeded
			delete(w.running, id)
			w.p.admitted--
			w.p.workers--
			w.p.ran++
			w.p.target = MaxAhead
			w.p.drop(r.active)
		}
	}
}

// decide does what the leaser does until there is nothing to do, and returns the time to wait.
func (w *simulation) decide() time.Duration {
	for {
		s := w.p.choose(int64(w.clock)+1, bareAttempt)
		for _, a := range s.outlived {
			w.runs[a.run.id].stored.Suspicion.Probation = runtime.ProbationOutlived
		}
		w.p.clear(s.outlived)
		if s.resume && w.paused {
			w.paused = false
			w.quiet += w.clock - w.pausedAt
		}
		if s.pause {
			w.paused, w.pausedAt = true, w.clock
		}
		if s.reserve != nil {
			s.reserve.reserved = true
			w.p.quiet.stage = reserved
		}
		for _, a := range s.batch {
			if r := w.runs[a.run.id]; r != nil {
				a.run.attempt++
				r.active, r.stored.State = a, runtime.StateRunning
				r.stored.Attempt++
				r.stored.Suspicion.Probation = a.probation
				if a.probation == runtime.ProbationAlone && w.others() {
					r.stored.Suspicion.Probation = runtime.ProbationBeside
				}
			}
			if a.reserved {
				w.begin(a)
			} else {
				w.memory.PushBack(a)
			}
		}
		began := false
		for e := w.memory.Front(); e != nil && !w.paused && len(w.running) < w.cap; e = w.memory.Front() {
			w.begin(w.memory.Remove(e).(*attempt))
			began = true
		}
		for _, c := range w.calls {
			if c.began < 0 && c.due <= w.clock && !w.paused {
				c.began = w.clock
			}
		}
		if s.empty() && !began {
			return s.wait
		}
	}
}

// others reports whether anything runs.
func (w *simulation) others() bool {
	return len(w.running) > 0 || slices.ContainsFunc(w.calls, func(c *simCall) bool { return c.began >= 0 })
}

func (w *simulation) begin(a *attempt) {
	w.p.ready = append(w.p.ready, a)
	w.p.admitted++
	w.p.workers++
	if got, begins := w.p.begin(int64(w.clock)+1, time.Now); got != a || !begins {
		w.t.Fatalf("%v began instead of %v", got, a)
	}
	r := w.runs[a.run.id]
	if r == nil { // the run of the other function
		w.probe = w.clock
		w.p.admitted--
		w.p.workers--
		w.p.drop(a)
		return
	}
	r.began = w.clock
	w.running[a.run.id] = r
}

// recover does what Engine.recover does.
func (w *simulation) recover() {
	var lost, charged []runtime.Execution
	for _, r := range w.runs {
		switch {
		case r.stored.State == runtime.StateRunning:
			lost = append(lost, r.stored)
		case r.stored.State == runtime.StateQueued && r.stored.Suspicion.Charges+r.stored.Suspicion.Stretch > 0:
			charged = append(charged, r.stored)
		}
	}
	AfterDeath(lost, charged, time.Now())
	for _, x := range append(lost, charged...) {
		w.runs[x.ID].stored = x
		if x.State == runtime.StateFailed && w.runs[x.ID].kills == 0 {
			w.t.Fatalf("an innocent run failed: %+v", x)
		}
	}
	var waiting []*QueuedRun
	o := &Origin{Tenant: "a", FunctionID: "f"}
	for _, r := range w.runs {
		if r.stored.State == runtime.StateQueued {
			waiting = append(waiting, NewQueuedRun(o, &r.stored))
		}
	}
	slices.SortFunc(waiting, func(a, b *QueuedRun) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	for _, r := range waiting {
		w.p.put(r)
	}
}

// left returns the number of runs that are not done.
func (w *simulation) left() (n int) {
	for _, r := range w.runs {
		if !r.stored.State.Terminal() {
			n++
		}
	}
	return n
}

// check checks, at the end of a life, that the other function was not held up.
func (w *simulation) check() {
	if w.probe != 0 && w.cap == 1<<20 {
		w.t.Fatalf("in life %d of %v, the run of another function began after %v", w.deaths, w.clock, w.probe)
	}
	if w.paused {
		w.quiet += w.clock - w.pausedAt
	}
	if 2*w.quiet > w.clock {
		w.t.Fatalf("in life %d of %v, nothing could begin for %v", w.deaths, w.clock, w.quiet)
	}
}

// within lets the server die and start until all runs have ended, at most most times.
func (w *simulation) within(most int) {
	for w.live() {
		if w.deaths > most {
			var why []string
			for _, r := range w.runs {
				if r.kills > 0 && !r.stored.State.Terminal() {
					why = append(why, fmt.Sprintf("%v: %+v of %d", r.kills, r.stored.Suspicion, r.stored.LostAttempts))
				}
			}
			w.t.Fatalf("the server died %d times: %v", w.deaths, why)
		}
	}
}

// mostDeaths returns the bound that the comment at the top of suspects.go states.
func mostDeaths(kills time.Duration, n int) int {
	stretch := 0
	for probationTime(uint8(stretch)) <= kills {
		stretch++
	}
	if stretch > 0 {
		return suspectLosses + stretch + 1 + bits.Len(uint(n-1)) + maxCharges/besideCharge
	}
	return suspectLosses + bits.Len(uint(n-1)) + maxCharges/aloneCharge
}

// TestDeathsOfADeadlyRun has one run that kills the process each time, among others that are all
// under way. It fails within the stated number of deaths, and all others succeed.
func TestDeathsOfADeadlyRun(t *testing.T) {
	for _, c := range []struct {
		kills time.Duration
		n     int
	}{
		{10 * time.Millisecond, 1},
		{10 * time.Millisecond, 2},
		{10 * time.Millisecond, 64},
		{10 * time.Millisecond, 1_000},
		{10 * time.Millisecond, 10_001},
		{240 * time.Millisecond, 64},
		{300 * time.Millisecond, 64},
		{2 * time.Second, 64},
		{10 * time.Second, 300},
		{10 * time.Minute, 64},
		{59 * time.Minute, 64},
	} {
		t.Run(fmt.Sprintf("%v among %d", c.kills, c.n), func(t *testing.T) {
			most, seeds := 0, uint64(5)
			if c.n > 1_000 {
				seeds = 1
			}
			for seed := range seeds {
				w := newSimulation(t, seed)
				deadly := w.rng.IntN(c.n)
				var guilty *simRun
				for i := range c.n {
					if i == deadly {
						guilty = w.submit(0, c.kills)
					} else {
						w.submit(2*c.kills+time.Second, 0)
					}
				}
				bound := mostDeaths(c.kills, c.n)
				if seed%2 == 1 { // a call that ends nothing is always under way
					w.calls = append(w.calls, &simCall{kills: forever / 2, after: func() time.Duration { return 0 }})
					if c.kills < shortProbation {
						bound += maxCharges/besideCharge - maxCharges/aloneCharge
					}
				}
				w.within(bound)
				if guilty.stored.State != runtime.StateFailed {
					t.Errorf("the deadly run is %+v", guilty.stored)
				}
				most = max(most, w.deaths)
			}
			t.Logf("%d deaths, at most %d", most, mostDeaths(c.kills, c.n))
		})
	}
}

// TestNoInnocentRunFails has random deadly runs, early and late, clients that repeat deadly calls, and
// kills from outside.
func TestNoInnocentRunFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newSimulation(t, rapid.Uint64().Draw(t, "seed"))
		w.cap = rapid.SampledFrom([]int{1 << 20, 1 << 20, 40}).Draw(t, "capacity")
		duration := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Float64Range(1, 100).Draw(t, "scale") * float64(rapid.SampledFrom([]time.Duration{
				time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
			}).Draw(t, "unit")))
		})
		n := rapid.IntRange(1, 80).Draw(t, "innocent runs")
		for range n {
			w.submit(duration.Draw(t, "takes"), 0)
		}
		most := 0
		for range rapid.IntRange(0, 3).Draw(t, "deadly runs") {
			kills := duration.Draw(t, "kills")
			w.submit(0, kills)
			most += 3 * mostDeaths(kills, n+3)
		}
		calls := rapid.IntRange(0, 2).Draw(t, "deadly calls")
		for range calls {
			kills, pause := duration.Draw(t, "call kills"), duration.Draw(t, "pause")
			w.calls = append(w.calls, &simCall{kills: kills, after: func() time.Duration { return time.Duration(w.rng.Int64N(int64(pause))) }})
		}
		for range rapid.IntRange(0, 20).Draw(t, "kills from outside") {
			w.outside = append(w.outside, duration.Draw(t, "life"))
		}
		// As long as clients send deadly calls, the server dies; then they stop.
		for range calls * 40 {
			if !w.live() {
				break
			}
		}
		w.calls = nil
		w.deaths = -len(w.outside)
		w.within(most)
		for _, r := range w.runs {
			if want := r.kills > 0; (r.stored.State == runtime.StateFailed) != want {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// suspect returns a queued run that was lost before.
func suspect(id string, losses uint8) *QueuedRun {
	r := queued("a", "f", id)
	r.suspicion.Losses = losses
	return r
}

// begins lets leased attempts begin.
func begins(t *testing.T, p *plan, clock int64, ids ...string) {
	t.Helper()
	for _, id := range ids {
		p.ready = append(p.ready, p.active[id])
		p.admitted++
		if a, begins := p.begin(clock, time.Now); a != p.active[id] || !begins {
			t.Fatalf("%v began instead of %s", a, id)
		}
	}
}

func TestPlanPutsSuspectsOnProbation(t *testing.T) {
	p := testPlan()
	p.put(queued("a", "f", "lost never"))
	p.put(suspect("lost once", 1))
	for _, id := range []string{"x1", "x2", "x3", "y1", "y2", "y3", "y4", "y5"} {
		p.put(suspect(id, map[byte]uint8{'x': 3, 'y': 2}[id[0]]))
	}
	// Half of the most suspected go first, beside all others.
	if got := fmt.Sprint(chosen(p, 1)); got != "[x1 x2 lost never lost once]" {
		t.Fatalf("leased %s", got)
	}
	begins(t, p, 1, "x1", "x2")
	const probation = int64(shortProbation)
	if s := p.choose(1, bareAttempt); len(s.batch) != 0 || s.wait != shortProbation {
		t.Fatalf("during the probation: %+v", s)
	}
	s := p.choose(1+probation, bareAttempt)
	if len(s.outlived) != 2 || len(s.batch) != 0 {
		t.Fatalf("after the probation: %+v", s)
	}
	if s := p.choose(2+probation, bareAttempt); !s.empty() {
		t.Fatalf("before it is on disk: %+v", s)
	}
	p.clear(s.outlived)
	if got := fmt.Sprint(chosen(p, 3+probation)); got != "[x3 y1 y2 y3]" {
		t.Fatalf("then %s are leased", got)
	}
	// A member that ends does not hold up the next group.
	begins(t, p, 3+probation, "x3", "y1", "y2", "y3")
	for _, id := range []string{"x3", "y1", "y2", "y3"} {
		p.drop(p.active[id])
	}
	if got := fmt.Sprint(chosen(p, 4+probation)); got != "[y4 y5]" {
		t.Fatalf("then %s are leased", got)
	}
}

func TestPlanDoesNotWaitForSuspectsWithoutMemory(t *testing.T) {
	p := testPlan()
	const n = 4 * suspectsAhead
	for i := range n {
		p.put(suspect(fmt.Sprintf("%03d", i), 2))
	}
	if got := chosen(p, 1); len(got) != suspectsAhead {
		t.Fatalf("%d suspects are leased", len(got))
	}
	p.put(queued("b", "g", "other"))
	of := suspect("suspect of b", 2)
	of.Origin = &Origin{Tenant: "b", FunctionID: "g"}
	p.put(of)
	if got := fmt.Sprint(chosen(p, 2)); got != "[suspect of b other]" {
		t.Fatalf("beside suspects without memory %s are leased", got)
	}
	// Each that begins makes room for another one, whether others of its group have begun or not.
	began := 0
	for clock := int64(3); began < n; clock += int64(shortProbation) {
		id := fmt.Sprintf("%03d", began)
		if p.active[id] == nil {
			t.Fatalf("%s has no lease", id)
		}
		begins(t, p, clock, id)
		began++
		p.clear(p.choose(clock+int64(shortProbation), bareAttempt).outlived)
		chosen(p, clock+int64(shortProbation))
	}
	if p.suspects() != 0 {
		t.Errorf("%d suspects wait", p.suspects())
	}
}

func TestPlanForgetsSuspectsOfACancelledGroup(t *testing.T) {
	p := testPlan()
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a", Parallelism: 8})
	p.groups["x"] = g
	for i := range 6 {
		r := queuedTask(g, fmt.Sprint("x", i))
		r.suspicion = runtime.Suspicion{Losses: uint8(2 + i%2), Stretch: uint8(i / 3)}
		p.put(r)
	}
	if g.state.places != 6 || p.size() != 6 {
		t.Fatalf("%d places, %d in the backlog", g.state.places, p.size())
	}
	p.cancelGroup("x")
	if g.state.places != 0 || p.size() != 0 {
		t.Errorf("%d places, %d in the backlog", g.state.places, p.size())
	}
}

// TestDeathAbsolves checks which deaths drop the charges of a suspect that was queued meanwhile.
func TestDeathAbsolves(t *testing.T) {
	charged := runtime.Suspicion{Losses: 4, Stretch: 1, Charges: aloneCharge}
	for _, c := range []struct {
		what     string
		lost     []runtime.Suspicion
		absolved bool
	}{
		{"nothing was under way", nil, true},
		{"runs that are no suspects were under way", []runtime.Suspicion{{}, {Losses: 1}}, true},
		{"another suspect was under way", []runtime.Suspicion{{}, {Losses: 2, Probation: runtime.ProbationGroup}}, false},
	} {
		lost := make([]runtime.Execution, len(c.lost))
		for i, s := range c.lost {
			lost[i] = runtime.Execution{State: runtime.StateRunning, Attempt: 1, Suspicion: s}
		}
		waiting := []runtime.Execution{{State: runtime.StateQueued, ID: "x", Tenant: "a", Attempt: 4, Suspicion: charged}}
		changes := AfterDeath(lost, waiting, time.Now())
		want := charged
		if c.absolved {
			want = runtime.Suspicion{Losses: 4}
		}
		if waiting[0].Suspicion != want || (len(changes) == 1 && changes[0].Suspicion == want) != c.absolved {
			t.Errorf("%s: %+v, %+v", c.what, changes, waiting[0].Suspicion)
		}
	}
}

// TestOnlyTheOnlySuspectIsCharged checks whom a death charges.
func TestOnlyTheOnlySuspectIsCharged(t *testing.T) {
	for _, c := range []struct {
		p       runtime.Probation
		beside  runtime.Suspicion
		charges uint8
	}{
		{runtime.ProbationAlone, runtime.Suspicion{Losses: 1}, aloneCharge},
		{runtime.ProbationBeside, runtime.Suspicion{}, besideCharge},
		{runtime.ProbationGroup, runtime.Suspicion{}, 0},
		{runtime.ProbationOutlived, runtime.Suspicion{}, 0},
		{runtime.ProbationAlone, runtime.Suspicion{Losses: 2, Probation: runtime.ProbationOutlived}, 0},
	} {
		lost := []runtime.Execution{
			{State: runtime.StateRunning, Suspicion: runtime.Suspicion{Losses: 5, Probation: c.p}},
			{State: runtime.StateRunning, Suspicion: c.beside},
		}
		AfterDeath(lost, nil, time.Now())
		if s := lost[0].Suspicion; s.Charges != c.charges || s.Probation != runtime.ProbationNone || lost[1].Suspicion.Charges != 0 || lost[0].LostAttempts != 1 {
			t.Errorf("%+v: %+v", c, lost)
		}
	}
}
