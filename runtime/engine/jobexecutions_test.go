package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// taskStates counts the tasks of an execution by state.
func taskStates(t testing.TB, e *engine.Engine, x runtime.JobExecution) map[runtime.State]int {
	t.Helper()
	page, err := e.ListTasks(ctx, tenant, x.Job, x.ID, runtime.PageRequest{Limit: runtime.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	states := map[runtime.State]int{}
	for _, task := range page.Items {
		states[task.State]++
	}
	return states
}

func cancelJob(t testing.TB, e *engine.Engine, x runtime.JobExecution, want runtime.State, changes bool) runtime.JobExecution {
	t.Helper()
	x, changed, err := e.CancelJobExecution(ctx, tenant, x.Job, x.Name)
	if err != nil || x.State != want || changed != changes {
		t.Fatalf("after the cancellation it is %+v, %v, %v; want %s", x, changed, err, want)
	}
	return x
}

// TestCancelQueuedJob cancels an execution before any of its tasks has a lease: it ends at once.
func TestCancelQueuedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1}, runtime.JobSpec{})
		first := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(20)})
		<-g.began
		synctest.Wait() // until the allowed number of leases ahead is granted
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(100), Parallelism: 3})
		done := make(chan runtime.JobExecution)
		go func() {
			x, _ := e.AwaitJobExecution(ctx, tenant, x.Job, x.ID)
			done <- x
		}()
		synctest.Wait()
		if at, err := e.GetJobExecution(ctx, tenant, x.Job, x.ID); err != nil || at.State != runtime.StateQueued || at.Stats.Running != 0 {
			t.Fatalf("it is %+v, %v", at, err)
		}
		x = cancelJob(t, e, x, runtime.StateCancelled, true)
		cancelJob(t, e, x, runtime.StateCancelled, false)
		if x := <-done; x.State != runtime.StateCancelled || x.Stats.Cancelled != 100 || !x.Started.IsZero() {
			t.Errorf("AwaitJobExecution returned %+v", x)
		}
		close(g.end)
		if x := awaitJob(t, e, first); x.State != runtime.StateSucceeded || x.Stats.Succeeded != 20 {
			t.Errorf("the other execution is %+v", x)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestCancelRunningJob checks that running tasks continue to their ends, which count, that a task
// that would be retried is cancelled, and that no other task starts.
func TestCancelRunningJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: s.run}}, runtime.JobSpec{MaxConcurrentTasks: 4, MaxRetries: 3})
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(100), Name: "n"})
		<-s.call
		s.end <- errRaised // this one waits for another attempt
		for range 4 {
			<-s.call
		}
		synctest.Wait()
		got, err := e.GetJobExecution(ctx, tenant, x.Job, "n")
		if want := (runtime.TaskCounts{Total: 100, Running: 4, Retried: 1}); err != nil || got.Stats != want || got.State != runtime.StateRunning {
			t.Fatalf("it is %+v, %v", got, err)
		}
		got = cancelJob(t, e, got, runtime.StateCancelling, true)
		if want := (runtime.TaskCounts{Total: 100, Running: 4, Retried: 1, Cancelled: 96}); got.Stats != want {
			t.Fatalf("it is %+v", got.Stats)
		}
		cancelJob(t, e, got, runtime.StateCancelling, false)
		for _, end := range []error{nil, errRaised, errors.New("broken"), nil} {
			s.end <- end
		}
		got = awaitJob(t, e, got)
		if want := (runtime.TaskCounts{Total: 100, Succeeded: 2, Retried: 1, Cancelled: 98}); got.Stats != want || got.State != runtime.StateCancelled {
			t.Errorf("it ended as %+v", got)
		}
		if states := taskStates(t, e, got); states[runtime.StateSucceeded] != 2 || states[runtime.StateCancelled] != 98 {
			t.Errorf("its tasks are %v", states)
		}
		cancelJob(t, e, got, runtime.StateCancelled, false)
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestCancelTasks cancels single tasks like any execution: their execution continues without
// them.
func TestCancelTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: s.run}}, runtime.JobSpec{MaxConcurrentTasks: 2})
		cancel := func(x runtime.JobExecution, task int, want runtime.State) {
			t.Helper()
			got, changed, err := e.CancelExecution(ctx, tenant, runtime.TaskID(x.ID, task))
			if err != nil || !changed || got.State != want {
				t.Fatalf("task %d is %+v, %v, %v", task, got, changed, err)
			}
		}
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(6)})
		<-s.call
		<-s.call
		cancel(x, 4, runtime.StateCancelled)
		cancel(x, 0, runtime.StateCancelling)
		for range 3 {
			<-s.call
			s.end <- nil
		}
		s.end <- nil
		x = awaitJob(t, e, x)
		if want := (runtime.TaskCounts{Total: 6, Succeeded: 4, Cancelled: 2}); x.Stats != want || x.State != runtime.StateSucceeded {
			t.Errorf("it ended as %+v", x)
		}

		// The last task.
		blocker := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(2), Parallelism: 1})
		<-s.call
		done := make(chan runtime.JobExecution)
		go func() {
			x, _ := e.AwaitJobExecution(ctx, tenant, blocker.Job, blocker.ID)
			done <- x
		}()
		s.end <- nil
		<-s.call
		cancel(blocker, 1, runtime.StateCancelling)
		if x := <-done; x.State != runtime.StateSucceeded || x.Stats.Cancelled != 1 {
			t.Errorf("it ended as %+v", x)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestDeleteJob checks that deleting a job cancels its executions, and that a new job with the
// name has none of them.
func TestDeleteJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: s.run}}, runtime.JobSpec{MaxConcurrentTasks: 1})
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(10), Name: "n"})
		<-s.call
		if _, err := e.DeleteJob(ctx, tenant, j.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := e.DeleteJob(ctx, tenant, j.Name); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("deleted again: %v", err)
		}
		s.end <- nil
		for i := range 10 {
			task, err := e.AwaitExecution(ctx, tenant, runtime.TaskID(x.ID, i))
			want := runtime.StateCancelled
			if i == 0 {
				want = runtime.StateSucceeded
			}
			if err != nil || task.State != want {
				t.Errorf("task %d is %+v, %v", i, task, err)
			}
		}
		for name, err := range map[string]error{
			"execution": ignored(e.GetJobExecution(ctx, tenant, j.Name, "n")),
			"job":       ignored(e.GetJob(ctx, tenant, j.Name)),
			"run":       ignored(e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1)})),
			"list":      ignored(e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{})),
		} {
			if runtime.CodeOf(err) != runtime.CodeNotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
		again, err := e.CreateJob(ctx, job(runtime.JobSpec{}))
		if err != nil || again.ID == j.ID {
			t.Fatalf("created again it is %+v, %v", again, err)
		}
		if page, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{}); err != nil || page.Total != 0 || len(page.Items) != 0 {
			t.Errorf("it has %+v, %v", page, err)
		}
		if err := ignored(e.GetJobExecution(ctx, tenant, j.Name, x.ID)); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("it has the execution of the deleted job: %v", err)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func ignored[T any](_ T, err error) error { return err }

