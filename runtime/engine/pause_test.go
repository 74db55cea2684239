package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

func pause(t testing.TB, e *engine.Engine, name string, paused bool) runtime.Function {
	t.Helper()
	f, err := e.PauseFunction(ctx, runtime.FunctionPause{Tenant: tenant, Name: name, Paused: paused, UserID: "ada"})
	if err != nil || f.Paused != paused || f.Name != name {
		t.Fatalf("PauseFunction returned %+v, %v", f, err)
	}
	return f
}

// ranBy notes the args of runs by function.
type ranBy struct {
	mu   sync.Mutex
	args map[string][]string
}

func (r *ranBy) call(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.args == nil {
		r.args = make(map[string][]string)
	}
	name := string(c.Program.Tenant) + "/" + c.Info.Function
	r.args[name] = append(r.args[name], string(c.Args))
	return runtime.Outcome{Result: append([]byte(nil), c.Args...)}, nil
}

func (r *ranBy) of(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.args[name]...)
}

func loadOf(t testing.TB, e *engine.Engine, function string) runtime.FunctionLoad {
	t.Helper()
	s, err := e.GetStats(ctx, tenant, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Functions {
		if f.Function == function {
			return f.FunctionLoad
		}
	}
	return runtime.FunctionLoad{}
}

// TestPausedFunction begins no background run of a paused function, and no task: not those that are accepted, alone
// or in bulk, and not after a loss of power, an update or a new name. Its blocking runs, other functions and other
// tenants go on. Resumed, all that was accepted runs, in its order, except for what was cancelled.
func TestPausedFunction(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	var ran ranBy
	options := engine.Options{Sandbox: &fakeSandbox{call: ran.call}, MaxRuns: 1}
	e := engineOn(t, d.store, options)
	for _, name := range []string{"hello", "other"} {
		create(t, e, spec(name, "[]"))
	}
	neighbour := spec("hello", "[]")
	neighbour.Tenant = "b"
	create(t, e, neighbour)
	j, err := e.CreateJob(ctx, job(runtime.JobSpec{}))
	if err != nil {
		t.Fatal(err)
	}
	before := pause(t, e, "hello", true)
	changes := func() (n int) {
		list, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{}, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if x := &list[i]; x.Kind == runtime.KindUpdate && x.Function == "hello" && x.Caller.UserID == "ada" {
				n++
			}
		}
		return n
	}
	if again := pause(t, e, "hello", true); again != before || changes() != 1 {
		t.Errorf("paused again it is %+v, before %+v; there are %d changes", again, before, changes())
	}

	// othersGoOn checks that what is paused has not begun, once others that came later have ended.
	n := 0
	othersGoOn := func(e *engine.Engine, name string) {
		t.Helper()
		n++
		await(t, e, submit(t, e, runtime.SubmitRequest{Function: "other", Args: fmt.Appendf(nil, `{"other":%d}`, n)}))
		a, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: "b", Function: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		if x, err := e.AwaitExecution(ctx, "b", a.IDs[0]); err != nil || x.State != runtime.StateSucceeded {
			t.Fatalf("%+v, %v", x, err)
		}
		if got := ran.of("a/hello"); len(got) != 0 {
			t.Fatalf("runs of the paused function: %v", got)
		}
		if l := loadOf(t, e, name); !l.Paused {
			t.Errorf("the load is %+v", l)
		}
	}
	bulk, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(20)})
	if err != nil {
		t.Fatal(err)
	}
	x := startJob(t, e, runtime.JobStartRequest{Job: j.Name, Tasks: tasks(5)})
	_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1), NoQueue: true})
	if coded := wantCode(t, err, runtime.CodeTooBusy); !strings.Contains(coded.Message, "paused") {
		t.Errorf("an execution that must start now: %v", err)
	}
	othersGoOn(e, "hello")
	if l, figures := loadOf(t, e, "hello"), e.Figures(); l.Queued != 25 || l.Running != 0 || figures.Paused != 25 || figures.Waiting != 0 || figures.Oldest != 0 {
		t.Errorf("%+v, %+v", l, figures)
	}
	if x, err := run(e, "hello", `{"blocking":1}`); err != nil || x.State != runtime.StateSucceeded {
		t.Errorf("a blocking run: %+v, %v", x, err)
	}
	ran.args = nil
	if x, changed, err := e.CancelExecution(ctx, tenant, bulk.IDs[3]); err != nil || !changed || x.State != runtime.StateCancelled {
		t.Errorf("a paused run is cancelled: %+v, %t, %v", x, changed, err)
	}

	after := d.crash(t)
	abandon(t, e, d)
	e = engineOn(t, after.store, options)
	othersGoOn(e, "hello")
	if f, err := e.GetFunction(ctx, tenant, "hello"); err != nil || !f.Function.Paused || f.Version.Number != 1 {
		t.Errorf("after a restart: %+v, %v", f.Function, err)
	}
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")}); err != nil {
		t.Fatal(err)
	}
	othersGoOn(e, "hello")
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	othersGoOn(e, "renamed")
	if l := loadOf(t, e, "hello"); l.Paused || l.Queued != 24 {
		t.Errorf("under its former name: %+v", l)
	}

	pause(t, e, "renamed", false)
	pause(t, e, "renamed", false)
	if done := awaitJob(t, e, x); done.Stats.Succeeded != 5 {
		t.Errorf("the job: %+v", done)
	}
	var want []string
	for i, id := range bulk.IDs {
		if i == 3 {
			continue
		}
		if x := await(t, e, id); x.State != runtime.StateSucceeded || x.Attempt != 1 {
			t.Errorf("%s is %s after %d attempts", id, x.State, x.Attempt)
		}
		want = append(want, fmt.Sprintf(`{"n":%d}`, i))
	}
	var got []string
	tasks := 0
	for _, args := range ran.of("a/hello") {
		if len(got) < len(want) && args == want[len(got)] {
			got = append(got, args)
		} else {
			tasks++
		}
	}
	if len(got) != len(want) || tasks != 5 {
		t.Errorf("the runs were %v", ran.of("a/hello"))
	}
	closeAll(t, e, after)
}

