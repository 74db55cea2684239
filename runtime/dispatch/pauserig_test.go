package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// began notes which runs have begun, by function.
type began struct {
	mu        sync.Mutex
	functions map[string]int
}

func (b *began) note(function string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.functions == nil {
		b.functions = make(map[string]int)
	}
	b.functions[function]++
}

func (b *began) of(function string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.functions[function]
}

// submitAs accepts an execution of a function, with a suspicion, and queues it.
func (r *rig) submitAs(o *dispatch.Origin, s runtime.Suspicion) string {
	r.t.Helper()
	return r.submitExecution(o, runtime.Execution{Suspicion: s})
}

// submitLost accepts an execution that has lost an attempt, and queues it.
func (r *rig) submitLost(o *dispatch.Origin) string {
	r.t.Helper()
	return r.submitExecution(o, runtime.Execution{LostAttempts: 1})
}

// submitExecution accepts an execution with what it has of a suspicion and of lost attempts.
func (r *rig) submitExecution(o *dispatch.Origin, with runtime.Execution) string {
	r.t.Helper()
	if err := r.Reserve(1, nil, nil); err != nil {
		r.t.Fatal(err)
	}
	defer r.Unreserve(1, 0, nil)
	batch := []runtime.Accepted{{Args: []byte("1"), Execution: runtime.Execution{
		ID: runtime.NewID(), Tenant: o.Tenant, Kind: runtime.KindRun, FunctionID: o.FunctionID, Function: o.Function,
		Version: 1, State: runtime.StateQueued, Created: time.Now().UTC(),
	}}}
	if _, _, err := r.store.Accept(batch, nil); err != nil {
		r.t.Fatal(err)
	}
	x := &batch[0].Execution
	x.Suspicion, x.LostAttempts = with.Suspicion, with.LostAttempts
	r.Add([]*dispatch.QueuedRun{dispatch.NewQueuedRun(o, x)})
	return x.ID
}

func (r *rig) pause(o *dispatch.Origin, paused bool) {
	r.SetPaused(&runtime.Function{Tenant: o.Tenant, ID: o.FunctionID, Name: o.Function, Paused: paused})
}

// TestPauseOfASuspect pauses the function of a suspect at many times before it goes alone, also while it waits
// for the memory to do so: once the pause has returned it does not begin, others go on, nothing is lost from the
// backlog, and it is not charged. Resumed, it runs. Cancelled, it gives back its place.
func TestPauseOfASuspect(t *testing.T) {
	for _, busy := range []bool{false, true} {
		for _, cancelled := range []bool{false, true} {
			for at := time.Duration(0); at <= 3*time.Second; at += 60 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) { testPauseOfASuspect(t, at, busy, cancelled) })
				if t.Failed() {
					t.Fatalf("paused after %v, busy: %t, cancelled: %t", at, busy, cancelled)
				}
			}
		}
	}
}

func testPauseOfASuspect(t *testing.T, at time.Duration, busy, cancelled bool) {
	var began began
	release := make(chan struct{})
	r := newRig(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		if began.note(c.Info.Function); c.Info.Function == "busy" {
			<-release
		}
		return runtime.Outcome{Result: c.Args}, nil
	}, 1)
	defer r.close()
	origin := func(name string) *dispatch.Origin {
		return &dispatch.Origin{Tenant: tenant, FunctionID: runtime.NewID(), Function: name, Version: 1}
	}
	blocker := ""
	if busy {
		blocker = r.submitAs(origin("busy"), runtime.Suspicion{})
		synctest.Wait()
	}
	suspected := origin("suspect")
	id := r.submitAs(suspected, runtime.Suspicion{Losses: 2})
	time.Sleep(at)
	synctest.Wait()
	r.pause(suspected, true)
	before := began.of("suspect")
	if busy {
		close(release)
		r.await(blocker)
	}
	other := r.submitAs(origin("other"), runtime.Suspicion{})
	if x := r.await(other); x.State != runtime.StateSucceeded {
		t.Errorf("the other run is %s", x.State)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if n := began.of("suspect"); n != before {
		t.Errorf("the suspect began %d times before the pause, and %d times in all", before, n)
	}
	if busy && before > 0 {
		t.Error("the suspect began without memory")
	}
	if before == 0 {
		if b := r.Backlog(); b.Waiting != 0 || b.Paused != 1 || b.Active != 0 {
			t.Errorf("the backlog is %+v", b)
		}
		if x, err := r.store.GetExecution(tenant, id); err != nil || x.State != runtime.StateQueued || x.Suspicion.Charges > 0 {
			t.Errorf("the suspect: %+v, %v", x, err)
		}
	}
	if cancelled && before == 0 {
		if _, changed, err := r.store.Cancel(tenant, id, time.Now()); err != nil || !changed {
			t.Error(changed, err)
		}
		r.Forget(tenant, id)
	} else {
		r.pause(suspected, false)
		if x := r.await(id); x.State != runtime.StateSucceeded {
			t.Errorf("the suspect is %s", x.State)
		}
	}
	synctest.Wait()
	if b := r.Backlog(); b != (dispatch.Backlog{}) || len(r.Load(tenant)) > 1 {
		t.Errorf("the backlog is %+v, the load %v", b, r.Load(tenant))
	}
	if ahead, idle := r.Idle(); ahead != 0 || !idle {
		t.Errorf("%d are ahead, idle %t", ahead, idle)
	}
}

