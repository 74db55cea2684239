package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// FakeExecutions answers with the executions in all, in the order of order, and records the calls.
type FakeExecutions struct {
	Letters   []string // of the last request about dead letters
	guard     sync.Mutex
	Submitted []runtime.BulkRequest
	Filters   []runtime.ExecutionFilter
	Listed    []ListCall
	Cancelled []string
	Called    []runtime.Tenant
	Reads     []int // numbers of ids of the calls of GetExecutions

	Stats        runtime.Stats
	StatsQueries []runtime.StatsQuery
	Feed         runtime.ExecutionFeed // nil: without changes

	Searches []runtime.SearchQuery
	Found    runtime.Page[runtime.ExecutionSummary]

	All   map[string]runtime.Execution
	Order []string // ids, newest first, that ListExecutions and ScanExecutions return
	// Selected reports whether Where selects an execution. Nil: it does.
	Selected func(*runtime.Execution) bool
	Done     map[string]runtime.Execution
	Late     map[string]bool // those whose runs have ended, and whose ends are not stored
	Replay   bool
	Failing  error
	OnAwait  func(ctx context.Context, id string) (runtime.Execution, error)
	OnLogs   func(ctx context.Context, from runtime.LogPosition) (runtime.LogPage, error)
}

type ListCall struct {
	Cursor string
	Limit  int
}

func (f *FakeExecutions) call(tenant runtime.Tenant) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
}

func (f *FakeExecutions) Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error) {
	return f.SubmitBulk(ctx, runtime.BulkRequest{
		Tenant: r.Tenant, Function: r.Function, Args: [][]byte{r.Args}, Retries: r.Retries, IdempotencyKey: r.IdempotencyKey,
	})
}

func (f *FakeExecutions) SubmitBulk(_ context.Context, r runtime.BulkRequest) (runtime.Acceptance, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, r.Tenant)
	if f.Failing != nil {
		return runtime.Acceptance{}, f.Failing
	}
	f.Submitted = append(f.Submitted, r)
	var a runtime.Acceptance
	for i := range r.Args {
		a.IDs = append(a.IDs, ID[:len(ID)-4]+fmt.Sprintf("%04x", 0xabcd+i))
	}
	a.Replayed = f.Replay
	return a, nil
}

func (f *FakeExecutions) GetExecution(_ context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	x, ok := f.All[id]
	if !ok && f.Failing == nil {
		return x, runtime.Errorf(runtime.CodeNotFound, "there is no execution with this id")
	}
	return x, f.Failing
}

func (f *FakeExecutions) GetExecutions(_ context.Context, tenant runtime.Tenant, ids []string) ([]*runtime.Execution, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	f.Reads = append(f.Reads, len(ids))
	found := make([]*runtime.Execution, len(ids))
	for i, id := range ids {
		if x, ok := f.All[id]; ok {
			found[i] = &x
			if len(x.Result) > runtime.ListedResult {
				x.Result = nil
			}
		}
	}
	return found, f.Failing
}

func (f *FakeExecutions) GetArgs(_ context.Context, tenant runtime.Tenant, id string) ([]byte, error) {
	x, err := f.GetExecution(context.Background(), tenant, id)
	if err != nil || !x.KeepsArgs() {
		return nil, err
	}
	return []byte(`{"name": "you"}`), nil
}

func (f *FakeExecutions) Rerun(ctx context.Context, r runtime.RerunRequest) (runtime.Acceptance, error) {
	x, err := f.GetExecution(ctx, r.Tenant, r.ID)
	if err == nil && r.Sees != nil && !r.Sees(&x) {
		err = runtime.NoExecutionError(r.ID)
	}
	if err != nil {
		return runtime.Acceptance{}, err
	}
	_, err = f.SubmitBulk(ctx, runtime.BulkRequest{
		Tenant: r.Tenant, Args: [][]byte{r.Args}, RerunOf: []string{r.ID}, Version: r.Version, Retries: r.Retries, IdempotencyKey: r.IdempotencyKey,
	})
	return runtime.Acceptance{IDs: []string{r.ID}, Replayed: f.Replay}, err
}

