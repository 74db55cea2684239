package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/queue"
	"github.com/faaspot/faaspot/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

const tenant runtime.Tenant = "a"

// functions is a dispatch.Engine of functions that all run one program. It counts the uses
// of versions.
type functions struct {
	mu      sync.Mutex
	memory  int64
	large   string // the name of a function that needs more memory
	deleted bool
	uses    int
	jobs    []string // executions of jobs that were reported as done
}

func (f *functions) AcquireVersion(_ context.Context, o *dispatch.Origin) (*dispatch.Version, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deleted {
		return nil, runtime.NoFunctionError(o.Function)
	}
	f.uses++
	limits := runtime.Limits{Memory: f.memory, Tmp: 1}.WithDefaults()
	if o.Function == f.large {
		limits.Memory = runtime.MaxMemory
	}
	return &dispatch.Version{
		Program: runtime.Program{Tenant: o.Tenant, FunctionID: o.FunctionID, Version: 1, Limits: limits},
		Context: runtime.EmptyObject,
	}, nil
}

func (f *functions) ReleaseVersion(*dispatch.Version) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uses--
}

func (f *functions) JobDone(_ runtime.Tenant, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs = append(f.jobs, id)
}

// sandboxFunc is a sandbox that runs a function.
type sandboxFunc func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error)

func (s sandboxFunc) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	return s(ctx, c)
}

func (sandboxFunc) Deploy(context.Context, runtime.Program) (runtime.Outcome, error) {
	return runtime.Outcome{}, errors.New("nothing is deployed here")
}
func (sandboxFunc) Forget(string, uint64) {}

func (sandboxFunc) RunImports(string, uint64) []string { return nil }

func echo(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	return runtime.Outcome{Result: c.Args}, nil
}

// rig is a Dispatcher over a real store in memory, without an engine.
type rig struct {
	*dispatch.Dispatcher
	t         *testing.T
	store     *storage.Store
	functions *functions
	memory    *memory.Budget
	done      *notify.Hub
	origin    *dispatch.Origin
	next      int
}

func newRig(t *testing.T, run sandboxFunc, runs int) *rig {
	t.Helper()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	f := &functions{memory: runtime.MinMemory}
	r := &rig{
		t: t, store: store, functions: f, memory: memory.New(1<<20, nil), done: notify.NewHub(),
		origin: &dispatch.Origin{Tenant: tenant, FunctionID: runtime.NewID(), Function: "hello", Version: 1},
	}
	r.Dispatcher = dispatch.New(dispatch.Options{
		Engine: f, Store: store, Sandbox: run, Memory: r.memory, Admission: queue.NewAdmission(memory.New(1<<40, nil), runs, 1),
		Attempts: notify.NewHub(), Completions: r.done, BacklogLimit: 100, Now: time.Now, Log: discard,
	})
	r.Start()
	return r
}

// submit accepts n executions in the store, and queues them.
func (r *rig) submit(n, retries int) (ids []string) {
	r.t.Helper()
	if err := r.Reserve(n, nil, nil); err != nil {
		r.t.Fatal(err)
	}
	defer r.Unreserve(n, 0, nil)
	batch := make([]runtime.Accepted, n)
	for i := range batch {
		r.next++
		batch[i] = runtime.Accepted{Args: fmt.Appendf(nil, `{"n":%d}`, r.next), Execution: runtime.Execution{
			ID: runtime.NewID(), Tenant: tenant, Kind: runtime.KindRun, FunctionID: r.origin.FunctionID, Function: r.origin.Function,
			Version: 1, State: runtime.StateQueued, Created: time.Now().UTC(), Retries: retries,
		}}
	}
	ids, _, err := r.store.Accept(batch, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	runs := make([]*dispatch.QueuedRun, n)
	for i := range batch {
		runs[i] = dispatch.NewQueuedRun(r.origin, &batch[i].Execution)
	}
	r.Add(runs)
	return ids
}

func (r *rig) await(id string) runtime.Execution {
	r.t.Helper()
	for {
		ended, leave := r.done.Wait(id)
		x, err := r.store.GetExecution(tenant, id)
		if err != nil {
			r.t.Fatal(err)
		}
		if x.State.Terminal() {
			leave()
			return x
		}
		<-ended
		leave()
	}
}

// close stops the Dispatcher and checks that it has released everything.
func (r *rig) close() {
	r.t.Helper()
	r.Stop()
	r.Wait()
	if r.functions.uses != 0 {
		r.t.Errorf("%d uses of versions are left", r.functions.uses)
	}
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

func TestRunsReachOneFinalState(t *testing.T) {
	r := newRig(t, echo, 4)
	defer r.close()
	for _, id := range r.submit(50, 0) {
		if x := r.await(id); x.State != runtime.StateSucceeded || x.Attempt != 1 {
			t.Errorf("%s is %s after attempt %d", id, x.State, x.Attempt)
		}
	}
}

func TestNoMoreRunsThanAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		r := newRig(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return runtime.Outcome{Result: c.Args}, nil
		}, 3)
		defer r.close()
		for _, id := range r.submit(20, 0) {
			r.await(id)
		}
		if most != 3 {
			t.Errorf("%d runs at once, want 3", most)
		}
	})
}

