package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// ListTasks returns a page of the tasks of an execution of a job. In the order of names
// "task-10" comes before "task-2". Tasks that retention has dropped are missing, so a page may
// be shorter than requested.
func (e *Engine) ListTasks(ctx context.Context, tenant runtime.Tenant, job, execution string, r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	const op = "engine.jobtasks"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return page, withOp(op, err)
	}
	x, err := e.store.GetJobExecution(tenant, j.ID, execution)
	if err != nil {
		return page, withOp(op, err)
	}
	page.Total = x.Stats.Total
	numbers, next, err := r.Bounded().TaskNumbers(page.Total)
	if err != nil {
		return page, withOp(op, err)
	}
	page.Next = next
	ids := make([]string, len(numbers))
	for i, n := range numbers {
		ids[i] = runtime.TaskID(x.ID, n)
	}
	found, err := e.store.GetExecutions(tenant, ids)
	if err != nil {
		return page, withOp(op, err)
	}
	for _, x := range found {
		if x != nil {
			page.Items = append(page.Items, *x)
		}
	}
	return page, nil
}

// GetTaskResults returns the tasks of an execution of a job whose results are part of its
// report, in order: the first [runtime.MaxJobResults]. Results beyond
// [runtime.MaxJobResultBytes] are missing, and so are tasks that retention has dropped.
func (e *Engine) GetTaskResults(_ context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	tasks, err := e.taskResults(&x)
	return tasks, withOp("engine.jobresults", err)
}

// taskResults reads the tasks that [Engine.GetTaskResults] returns.
func (e *Engine) taskResults(x *runtime.JobExecution) ([]runtime.Execution, error) {
	ids := make([]string, min(x.Stats.Total, runtime.MaxJobResults))
	for i := range ids {
		ids[i] = runtime.TaskID(x.ID, i)
	}
	found, err := e.store.GetExecutions(x.Tenant, ids)
	if err != nil {
		return nil, err
	}
	tasks := make([]runtime.Execution, 0, len(found))
	room := runtime.MaxJobResultBytes
	for _, task := range found {
		if task == nil {
			continue
		}
		if task.ResultSize > len(task.Result) && task.ResultSize <= room {
			// If retention has dropped it since, it is returned as it was read.
			if whole, err := e.store.GetExecution(x.Tenant, task.ID); err == nil {
				task = &whole
			}
		}
		room -= len(task.Result)
		tasks = append(tasks, *task)
	}
	return tasks, nil
}
