package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// CancelExecution cancels an execution: a queued one never starts, a running one is stopped and
// ends as cancelled unless it ends by itself at the same moment. Blocking runs are stopped in the
// same way. changed is false, and nothing changes, if it has ended or its cancellation was
// requested before. The returned execution is in its new state, without its logs;
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
	x, changed, err = e.store.Cancel(tenant, id, e.clock.Now().UTC())
	if err != nil {
		return runtime.Execution{}, false, withOp("engine.cancel", err)
	}
	switch {
	case x.State.Terminal():
		if changed {
			e.completions.Notify(x.ID)
			e.attempts.Notify(x.ID)
			e.onTaskCancelled(x)
		}
	default:
		e.background.Cancel(x.ID)
	}
	return x, changed, nil
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
