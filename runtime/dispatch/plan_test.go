package dispatch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/notify"
)

// The tests of plan need neither a store nor a goroutine: plan only decides.

func testPlan() *plan {
	p := newPlan(notify.NewSignal())
	return &p
}

func queued(tenant runtime.Tenant, function, id string) *QueuedRun {
	return NewQueuedRun(&Origin{Tenant: tenant, FunctionID: function}, &runtime.Execution{ID: id})
}

func bareAttempt(r *QueuedRun) *attempt {
	a := &attempt{run: r, version: &Version{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// chosen returns the ids of the runs that the plan leases next.
func chosen(p *plan, clock int64) (ids []string) {
	for _, a := range p.choose(clock, bareAttempt).batch {
		ids = append(ids, a.run.id)
	}
	return ids
}

// start lets the plan begin an attempt that has memory.
func start(t *testing.T, p *plan, id string) *attempt {
	t.Helper()
	a := p.active[id]
	p.ready = append(p.ready, a)
	p.admitted++
	if got, begins := p.begin(1, time.Now); got != a || !begins {
		t.Fatalf("%v began, want the attempt of %s", got, id)
	}
	return a
}

func TestPlanTakesTurns(t *testing.T) {
	p := testPlan()
	for i := range 3 {
		p.put(queued("a", "f", fmt.Sprint("af", i)))
	}
	p.put(queued("a", "g", "ag0"))
	p.put(queued("b", "f", "bf0"))
	p.target = 10
	if got := fmt.Sprint(chosen(p, 1)); got != "[af0 bf0 ag0 af1 af2]" {
		t.Errorf("the order is %s", got)
	}
}

func TestPlanLeasesNoMoreThanItsTarget(t *testing.T) {
	p := testPlan()
	for i := range 10 {
		p.put(queued("a", "f", fmt.Sprint(i)))
	}
	if got := chosen(p, 1); len(got) != minAhead {
		t.Errorf("%d are leased, want %d", len(got), minAhead)
	}
	if got := chosen(p, 1); len(got) != 0 {
		t.Errorf("%v are leased beyond the target", got)
	}
	// Runs that are short let the number of leases ahead grow, long ones let it shrink.
	ran := p.aim(0, time.Second, time.Millisecond)
	p.ran += 1000
	ran = p.aim(ran, 10*time.Millisecond, time.Millisecond)
	if p.target < 100 || p.target > MaxAhead {
		t.Errorf("1,000 runs in 10 ms give a target of %d", p.target)
	}
	p.ran++
	p.aim(ran, time.Minute, time.Millisecond)
	if p.target != minAhead {
		t.Errorf("one run in a minute gives a target of %d", p.target)
	}
}

func TestPlanDelaysRetries(t *testing.T) {
	p := testPlan()
	late, soon := queued("a", "f", "late"), queued("a", "f", "soon")
	late.notBefore, soon.notBefore = 500, 300
	p.put(late)
	p.put(soon)
	if wait := p.choose(100, bareAttempt).wait; wait != 200 {
		t.Fatalf("the first is due after %d ns, want 200", wait)
	}
	if got := fmt.Sprint(chosen(p, 300)); got != "[soon]" {
		t.Fatalf("leased %s", got)
	}
	if got := fmt.Sprint(chosen(p, 900)); got != "[late]" {
		t.Fatalf("leased %s", got)
	}
}

// tasksOf queues n tasks of an execution of a job.
func tasksOf(p *plan, g *TaskGroup, n int) {
	p.groups[g.id] = g
	for i := range n {
		p.put(NewQueuedRun(&Origin{Tenant: g.tenant, FunctionID: "f", Job: g}, &runtime.Execution{
			ID: fmt.Sprint(g.id, i), Task: &runtime.TaskRef{JobExecution: g.id, Index: i},
		}))
	}
}

func TestPlanKeepsToTheParallelismOfAJob(t *testing.T) {
	p := testPlan()
	p.target = 100
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a", Parallelism: 3})
	tasksOf(p, g, 200)
	if p.held != 197 || p.size() != 200 {
		t.Fatalf("%d tasks wait in the group, the backlog has %d", p.held, p.size())
	}
	ended := 0
	for running := chosen(p, 1); len(running) > 0; running = chosen(p, 1) {
		if len(p.active) > 3 || g.state.places > 3 {
			t.Fatalf("%d tasks at once, %d places", len(p.active), g.state.places)
		}
		for _, id := range running {
			p.drop(p.active[id])
			p.ahead--
			ended++
		}
	}
	if ended != 200 || p.held != 0 || g.state.places != 0 || p.size() != 0 {
		t.Errorf("%d tasks ended, %d are held, %d places are taken, the backlog has %d", ended, p.held, g.state.places, p.size())
	}
}

func TestPlanCancelsAGroup(t *testing.T) {
	p := testPlan()
	p.target = 2
	g := NewTaskGroup(&runtime.JobExecution{ID: "x", Tenant: "a", Parallelism: 5})
	tasksOf(p, g, 9)
	if got := chosen(p, 1); len(got) != 2 {
		t.Fatalf("leased %v", got)
	}
	begun := start(t, p, "x0")
	waiting := p.cancelGroup("x")
	if len(waiting) != 1 || waiting[0].run.id != "x1" || !waiting[0].cancelled || begun.cancelled {
		t.Errorf("attempts to withdraw: %v", waiting)
	}
	if p.size() != 0 || p.held != 0 {
		t.Errorf("the backlog has %d runs, %d of them held", p.size(), p.held)
	}
	p.put(queuedTask(g, "x9"))
	if p.size() != 0 {
		t.Error("a task of a cancelled execution is queued")
	}
	p.drop(begun)
	p.drop(waiting[0])
	if g.state.places != 0 {
		t.Errorf("%d places are still taken", g.state.places)
	}
}

func queuedTask(g *TaskGroup, id string) *QueuedRun {
	return NewQueuedRun(&Origin{Tenant: g.tenant, FunctionID: "f", Job: g}, &runtime.Execution{ID: id})
}

func TestPlanDrains(t *testing.T) {
	p := testPlan()
	p.put(queued("a", "f", "1"))
	p.put(queued("a", "f", "2"))
	p.target = 1
	ids := chosen(p, 1)
	p.close()
	select {
	case <-p.drained:
		t.Fatal("drained while an attempt is active")
	default:
	}
	if got := chosen(p, 1); got != nil {
		t.Fatalf("%v are leased while closing", got)
	}
	p.drop(p.active[ids[0]])
	select {
	case <-p.drained:
	default:
		t.Fatal("not drained")
	}
	p.close() // again
}

// TestPlanHoldsATenantAtItsLimit checks that a tenant has no more runs than its limit, that its
// neighbour gets all other turns, and that a run starts when one ends, also one that is not of the plan.
func TestPlanHoldsATenantAtItsLimit(t *testing.T) {
	p := testPlan()
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 2})
	limited := func(id string) {
		r := queued("a", "f", id)
		r.Use = use
		p.put(r)
	}
	p.target = 100
	for i := range 5 {
		limited(fmt.Sprint("a", i))
		p.put(queued("b", "f", fmt.Sprint("b", i)))
	}
	if err := use.BeginRun(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(chosen(p, 1)); got != "[a0 b0 b1 b2 b3 b4]" {
		t.Errorf("leased %s", got)
	}
	limited("a5")
	if got := chosen(p, 1); len(got) > 0 || !p.idle() {
		t.Errorf("leased %v, idle %t", got, p.idle())
	}
	if use.BeginRun() == nil {
		t.Error("a run began beyond the limit")
	}
	start(t, p, "a0")
	p.drop(p.active["a0"])
	if got := fmt.Sprint(chosen(p, 1)); got != "[a1]" {
		t.Errorf("leased %s after the end of a run", got)
	}
	if !use.EndRun() {
		t.Fatal("the end of a run that is not of the plan is not reported")
	}
	p.free("a")
	if got := fmt.Sprint(chosen(p, 1)); got != "[a2]" {
		t.Errorf("leased %s after the end of another run", got)
	}
	if !use.SetLimits(runtime.TenantLimits{}) {
		t.Fatal("that the limit is raised is not reported")
	}
	p.free("a")
	if got := fmt.Sprint(chosen(p, 1)); got != "[a3 a4 a5]" {
		t.Errorf("leased %s without a limit", got)
	}
	if u := use.Usage(); u.Runs != 5 || u.Queued != 0 {
		t.Errorf("%+v", u)
	}
}

// TestPlanSetsAside lets the attempts of a tenant wait because its runs have all the memory that they may
// have: they take no place of those that are leased ahead, nothing else of the tenant is leased, and
// its neighbour gets its turns.
func TestPlanSetsAside(t *testing.T) {
	for _, byTenant := range []bool{false, true} {
		testSetAside(t, byTenant)
	}
}

func testSetAside(t *testing.T, byTenant bool) {
	p := testPlan()
	for i := range 10 {
		p.put(queued("a", "f", fmt.Sprint("a", i)))
	}
	if got := fmt.Sprint(chosen(p, 1)); got != "[a0 a1]" {
		t.Fatalf("leased %s", got)
	}
	p.put(queued("b", "f", "b0"))
	if got := chosen(p, 1); len(got) > 0 {
		t.Fatalf("leased %v beyond the target", got)
	}
	p.setAside(p.active["a0"], byTenant)
	p.setAside(p.active["a0"], byTenant)
	if p.ahead != 0 { // a1 waits behind a0
		t.Errorf("%d attempts are ahead", p.ahead)
	}
	if got := fmt.Sprint(chosen(p, 1)); got != "[b0]" {
		t.Errorf("leased %s beside a tenant that waits", got)
	}
	start(t, p, "b0")
	p.setAside(p.active["a1"], byTenant)
	p.countAhead(p.active["a0"], -1) // withdrawn
	p.drop(p.active["a0"])
	if got := chosen(p, 1); len(got) > 0 {
		t.Errorf("leased %v while another attempt of the tenant waits", got)
	}
	start(t, p, "a1")
	if got := fmt.Sprint(chosen(p, 1)); got != "[a2 a3]" || len(p.aheadOf) != 1 || p.aheadOf["a"].waits() {
		t.Errorf("leased %s after the attempts have begun, waiting are %v", got, p.aheadOf["a"])
	}
}

// TestPlanSetsAsideOneFunction lets an attempt of a function wait because its runs have all the memory that
// the runs of a function may have: the other functions of its tenant are leased, also those that come
// when nothing else of it waits, and its jobs that run the function wait as it does.
func TestPlanSetsAsideOneFunction(t *testing.T) {
	p := testPlan()
	for i := range 3 {
		p.put(queued("a", "f", fmt.Sprint("f", i)))
	}
	chosen(p, 1)
	p.setAside(p.active["f0"], false)
	job := NewTaskGroup(&runtime.JobExecution{ID: "job", Tenant: "a", Parallelism: 10})
	p.groups["job"] = job
	p.put(NewQueuedRun(&Origin{Tenant: "a", Use: runtime.NewTenantUse(runtime.TenantLimits{}), FunctionID: "f", Job: job}, &runtime.Execution{ID: "task"}))
	p.put(queued("a", "g", "g0"))
	if got := fmt.Sprint(chosen(p, 1)); got != "[g0]" {
		t.Errorf("leased %s beside a function that waits", got)
	}
	start(t, p, "g0")
	if got := chosen(p, 1); len(got) > 0 || !p.idle() {
		t.Errorf("leased %v of a function that waits; idle %t", got, p.idle())
	}
	p.put(queued("a", "h", "h0"))
	if got := fmt.Sprint(chosen(p, 1)); got != "[h0]" {
		t.Errorf("leased %s beside a function that waits, after nothing else did", got)
	}
	start(t, p, "h0")
	p.setAside(p.active["f1"], true) // now the tenant has its share
	p.put(queued("a", "g", "g1"))
	if got := chosen(p, 1); len(got) > 0 {
		t.Errorf("leased %v of a tenant that waits", got)
	}
	start(t, p, "f1")
	if got := fmt.Sprint(chosen(p, 1)); got != "[g1]" {
		t.Errorf("leased %s after the tenant has less", got)
	}
	start(t, p, "g1")
	start(t, p, "f0")
	if got := fmt.Sprint(chosen(p, 1)); got != "[task f2]" && got != "[f2 task]" {
		t.Errorf("leased %s after the function has less", got)
	}
	if p.ahead != 2 || p.aheadOf["a"].waits() {
		t.Errorf("%d attempts are ahead: %+v", p.ahead, p.aheadOf["a"])
	}
}

// TestAheadOfTenants counts random attempts in and out, of which some are set aside: what is ahead is what
// belongs to no function and no tenant with an attempt aside, and nothing is left in the end.
func TestAheadOfTenants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := testPlan()
		var waiting []*attempt
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			pick := rapid.IntRange(0, 100).Draw(t, "pick")
			switch kind := rapid.IntRange(0, 2).Draw(t, "kind"); {
			case kind == 0 || len(waiting) == 0:
				tenant, function := runtime.Tenant(fmt.Sprint("t", pick%2)), fmt.Sprint("f", pick%3)
				waiting = append(waiting, &attempt{run: queued(tenant, function, fmt.Sprint(i))})
				p.countAhead(waiting[len(waiting)-1], 1)
			case kind == 1:
				p.setAside(waiting[pick%len(waiting)], pick%5 == 0)
			default:
				at := pick % len(waiting)
				p.countAhead(waiting[at], -1)
				waiting = slices.Delete(waiting, at, at+1)
			}
			want := 0
			for _, a := range waiting {
				if !slices.ContainsFunc(waiting, func(b *attempt) bool {
					return b.run.Tenant == a.run.Tenant && (b.aside == asideOfTenant || b.aside == asideOfFunction && b.run.FunctionID == a.run.FunctionID)
				}) {
					want++
				}
			}
			if p.ahead != want {
				t.Fatalf("%d attempts are ahead, want %d", p.ahead, want)
			}
		}
		for _, a := range waiting {
			p.countAhead(a, -1)
		}
		if p.ahead != 0 || len(p.aheadOf) != 0 {
			t.Fatalf("%d attempts are left, of %v", p.ahead, p.aheadOf)
		}
	})
}

