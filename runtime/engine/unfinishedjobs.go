package engine

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// unfinishedJobs holds the executions of jobs that the previous process left, by id, while the
// engine recovers.
type unfinishedJobs map[string]*unfinishedJob

type unfinishedJob struct {
	group     *dispatch.TaskGroup
	remaining int // tasks that are not done and were not counted yet
}

// unfinishedJobs returns the executions of jobs that are not done. It completes cancellations
// that the previous process did not complete.
func (e *Engine) unfinishedJobs() (unfinishedJobs, error) {
	jobs := make(unfinishedJobs)
	var cancel []runtime.JobExecution
	err := e.store.EachUnfinishedJobExecution(func(x runtime.JobExecution, deleted bool) error {
		if x.CancelRequested || deleted {
			cancel = append(cancel, x)
			return nil
		}
		jobs.add(e, &x)
		return nil
	})
	for _, x := range cancel {
		if err == nil {
			x, _, _, err = e.store.CancelJobExecution(x.Tenant, x.ID, e.clock.Now().UTC())
		}
		if err == nil && !x.State.Terminal() {
			jobs.add(e, &x)
		}
	}
	return jobs, err
}

func (u unfinishedJobs) add(e *Engine, x *runtime.JobExecution) {
	g := dispatch.RestoredTaskGroup(x)
	e.hideGroup(g, x)
	u[x.ID] = &unfinishedJob{g, x.Stats.Total - x.Stats.Ended()}
	e.background.AddGroup(g)
}

// countTask counts an execution that is not done, if it is a task. It returns an error if the
// store holds the execution of its job as done, or as having fewer unfinished tasks.
func (u unfinishedJobs) countTask(x *runtime.Execution) error {
	if x.Task == nil {
		return nil
	}
	j := u[x.Task.JobExecution]
	if j == nil || j.remaining == 0 {
		return fmt.Errorf("the store is damaged: task %d is not done, but its execution %s of a job is", x.Task.Index, x.Task.JobExecution)
	}
	j.remaining--
	return nil
}

// checkComplete returns an error if an unfinished execution of a job lacks tasks.
func (u unfinishedJobs) checkComplete() error {
	for id, j := range u {
		if j.remaining > 0 {
			return fmt.Errorf("the store is damaged: execution %s of a job is not done, but %d of its tasks are gone", id, j.remaining)
		}
	}
	return nil
}
