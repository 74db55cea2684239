package engine

import (
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// CancelExecution cancels an execution: a queued one never starts, a running one is stopped and
// ends as cancelled, even if it returns at the same moment. Blocking runs are stopped in the same
// way. changed is false, and nothing changes, if it has ended or its cancellation was requested
// before, or if its attempt has returned, also one that is followed by another, and that cannot be written for a while. The returned execution is in its new state, without its logs;
// [Engine.AwaitExecution] waits for its end.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) CancelExecution(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error) {
	if err := e.enter(); err != nil {
		return runtime.Execution{}, false, err
	}
	defer e.gate.leave()
	if x, changed, running := e.blocking.cancel(tenant, id); running {
		return x, changed, nil
	}
	e.records.flush()
	if !e.awaitCommit(ctx, tenant, id) {
		x, err = e.store.GetExecution(tenant, id)
		return x, false, withOp("engine.cancel", err)
	}
	x, changed, err = e.store.Cancel(tenant, id, e.clock.Now().UTC())
	if err != nil {
		return runtime.Execution{}, false, withOp("engine.cancel", err)
	}
	if x.State.Terminal() {
		if changed {
			e.completions.Notify(x.ID)
			e.attempts.Notify(x.ID)
			e.background.Forget(tenant, x.ID)
			e.onTaskCancelled(x)
		}
		return x, changed, nil
	}
	active, returned := e.background.Cancel(x.ID)
	if active && !returned {
		return x, changed, nil
	}
	// It has returned since, and its end may be on disk already.
	e.awaitCommit(ctx, tenant, x.ID)
	if x, err = e.store.GetExecution(tenant, x.ID); err != nil {
		return runtime.Execution{}, false, withOp("engine.cancel", err)
	}
	changed = changed && (x.State == runtime.StateCancelled || !active && !x.State.Terminal())
	return x, changed, nil
}

// EndsLate reports whether an execution has ended, and its end is not stored yet: the store may not take it for a while.
func (e *Engine) EndsLate(tenant runtime.Tenant, id string) bool {
	return e.background.Unstored(tenant, id)
}

// commitPatience is how long a cancellation waits for the outcome of a run that has returned: on a
// full disk it is not written.
const commitPatience = time.Second

// awaitCommit waits until the end of an attempt that has returned is on disk, at most for
// commitPatience, and reports whether it is.
func (e *Engine) awaitCommit(ctx context.Context, tenant runtime.Tenant, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	for e.background.Returned(tenant, id) {
		ended, leave := e.attempts.Wait(id)
		if e.background.Returned(tenant, id) {
			select {
			case <-ended:
			case <-ctx.Done():
				leave()
				return false
			case <-e.background.Stopping():
				leave()
				return false
			}
		}
		leave()
	}
	return true
}

// onTaskCancelled notifies the callers that wait for an execution of a job if its last task was
// cancelled before it started.
func (e *Engine) onTaskCancelled(x runtime.Execution) {
	if x.Task == nil {
		return
	}
	job, err := e.store.GetJobExecutionByID(x.Tenant, x.Task.JobExecution)
	if err == nil && job.State.Terminal() {
		e.JobDone(x.Tenant, job.ID)
	}
}
