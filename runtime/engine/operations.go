package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// operationPage is the number of executions that an operation deals with before it stores its
	// progress, and operationAtOnce the number of those that it deals with at once.
	operationPage   = 32
	operationAtOnce = 8
	// operationPages is the number of pages of all operations that are dealt with at once.
	operationPages = 4
	// operationPause is how long an operation pauses when the server has no room for more runs, or
	// cannot write.
	operationPause = time.Second
)

// errTenantDeleted is the error of a step whose tenant is being deleted. The operation ends once its record
// is gone.
var errTenantDeleted = runtime.Errorf(runtime.CodeUnavailable, "the tenant is being deleted")

// operations are the operations that run. Each has a goroutine, which deals with one page at a time.
type operations struct {
	engine *Engine
	starts *keyedLock[runtime.Tenant] // held while an operation of a tenant is started
	pages  chan struct{}              // a place for each page that is dealt with
	memory *memory.Account            // of these pages
	stop   chan struct{}
	once   sync.Once // closes stop
	group  sync.WaitGroup

	mu      sync.Mutex
	running map[string]*operationRun // by id; guarded by mu
}

// operationRun is an operation that runs.
type operationRun struct {
	operation runtime.Operation // guarded by the mutex of operations
	ctx       context.Context   // ends when it is cancelled, or the engine stops
	cancel    context.CancelFunc
	ended     chan struct{} // closed when its goroutine has ended
}

func newOperations(e *Engine, b *memory.Budget) *operations {
	return &operations{
		engine: e, starts: newKeyedLock[runtime.Tenant](), pages: make(chan struct{}, operationPages), stop: make(chan struct{}),
		memory: b.Open(memory.Options{Name: "executions of operations", Heap: true}), running: make(map[string]*operationRun),
	}
}

// StartOperation starts to repeat or cancel all executions that a filter selects. When it returns, the
// operation is on disk, and continues after a restart. Each execution is repeated once, also then, if the
// server is back within [runtime.IdempotencyPeriod].
//
// Errors: CodeInvalidArgument, CodeTooBusy if [runtime.MaxRunningOperations] of the tenant run,
// CodeUnavailable, CodeInternal.
func (e *Engine) StartOperation(ctx context.Context, r runtime.OperationRequest) (runtime.Operation, error) {
	const op = "engine.startoperation"
	if err := e.enter(); err != nil {
		return runtime.Operation{}, err
	}
	defer e.gate.leave()
	r, err := r.Normal()
	if err != nil {
		return runtime.Operation{}, withOp(op, err)
	}
	ops := e.operations
	if err := ops.starts.lock(ctx, r.Tenant); err != nil {
		return runtime.Operation{}, runtime.AbandonedError(err)
	}
	defer ops.starts.unlock(r.Tenant)
	drop, err := ops.room(r.Tenant)
	if err != nil {
		return runtime.Operation{}, withOp(op, err)
	}
	created, id := e.clock.Stamp()
	o := runtime.Operation{
		ID: id, Tenant: r.Tenant, Kind: r.Kind, Filter: r.Filter, Caller: r.Caller, State: runtime.OperationRunning, Created: created.UTC(),
		Cursor: id, // executions that are accepted from now on have later ids
	}
	o.Caller.BeginTrace(id)
	if err := e.store.CreateOperation(o, drop); err != nil {
		return runtime.Operation{}, withOp(op, err)
	}
	ops.begin(o)
	return o, nil
}

// room returns the ids of the operations that a new one of a tenant replaces.
func (ops *operations) room(tenant runtime.Tenant) (drop []string, err error) {
	all, err := ops.engine.store.ListOperations(tenant)
	if err != nil {
		return nil, err
	}
	running := 0
	for _, o := range all {
		if o.State == runtime.OperationRunning {
			running++
		}
	}
	if running >= runtime.MaxRunningOperations {
		busy := runtime.Errorf(runtime.CodeTooBusy, "%d operations run, more are not possible at once", running).
			WithHint("wait until one is done, or cancel one")
		busy.RetryAfter = runtime.BusyRetry
		return nil, busy
	}
	for i := len(all) - 1; i >= 0 && len(all)-len(drop) >= runtime.MaxOperations; i-- {
		if all[i].State != runtime.OperationRunning {
			drop = append(drop, all[i].ID)
		}
	}
	return drop, nil
}

