package engine_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func cancelled(t testing.TB, e *engine.Engine, id string) (runtime.Execution, bool) {
	t.Helper()
	x, changed, err := e.CancelExecution(context.Background(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return x, changed
}

func TestCancelQueuedRun(t *testing.T) {
	var runs atomic.Int64
	store := &heldStore{Store: newStore(t), hold: make(chan struct{})}
	e := newEngine(t, engine.Options{Store: store, Sandbox: counted(&runs)})
	create(t, e, spec("hello", "[]"))
	var ids []string
	for range 5 { // one is about to get a lease, the others are not
		ids = append(ids, submit(t, e, runtime.SubmitRequest{}))
	}
	for _, id := range ids {
		x, changed := cancelled(t, e, id)
		if !changed || x.State != runtime.StateCancelled || !x.Started.IsZero() {
			t.Errorf("got %+v, changed %v", x, changed)
		}
		again, changed := cancelled(t, e, id)
		if changed || again.State != runtime.StateCancelled || !again.Finished.Equal(x.Finished) {
			t.Errorf("cancelled again: %+v, changed %v", again, changed)
		}
	}
	close(store.hold)
	await(t, e, submit(t, e, runtime.SubmitRequest{}))
	if runs.Load() != 1 {
		t.Errorf("%d runs, want one: the run that was not cancelled", runs.Load())
	}
}

func TestCancelBackgroundRun(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	running := submit(t, e, runtime.SubmitRequest{Retries: ptr(5)})
	<-g.began
	leased := submit(t, e, runtime.SubmitRequest{})
	for getExecution(t, e, leased).State != runtime.StateRunning {
	}
	// It has a lease but no memory: it ends while the other still runs.
	cancelled(t, e, leased)
	if x := await(t, e, leased); x.State != runtime.StateCancelled {
		t.Errorf("got %+v", x)
	}
	x, changed := cancelled(t, e, running)
	if !changed || x.State != runtime.StateCancelling && x.State != runtime.StateCancelled {
		t.Errorf("got %+v, changed %v", x, changed)
	}
	if x := await(t, e, running); x.State != runtime.StateCancelled || x.Failure.Class != runtime.ClassCancelled || x.Attempt != 1 {
		t.Errorf("got %+v", x)
	}
	close(g.end)
	done := submit(t, e, runtime.SubmitRequest{})
	await(t, e, done)
	if x, changed := cancelled(t, e, done); changed || x.State != runtime.StateSucceeded || x.CancelRequested {
		t.Errorf("cancelled after its end: %+v, changed %v", x, changed)
	}
}

func TestCancelBeforeRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{
			run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
				runs.Add(1)
				return failure(runtime.ClassError), nil
			},
		}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{Retries: ptr(3)})
		synctest.Wait()
		if x := getExecution(t, e, id); x.State != runtime.StateQueued || x.FunctionFailures != 1 || x.NotBefore.IsZero() {
			t.Errorf("after the first attempt: %+v", x)
		}
		if x, changed := cancelled(t, e, id); !changed || x.State != runtime.StateCancelled {
			t.Errorf("got %+v, changed %v", x, changed)
		}
		time.Sleep(time.Minute)
		if runs.Load() != 1 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

func TestUnknownExecutions(t *testing.T) {
	e := newEngine(t, engine.Options{})
	create(t, e, spec("hello", "[]"))
	id := submit(t, e, runtime.SubmitRequest{})
	for _, unknown := range []struct {
		tenant runtime.Tenant
		id     string
	}{{"b", id}, {tenant, "x"}, {tenant, "0197a1b2-0000-7000-8000-000000000000"}} {
		_, _, err := e.CancelExecution(context.Background(), unknown.tenant, unknown.id)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = e.AwaitExecution(context.Background(), unknown.tenant, unknown.id)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = e.GetExecution(context.Background(), unknown.tenant, unknown.id)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = e.GetLogs(context.Background(), unknown.tenant, unknown.id, runtime.LogPosition{})
		wantCode(t, err, runtime.CodeNotFound)
		_, err = e.FollowLogs(context.Background(), unknown.tenant, unknown.id, runtime.LogPosition{})
		wantCode(t, err, runtime.CodeNotFound)
	}
	await(t, e, id)
}

// TestCancelRaces cancels runs while they start and end. Each execution ends once, and the final
// state that a caller got stays the same.
func TestCancelRaces(t *testing.T) {
	var mu sync.Mutex
	runs := map[string]int{}
	e := newEngine(t, engine.Options{MaxRuns: 4, Sandbox: &fakeSandbox{
		run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			mu.Lock()
			runs[string(args)]++
			mu.Unlock()
			if len(args)%2 == 0 && ctx.Err() != nil {
				return runtime.Outcome{}, ctx.Err()
			}
			return echo(ctx, p, args, c)
		},
	}})
	create(t, e, spec("hello", "[]"))
	args := many(1500)
	a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: args})
	if err != nil {
		t.Fatal(err)
	}
	final := make([]runtime.Execution, len(args))
	changes := make([]atomic.Int64, len(args))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range len(args) {
				i := rng.IntN(len(args))
				x, changed, err := e.CancelExecution(context.Background(), tenant, a.IDs[i])
				if err != nil {
					t.Error(err)
				}
				if changed {
					changes[i].Add(1)
				}
				if x.State.Terminal() {
					mu.Lock()
					final[i] = x
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for i, id := range a.IDs {
		x := await(t, e, id)
		if n := changes[i].Load(); n > 1 || n == 1 && x.State != runtime.StateCancelled {
			t.Errorf("run %d was cancelled %d times: %+v", i, n, x)
		}
		if final[i].ID != "" && (final[i].State != x.State || !final[i].Finished.Equal(x.Finished)) {
			t.Errorf("run %d ended twice: %+v, then %+v", i, final[i], x)
		}
		n := runs[string(args[i])]
		switch {
		case n > 1, x.State == runtime.StateSucceeded && n != 1, x.Started.IsZero() && n != 0:
			t.Errorf("run %d began %d times and is %+v", i, n, x)
		case x.State == runtime.StateCancelled && changes[i].Load() != 1:
			t.Errorf("run %d is cancelled, but no caller did it: %+v", i, x)
		}
	}
}

// TestACancellationIsKept checks that an execution that was cancelled ends as cancelled even if its
// function returns at that moment, and that one that has returned is not cancelled, for background
// and blocking runs.
func TestACancellationIsKept(t *testing.T) {
	var calls sync.WaitGroup
	began := make(chan bool, 1)
	release := make(chan bool, 1)
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		began <- true
		<-release                    // while it runs
		return echo(ctx, p, args, c) // whatever the context says
	}}})
	create(t, e, spec("hello", "[]"))
	id := submit(t, e, runtime.SubmitRequest{})
	<-began
	if _, changed := cancelled(t, e, id); !changed {
		t.Error("a running execution was not cancelled")
	}
	release <- true
	if x := await(t, e, id); x.State != runtime.StateCancelled || x.Result != nil {
		t.Errorf("the background run is %+v", x)
	}
	calls.Go(func() {
		x, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello"})
		if err != nil || x.State != runtime.StateCancelled || x.Result != nil {
			t.Errorf("the blocking run is %+v, %v", x, err)
		}
	})
	<-began
	page, err := e.ListExecutions(ctx, tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, runtime.PageRequest{Limit: 10})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v, %v", page.Items, err)
	}
	if _, changed := cancelled(t, e, page.Items[0].ID); !changed {
		t.Error("a blocking run was not cancelled")
	}
	release <- true
	calls.Wait()
}