func TestFunctionFailuresAreRetriedAsOftenAsRequested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := map[string]int{}
		r := newRig(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			attempts[string(c.Args)]++
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no"}}, nil
		}, 1)
		defer r.close()
		began := time.Now()
		x := r.await(r.submit(1, 2)[0])
		if x.State != runtime.StateFailed || x.Attempt != 3 || x.FunctionFailures != 2 || attempts[`{"n":1}`] != 3 {
			t.Errorf("%+v after %v", x, attempts)
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("delays of 1 and 2 s, each with a jitter of up to a quarter, took %v", took)
		}
	})
}

func TestPlatformFailuresAreRetriedWithoutACharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		r := newRig(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if failures--; failures >= 0 {
				return runtime.Outcome{}, errors.New("no memory")
			}
			return runtime.Outcome{Result: c.Args}, nil
		}, 1)
		defer r.close()
		x := r.await(r.submit(1, 0)[0])
		if x.State != runtime.StateSucceeded || x.FunctionFailures != 0 || x.Attempt != 4 {
			t.Errorf("%+v", x)
		}
	})
}

func TestDeletedFunctionsAreRejected(t *testing.T) {
	r := newRig(t, echo, 1)
	defer r.close()
	r.functions.deleted = true
	x := r.await(r.submit(1, 3)[0])
	if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassRejected {
		t.Errorf("%+v, %+v", x, x.Failure)
	}
}

func TestCancelStopsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(ctx context.Context, _ runtime.RunCall) (runtime.Outcome, error) {
			<-ctx.Done()
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCancelled}}, nil
		}, 1)
		defer r.close()
		ids := r.submit(3, 5)
		synctest.Wait()
		for _, id := range slices.Backward(ids) { // leased ones, queued ones
			x, changed, err := r.store.Cancel(tenant, id, time.Now())
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			if !x.State.Terminal() {
				r.Cancel(id)
				x = r.await(id)
			}
			if x.State != runtime.StateCancelled {
				t.Errorf("%s is %s", id, x.State)
			}
		}
	})
}

func TestBacklogIsBounded(t *testing.T) {
	r := newRig(t, echo, 1)
	defer r.close()
	if err := r.Reserve(100, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Reserve(1, nil, nil); runtime.CodeOf(err) != runtime.CodeTooBusy {
		t.Errorf("beyond the bound: %v", err)
	}
	r.Unreserve(100, 0, nil)
	if err := r.Reserve(1, nil, nil); err != nil {
		t.Error(err)
	}
	r.Unreserve(1, 0, nil)
}

// TestBacklogIsPartOfTheBudget checks that queued runs take their memory from the budget until their
// ends are on disk, and are refused when it is used up.
func TestBacklogIsPartOfTheBudget(t *testing.T) {
	r := newRig(t, echo, 1)
	defer r.close()
	if err := r.Reserve(10, nil, nil); err != nil {
		t.Fatal(err)
	}
	reserved := r.memory.Used()
	r.Unreserve(10, 0, nil)
	if reserved == 0 || r.memory.Used() != 0 {
		t.Errorf("%d bytes are used for 10 places, and %d for none", reserved, r.memory.Used())
	}
	id := runtime.NewID()
	group := dispatch.NewTaskGroup(&runtime.JobExecution{ID: id, Tenant: tenant, Env: map[string]string{"A": strings.Repeat("<", 10_000)}})
	if err := r.Reserve(1, group, nil); err != nil {
		t.Fatal(err)
	}
	r.AddGroup(group)
	r.Unreserve(1, 0, nil)
	if used := r.memory.Used(); used < 10_000 || used > 12_000 {
		t.Errorf("%d bytes are used for a job with an environment of 10,000", used)
	}
	r.DropGroup(id)
	others := r.memory.Open(memory.Options{Name: "others", Requests: true})
	others.Add(r.memory.Total())
	if err := r.Reserve(1, nil, nil); runtime.CodeOf(err) != runtime.CodeTooBusy {
		t.Errorf("with all memory in use: %v", err)
	}
	others.Give(r.memory.Total())
	for _, id := range r.submit(50, 0) {
		r.await(id)
	}
	for end := time.Now().Add(30 * time.Second); r.memory.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after all runs, %d bytes are used: %+v", r.memory.Used(), r.memory.Holders())
		}
	}
}

