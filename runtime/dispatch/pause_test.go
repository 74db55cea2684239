package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

func pausedFunctionOf(tenant runtime.Tenant, id string) *runtime.Function {
	return &runtime.Function{Tenant: tenant, ID: id, Name: "name of " + id, Paused: true}
}

func resumedFunctionOf(tenant runtime.Tenant, id string) *runtime.Function {
	f := pausedFunctionOf(tenant, id)
	f.Paused = false
	return f
}

// TestPlanPauses holds what is queued, what comes, retries and tasks of a function, and nothing of others, also not
// of the function with the same id of another tenant. Resumed, all starts in order.
func TestPlanPauses(t *testing.T) {
	p := testPlan()
	p.target = 100
	for i := range 2 {
		p.put(queued("a", "f", fmt.Sprint("af", i)))
		p.put(queued("a", "g", fmt.Sprint("ag", i)))
		p.put(queued("b", "f", fmt.Sprint("bf", i)))
	}
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a", Parallelism: 2})
	tasksOf(p, g, 3) // of f
	if waiting := p.pause(pausedFunctionOf("a", "f")); len(waiting) != 0 {
		t.Errorf("attempts: %v", waiting)
	}
	p.pause(pausedFunctionOf("a", "f")) // again
	p.put(queued("a", "f", "af2"))
	later := queued("a", "f", "af3")
	later.notBefore = 5
	p.put(later)
	if got := fmt.Sprint(chosen(p, 10)); got != "[ag0 bf0 ag1 bf1]" {
		t.Errorf("leased %s", got)
	}
	if got := chosen(p, 20); got != nil || !p.idle() {
		t.Errorf("leased %v, idle %t", got, p.idle())
	}
	if p.size() != 7 || p.queue.Paused() != 6 || !p.oldest("a").IsZero() {
		t.Errorf("the backlog has %d runs, %d of them paused, the oldest is of %v", p.size(), p.queue.Paused(), p.oldest("a"))
	}
	p.resume(resumedFunctionOf("b", "f")) // is not paused
	if got := chosen(p, 30); got != nil {
		t.Errorf("leased %v", got)
	}
	p.resume(resumedFunctionOf("a", "f"))
	got := chosen(p, 40)
	slices.Sort(got)
	if fmt.Sprint(got) != "[af0 af1 af2 af3 x0 x1]" || len(p.paused) != 0 || p.queue.Paused() != 0 {
		t.Errorf("leased %v, %v", got, p.paused)
	}
	for _, id := range got {
		start(t, p, id)
		p.drop(p.active[id])
	}
	if got := fmt.Sprint(chosen(p, 50)); got != "[x2]" {
		t.Errorf("leased %s", got)
	}
}

// TestPauseReturnsWhatHasNotBegun returns the attempts that have a lease and have not begun, and those alone.
func TestPauseReturnsWhatHasNotBegun(t *testing.T) {
	p := testPlan()
	p.target = 4
	p.put(queued("a", "f", "begun"))
	p.put(queued("a", "f", "leased"))
	p.put(queued("a", "g", "other"))
	p.put(queued("b", "f", "neighbour"))
	if got := chosen(p, 1); len(got) != 4 {
		t.Fatalf("leased %v", got)
	}
	start(t, p, "begun")
	waiting := p.pause(pausedFunctionOf("a", "f"))
	if len(waiting) != 1 || waiting[0].run.id != "leased" {
		t.Errorf("%v have not begun", waiting)
	}
}

// TestPauseStopsWhatIsReady lets an attempt that waits only for a worker not begin once its function is paused.
func TestPauseStopsWhatIsReady(t *testing.T) {
	p := testPlan()
	p.put(queued("a", "f", "ready"))
	p.put(queued("a", "g", "other"))
	if got := chosen(p, 1); len(got) != 2 {
		t.Fatalf("leased %v", got)
	}
	ready, other := p.active["ready"], p.active["other"]
	p.ready, p.admitted, p.workers = []*attempt{ready, other}, 2, 2
	for _, a := range p.pause(pausedFunctionOf("a", "f")) {
		a.cancel()
	}
	if a, begins := p.begin(1, time.Now); a != ready || begins || !ready.began.IsZero() || p.admitted != 1 {
		t.Errorf("%v began: %t", a, begins)
	}
	if a, begins := p.begin(1, time.Now); a != other || !begins {
		t.Errorf("%v began: %t", a, begins)
	}
}

