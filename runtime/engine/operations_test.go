package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// failing returns a sandbox whose runs fail while the switch is on, if their args have fail, and else
// echo them.
func failing(on *atomic.Bool) *fakeSandbox {
	return &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if on.Load() && strings.Contains(string(args), "fail") {
			return failure(runtime.ClassError), nil
		}
		return echo(ctx, p, args, c)
	}}
}

// failed submits n runs that fail and as many that do not, and returns the ids of the former.
func failed(t testing.TB, e *engine.Engine, n int) (ids []string) {
	t.Helper()
	var args [][]byte
	for i := range 2 * n {
		args = append(args, fmt.Appendf(nil, `{"n":%d,"do":%q}`, i, []string{"fail", "work"}[i%2]))
	}
	a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: args, Retries: new(int)})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range a.IDs {
		if x := await(t, e, id); i%2 == 0 {
			ids = append(ids, id)
		} else if x.State != runtime.StateSucceeded {
			t.Fatalf("%+v", x)
		}
	}
	return ids
}

func operate(t testing.TB, e *engine.Engine, r runtime.OperationRequest) runtime.Operation {
	t.Helper()
	r.Tenant = tenant
	o, err := e.StartOperation(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// awaitOperation waits until an operation does not run any more.
func awaitOperation(t testing.TB, e *engine.Engine, id string) runtime.Operation {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		o, err := e.GetOperation(ctx, tenant, id)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", o, err)
		}
		if o.State != runtime.OperationRunning {
			return o
		}
	}
}

// repeated returns how often each execution was repeated, once all reruns have ended.
func repeated(t testing.TB, e *engine.Engine, trace string) map[string]int {
	t.Helper()
	times := map[string]int{}
	for after := ""; ; {
		page, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{TraceID: trace}, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			times[x.RerunOf]++
			if x := await(t, e, x.ID); x.State != runtime.StateSucceeded {
				t.Errorf("a rerun ended as %+v", x)
			}
			after = x.ID
		}
		if len(page) < 100 {
			return times
		}
	}
}

func checkRepeated(t testing.TB, e *engine.Engine, trace string, ids []string) {
	t.Helper()
	times := repeated(t, e, trace)
	for _, id := range ids {
		if times[id] != 1 {
			t.Errorf("%s was repeated %d times", id, times[id])
		}
	}
	if len(times) != len(ids) {
		t.Errorf("%d executions were repeated, want %d", len(times), len(ids))
	}
}

// TestRerunOperation repeats all executions that failed, and no others: not those that it starts, no
// tasks, and none whose args were not kept.
func TestRerunOperation(t *testing.T) {
	var on atomic.Bool
	on.Store(true)
	e, _ := jobEngine(t, engine.Options{Sandbox: failing(&on)}, runtime.JobSpec{})
	ids := failed(t, e, 3*33)
	large, err := run(e, "hello", `{"do":"fail","x":"`+strings.Repeat("x", runtime.MaxKeptArgs)+`"}`)
	if err != nil || large.State != runtime.StateFailed {
		t.Fatal(large, err)
	}
	blocking, err := run(e, "hello", `{"do":"fail"}`)
	if err != nil {
		t.Fatal(err)
	}
	awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: []json.RawMessage{json.RawMessage(`{"do":"fail"}`)}}))
	on.Store(false)
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun, Filter: runtime.ExecutionFilter{Function: "hello"}}).ID)
	want := runtime.OperationProgress{Matched: len(ids) + 3, Done: len(ids) + 1, Skipped: 2}
	if o.State != runtime.OperationDone || o.OperationProgress != want || o.Finished.Before(o.Created) {
		t.Errorf("the operation ended as %+v", o)
	}
	checkRepeated(t, e, o.Caller.TraceID, append(ids, blocking.ID))

	for _, r := range []runtime.OperationRequest{
		{Kind: "x"},
		{},
		{Kind: runtime.OperationRerun, Filter: runtime.ExecutionFilter{States: []runtime.State{runtime.StateQueued}}},
		{Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{States: []runtime.State{runtime.StateFailed}}},
	} {
		r.Tenant = tenant
		_, err := e.StartOperation(ctx, r)
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
	if _, err := remove(e, "hello"); err != nil {
		t.Fatal(err)
	}
	o = awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun}).ID)
	if want := (runtime.OperationProgress{Matched: len(ids) + 3, Failed: len(ids) + 1, Skipped: 2, Error: o.Error}); o.OperationProgress != want || !strings.Contains(o.Error, "hello") {
		t.Errorf("without the function the operation ended as %+v", o)
	}
}

// TestRerunOperationSurvivesACrash crashes while an operation waits for room in the queue. It continues,
// and repeats each execution once.
func TestRerunOperationSurvivesACrash(t *testing.T) {
	var on, gate atomic.Bool
	on.Store(true)
	g := newGated()
	box := failing(&on)
	plain := box.run
	box.run = func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if gate.Load() {
			return g.run(ctx, p, args, c)
		}
		return plain(ctx, p, args, c)
	}
	d := openDisk(t, vfs.NewCrashableMem())
	o := engine.Options{Sandbox: box, MaxRuns: 4, BacklogLimit: 250}
	e := engineOn(t, d.store, o)
	create(t, e, spec("hello", "[]"))
	ids := failed(t, e, 100)
	on.Store(false)
	gate.Store(true)
	first := e
	op := operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun})
	<-g.began
	accepted := func() int {
		queued, err := listExecutions(ctx, first, tenant, runtime.ExecutionFilter{TraceID: op.Caller.TraceID}, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(queued)
	}
	for accepted() < 40 { // in the middle of a page
		time.Sleep(time.Millisecond)
	}
	after := d.crash(t)
	gate.Store(false)
	close(g.end)
	abandon(t, e, d)
	e = engineOn(t, after.store, o)
	defer closeAll(t, e, after)
	if now := awaitOperation(t, e, op.ID); now.State != runtime.OperationDone || now.Done != len(ids) || now.Matched != len(ids) {
		t.Errorf("the operation ended as %+v", now)
	}
	checkRepeated(t, e, op.Caller.TraceID, ids)
}

