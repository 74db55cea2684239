package engine

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// unfinishedJobs are the executions of jobs that an earlier process has left.
type unfinishedJobs struct{ all map[string]*unfinishedJob }

type unfinishedJob struct {
	group *dispatch.TaskGroup
	left  int // tasks that are not done and were not met
}

// recoverJobs remembers the executions of jobs that are not done, and goes on
// with cancelling where an earlier process did not get to the end of it.
func (e *Engine) recoverJobs() (unfinishedJobs, error) {
	jobs := unfinishedJobs{make(map[string]*unfinishedJob)}
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
			x, _, _, err = e.store.CancelJobExecution(x.Tenant, x.ID, e.now().UTC())
		}
		if err == nil && !x.State.Terminal() {
			jobs.add(e, &x)
		}
	}
	return jobs, err
}

func (u unfinishedJobs) add(e *Engine, x *runtime.JobExecution) {
	g := dispatch.RestoredTaskGroup(x)
	u.all[x.ID] = &unfinishedJob{g, x.Stats.Total - x.Stats.Ended()}
	e.background.AddGroup(g)
}

// meet notes that an execution is not done. It fails if that is a task of which
// the store holds the rest as done.
func (u unfinishedJobs) meet(x *runtime.Execution) error {
	if x.Task == nil {
		return nil
	}
	j := u.all[x.Task.JobExecution]
	if j == nil || j.left == 0 {
		return fmt.Errorf("the store is damaged: task %d of execution %s of a job is not done, but that is", x.Task.Index, x.Task.JobExecution)
	}
	j.left--
	return nil
}

// complete fails if tasks of an execution are missing that is not done.
func (u unfinishedJobs) complete() error {
	for id, j := range u.all {
		if j.left > 0 {
			return fmt.Errorf("the store is damaged: execution %s of a job is not done, but %d of its tasks are gone", id, j.left)
		}
	}
	return nil
}