// TestResumeFreesTheTenant lets the runs of a function start when it is resumed, though the tenant was held
// because the runs of another function wait for their share of memory.
func TestResumeFreesTheTenant(t *testing.T) {
	p := testPlan()
	p.target = 3
	p.put(queued("a", "f", "f0"))
	if got := fmt.Sprint(chosen(p, 1)); got != "[f0]" {
		t.Fatalf("leased %s", got)
	}
	p.setAside(p.active["f0"], false)
	p.pause(pausedFunctionOf("a", "g"))
	p.put(queued("a", "f", "f1"))
	p.put(queued("a", "g", "g0"))
	if got := chosen(p, 2); got != nil {
		t.Fatalf("leased %v", got)
	}
	p.resume(resumedFunctionOf("a", "g"))
	if got := fmt.Sprint(chosen(p, 3)); got != "[g0]" {
		t.Errorf("leased %s", got)
	}
}

// TestPausedRunsAreCancelled gives back the places of paused runs that are cancelled: of one, of an execution of a
// job, of single tasks, of suspects, and of those that enter the queue later.
func TestPausedRunsAreCancelled(t *testing.T) {
	p := testPlan()
	p.target = 100
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a"})
	p.pause(pausedFunctionOf("a", "f"))
	tasksOf(p, g, 3)
	suspect := queuedTask(g, "x9")
	suspect.suspicion.Losses = suspectLosses
	p.put(suspect)
	p.put(queued("a", "f", "one"))
	if p.size() != 5 || p.pausedSuspects != 1 || p.suspects() != 0 {
		t.Fatalf("%d runs, %d suspects, %d of them paused", p.size(), p.suspects(), p.pausedSuspects)
	}
	p.cancelGroup("x")
	if p.size() != 1 || p.pausedSuspects != 0 || g.state.places != 0 {
		t.Errorf("%d runs are left, %d suspects, %d places", p.size(), p.pausedSuspects, g.state.places)
	}
	p.forget("a", "one")
	if p.size() != 0 {
		t.Errorf("%d runs are left", p.size())
	}
	alone, later := queued("a", "f", "alone"), queued("a", "f", "later")
	alone.suspicion.Losses = suspectLosses
	later.notBefore = 5
	p.put(alone)
	p.put(later)
	p.forget("a", "alone")
	p.forget("a", "later") // waits for its next attempt
	if chosen(p, 10); p.size() != 0 || p.pausedSuspects != 0 {
		t.Errorf("%d runs are left, %d suspects", p.size(), p.pausedSuspects)
	}
	y := NewTaskGroup(&runtime.JobExecution{ID: "y", Tenant: "a", Parallelism: 1})
	tasksOf(p, y, 3)
	p.forget("a", "y1") // waits for y0
	p.forget("a", "y0")
	if p.size() != 1 || p.held != 0 || y.state.places != 1 || len(p.gone) != 0 {
		t.Errorf("%d tasks are left, %d held, %d places, %v", p.size(), p.held, y.state.places, p.gone)
	}
	p.forget("a", "y2")
	if len(p.load) != 0 || p.size() != 0 || y.state.places != 0 {
		t.Errorf("left are %v, %d places", p.load, y.state.places)
	}
	p.put(queued("a", "f", "two"))
	p.resume(resumedFunctionOf("a", "f"))
	if got := fmt.Sprint(chosen(p, 1)); got != "[two]" {
		t.Errorf("leased %s", got)
	}
}

