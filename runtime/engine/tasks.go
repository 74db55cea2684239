package engine

import (
	"context"
	"strings"

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

// FirstTasks returns the tasks of x with an index below n, in order, without results that lists do
// not contain. Tasks that retention has dropped are missing.
func (e *Engine) FirstTasks(_ context.Context, x *runtime.JobExecution, n int) (tasks []runtime.Execution, err error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	ids := make([]string, min(n, x.Stats.Total))
	for i := range ids {
		ids[i] = runtime.TaskID(x.ID, i)
	}
	found, err := e.store.GetExecutions(x.Tenant, ids)
	if err != nil {
		return nil, withOp("engine.firsttasks", err)
	}
	for _, task := range found {
		if task != nil {
			tasks = append(tasks, *task)
		}
	}
	return tasks, nil
}

// GetTaskResults returns the tasks of an execution of a job whose results are part of its
// report, in order: the first [runtime.MaxJobResults]. Results beyond
// [runtime.MaxJobResultBytes] are missing, and so are tasks that retention has dropped.
func (e *Engine) GetTaskResults(_ context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	tasks, err := e.taskResults(&x, true)
	return tasks, withOp("engine.jobresults", err)
}

const (
	// resultsBatch is the number of tasks that are read at once: a failure has up to 256 KiB.
	resultsBatch = 50
	// shortMessage is the largest size in bytes of the message of a failure beyond the bound of
	// the results.
	shortMessage = 256
)

// taskResults reads the tasks that [Engine.GetTaskResults] returns. Failures count as results: a
// failure beyond the bound has a short message and no traceback. Without results, the bound is 0.
func (e *Engine) taskResults(x *runtime.JobExecution, results bool) ([]runtime.Execution, error) {
	count := min(x.Stats.Total, runtime.MaxJobResults)
	tasks := make([]runtime.Execution, 0, count)
	room := 0
	if results {
		room = runtime.MaxJobResultBytes
	}
	for first := 0; first < count; first += resultsBatch {
		ids := make([]string, min(resultsBatch, count-first))
		for i := range ids {
			ids[i] = runtime.TaskID(x.ID, first+i)
		}
		found, err := e.store.GetExecutions(x.Tenant, ids)
		if err != nil {
			return nil, err
		}
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
			if len(task.Result) > room {
				task.Result = nil
			}
			room -= len(task.Result)
			if task.Failure != nil {
				task.Failure, room = shortened(task.Failure, room)
			}
			tasks = append(tasks, *task)
		}
	}
	return tasks, nil
}

// shortened returns a failure within a number of bytes, and the bytes that are left.
func shortened(f *runtime.Failure, room int) (*runtime.Failure, int) {
	if size := len(f.Message) + len(f.Traceback); size <= room {
		return f, room - size
	}
	short := *f
	short.Traceback = ""
	short.Message = strings.Clone(strings.ToValidUTF8(f.Message[:min(len(f.Message), shortMessage)], ""))
	return &short, max(room-len(short.Message), 0)
}