// TestPlanCountsQueuedRuns checks the count of a tenant's queued runs against the size of the plan: runs
// that are delayed, suspects, and tasks that wait in their group, run, and are cancelled.
func TestPlanCountsQueuedRuns(t *testing.T) {
	p := testPlan()
	use := runtime.NewTenantUse(runtime.TenantLimits{})
	check := func(when string) {
		t.Helper()
		if got, want := use.Usage().Queued, int64(p.size()); got != want {
			t.Errorf("%s: %d are counted, the plan has %d", when, got, want)
		}
	}
	put := func(id string, group *TaskGroup, change func(*QueuedRun)) {
		r := NewQueuedRun(&Origin{Tenant: "a", Use: use, FunctionID: "f", Job: group}, &runtime.Execution{ID: id})
		if change != nil {
			change(r)
		}
		p.put(r)
	}
	group := NewTaskGroup(&runtime.JobExecution{ID: "g", Tenant: "a", Parallelism: 2})
	p.groups["g"] = group
	for i := range 6 {
		put(fmt.Sprint("run", i), nil, nil)
		put(fmt.Sprint("task", i), group, nil)
	}
	put("later", nil, func(r *QueuedRun) { r.notBefore = 100 })
	put("later task", group, func(r *QueuedRun) { r.notBefore = 100 })
	put("suspect", nil, func(r *QueuedRun) { r.suspicion.Charges = 1 })
	check("queued")
	p.target = 4
	for _, id := range chosen(p, 1) {
		check("leased")
		if id == "task0" {
			start(t, p, id)
			p.drop(p.active[id])
			check("a task ended")
		}
	}
	p.cancelGroup("g")
	check("cancelled")
	p.target = 100
	chosen(p, 200)
	check("all that may start")
	if p.size() == 15 {
		t.Error("nothing has left the queue")
	}
}