func fakeOperation() runtime.Operation {
	return runtime.Operation{
		ID: ID, Kind: runtime.OperationRerun, State: runtime.OperationDone, Created: Time, Finished: Time.Add(time.Second), Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"},
		Filter:            runtime.ExecutionFilter{Function: "hello.py", States: []runtime.State{runtime.StateFailed, runtime.StateTimeout}, After: Time, Before: Time, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"},
		OperationProgress: runtime.OperationProgress{Matched: 6, Done: 3, Failed: 2, Skipped: 1, Error: "no <b>"},
	}
}

func (f *FakeExecutions) StartOperation(_ context.Context, r runtime.OperationRequest) (runtime.Operation, error) {
	f.call(r.Tenant)
	o := fakeOperation()
	o.Kind, o.State = r.Kind, runtime.OperationRunning
	return o, f.Failing
}

func (f *FakeExecutions) GetOperation(_ context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error) {
	f.call(tenant)
	if id != ID && f.Failing == nil {
		return runtime.Operation{}, runtime.NoOperationError(id)
	}
	return fakeOperation(), f.Failing
}

func (f *FakeExecutions) ListOperations(_ context.Context, tenant runtime.Tenant) ([]runtime.Operation, error) {
	f.call(tenant)
	return []runtime.Operation{fakeOperation()}, f.Failing
}

func (f *FakeExecutions) CancelOperation(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error) {
	return f.GetOperation(ctx, tenant, id)
}

func (f *FakeExecutions) AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if f.OnAwait != nil || f.Done != nil {
		f.call(tenant)
	}
	if f.OnAwait != nil {
		return f.OnAwait(ctx, id)
	}
	if x, ok := f.Done[id]; ok {
		return x, nil
	}
	return f.GetExecution(ctx, tenant, id)
}

func (f *FakeExecutions) ListExecutions(_ context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	f.Filters = append(f.Filters, filter)
	f.Listed = append(f.Listed, ListCall{r.After, r.Limit})
	for _, id := range f.Order[slices.Index(f.Order, r.After)+1:] {
		if len(page.Items) < r.Limit {
			page.Items = append(page.Items, f.All[id])
		}
	}
	if len(page.Items) == r.Limit {
		page.Next = page.Items[r.Limit-1].ID
	}
	return page, f.Failing
}

// ScanExecutions records its call as ListExecutions does. Selected stands for Where of the filter.
func (f *FakeExecutions) ScanExecutions(_ context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, scan runtime.ExecutionScan) (page runtime.Page[runtime.Execution], looks int, err error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	f.Filters = append(f.Filters, filter)
	f.Listed = append(f.Listed, ListCall{scan.After, scan.Limit})
	for _, id := range f.Order[slices.Index(f.Order, scan.After)+1:] {
		x := f.All[id]
		if f.Selected == nil || f.Selected(&x) {
			if scan.Sees(&x) {
				page.Items = append(page.Items, x)
			}
		}
		if looks += runtime.LooksOf(&x); len(page.Items) == scan.Limit || looks >= scan.Looks {
			page.Next = id
			break
		}
	}
	return page, looks, f.Failing
}

func (f *FakeExecutions) CancelExecution(_ context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	x, ok := f.All[id]
	if !ok && f.Failing == nil {
		return x, false, runtime.Errorf(runtime.CodeNotFound, "there is no execution with this id")
	}
	f.Cancelled = append(f.Cancelled, id)
	return x, !x.CancelRequested && x.Finished.IsZero(), f.Failing
}

// EndsLate reports whether Late has an execution.
func (f *FakeExecutions) EndsLate(_ runtime.Tenant, id string) bool {
	f.guard.Lock()
	defer f.guard.Unlock()
	return f.Late[id]
}

// FollowExecutions returns what Feed returns, or a feed without changes.
func (f *FakeExecutions) FollowExecutions(tenant runtime.Tenant) (runtime.ExecutionFeed, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	if f.Feed == nil || f.Failing != nil {
		return noChanges{}, f.Failing
	}
	return f.Feed, nil
}

// noChanges is a feed without changes.
type noChanges struct{}

func (noChanges) Next(ctx context.Context) (ids []string, missed int, more bool) {
	<-ctx.Done()
	return nil, 0, true
}

func (noChanges) Close() {}

// GetStats returns Stats, and records the query.
func (f *FakeExecutions) GetStats(_ context.Context, tenant runtime.Tenant, q runtime.StatsQuery) (runtime.Stats, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	f.StatsQueries = append(f.StatsQueries, q)
	return f.Stats, f.Failing
}

func (f *FakeExecutions) GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	if _, err := f.GetExecution(ctx, tenant, id); err != nil || f.OnLogs == nil {
		return runtime.LogPage{State: runtime.StateSucceeded, Attempt: 1}, err
	}
	return f.OnLogs(ctx, from)
}

func (f *FakeExecutions) FollowLogs(ctx context.Context, _ runtime.Tenant, _ string, from runtime.LogPosition) (runtime.LogPage, error) {
	return f.OnLogs(ctx, from)
}

// IDAt returns the id of execution n, which was accepted at a time.
func IDAt(at time.Time, n int) string {
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", at.UnixMilli()>>16, at.UnixMilli()&0xffff, n)
}

// ExecutionAt makes an execution in a state.
func ExecutionAt(id string, state runtime.State) runtime.Execution {
	x := runtime.Execution{ID: id, Kind: runtime.KindRun, Function: "f", Version: 2, State: state, Created: Time}
	x.Caller.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	if state != runtime.StateQueued {
		x.Started, x.Attempt = Time.Add(time.Millisecond), 1
	}
	if state.Terminal() {
		x.Finished = Time.Add(3 * time.Millisecond)
		x.Usage.Duration = 1500 * time.Microsecond
	}
	return x
}