// TestAbortQueuesRunsAgain checks that aborted runs are queued again in the store, without a
// failure.
func TestAbortQueuesRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(ctx context.Context, _ runtime.RunCall) (runtime.Outcome, error) {
			<-ctx.Done()
			return runtime.Outcome{}, ctx.Err()
		}, 2)
		ids := r.submit(5, 0)
		synctest.Wait()
		r.Stop()
		r.Abort()
		<-r.Drained()
		left := map[string]bool{}
		if err := r.store.EachUnfinished(func(x runtime.Execution) error {
			if x.State != runtime.StateQueued || x.FunctionFailures+x.PlatformFailures+x.LostAttempts != 0 {
				t.Errorf("%+v", x)
			}
			left[x.ID] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(left)); !slices.Equal(got, ids) {
			t.Errorf("queued are %v, want %v", got, ids)
		}
		r.close()
	})
}

// fullDisk refuses the ends of attempts for a while.
type fullDisk struct {
	*storage.Store
	refusals int
}

func (s *fullDisk) Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error) {
	if s.refusals--; s.refusals >= 0 {
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	}
	return s.Store.Finish(ended, now)
}

// on replaces the rig's dispatcher by one with another store and sandbox.
func (r *rig) on(store dispatch.Store, sandbox sandboxFunc) {
	r.Stop()
	r.Wait()
	r.Dispatcher = dispatch.New(dispatch.Options{
		Engine: r.functions, Store: store, Memory: memory.New(1<<40, nil), Admission: queue.NewAdmission(memory.New(1<<40, nil), 4, 4), Sandbox: sandbox,
		Attempts: notify.NewHub(), Completions: r.done, BacklogLimit: 100, Now: time.Now, Log: discard,
	})
	r.Start()
}

func TestEndsWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		r := newRig(t, nil, 1)
		r.on(&fullDisk{r.store, 5}, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			runs++
			return echo(ctx, c)
		})
		defer r.close()
		if x := r.await(r.submit(1, 0)[0]); x.State != runtime.StateSucceeded || runs != 1 {
			t.Errorf("%s after %d runs", x.State, runs)
		}
	})
}

// smallDisk has room for outcomes of at most room bytes.
type smallDisk struct {
	*storage.Store
	room atomic.Int64
}

func (s *smallDisk) Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error) {
	bytes := int64(0)
	for i := range ended {
		bytes += ended[i].Weight()
	}
	if bytes > s.room.Load() {
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	}
	return s.Store.Finish(ended, now)
}

// While the disk has no room for a large result, the outcomes of other runs are written.
func TestSmallEndsPassLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, 4)
		disk := &smallDisk{Store: r.store}
		disk.room.Store(64 << 10)
		r.on(disk, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if string(c.Args) == `{"n":1}` {
				return runtime.Outcome{Result: []byte(`"` + strings.Repeat("a", 1<<20) + `"`)}, nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		})
		defer r.close()
		ids := r.submit(20, 0)
		first := ids[0]
		for _, id := range append(ids[1:], r.submit(20, 0)...) {
			if x := r.await(id); x.State != runtime.StateSucceeded || x.Attempt != 1 {
				t.Errorf("%s after %d attempts", x.State, x.Attempt)
			}
		}
		disk.room.Store(1 << 40)
		if x := r.await(first); x.State != runtime.StateSucceeded || x.Attempt != 1 {
			t.Errorf("the large one: %s after %d attempts", x.State, x.Attempt)
		}
	})
}
