package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// GetTaskResults gives the tasks of an execution of a job whose results are told with
// it, in their order. Results that do not fit are missing, and tasks that
// retention has dropped are left out.
func (e *Engine) GetTaskResults(_ context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	tasks, err := e.taskResults(&x)
	return tasks, fault("engine.jobresults", err)
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
	left := runtime.MaxJobResultBytes
	for _, task := range found {
		if task == nil {
			continue
		}
		if task.ResultSize > len(task.Result) && task.ResultSize <= left {
			// It may have been dropped by now: then it is told as it was.
			if whole, err := e.store.GetExecution(x.Tenant, task.ID); err == nil {
				task = &whole
			}
		}
		left -= len(task.Result)
		tasks = append(tasks, *task)
	}
	return tasks, nil
}
