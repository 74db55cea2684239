package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// CancelExecution stops an execution: one that is queued never starts, one that runs is
// told to stop and ends as cancelled, unless it ends by itself at the same
// moment. changed is false if it has ended, or was asked to stop before; it is
// then as it was. The execution is as it stands when Cancel returns, without its
// logs; [Engine.AwaitExecution] waits for its end. Runs that callers wait for are stopped
// likewise.
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
	e.records.settle()
	x, changed, err = e.store.Cancel(tenant, id, e.now().UTC())
	if err != nil {
		return runtime.Execution{}, false, fault("engine.cancel", err)
	}
	switch {
	case x.State.Terminal():
		if changed {
			e.completions.Notify(x.ID)
			e.attempts.Notify(x.ID)
			e.taskCancelled(x)
		}
	default:
		e.background.Cancel(x.ID)
	}
	return x, changed, nil
}

// taskCancelled looks whether an execution that was cancelled before it ran was the
// last task of an execution of a job.
func (e *Engine) taskCancelled(x runtime.Execution) {
	if x.Task == nil {
		return
	}
	job, err := e.store.GetJobExecutionByID(x.Tenant, x.Task.JobExecution)
	if err == nil && job.State.Terminal() {
		e.JobDone(x.Tenant, job.ID)
	}
}
