package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// failingLists is a store whose lists fail inside the server while fault returns an error.
type failingLists struct {
	runtime.Store
	fault func() error
}

func (s *failingLists) EachExecution(tenant runtime.Tenant, f runtime.ExecutionFilter, cursor string, visit func(*runtime.Execution) bool) error {
	if err := s.fault(); err != nil {
		return err
	}
	return s.Store.EachExecution(tenant, f, cursor, visit)
}

// syncBuffer is a buffer that may be used concurrently.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestOperationThatFailsInsideTheServer ends as failed with a reason that says nothing internal, and its log
// has each error once, not one for each try. An operation that fails for a while goes on.
func TestOperationThatFailsInsideTheServer(t *testing.T) {
	var on atomic.Bool
	on.Store(true)
	var tries, until atomic.Int64
	until.Store(1 << 40)
	store := &failingLists{newStore(t), func() error {
		if n := tries.Add(1); n <= until.Load() {
			return runtime.Internal("storage.list", errors.New("a secret of the disk"))
		}
		return nil
	}}
	var log syncBuffer
	e := newEngine(t, engine.Options{Store: store, Sandbox: failing(&on), Log: slog.New(slog.NewTextHandler(&log, nil))})
	e.RetryOperationsAtOnce()
	create(t, e, spec("hello", "[]"))
	ids := failed(t, e, 40)
	on.Store(false)
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun}).ID)
	if o.State != runtime.OperationFailed || o.Finished.IsZero() || !strings.Contains(o.Error, "inside the server") || strings.Contains(o.Error, "secret") {
		t.Errorf("the operation ended as %+v", o)
	}
	if n := tries.Load(); n != engine.OperationFailures {
		t.Errorf("%d tries", n)
	}
	if n := strings.Count(log.String(), "a secret of the disk"); n != 1 {
		t.Errorf("the log has the error %d times:\n%s", n, log.String())
	}
	tries.Store(0)
	until.Store(engine.OperationFailures - 1)
	o = awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun}).ID)
	if o.State != runtime.OperationDone || o.Done != len(ids) {
		t.Errorf("the operation ended as %+v", o)
	}
	if !strings.Contains(log.String(), "continues") {
		t.Errorf("the log does not say that it continues:\n%s", log.String())
	}
}

// TestOperationThatEndsProcesses is continued a few times, and has failed then: a page that ends the process
// must not end every process that follows.
func TestOperationThatEndsProcesses(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	o := runtime.Operation{ID: "01900000-0000-7000-8000-000000000001", Tenant: tenant, Kind: runtime.OperationRerun, State: runtime.OperationRunning, Created: time.Now().UTC(), Cursor: "01900000-0000-7000-8000-000000000001"}
	if err := d.store.CreateOperation(o, nil); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		if n > 2*engine.OperationResumes {
			t.Fatal("the operation is continued for ever")
		}
		began, held := make(chan struct{}, 1), make(chan struct{})
		store := &failingLists{d.store, func() error {
			select {
			case began <- struct{}{}:
			default:
			}
			<-held // as if the process ended here
			return runtime.Internal("storage.list", errors.New("the process ended"))
		}}
		e := engineOn(t, store, engine.Options{Sandbox: &fakeSandbox{}})
		over := make(chan runtime.Operation, 1)
		go func() {
			for {
				if o, err := e.GetOperation(context.Background(), tenant, o.ID); err != nil || o.State != runtime.OperationRunning {
					over <- o
					return
				}
				time.Sleep(time.Millisecond)
				select {
				case <-held:
					return
				default:
				}
			}
		}()
		select {
		case <-began:
		case o := <-over:
			if o.State != runtime.OperationFailed || !strings.Contains(o.Error, fmt.Sprint(engine.OperationResumes+1)) || n != engine.OperationResumes+1 {
				t.Errorf("process %d: the operation ended as %+v", n, o)
			}
			close(held)
			closeAll(t, e, d)
			return
		}
		after := d.crash(t)
		close(held)
		// Unlike abandon, this waits for what reads the operation, and for the operation itself.
		if err := errors.Join(d.store.Close(), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
		d = after
	}
}