// TestJobsSurviveARestart loses power again and again while executions of jobs run and are
// cancelled. A task that has ended stays ended and does not run again, counts add up, no state
// goes back, and no more tasks run at once than allowed.
func TestJobsSurviveARestart(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var mu sync.Mutex
	runs := map[string]int{} // begun, by args
	// Each engine has its own sandbox: that of an abandoned engine may still run.
	newBox := func() *fakeSandbox {
		running := map[int]int{} // tasks, by round
		return &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
			var a struct{ Round int }
			if err := json.Unmarshal(args, &a); err != nil {
				return runtime.Outcome{}, err
			}
			mu.Lock()
			defer mu.Unlock()
			runs[string(args)]++
			if running[a.Round]++; running[a.Round] > 3 {
				t.Errorf("%d tasks run at once", running[a.Round])
			}
			mu.Unlock()
			goruntime.Gosched()
			mu.Lock()
			running[a.Round]--
			if runs[string(args)] == 1 && len(runs)%5 == 0 {
				return failure(runtime.ClassError), nil
			}
			return runtime.Outcome{Result: args}, nil
		}}
	}
	d := openDisk(t, vfs.NewCrashableMem())
	e := engineOn(t, d.store, engine.Options{Sandbox: newBox()})
	create(t, e, spec("hello", "[]"))
	if _, err := e.CreateJob(ctx, job(runtime.JobSpec{MaxConcurrentTasks: 3})); err != nil {
		t.Fatal(err)
	}
	order := map[runtime.State]int{
		runtime.StateQueued: 0, runtime.StatePending: 1, runtime.StateRunning: 2, runtime.StateCancelling: 3,
		runtime.StateCancelled: 4, runtime.StateFailed: 4, runtime.StateSucceeded: 4, runtime.StateTimeout: 4,
	}
	var all []runtime.JobExecution
	seen := map[string]runtime.JobExecution{}
	ended := map[string]runtime.Execution{}
	check := func() {
		t.Helper()
		for _, x := range all {
			got, err := e.GetJobExecution(ctx, tenant, x.Job, x.ID)
			if err != nil {
				t.Fatal(err)
			}
			before, s := seen[x.ID], got.Stats
			if s.Ended()+s.Running > s.Total || s.Running > 3 || order[got.State] < order[before.State] || s.Ended() < before.Stats.Ended() ||
				got.State.Terminal() != (s.Ended() == s.Total) || order[before.State] == 4 && got.State != before.State {
				t.Fatalf("it is %+v, was %+v", got, before)
			}
			seen[x.ID] = got
			for i := range s.Total {
				task := getExecution(t, e, runtime.TaskID(x.ID, i))
				if old, known := ended[task.ID]; known && (old.State != task.State || old.Attempt != task.Attempt) {
					t.Fatalf("a task that ended as %+v is %+v", old, task)
				}
				if task.State.Terminal() {
					ended[task.ID] = task
				}
			}
		}
	}
	for round := range 12 {
		var args []json.RawMessage
		for n := range 5 + rng.IntN(40) {
			args = append(args, fmt.Appendf(nil, `{"round":%d,"n":%d}`, round, n))
		}
		all = append(all, startJob(t, e, runtime.JobStartRequest{Tasks: args}))
		check()
		if rng.IntN(3) == 0 {
			if _, _, err := e.CancelJobExecution(ctx, tenant, "sums", all[rng.IntN(len(all))].ID); err != nil {
				t.Fatal(err)
			}
		}
		check()
		after := d.crash(t)
		abandon(t, e, d)
		d = after
		e = engineOn(t, d.store, engine.Options{Sandbox: newBox()})
		check()
	}
	for _, x := range all {
		awaitJob(t, e, x)
	}
	check()
	total, reruns := 0, 0
	for _, task := range ended {
		total++
		if task.Attempt > 1 {
			reruns++
		}
	}
	t.Logf("%d tasks, %d of them started more than once", total, reruns)
	closeAll(t, e, d)
}