// TestPauseTakesBackWhatHasNotBegun pauses a function one of whose runs has begun while others have a lease and wait
// for memory: that one goes on, none of the others begins, they can be cancelled, and none is charged. Resumed, they
// begin in the order of their acceptance.
func TestPauseTakesBackWhatHasNotBegun(t *testing.T) {
	g := newGated()
	var mu sync.Mutex
	var order []string // of the ids of the runs that began
	box := &fakeSandbox{call: func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		if c.Info.Function == "other" {
			return runtime.Outcome{Result: []byte("1")}, nil
		}
		mu.Lock()
		order = append(order, c.Info.Execution)
		mu.Unlock()
		return g.run(ctx, c.Program, nil, nil)
	}}
	e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1, Memory: memory.New(1<<30, nil)})
	create(t, e, spec("hello", "[]"))
	create(t, e, spec("other", "[]"))
	a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(10)})
	if err != nil {
		t.Fatal(err)
	}
	<-g.began
	for loadOf(t, e, "hello").Running < 3 { // two leases ahead
		time.Sleep(time.Millisecond)
	}
	pause(t, e, "hello", true)
	for _, i := range []int{1, 5} { // it had a lease, and had none
		id := a.IDs[i]
		if _, changed, err := e.CancelExecution(ctx, tenant, id); err != nil || !changed {
			t.Errorf("the cancellation of run %d: %t, %v", i, changed, err)
		}
		if x := await(t, e, id); x.State != runtime.StateCancelled {
			t.Errorf("run %d is %s", i, x.State)
		}
	}
	g.end <- struct{}{}
	if x := await(t, e, a.IDs[0]); x.State != runtime.StateSucceeded {
		t.Errorf("the run that had begun is %s", x.State)
	}
	await(t, e, submit(t, e, runtime.SubmitRequest{Function: "other"}))
	if len(g.began) > 0 {
		t.Error("a run began while its function was paused")
	}
	if l := loadOf(t, e, "hello"); l != (runtime.FunctionLoad{Queued: 7, Paused: true}) {
		t.Errorf("%+v", l)
	}
	close(g.end)
	pause(t, e, "hello", false)
	for i, id := range a.IDs[1:] {
		if x := await(t, e, id); i+1 != 1 && i+1 != 5 && x.State != runtime.StateSucceeded || x.FunctionFailures+x.PlatformFailures+x.LostAttempts > 0 {
			t.Errorf("run %d is %+v", i+1, x)
		}
	}
	if n := len(g.began); n != 7 {
		t.Errorf("%d runs began, want 7", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := slices.Delete(slices.Delete(slices.Clone(a.IDs), 5, 6), 1, 2); !slices.Equal(order, want) {
		t.Errorf("%v began, want %v", order, want)
	}
}

// TestPausedFunctionIsDeleted lets the queued runs of a paused function fail when it is deleted, and a new function of
// its name is not paused.
func TestPausedFunctionIsDeleted(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}})
	create(t, e, spec("hello", "[]"))
	pause(t, e, "hello", true)
	id := submit(t, e, runtime.SubmitRequest{})
	if _, err := remove(e, "hello"); err != nil {
		t.Fatal(err)
	}
	if x := await(t, e, id); x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassRejected {
		t.Errorf("%+v", x)
	}
	create(t, e, spec("hello", "[]"))
	if x := await(t, e, submit(t, e, runtime.SubmitRequest{})); x.State != runtime.StateSucceeded {
		t.Errorf("%+v", x)
	}
	_, err := e.PauseFunction(ctx, runtime.FunctionPause{Tenant: tenant, Name: "none", Paused: true})
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.PauseFunction(ctx, runtime.FunctionPause{Tenant: "b", Name: "hello", Paused: true})
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.PauseFunction(ctx, runtime.FunctionPause{Tenant: tenant, Name: "/", Paused: true})
	wantCode(t, err, runtime.CodeInvalidArgument)
}

