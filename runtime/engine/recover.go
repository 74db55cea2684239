package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
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
	origins := make(map[origin]*origin)
	ticketOf := func(x *runtime.Execution) *ticket {
		key := origin{tenant: x.Tenant, functionID: x.FunctionID, function: x.Function, version: x.Version, caller: x.Caller}
		if x.Task != nil {
			key.job = tasks.all[x.Task.JobExecution].group
		}
		o := origins[key]
		if o == nil {
			o = &key
			origins[key] = o
		}
		return e.background.ticketOf(o, x)
	}
	var queued []*ticket
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
		lost[i] = afterLoss(lost[i], now)
	}
	for i := 0; i < len(lost); i += maxCommit {
		settled, err := e.store.Finish(lost[i:min(i+maxCommit, len(lost))], now)
		if err != nil {
			return unrecovered(err)
		}
		for i := range settled {
			if x := &settled[i].Execution; settled[i].Err == nil && x.State == runtime.StateQueued {
				queued = append(queued, ticketOf(x))
			}
			if settled[i].JobDone {
				e.jobDone(settled[i].Execution.Tenant, settled[i].Execution.Task.JobExecution)
			}
		}
	}
	if len(queued)+len(lost) > 0 {
		e.log.Info("engine: executions of before go on", "queued", len(queued), "lost_while_running", len(lost))
	}
	// Who is suspected goes first also where only some tasks have a place.
	slices.SortFunc(queued, func(a, b *ticket) int {
		if a.suspect() != b.suspect() {
			if a.suspect() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	e.background.add(queued)
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

// afterLoss is how an execution shall stand whose attempt was lost with its
// process. One that was to be cancelled is cancelled by the store.
func afterLoss(x runtime.Execution, now time.Time) runtime.Execution {
	x.LostAttempts++
	x.State = runtime.StateQueued
	if x.LostAttempts >= maxLost && !x.CancelRequested {
		x.State = runtime.StateFailed
		x.Finished = now
		x.Failure = &runtime.Failure{
			Class:   runtime.ClassInternal,
			Message: fmt.Sprintf("the server ended %d times while this ran, so it is not tried again", x.LostAttempts),
		}
	}
	return x
}