// TestConcurrentJobs starts, reads and cancels executions and single tasks concurrently. The
// counts always add up.
func TestConcurrentJobs(t *testing.T) {
	var failed atomic.Int64
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		if failed.Add(1)%7 == 0 {
			return failure(runtime.ClassError), nil
		}
		return runtime.Outcome{Result: args}, nil
	}}}, runtime.JobSpec{MaxConcurrentTasks: 5})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 15 {
				x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1 + rng.IntN(60)), Parallelism: rng.IntN(4)})
				for at := x; !at.State.Terminal(); {
					var err error
					if at, err = e.GetJobExecution(ctx, tenant, j.Name, x.ID); err != nil {
						t.Error(err)
						return
					}
					if s := at.Stats; s.Ended()+s.Running > s.Total || s.Running > 5 || at.State.Terminal() && s.Running > 0 {
						t.Errorf("it is %+v", at)
						return
					}
					switch rng.IntN(200) {
					case 0:
						if _, _, err := e.CancelJobExecution(ctx, tenant, j.Name, x.ID); err != nil {
							t.Error(err)
						}
					case 1, 2, 3:
						if _, _, err := e.CancelExecution(ctx, tenant, runtime.TaskID(x.ID, rng.IntN(x.Stats.Total))); err != nil {
							t.Error(err)
						}
					case 4:
						if _, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{Limit: 5}); err != nil {
							t.Error(err)
						}
					case 5:
						awaitJob(t, e, x)
					}
				}
				x = awaitJob(t, e, x)
				states := taskStates(t, e, x)
				if s := x.Stats; s.Succeeded != states[runtime.StateSucceeded] || s.Failed != states[runtime.StateFailed] || s.Cancelled != states[runtime.StateCancelled] {
					t.Errorf("its tasks are %v, its counts %+v", states, s)
				}
			}
		})
	}
	group.Wait()
}