// TestPauseThatIsNotStored leaves a function as it is if the store refuses.
func TestPauseThatIsNotStored(t *testing.T) {
	store := &refusingUpdates{Store: newStore(t)}
	e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{run: echo}})
	create(t, e, spec("hello", "[]"))
	store.refuse = true
	_, err := e.PauseFunction(ctx, runtime.FunctionPause{Tenant: tenant, Name: "hello", Paused: true})
	wantCode(t, err, runtime.CodeUnavailable)
	if x := await(t, e, submit(t, e, runtime.SubmitRequest{})); x.State != runtime.StateSucceeded {
		t.Errorf("%+v", x)
	}
	if l := loadOf(t, e, "hello"); l.Paused {
		t.Errorf("%+v", l)
	}
}

// refusingUpdates is a store that refuses updates of functions.
type refusingUpdates struct {
	runtime.Store
	refuse bool
}

func (s *refusingUpdates) UpdateFunction(f runtime.Function, v *runtime.Version, c runtime.Change) error {
	if s.refuse {
		return runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	}
	return s.Store.UpdateFunction(f, v, c)
}

// TestPausesAtAnyTime pauses and resumes a function again and again while its runs are accepted, run, fail, are tried
// again and are cancelled: each reaches one final state, and nothing is left.
func TestPausesAtAnyTime(t *testing.T) {
	var mu sync.Mutex
	ended := map[string]int{}
	box := &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		if ended[string(args)]++; ended[string(args)] == 1 && len(args)%2 == 0 {
			return runtime.Outcome{}, errors.New("no luck")
		}
		return runtime.Outcome{Result: append([]byte(nil), args...)}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 3})
	create(t, e, spec("hello", "[]"))
	stop := make(chan struct{})
	var pauses sync.WaitGroup
	pauses.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := e.PauseFunction(ctx, runtime.FunctionPause{Tenant: tenant, Name: "hello", Paused: i%2 == 0}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var ids []string
	for range 20 {
		a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(25)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.IDs...)
		for _, id := range a.IDs[:5] {
			if _, _, err := e.CancelExecution(ctx, tenant, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	pauses.Wait()
	pause(t, e, "hello", false)
	for i, id := range ids {
		x := await(t, e, id)
		if x.State != runtime.StateSucceeded && (i%25 >= 5 || x.State != runtime.StateCancelled) {
			t.Errorf("run %d is %+v", i, x)
		}
	}
	for f := e.Figures(); f.Waiting+f.Paused+f.Delayed+f.Held+f.Running > 0; f = e.Figures() {
		time.Sleep(time.Millisecond) // until the last end is noted; a run that is left ends the test by its time limit
	}
}

// TestNoQueueWhilePaused accepts no execution of a job of a paused function that must not be queued, and stores
// nothing.
func TestNoQueueWhilePaused(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{})
	pause(t, e, "hello", true)
	now := runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1), NoQueue: true}
	_, err := e.StartJob(ctx, now)
	if wantCode(t, err, runtime.CodeTooBusy).RetryAfter == 0 {
		t.Error("the error has no RetryAfter")
	}
	if page, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{}); err != nil || page.Total != 0 {
		t.Errorf("there are %d executions, %v", page.Total, err)
	}
	pause(t, e, "hello", false)
	awaitJob(t, e, startJob(t, e, now))
}

// TestTasksOfAPausedFunctionAreCancelled gives back the places of tasks that are cancelled one by one while their
// function is paused, and lets the others run later.
func TestTasksOfAPausedFunctionAreCancelled(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{MaxConcurrentTasks: 2})
	pause(t, e, "hello", true)
	x := startJob(t, e, runtime.JobStartRequest{Job: j.Name, Tasks: tasks(6)})
	for i := range 4 {
		id := runtime.TaskID(x.ID, i)
		if x, changed, err := e.CancelExecution(ctx, tenant, id); err != nil || !changed || x.State != runtime.StateCancelled {
			t.Errorf("task %d: %+v, %t, %v", i, x, changed, err)
		}
	}
	if l := loadOf(t, e, "hello"); l != (runtime.FunctionLoad{Queued: 2, Paused: true}) {
		t.Errorf("the load is %+v", l)
	}
	pause(t, e, "hello", false)
	if done := awaitJob(t, e, x); done.Stats.Succeeded != 2 || done.Stats.Cancelled != 4 {
		t.Errorf("the job: %+v", done.Stats)
	}
}