// GetOperation returns an operation with its present progress.
func (e *Engine) GetOperation(_ context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error) {
	const op = "engine.operation"
	if err := e.enter(); err != nil {
		return runtime.Operation{}, err
	}
	defer e.gate.leave()
	o, err := e.store.GetOperation(tenant, id)
	return o, withOp(op, err)
}

// ListOperations returns the operations of a tenant that are stored, newest first.
func (e *Engine) ListOperations(_ context.Context, tenant runtime.Tenant) ([]runtime.Operation, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	all, err := e.store.ListOperations(tenant)
	return all, withOp("engine.operations", err)
}

// CancelOperation ends an operation that runs. What it has done stays. If that cannot be stored before
// ctx ends, or within a second, the operation that is returned still runs.
func (e *Engine) CancelOperation(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error) {
	if err := e.enter(); err != nil {
		return runtime.Operation{}, err
	}
	defer e.gate.leave()
	if r := e.operations.find(tenant, id); r != nil {
		r.cancel()
		timer := time.NewTimer(commitPatience)
		defer timer.Stop()
		select {
		case <-r.ended:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	o, err := e.store.GetOperation(tenant, id)
	return o, withOp("engine.canceloperation", err)
}

func (ops *operations) find(tenant runtime.Tenant, id string) *operationRun {
	ops.mu.Lock()
	defer ops.mu.Unlock()
	if r := ops.running[strings.ToLower(id)]; r != nil && r.operation.Tenant == tenant {
		return r
	}
	return nil
}

// left returns the operations that an earlier process has left running.
func (ops *operations) left() (all []runtime.Operation, err error) {
	err = ops.engine.store.EachOperation(func(o runtime.Operation) error {
		if o.State == runtime.OperationRunning {
			all = append(all, o)
		}
		return nil
	})
	return all, err
}

// beginAll starts the goroutines of operations.
func (ops *operations) beginAll(all []runtime.Operation) {
	for _, o := range all {
		ops.begin(o)
	}
}

// begin starts the goroutine of an operation.
func (ops *operations) begin(o runtime.Operation) {
	r := &operationRun{operation: o, ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	ops.mu.Lock()
	ops.running[o.ID] = r
	ops.mu.Unlock()
	ops.group.Go(func() { ops.run(r) })
}

// halt ends the goroutines of all operations, which stay as they are in the store.
func (ops *operations) halt() { ops.once.Do(func() { close(ops.stop) }) }

// wait waits until all goroutines have ended. It is called after halt.
func (ops *operations) wait() { ops.group.Wait() }

// run deals with an operation, page by page, until it is done, is cancelled, or the engine stops.
func (ops *operations) run(r *operationRun) {
	defer func() {
		r.cancel()
		ops.mu.Lock()
		delete(ops.running, r.operation.ID)
		ops.mu.Unlock()
		close(r.ended)
	}()
	for {
		select {
		case ops.pages <- struct{}{}:
		case <-ops.stop:
			return
		}
		ended, err := ops.step(r)
		<-ops.pages
		switch {
		case ended, runtime.CodeOf(err) == runtime.CodeNotFound: // its tenant was dropped
			return
		case err != nil && !ops.pause(r):
			return
		}
	}
}

// pause waits for a moment, at most until the operation is cancelled, and reports whether the engine
// still runs then.
func (ops *operations) pause(r *operationRun) bool {
	timer := time.NewTimer(operationPause)
	defer timer.Stop()
	cancelled := r.ctx.Done()
	if r.ctx.Err() != nil { // and that could not be stored
		cancelled = nil
	}
	select {
	case <-timer.C:
		return true
	case <-cancelled:
		return true
	case <-ops.stop:
		return false
	}
}

// step deals with the next page of an operation, and stores the progress. After an error the page is
// dealt with again: what was done is not done twice.
func (ops *operations) step(r *operationRun) (ended bool, err error) {
	e, o := ops.engine, r.operation
	use := e.useOf(o.Tenant)
	if !use.Enter() { // the tenant is not dropped during a step, which would leave what it accepts
		return false, errTenantDeleted
	}
	defer use.Leave()
	if r.ctx.Err() == nil {
		if err := ops.page(r, &o); err != nil && r.ctx.Err() == nil {
			return false, err
		}
	}
	if r.ctx.Err() != nil && o.State == runtime.OperationRunning {
		o.State = runtime.OperationCancelled
	}
	if o.State != runtime.OperationRunning {
		o.Finished = runtime.Later(e.clock.Now(), o.Created).UTC()
	}
	if err := e.store.UpdateOperation(o); err != nil {
		return false, err
	}
	ops.mu.Lock()
	r.operation = o
	ops.mu.Unlock()
	return o.State != runtime.OperationRunning, nil
}

// page deals with the next page of an operation, and sets what is stored of it then.
func (ops *operations) page(r *operationRun, o *runtime.Operation) error {
	page, err := ops.engine.ListExecutions(r.ctx, o.Tenant, o.Filter, runtime.PageRequest{After: o.Cursor, Limit: operationPage})
	if err != nil {
		return err
	}
	progress, err := ops.deal(r, page.Items)
	o.OperationProgress = progress
	switch {
	case err != nil:
		return err
	case page.Next == "":
		o.State = runtime.OperationDone
	default:
		o.Cursor = page.Next
	}
	return nil
}

// deal deals with executions, several at once. It returns an error if some must be dealt with later.
func (ops *operations) deal(r *operationRun, all []runtime.Execution) (runtime.OperationProgress, error) {
	var bytes int64
	for i := range all {
		bytes += all[i].Weight()
	}
	ops.memory.Add(bytes)
	defer ops.memory.Give(bytes)
	progress := r.operation.OperationProgress
	for some := range slices.Chunk(all, operationAtOnce) {
		done, errs := make([]bool, len(some)), make([]error, len(some))
		var group sync.WaitGroup
		for i := range some {
			group.Go(func() { done[i], errs[i] = ops.one(&r.operation, &some[i]) })
		}
		group.Wait()
		for i, err := range errs {
			if code := runtime.CodeOf(err); code == runtime.CodeTooBusy || code == runtime.CodeUnavailable {
				return progress, err
			}
			progress.Matched++
			switch {
			case err != nil:
				progress.Failed++
				progress.Error = operationError(err)
			case done[i]:
				progress.Done++
			default:
				progress.Skipped++
			}
		}
	}
	return progress, nil
}

// operationError returns the text of an error for the owner of an operation.
func operationError(err error) string {
	known, ok := runtime.AsError(err)
	if !ok || known.Code == runtime.CodeInternal {
		return "something went wrong inside the server"
	}
	text := known.Message
	return strings.ToValidUTF8(text[:min(len(text), runtime.MaxOperationError)], "")
}

// one deals with one execution. done is false if it needs nothing, or cannot be repeated.
func (ops *operations) one(o *runtime.Operation, x *runtime.Execution) (done bool, err error) {
	e := ops.engine
	if o.Kind == runtime.OperationCancel {
		_, done, err := e.CancelExecution(context.Background(), o.Tenant, x.ID)
		if runtime.CodeOf(err) == runtime.CodeNotFound {
			err = nil
		}
		return done, err
	}
	own := x.RerunOf != "" && x.Caller.TraceID == o.Caller.TraceID // its id is earlier if the clock was set back
	if checkRerun(x) != nil || own {
		return false, nil
	}
	args, err := e.keptArgs(x)
	if code := runtime.CodeOf(err); code == runtime.CodeConflict || code == runtime.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	name, err := e.functionOf(x)
	if err != nil {
		return false, err
	}
	// No client can send this key. It makes a run that was accepted before a crash the answer after it.
	key := &runtime.IdempotencyKey{Key: "\x00" + o.ID + x.ID, Now: e.clock.Now().UTC()}
	_, err = e.acceptKeyed(context.Background(), runtime.BulkRequest{
		Tenant: o.Tenant, Function: name, Caller: o.Caller, Args: [][]byte{args}, RerunOf: []string{x.ID},
	}, key)
	return err == nil, err
}
