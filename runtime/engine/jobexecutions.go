package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// GetJobExecution finds an execution of a job by its name or id.
//
// Errors of this and the methods below: CodeNotFound, CodeInvalidArgument,
// CodeUnavailable, CodeInternal.
func (e *Engine) GetJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, err error) {
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, err
	}
	defer e.gate.leave()
	x, err = e.jobExecution(tenant, job, execution)
	return x, fault("engine.jobexecution", err)
}

func (e *Engine) jobExecution(tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return runtime.JobExecution{}, err
	}
	return e.jobStands(tenant, func() (runtime.JobExecution, error) { return e.store.GetJobExecution(tenant, j.ID, execution) })
}

// jobStands reads an execution of a job, as it stands.
func (e *Engine) jobStands(tenant runtime.Tenant, read func() (runtime.JobExecution, error)) (runtime.JobExecution, error) {
	x, err := read()
	if err == nil && !e.background.Overlay(&x) {
		// It is done by now.
		x, err = read()
	}
	return x, err
}

// ListJobExecutions gives a page of the executions of a job.
func (e *Engine) ListJobExecutions(ctx context.Context, tenant runtime.Tenant, job string, l runtime.PageRequest) (page runtime.Page[runtime.JobExecution], err error) {
	const op = "engine.jobexecutions"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err == nil {
		page, err = e.store.ListJobExecutions(tenant, j.ID, l.Bounded())
	}
	for i := range page.Items {
		x := &page.Items[i]
		if e.background.Overlay(x) {
			continue
		}
		if done, err := e.store.GetJobExecutionByID(tenant, x.ID); err == nil {
			*x = done
		}
	}
	return page, fault(op, err)
}

// ListTasks gives a page of the tasks of an execution of a job. In the order of
// their names "task-10" comes before "task-2". Tasks that retention has dropped
// are left out, so that there may be fewer than were asked for.
func (e *Engine) ListTasks(ctx context.Context, tenant runtime.Tenant, job, execution string, l runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	const op = "engine.jobtasks"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return page, fault(op, err)
	}
	x, err := e.store.GetJobExecution(tenant, j.ID, execution)
	if err != nil {
		return page, fault(op, err)
	}
	page.Total = x.Stats.Total
	numbers, next, err := l.Bounded().TaskNumbers(page.Total)
	if err != nil {
		return page, fault(op, err)
	}
	page.Next = next
	ids := make([]string, len(numbers))
	for i, n := range numbers {
		ids[i] = runtime.TaskID(x.ID, n)
	}
	found, err := e.store.GetExecutions(tenant, ids)
	if err != nil {
		return page, fault(op, err)
	}
	for _, x := range found {
		if x != nil {
			page.Items = append(page.Items, *x)
		}
	}
	return page, nil
}

// CancelJobExecution cancels an execution of a job: tasks that run go on to their ends, no
// other task starts or is tried again. It is cancelled once none runs. changed is
// false if it had ended, or was cancelled before. When CancelJob returns what was
// queued is cancelled on disk.
func (e *Engine) CancelJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, changed bool, err error) {
	const op = "engine.canceljob"
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, false, err
	}
	defer e.gate.leave()
	if x, err = e.jobExecution(tenant, job, execution); err != nil {
		return runtime.JobExecution{}, false, fault(op, err)
	}
	x, changed, err = e.cancelJob(tenant, x.ID)
	return x, changed, fault(op, err)
}

func (e *Engine) cancelJob(tenant runtime.Tenant, id string) (runtime.JobExecution, bool, error) {
	x, changed, cancelled, err := e.store.CancelJobExecution(tenant, id, e.now().UTC())
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
		return x, changed, nil
	}
	x, err = e.jobStands(tenant, func() (runtime.JobExecution, error) { return e.store.GetJobExecutionByID(tenant, id) })
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

// AwaitJobExecution gives an execution of a job as soon as it is done. When ctx ends
// before, or the server begins to shut down, it gives it as it stands, without an
// error.
func (e *Engine) AwaitJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	const op = "engine.awaitjob"
	if err := e.enter(); err != nil {
		return runtime.JobExecution{}, err
	}
	defer e.gate.leave()
	x, err := e.jobExecution(tenant, job, execution)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, fault(op, err)
	}
	id := x.ID
	stands := func() (runtime.JobExecution, error) {
		return e.jobStands(tenant, func() (runtime.JobExecution, error) { return e.store.GetJobExecutionByID(tenant, id) })
	}
	end, leave := e.completions.Wait(id)
	defer leave()
	if x, err = stands(); err != nil || x.State.Terminal() {
		return x, fault(op, err)
	}
	select {
	case <-end:
	case <-ctx.Done():
	case <-e.background.Stopping():
	}
	x, err = stands()
	return x, fault(op, err)
}