// submitTasks accepts an execution of a job, and queues its tasks.
func (r *rig) submitTasks(n, parallelism int) (ids []string) {
	r.t.Helper()
	now := time.Now().UTC()
	j := runtime.Job{ID: runtime.NewID(), Tenant: tenant, Name: "j", Revision: 1, Spec: runtime.JobSpec{Function: "hello"}, Created: now, Updated: now}
	if err := r.store.CreateJob(j); err != nil {
		r.t.Fatal(err)
	}
	x := runtime.JobExecution{
		ID: runtime.NewID(), Name: "x", Tenant: tenant, JobID: j.ID, Job: j.Name, Revision: 1, FunctionID: r.origin.FunctionID, Function: r.origin.Function,
		State: runtime.StateQueued, Created: now, Updated: now, Stats: runtime.TaskCounts{Total: n}, Parallelism: parallelism,
		Memory: runtime.MinMemory, Timeout: time.Minute,
	}
	tasks := x.Tasks(1, make([]json.RawMessage, n))
	if _, _, err := r.store.AcceptJob(x, tasks, nil, nil); err != nil {
		r.t.Fatal(err)
	}
	o := *r.origin
	o.Job = dispatch.NewTaskGroup(&x)
	r.AddGroup(o.Job)
	runs := make([]*dispatch.QueuedRun, n)
	for i := range tasks {
		ids = append(ids, tasks[i].Execution.ID)
		runs[i] = dispatch.NewQueuedRun(&o, &tasks[i].Execution)
	}
	r.Add(runs)
	return ids
}

// TestRunsTakenBackGoFirst pauses a function whose runs have leases and wait for memory: resumed, its runs begin
// in the order of their acceptance, tasks of a job that keeps to its parallelism included.
func TestRunsTakenBackGoFirst(t *testing.T) {
	for _, parallelism := range []int{0, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var order []string
			r := newRig(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
				mu.Lock()
				order = append(order, c.Info.Execution)
				mu.Unlock()
				time.Sleep(time.Second)
				return runtime.Outcome{Result: c.Args}, nil
			}, 1)
			defer r.close()
			var ids []string
			if parallelism == 0 {
				ids = r.submit(8, 0)
			} else {
				ids = r.submitTasks(8, parallelism)
			}
			time.Sleep(time.Second / 2)
			for range 3 { // again and again
				r.pause(r.origin, true)
				time.Sleep(3 * time.Second)
				r.pause(r.origin, false)
				time.Sleep(1500 * time.Millisecond)
			}
			for _, id := range ids {
				for {
					if x, err := r.store.GetExecution(tenant, id); err != nil {
						t.Fatal(err)
					} else if x.State.Terminal() {
						break
					}
					time.Sleep(time.Second)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(order) != fmt.Sprint(ids) {
				t.Errorf("parallelism %d: %v began, want %v", parallelism, order, ids)
			}
		})
	}
}
