package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/turns"
)

// operationPages is the number of pages of all operations that are dealt with at once, one of each tenant.
const operationPages = 4

// operations are the operations that run. Each has a goroutine, which deals with one page at a time.
type operations struct {
	engine  *Engine
	starts  *keyedLock[runtime.Tenant]       // held while an operation of a tenant is started
	pages   *turns.Turns                     // a place for each page that is dealt with
	memory  *memory.Account                  // of these pages
	delay   func(failures int) time.Duration // after steps that have failed one after the other
	stopped context.Context                  // ends when the engine stops
	halt    context.CancelFunc               // ends the goroutines of all operations, which stay as they are in the store
	group   sync.WaitGroup

	mu      sync.Mutex
	running map[string]*operationRun // by id; guarded by mu
}

func newOperations(e *Engine, b *memory.Budget) *operations {
	stopped, halt := context.WithCancel(context.Background())
	return &operations{
		engine: e, starts: newKeyedLock[runtime.Tenant](), pages: turns.New(operationPages), stopped: stopped, halt: halt,
		delay:  func(failures int) time.Duration { return backoff.Jitter(backoff.Delay(failures, operationBackoff)) },
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
	if r := ops.running[strings.ToLower(id)]; r != nil && r.tenant == tenant {
		return r
	}
	return nil
}

// left returns the operations that an earlier process has left running.
func (ops *operations) left() (all []runtime.Operation, err error) {
	err = ops.engine.store.EachOperation(func(o runtime.Operation) error {
		if o.State == runtime.OperationRunning {
			o.Resumed++
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
	r := &operationRun{tenant: o.Tenant, operation: o, ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	ops.mu.Lock()
	ops.running[o.ID] = r
	ops.mu.Unlock()
	ops.group.Go(func() { ops.run(r) })
}

// wait waits until all goroutines have ended. It is called after halt.
func (ops *operations) wait() { ops.group.Wait() }