// TestRerunOperationInTheTraceOfTheCaller repeats executions that are reruns in this trace, and not what it
// starts itself.
func TestRerunOperationInTheTraceOfTheCaller(t *testing.T) {
	var on atomic.Bool
	on.Store(true)
	e := newEngine(t, engine.Options{Sandbox: failing(&on)})
	create(t, e, spec("hello", "[]"))
	first := failed(t, e, 1)[0]
	caller := runtime.Caller{TraceID: strings.Repeat("ab", 16)}
	a, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first, Caller: caller, Retries: new(int)})
	if err != nil {
		t.Fatal(err)
	}
	await(t, e, a.IDs[0])
	on.Store(false)
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun, Caller: caller, Filter: runtime.ExecutionFilter{TraceID: caller.TraceID}}).ID)
	if o.Done != 1 || o.Skipped != 0 {
		t.Errorf("the operation ended as %+v", o)
	}
	if times := rerunsIn(t, e, caller.TraceID); times[a.IDs[0]] != 1 {
		t.Errorf("repeated %v", times)
	}
}

// rerunsIn returns how often each execution was repeated in a trace.
func rerunsIn(t *testing.T, e *engine.Engine, trace string) map[string]int {
	t.Helper()
	all, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{TraceID: trace}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, x := range all {
		times[x.RerunOf]++
	}
	return times
}

// busyStore refuses to cancel or accept now and then, as a store that cannot write does.
type busyStore struct {
	runtime.Store
	n atomic.Int64
}

func (s *busyStore) Cancel(tenant runtime.Tenant, id string, now time.Time) (runtime.Execution, bool, error) {
	if s.n.Add(1)%7 == 0 {
		return runtime.Execution{}, false, runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	}
	return s.Store.Cancel(tenant, id, now)
}

// TestCancelOperationCountsOnce counts each execution once, also if some of its page must be dealt with again.
func TestCancelOperationCountsOnce(t *testing.T) {
	g := newGated()
	store := &busyStore{Store: newStore(t)}
	e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1})
	e.RetryOperationsAtOnce()
	create(t, e, spec("hello", "[]"))
	const n = 150
	if _, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(n)}); err != nil {
		t.Fatal(err)
	}
	<-g.began
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationCancel}).ID)
	if want := (runtime.OperationProgress{Matched: n, Done: n}); o.State != runtime.OperationDone || o.OperationProgress != want {
		t.Errorf("the operation ended as %+v", o)
	}
	close(g.end)
}

// TestOperationWhere deals with the executions for which the expression holds, across functions, and with no
// others.
func TestOperationWhere(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 2})
	create(t, e, spec("hello", "[]"))
	create(t, e, spec("other", "[]"))
	by := map[string]string{} // user by id
	for i := range 90 {
		user := []string{"ann", "bob", ""}[i%3]
		id := submit(t, e, runtime.SubmitRequest{Function: []string{"hello", "other"}[i%2], Caller: runtime.Caller{UserID: user}})
		by[id] = user
	}
	where := &runtime.SearchFilter{Op: runtime.FilterEq, Field: runtime.FieldUser, Values: []string{"ann"}}
	page, _, err := e.ScanExecutions(ctx, tenant, runtime.ExecutionFilter{Where: where}, runtime.ExecutionScan{Limit: 50, Bytes: runtime.MiB, Looks: 50})
	if err != nil || len(page.Items) == 0 || len(page.Items) >= 50 || page.Next == "" {
		t.Errorf("a page has %d executions, next %q, %v", len(page.Items), page.Next, err)
	}
	for _, x := range page.Items {
		if x.Caller.UserID != "ann" {
			t.Errorf("%+v", x)
		}
	}
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{Where: where}}).ID)
	if o.State != runtime.OperationDone || o.Done != 30 || o.Matched != 30 || o.Filter.Where == nil {
		t.Errorf("the operation ended as %+v", o)
	}
	_, err = e.StartOperation(ctx, runtime.OperationRequest{Tenant: tenant, Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{Where: &runtime.SearchFilter{Op: "x"}}})
	wantCode(t, err, runtime.CodeInvalidArgument)
	close(g.end)
	for id, user := range by {
		if x := await(t, e, id); (x.State == runtime.StateCancelled) != (user == "ann") {
			t.Fatalf("%s of %q is %s", id, user, x.State)
		}
	}
}