// TestCancellationsAreResumed checks that the next process completes the cancellations of a
// process that died meanwhile: of an execution that was marked, and of those of a deleted job.
func TestCancellationsAreResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDisk(t, vfs.NewCrashableMem())
		s := newSteps()
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{call: s.run}})
		create(t, e, spec("hello", "[]"))
		var all []runtime.JobExecution
		for _, name := range []string{"kept", "gone"} {
			j := job(runtime.JobSpec{MaxConcurrentTasks: 1})
			j.Name = name
			j, err := e.CreateJob(ctx, j)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, startJob(t, e, runtime.JobStartRequest{Job: name, Tasks: tasks(5)}))
			<-s.call
			if name == "gone" {
				// Engine.DeleteJob would cancel the execution.
				if err := d.store.DeleteJob(tenant, j.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		cancelJob(t, e, all[0], runtime.StateCancelling, true)
		after := d.crash(t)
		abandon(t, e, d)
		e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{call: s.run}})
		for _, x := range all {
			got, err := after.store.GetJobExecutionByID(tenant, x.ID)
			if err != nil || got.State != runtime.StateCancelled || got.Stats.Cancelled != 5 {
				t.Errorf("%s is %+v, %v", x.Job, got, err)
			}
		}
		closeAll(t, e, after)
	})
}

// TestMissingTasksAreReported starts an engine over a store that holds an unfinished execution
// without its queued tasks: New returns an error.
func TestMissingTasksAreReported(t *testing.T) {
	store := lackingStore{newStore(t)}
	e := engineOn(t, store.Store, engine.Options{Sandbox: &fakeSandbox{}, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	if _, err := e.CreateJob(ctx, job(runtime.JobSpec{})); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = engineOn(t, queueStore(store), engine.Options{Sandbox: &fakeSandbox{}})
	startJob(t, e, runtime.JobStartRequest{Tasks: tasks(3)})
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := engine.New(engine.Options{Store: store, Sandbox: &fakeSandbox{}, Log: quiet})
	if wantCode(t, err, runtime.CodeUnavailable); !strings.Contains(err.Error(), "3 of its tasks are gone") {
		t.Error(err)
	}
}

// lackingStore has lost its queued executions.
type lackingStore struct{ runtime.Store }

func (lackingStore) EachUnfinished(func(runtime.Execution) error) error { return nil }

// TestCancelledJobLeavesTheQueue checks that cancelled tasks take no place in the backlog.
func TestCancelledJobLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: s.run}, MaxRuns: 1, BacklogLimit: 200}, runtime.JobSpec{})
		blocker := submit(t, e, runtime.SubmitRequest{})
		<-s.call
		for _, parallelism := range []int{0, 3} {
			for range 3 {
				x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(150), Parallelism: parallelism})
				synctest.Wait()
				if _, _, err := e.CancelJobExecution(ctx, tenant, x.Job, x.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		go func() {
			for range s.call {
				s.end <- nil
			}
		}()
		s.end <- nil
		await(t, e, blocker)
		awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(200)}))
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		close(s.call)
	})
}

// TestCancelTasksThatWaitForMemory checks that a task with a lease that waits for memory does not
// begin once its execution is cancelled.
func TestCancelTasksThatWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1}, runtime.JobSpec{})
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(20)})
		<-g.began
		synctest.Wait() // until the allowed number of leases ahead is granted
		if at, err := e.GetJobExecution(ctx, tenant, x.Job, x.ID); err != nil || at.Stats.Running < 2 {
			t.Fatalf("no task waits with a lease: %+v, %v", at, err)
		}
		cancelJob(t, e, x, runtime.StateCancelling, true)
		synctest.Wait()
		if at, err := e.GetJobExecution(ctx, tenant, x.Job, x.ID); err != nil || at.State != runtime.StateCancelling || at.Stats.Running != 1 || at.Stats.Cancelled != 19 {
			t.Fatalf("it is %+v, %v", at, err)
		}
		close(g.end)
		if x = awaitJob(t, e, x); x.State != runtime.StateCancelled || x.Stats.Succeeded != 1 || x.Stats.Cancelled != 19 {
			t.Fatalf("it ended as %+v", x)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}
