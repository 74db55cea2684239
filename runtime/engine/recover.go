package engine

import (
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// recover queues what the store has queued, and what was running when an
// earlier process died, in the order in which it came. What was running is
// charged for the lost attempt: any of it may have been the cause. That is
// unlikely after one time, for machines lose their power and servers are killed.
// What has lost all attempts but the last is suspected, and goes first and one
// after another: so what ends the process again is charged alone, and given up
// after maxLost times.
func (e *Engine) recover() error {
	tasks, err := e.recoverJobs()
	if err != nil {
		return unrecovered(err)
	}
	origins := make(map[dispatch.Origin]*dispatch.Origin)
	ticketOf := func(x *runtime.Execution) *dispatch.QueuedRun {
		key := dispatch.Origin{Tenant: x.Tenant, FunctionID: x.FunctionID, Function: x.Function, Version: x.Version, Caller: x.Caller}
		if x.Task != nil {
			key.Job = tasks.all[x.Task.JobExecution].group
		}
		o := origins[key]
		if o == nil {
			o = &key
			origins[key] = o
		}
		return e.background.QueuedRun(o, x)
	}
	var queued []*dispatch.QueuedRun
	var lost []runtime.Execution
	err = e.store.EachUnfinished(func(x runtime.Execution) error {
		if err := tasks.meet(&x); err != nil {
			return err
		}
		if x.State == runtime.StateQueued {
			queued = append(queued, ticketOf(&x))
		} else {
			lost = append(lost, x)
		}
		return nil
	})
	if err == nil {
		err = tasks.complete()
	}
	if err != nil {
		return unrecovered(err)
	}
	now := e.now().UTC()
	for i := range lost {
		lost[i] = dispatch.AfterLoss(lost[i], now)
	}
	for i := 0; i < len(lost); i += dispatch.MaxCommit {
		settled, err := e.store.Finish(lost[i:min(i+dispatch.MaxCommit, len(lost))], now)
		if err != nil {
			return unrecovered(err)
		}
		for i := range settled {
			if x := &settled[i].Execution; settled[i].Err == nil && x.State == runtime.StateQueued {
				queued = append(queued, ticketOf(x))
			}
			if settled[i].JobDone {
				e.JobDone(settled[i].Execution.Tenant, settled[i].Execution.Task.JobExecution)
			}
		}
	}
	if len(queued)+len(lost) > 0 {
		e.log.Info("engine: executions of before go on", "queued", len(queued), "lost_while_running", len(lost))
	}
	// Isolated runs go first, also where only some tasks of a job get a place.
	slices.SortFunc(queued, func(a, b *dispatch.QueuedRun) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	e.background.Add(queued)
	return nil
}

// unrecovered tells whoever started the server, who may know the cause, why it
// cannot go on with the executions of before.
func unrecovered(err error) error {
	const op = "engine.recover"
	if runtime.CodeOf(err) != runtime.CodeInternal {
		return fault(op, err)
	}
	cause := err
	if known, ok := runtime.AsError(err); ok && known.Err != nil {
		cause = known.Err
	}
	return &runtime.Error{
		Code:    runtime.CodeUnavailable,
		Op:      op,
		Message: "the executions that an earlier process has left cannot be gone on with: " + cause.Error(),
		Hint:    "look at the disk of the data folder; if the folder is damaged, restore it from a backup",
		Err:     err,
	}
}