// TestFunctionLoad counts the runs of each function that have not ended, whatever becomes of them.
func TestFunctionLoad(t *testing.T) {
	g := newGated()
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 3}, runtime.JobSpec{})
	create(t, e, spec("other", "[]"))
	load := func(function string) (l runtime.FunctionLoad) {
		s, err := e.GetStats(ctx, tenant, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Functions {
			if f.Function == function {
				l = f.FunctionLoad
			}
		}
		return l
	}
	wait := func(function string, want runtime.FunctionLoad) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); load(function) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s has %+v, want %+v", function, load(function), want)
			}
		}
	}
	a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "other", Args: many(40)})
	if err != nil {
		t.Fatal(err)
	}
	<-g.began
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		l := load("other")
		if l.Queued+l.Running != 40 {
			t.Fatalf("%+v", l)
		}
		if l.Running >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", l)
		}
	}
	startJob(t, e, runtime.JobStartRequest{Parallelism: 2, Tasks: tasks(10)})
	if l := load("hello"); l.Queued+l.Running != 10 {
		t.Errorf("the tasks: %+v", l)
	}
	for _, id := range a.IDs {
		if _, _, err := e.CancelExecution(ctx, tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	close(g.end)
	wait("other", runtime.FunctionLoad{})
	wait("hello", runtime.FunctionLoad{})
}

// TestRerunIsReplayedAfterRetention has the answer of the first request, once the execution that it names is
// gone; a different request with the key is refused, and one without it does not find the execution.
func TestRerunIsReplayedAfterRetention(t *testing.T) {
	store := newStore(t)
	e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{run: echo}})
	create(t, e, spec("hello", "[]"))
	first := submit(t, e, runtime.SubmitRequest{Function: "hello"})
	await(t, e, first)
	r := runtime.RerunRequest{Tenant: tenant, ID: first, IdempotencyKey: "k", KeyOwner: "t1"}
	unseen := r
	unseen.Sees = func(*runtime.Execution) bool { return false }
	_, err := e.Rerun(ctx, unseen)
	wantCode(t, err, runtime.CodeNotFound)
	a, err := e.Rerun(ctx, r)
	if err != nil || a.Replayed {
		t.Fatal(a, err)
	}
	await(t, e, a.IDs[0])
	if err := store.Expire(time.Now().Add(time.Hour), runtime.Retention{Age: time.Nanosecond}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.GetExecution(ctx, tenant, first); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Fatalf("the execution is still there: %v", err)
	}
	b, err := e.Rerun(ctx, r)
	if err != nil || !b.Replayed || b.IDs[0] != a.IDs[0] {
		t.Errorf("the repeated request: %+v, %v", b, err)
	}
	other := r
	other.Args = []byte(`{"n":1}`)
	_, err = e.Rerun(ctx, other)
	wantCode(t, err, runtime.CodeConflict)
	other = r
	other.KeyOwner = "t2"
	_, err = e.Rerun(ctx, other)
	wantCode(t, err, runtime.CodeConflict)
	other = r
	other.IdempotencyKey = ""
	_, err = e.Rerun(ctx, other)
	wantCode(t, err, runtime.CodeNotFound)
}
