package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// operationPage is the number of executions that an operation deals with before it stores its
	// progress, and operationAtOnce the number of those that it deals with at once.
	operationPage   = 32
	operationAtOnce = 8
	// operationLooks is the number of looks at executions after which it stores its progress, too, and
	// gives its place to another operation.
	operationLooks = 64 * operationPage
	// operationBytes is the size of the executions of a page, in bytes, after which the page ends.
	operationBytes = 8 * runtime.MiB
	// operationPause is how long an operation pauses when the server has no room for more runs.
	operationPause = time.Second
	// operationBackoff is the longest pause after steps that have failed one after the other, and
	// operationFailures the number of them, inside the server, after which the operation has failed.
	operationBackoff  = 30 * time.Second
	operationFailures = 10
	// operationResumes is the number of times that an operation is continued after the end of a process
	// without a step in between. It has failed then: it may be what ends the processes.
	operationResumes = 5
)

// errTenantDeleted is the error of a step whose tenant is being deleted. The operation ends once its record
// is gone.
var errTenantDeleted = runtime.Errorf(runtime.CodeUnavailable, "the tenant is being deleted")

// internalText is what the owner of an operation reads of an error inside the server.
const internalText = "something went wrong inside the server"

// operationRun is an operation that runs. The fields of its goroutine are used by that alone.
type operationRun struct {
	tenant runtime.Tenant
	ctx    context.Context // ends when it is cancelled
	cancel context.CancelFunc
	ended  chan struct{} // closed when its goroutine has ended

	// Of its goroutine:
	operation runtime.Operation
	settled   map[string]bool // executions of the present page that were dealt with
	failures  int             // steps that have failed since the last one that has not
	reported  string          // the last error in the log, until a step succeeds
}

// run deals with an operation, page by page, until it is done, is cancelled, or the engine stops.
func (ops *operations) run(r *operationRun) {
	defer func() {
		r.cancel()
		ops.mu.Lock()
		delete(ops.running, r.operation.ID)
		ops.mu.Unlock()
		close(r.ended)
	}()
	defer ops.logPanic(r)
	for {
		if !ops.pages.Take(ops.stopped, r.tenant) {
			return
		}
		ended, err := ops.step(r)
		ops.pages.Give(r.tenant)
		if ended || runtime.CodeOf(err) == runtime.CodeNotFound { // its tenant was dropped
			return
		}
		if pause := ops.judge(r, err); pause > 0 && !ops.pause(r, pause) {
			return
		}
	}
}

// logPanic logs a panic, which then ends the process: the store may hold its locks for ever. The process
// that follows continues the operation, [operationResumes] times.
func (ops *operations) logPanic(r *operationRun) {
	if p := recover(); p != nil {
		ops.engine.log.Error("engine: an operation on executions panicked: ending the process",
			"tenant", r.operation.Tenant, "operation", r.operation.ID, "error", fmt.Sprint(p), "stack", string(debug.Stack()))
		panic("engine: an operation on executions panicked, see the log")
	}
}

// judge logs what a step has failed with, if that is new, and returns how long the operation pauses.
// After too many failures the operation has failed.
func (ops *operations) judge(r *operationRun, err error) time.Duration {
	if err == nil {
		if r.reported != "" {
			ops.engine.log.Info("engine: an operation on executions continues", "tenant", r.operation.Tenant, "operation", r.operation.ID)
		}
		r.failures, r.reported = 0, ""
		return 0
	}
	code := runtime.CodeOf(err)
	if code == runtime.CodeTooBusy || errors.Is(err, errTenantDeleted) {
		return operationPause
	}
	ops.report(r, err)
	r.failures++
	if code != runtime.CodeUnavailable && r.failures >= operationFailures && r.operation.State == runtime.OperationRunning {
		ops.fail(&r.operation, fmt.Sprintf("%s in %d steps, one after the other; ask the operator to repair it, then start the operation again", internalText, operationFailures))
	}
	return ops.delay(r.failures)
}

// report logs an error, unless it is the last one in the log.
func (ops *operations) report(r *operationRun, err error) {
	if text := err.Error(); text != r.reported {
		r.reported = text
		ops.engine.log.Warn("engine: a step of an operation on executions failed; it is tried again", "tenant", r.operation.Tenant, "operation", r.operation.ID, "error", err)
	}
}

func (ops *operations) fail(o *runtime.Operation, why string) {
	o.State, o.Error = runtime.OperationFailed, why
}

// pause waits, at most until the operation is cancelled, and reports whether the engine still runs then.
func (ops *operations) pause(r *operationRun, d time.Duration) bool {
	timer := time.NewTimer(d)
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
	case <-ops.stopped.Done():
		return false
	}
}

// step deals with the next page of an operation, and stores the progress. If that fails, the next step
// goes on from there, and a later process from what was stored: it does not do twice what was done.
func (ops *operations) step(r *operationRun) (ended bool, err error) {
	e, o := ops.engine, &r.operation
	use := e.useOf(o.Tenant)
	if !use.Enter() { // the tenant is not dropped during a step, which would leave what it accepts
		return false, errTenantDeleted
	}
	defer use.Leave()
	if o.State == runtime.OperationRunning && r.ctx.Err() == nil { // else that could not be stored
		if o.Resumed > operationResumes {
			ops.fail(o, fmt.Sprintf("the server has ended %d times while it dealt with the next executions; select other executions", o.Resumed))
		} else if err := ops.survive(r, ops.page); err != nil && r.ctx.Err() == nil {
			return false, err
		}
	}
	if r.ctx.Err() != nil && o.State == runtime.OperationRunning {
		o.State = runtime.OperationCancelled
	}
	if o.State != runtime.OperationRunning {
		o.Finished = runtime.Later(e.clock.Now(), o.Created).UTC()
	}
	if err := e.store.UpdateOperation(*o); err != nil {
		return false, err
	}
	return o.State != runtime.OperationRunning, nil
}