// TestCancelOperation cancels what is queued and what runs, and stops while a function has no room for
// more runs.
func TestCancelOperation(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 2})
	create(t, e, spec("hello", "[]"))
	create(t, e, spec("other", "[]"))
	a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(100)})
	if err != nil {
		t.Fatal(err)
	}
	other := submit(t, e, runtime.SubmitRequest{Function: "other"})
	<-g.began
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{Function: "hello"}}).ID)
	if o.State != runtime.OperationDone || o.Done != 100 || o.Matched != 100 {
		t.Errorf("the operation ended as %+v", o)
	}
	for _, id := range a.IDs {
		if x := await(t, e, id); x.State != runtime.StateCancelled {
			t.Fatalf("%+v", x)
		}
	}
	if x := getExecution(t, e, other); x.State == runtime.StateCancelled {
		t.Errorf("an execution of another function is %+v", x)
	}
	close(g.end)
	await(t, e, other)
}

// TestOperationsAreBounded checks that a tenant runs few operations at once, that few are stored, and
// that one ends when it is cancelled. Other tenants neither see nor delay them.
func TestOperationsAreBounded(t *testing.T) {
	var on, gate atomic.Bool
	on.Store(true)
	g := newGated()
	box := failing(&on)
	plain := box.run
	box.run = func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if gate.Load() {
			return g.run(ctx, p, args, c)
		}
		return plain(ctx, p, args, c)
	}
	e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1, BacklogLimit: 50})
	create(t, e, spec("hello", "[]"))
	failed(t, e, 20)
	failed(t, e, 20)
	failed(t, e, 20)
	gate.Store(true)
	var running []runtime.Operation
	for range runtime.MaxRunningOperations {
		running = append(running, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun}))
	}
	_, err := e.StartOperation(ctx, runtime.OperationRequest{Tenant: tenant, Kind: runtime.OperationRerun})
	if known := wantCode(t, err, runtime.CodeTooBusy); known.RetryAfter == 0 {
		t.Errorf("%+v", known)
	}
	if _, err := e.StartOperation(ctx, runtime.OperationRequest{Tenant: "b", Kind: runtime.OperationRerun}); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	_, err = e.GetOperation(ctx, "b", running[0].ID)
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.CancelOperation(ctx, "b", running[0].ID)
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.GetOperation(ctx, tenant, "../x")
	wantCode(t, err, runtime.CodeNotFound)
	for _, o := range running {
		if _, err := e.CancelOperation(ctx, tenant, o.ID); err != nil {
			t.Fatal(err)
		}
		if o := awaitOperation(t, e, o.ID); o.State != runtime.OperationCancelled || o.Finished.IsZero() {
			t.Errorf("the operation ended as %+v", o)
		}
	}
	gate.Store(false)
	close(g.end)
	for range runtime.MaxOperations {
		awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{Function: "none"}}).ID)
	}
	all, err := e.ListOperations(ctx, tenant)
	if err != nil || len(all) != runtime.MaxOperations {
		t.Errorf("%d operations are stored, %v", len(all), err)
	}
	for i, o := range all {
		if i > 0 && o.ID >= all[i-1].ID || o.Kind != runtime.OperationCancel {
			t.Errorf("operation %d is %+v", i, o)
		}
	}
	_, err = e.GetOperation(ctx, tenant, running[0].ID)
	wantCode(t, err, runtime.CodeNotFound)
}

// countingStore calls accept before it accepts runs that repeat others.
type countingStore struct {
	runtime.Store
	accept func()
}

func (s *countingStore) Accept(batch []runtime.Accepted, key *runtime.IdempotencyKey) ([]string, bool, error) {
	if batch[0].Execution.RerunOf != "" {
		s.accept()
	}
	return s.Store.Accept(batch, key)
}

// TestOperationsOfATenantThatIsDeleted checks that an operation accepts runs only while that counts as a
// request, for the end of which a deletion waits, and none once the tenant refuses requests.
func TestOperationsOfATenantThatIsDeleted(t *testing.T) {
	var on, closed atomic.Bool
	on.Store(true)
	use := runtime.NewTenantUse(runtime.TenantLimits{})
	store := &countingStore{newStore(t), func() {
		if closed.Load() || use.Requests() == 0 {
			t.Error("a run was accepted while the tenant may be dropped")
		}
	}}
	e := newEngine(t, engine.Options{Store: store, Sandbox: failing(&on), Uses: func(runtime.Tenant) *runtime.TenantUse { return use }})
	create(t, e, spec("hello", "[]"))
	ids := failed(t, e, 10)
	on.Store(false)
	o := awaitOperation(t, e, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun}).ID)
	checkRepeated(t, e, o.Caller.TraceID, ids)
	if n := use.Requests(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
	closed.Store(true)
	use.Close()
	o = operate(t, e, runtime.OperationRequest{Kind: runtime.OperationRerun})
	if o, err := e.CancelOperation(ctx, tenant, o.ID); err != nil || o.State != runtime.OperationRunning {
		t.Errorf("the operation is %+v, %v", o, err)
	}
	use.Reopen()
	if o := awaitOperation(t, e, o.ID); o.State != runtime.OperationCancelled || o.Matched != 0 {
		t.Errorf("the operation ended as %+v", o)
	}
}