// TestLoadOfManyFunctions counts runs of more functions than have entries of their own.
func TestLoadOfManyFunctions(t *testing.T) {
	l, sum := make(load), runtime.FunctionLoad{}
	name := func(i int) string { return fmt.Sprint("f", i) }
	const functions = maxLoadFunctions + 1000
	for i := range functions {
		l.count("t", name(i), 1, 0)
		l.count("t", name(i), -1, 1)
	}
	for _, n := range l["t"] {
		sum.Queued, sum.Running = sum.Queued+n.Queued, sum.Running+n.Running
	}
	if len(l["t"]) > maxLoadFunctions+1 || sum != (runtime.FunctionLoad{Running: functions}) {
		t.Errorf("%d entries, %+v in all", len(l["t"]), sum)
	}
	for i := range functions {
		l.count("t", name(i), 0, -1)
	}
	if len(l) != 0 {
		t.Errorf("left: %v", l)
	}
}

// Runs that nodes have refused, however often, are tried again in the order of their refusals, and all others in the order of their age.
func TestPlanTriesRefusedRunsInTurn(t *testing.T) {
	p := testPlan()
	p.away.lends = true
	p.target = 10
	first, second, old := queued("a", "f", "1"), queued("a", "f", "2"), queued("b", "f", "0")
	for _, r := range []*QueuedRun{second, first, old} {
		if r != old {
			r.trial().refusals = 1
		}
		p.putBack(r)
	}
	p.putBack(queued("b", "f", "00"))
	if got := fmt.Sprint(chosen(p, 1)); got != "[2 0 1 00]" {
		t.Errorf("the order is %s", got)
	}
}