// survive calls a function that may end the process. If an operation is continued by one process after the
// other, the record says how often, until the function has returned.
func (ops *operations) survive(r *operationRun, page func(*operationRun) error) error {
	if r.operation.Resumed == 0 {
		return page(r)
	}
	begun := r.operation
	if err := ops.engine.store.UpdateOperation(begun); err != nil {
		return err
	}
	err := page(r)
	if r.operation.Resumed = 0; err != nil {
		begun.Resumed = 0
		err = errors.Join(err, ops.engine.store.UpdateOperation(begun))
	}
	return err
}

// page deals with the next page of executions that the filter selects.
func (ops *operations) page(r *operationRun) error {
	o := &r.operation
	page, _, err := ops.engine.ScanExecutions(r.ctx, o.Tenant, o.Filter, runtime.ExecutionScan{
		After: o.Cursor, Limit: operationPage, Bytes: operationBytes, Looks: operationLooks,
	})
	if err != nil {
		return err
	}
	if err := ops.deal(r, page.Items); err != nil {
		return err
	}
	r.settled = nil
	if page.Next == "" {
		o.State = runtime.OperationDone
		return nil
	}
	o.Cursor = page.Next
	return nil
}

// deal deals with the executions of a page, several at once. It returns an error if some must be dealt with
// later.
func (ops *operations) deal(r *operationRun, all []runtime.Execution) error {
	var bytes int64
	for i := range all {
		bytes += all[i].Weight()
	}
	ops.memory.Add(bytes)
	defer ops.memory.Give(bytes)
	if r.settled == nil {
		r.settled = make(map[string]bool, len(all))
	}
	all = slices.DeleteFunc(all, func(x runtime.Execution) bool { return r.settled[x.ID] })
	for some := range slices.Chunk(all, operationAtOnce) {
		done, errs, panics := make([]bool, len(some)), make([]error, len(some)), make([]any, len(some))
		var group sync.WaitGroup
		for i := range some {
			group.Go(func() {
				defer func() { panics[i] = recover() }()
				done[i], errs[i] = ops.one(&r.operation, &some[i])
			})
		}
		group.Wait()
		for _, p := range panics {
			if p != nil {
				panic(p)
			}
		}
		var later error
		for i, err := range errs {
			if code := runtime.CodeOf(err); code == runtime.CodeTooBusy || code == runtime.CodeUnavailable {
				later = err
				continue
			}
			r.settled[some[i].ID] = true
			ops.count(r, done[i], err)
		}
		if later != nil {
			return later
		}
	}
	return nil
}

// count counts an execution that was dealt with.
func (ops *operations) count(r *operationRun, done bool, err error) {
	p := &r.operation.OperationProgress
	p.Matched++
	switch {
	case err != nil:
		p.Failed++
		p.Error = operationError(err)
		if p.Error == internalText {
			ops.report(r, err)
		}
	case done:
		p.Done++
	default:
		p.Skipped++
	}
}

// operationError returns the text of an error for the owner of an operation.
func operationError(err error) string {
	known, ok := runtime.AsError(err)
	if !ok || known.Code == runtime.CodeInternal {
		return internalText
	}
	text := known.Message
	return strings.ToValidUTF8(text[:min(len(text), runtime.MaxOperationError)], "")
}

// one deals with one execution. done is false if it needs nothing, or cannot be repeated.
func (ops *operations) one(o *runtime.Operation, x *runtime.Execution) (done bool, err error) {
	if o.Kind == runtime.OperationCancel {
		_, done, err := ops.engine.CancelExecution(context.Background(), o.Tenant, x.ID)
		if runtime.CodeOf(err) == runtime.CodeNotFound {
			err = nil
		}
		return done, err
	}
	if checkRerun(x) != nil {
		return false, nil
	}
	if x.RerunOf != "" { // by this operation, with an earlier id if the clock was set back?
		ids, err := ops.rerunsOf(o, x.RerunOf)
		if err != nil || slices.Contains(ids, x.ID) {
			return false, err
		}
	}
	ids, err := ops.rerunsOf(o, x.ID)
	if err != nil || len(ids) > 0 { // it was repeated before a crash
		return err == nil, err
	}
	return ops.repeat(o, x)
}

// repeat repeats the run of an execution. done is false if its args were not kept.
func (ops *operations) repeat(o *runtime.Operation, x *runtime.Execution) (done bool, err error) {
	e := ops.engine
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
	key := ops.rerunKey(o, x.ID)
	_, err = e.acceptKeyed(context.Background(), runtime.BulkRequest{
		Tenant: o.Tenant, Function: name, Caller: o.Caller, Args: [][]byte{args}, RerunOf: []string{x.ID},
	}, &key)
	return err == nil, err
}

// rerunKey returns the key of the run with which an operation repeats an execution. No client can send
// it. It makes a run that was accepted before a crash the answer after it.
func (ops *operations) rerunKey(o *runtime.Operation, id string) runtime.IdempotencyKey {
	return runtime.IdempotencyKey{Key: "\x00" + o.ID + id, Now: ops.engine.clock.Now().UTC()}
}

// rerunsOf returns the ids of the runs with which an operation has repeated an execution: one, or none.
func (ops *operations) rerunsOf(o *runtime.Operation, id string) ([]string, error) {
	return ops.engine.store.LookupKey(o.Tenant, ops.rerunKey(o, id))
}