// TestPausedSuspects lets suspects of a paused function not start, whatever stage they have reached, and others
// go on probation meanwhile. Resumed, they do so in their order.
func TestPausedSuspects(t *testing.T) {
	suspected := func(tenant runtime.Tenant, function, id string, s runtime.Suspicion) *QueuedRun {
		r := queued(tenant, function, id)
		r.suspicion = s
		return r
	}
	p := testPlan()
	for i := range 4 {
		p.put(suspected("a", "f", fmt.Sprint("f", i), runtime.Suspicion{Losses: 2}))
	}
	p.put(suspected("a", "f", "late", runtime.Suspicion{Losses: 2, Stretch: 1}))
	p.put(suspected("a", "g", "g0", runtime.Suspicion{Losses: 2}))
	p.pause(pausedFunctionOf("a", "f"))
	if p.suspects() != 1 || p.pausedSuspects != 5 || p.size() != 6 {
		t.Fatalf("%d suspects, %d paused, %d in all", p.suspects(), p.pausedSuspects, p.size())
	}
	// The only suspect that is left goes alone, after its control period.
	var clock int64
	var reserve *attempt
	for range 100 {
		s := p.choose(clock, bareAttempt)
		if reserve = s.reserve; reserve != nil {
			break
		}
		clock += int64(time.Second)
	}
	if reserve == nil || reserve.run.id != "g0" {
		t.Fatalf("%v goes alone", reserve)
	}
	if waiting := p.pause(pausedFunctionOf("a", "g")); len(waiting) != 1 || waiting[0] != reserve {
		t.Errorf("%v have not begun", waiting)
	}
	p.quiet.stage = reserved // it got its memory at the same time
	reserve.cancel()
	if s := p.choose(clock, bareAttempt); s.discard != reserve || !s.resume || s.pause || p.pausedSuspects != 6 || p.suspects() != 0 {
		t.Errorf("the next step is %+v, %d suspects are paused", s, p.pausedSuspects)
	}
	p.resume(resumedFunctionOf("a", "f"))
	if ids := idsOf(p.lanes[0].waiting); ids != "[f0 f1 f2 f3]" || idsOf(p.lanes[1].waiting) != "[late]" || p.pausedSuspects != 1 {
		t.Errorf("%s and %s wait, %d are paused", ids, idsOf(p.lanes[1].waiting), p.pausedSuspects)
	}
}

// TestCancelledRunsAreForgotten keeps nothing of runs that were cancelled, once they have had their turns or their
// execution of a job was cancelled as a whole.
func TestCancelledRunsAreForgotten(t *testing.T) {
	p := testPlan()
	const n = 2 * fewWaiting
	p.target = 4 * n
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a"})
	tasksOf(p, g, n)
	for i := range n {
		p.put(queued("a", "f", fmt.Sprint("f", i)))
	}
	for i := range 10 {
		p.forget("a", fmt.Sprint("x", i))
		p.forget("a", fmt.Sprint("f", i))
	}
	if p.queue.Len() != 2*n {
		t.Fatalf("%d runs wait", p.queue.Len())
	}
	p.cancelGroup("x")
	leased := chosen(p, 1)
	if len(leased) != n {
		t.Fatalf("%d runs are leased", len(leased))
	}
	for _, id := range leased {
		p.drop(p.active[id])
	}
	p.put(queued("a", "f", "last"))
	if chosen(p, 2); len(p.gone) != 0 {
		t.Errorf("%d tenants have cancelled runs", len(p.gone))
	}
}

func idsOf(runs []*QueuedRun) string {
	ids := []string{}
	for _, r := range runs {
		ids = append(ids, r.id)
	}
	return fmt.Sprint(ids)
}

// BenchmarkPause pauses a function with many queued runs, and resumes it.
func BenchmarkPause(b *testing.B) {
	for _, n := range []int{1, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := testPlan()
			for i := range n {
				p.put(queued("a", "f", fmt.Sprint(i)))
			}
			paused, resumed := pausedFunctionOf("a", "f"), resumedFunctionOf("a", "f")
			for b.Loop() {
				p.pause(paused)
				p.resume(resumed)
			}
		})
	}
}
