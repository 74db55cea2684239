package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// GetJobExecution returns the execution of a job with a name or id.
//
// Errors of this and the methods below: CodeNotFound, CodeInvalidArgument,
// CodeUnavailable, CodeInternal.
func (e *Engine) GetJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, err error) {
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, err
	}
	defer e.gate.leave()
	x, err = e.jobExecution(tenant, job, execution)
	return x, withOp("engine.jobexecution", err)
}

// ListJobExecutions returns a page of the executions of a job.
func (e *Engine) ListJobExecutions(ctx context.Context, tenant runtime.Tenant, job string, r runtime.PageRequest) (page runtime.Page[runtime.JobExecution], err error) {
	const op = "engine.jobexecutions"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err == nil {
		page, err = e.store.ListJobExecutions(tenant, j.ID, r.Bounded())
	}
	for i := range page.Items {
		x := &page.Items[i]
		if !e.background.Overlay(x) {
			if done, err := e.store.GetJobExecutionByID(tenant, x.ID); err == nil {
				*x = done
			}
		}
		e.setExpiry(x)
	}
	return page, withOp(op, err)
}

// AwaitJobExecution returns an execution of a job as soon as it is done. If ctx ends first, or
// the server begins to shut down, it returns the execution in its current state, without an
// error.
func (e *Engine) AwaitJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	const op = "engine.awaitjob"
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, err
	}
	defer e.gate.leave()
	x, err := e.jobExecution(tenant, job, execution)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, withOp(op, err)
	}
	id := x.ID
	completed, leave := e.completions.Wait(id)
	defer leave()
	// It may have ended before the wait began.
	if x, err = e.jobExecutionByID(tenant, id); err != nil || x.State.Terminal() {
		return x, withOp(op, err)
	}
	select {
	case <-completed:
	case <-ctx.Done():
	case <-e.background.Stopping():
	}
	x, err = e.jobExecutionByID(tenant, id)
	return x, withOp(op, err)
}

// CancelJobExecution cancels an execution of a job: running tasks continue to their ends, no
// other task starts or is retried. The execution is cancelled once no task runs. changed is
// false if it has ended or was cancelled before. When CancelJobExecution returns, the queued
// tasks are cancelled on disk.
func (e *Engine) CancelJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, changed bool, err error) {
	const op = "engine.canceljob"
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, false, err
	}
	defer e.gate.leave()
	if x, err = e.jobExecution(tenant, job, execution); err != nil {
		return runtime.JobExecution{}, false, withOp(op, err)
	}
	x, changed, err = e.cancelJobExecution(tenant, x.ID)
	return x, changed, withOp(op, err)
}

func (e *Engine) cancelJobExecution(tenant runtime.Tenant, id string) (runtime.JobExecution, bool, error) {
	x, changed, cancelled, err := e.store.CancelJobExecution(tenant, id, e.clock.Now().UTC())
	if err != nil {
		return runtime.JobExecution{}, false, err
	}
	e.background.CancelGroup(id)
	for _, task := range cancelled {
		e.completions.Notify(task)
		e.attempts.Notify(task)
	}
	if x.State.Terminal() {
		e.JobDone(tenant, x.ID)
		e.setExpiry(&x)
		return x, changed, nil
	}
	x, err = e.jobExecutionByID(tenant, id)
	return x, changed, err
}

// JobDone implements [dispatch.Engine]: it notifies the callers and the callback that wait for
// an execution of a job.
func (e *Engine) JobDone(tenant runtime.Tenant, id string) {
	callback := e.background.HasCallback(id)
	e.background.DropGroup(id)
	e.completions.Notify(id)
	if callback {
		e.deliveries.JobDone(tenant, id)
	}
}

// jobExecution returns the execution of a job with a name or id, in its current state.
func (e *Engine) jobExecution(tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return runtime.JobExecution{}, err
	}
	return e.overlaid(func() (runtime.JobExecution, error) { return e.store.GetJobExecution(tenant, j.ID, execution) })
}

// jobExecutionByID returns an execution of a job in its current state.
func (e *Engine) jobExecutionByID(tenant runtime.Tenant, id string) (runtime.JobExecution, error) {
	return e.overlaid(func() (runtime.JobExecution, error) { return e.store.GetJobExecutionByID(tenant, id) })
}

// overlaid reads an execution of a job from the store and adds what only the dispatcher knows:
// how many tasks run.
func (e *Engine) overlaid(read func() (runtime.JobExecution, error)) (runtime.JobExecution, error) {
	x, err := read()
	if err == nil && !e.background.Overlay(&x) {
		// It has ended since it was read.
		x, err = read()
	}
	e.setExpiry(&x)
	return x, err
}
