package engine

import (
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// recover queues, in the order of acceptance, the executions that the store holds as queued,
// and those that ran when the previous process ended. Each of the latter has lost an attempt,
// since any of them may be the cause; [dispatch.AfterDeath] decides what follows for it.
func (e *Engine) recover() error {
	jobs, err := e.unfinishedJobs()
	if err != nil {
		return recoverError(err)
	}
	paused, err := e.store.ListPaused()
	if err != nil {
		return recoverError(err)
	}
	for i := range paused {
		e.background.SetPaused(&paused[i])
	}
	origins := make(map[dispatch.Origin]*dispatch.Origin)
	newQueuedRun := func(x *runtime.Execution) *dispatch.QueuedRun {
		key := dispatch.Origin{Tenant: x.Tenant, Use: e.useOf(x.Tenant), FunctionID: x.FunctionID, Function: x.Function, Version: x.Version, Pinned: x.Pinned, Caller: x.Caller}
		if x.Task != nil {
			key.Job = jobs[x.Task.JobExecution].group
		}
		o := origins[key]
		if o == nil {
			o = &key
			origins[key] = o
		}
		return e.background.QueuedRun(o, x)
	}
	lent := newLentList(e.adopt())
	var queued []*dispatch.QueuedRun
	var interrupted []runtime.Execution // that ran
	var adopted []runtime.Execution     // that another node runs
	var charged []runtime.Execution     // queued, with charges that may have to be dropped
	err = e.store.EachUnfinished(func(x runtime.Execution) error {
		if err := jobs.countTask(&x); err != nil {
			return err
		}
		switch {
		case x.State == runtime.StateQueued && x.Suspicion.Charges+x.Suspicion.Stretch > 0:
			charged = append(charged, x)
		case x.State == runtime.StateQueued:
			queued = append(queued, newQueuedRun(&x))
		case lent.adopts(&x):
			adopted = append(adopted, x)
		default:
			interrupted = append(interrupted, x)
		}
		return nil
	})
	if err == nil {
		err = jobs.checkComplete()
	}
	if err != nil {
		return recoverError(err)
	}
	now := e.clock.Now().UTC()
	absolved := dispatch.AfterDeath(interrupted, charged, now)
	failed := 0 // taken for the cause
	for i := range interrupted {
		interrupted[i].InOrder()
		if x := &interrupted[i]; x.State == runtime.StateFailed {
			failed++
			e.log.Info("engine: an execution is taken for the cause of crashes", "tenant", x.Tenant, "execution", x.ID, "function", x.FunctionID, "lost_attempts", x.LostAttempts)
		}
	}
	for batch := range slices.Chunk(absolved, dispatch.MaxCommit) {
		if err := e.store.SetSuspicion(batch); err != nil {
			return recoverError(err)
		}
	}
	for i := range charged {
		queued = append(queued, newQueuedRun(&charged[i]))
	}
	for batch := range slices.Chunk(interrupted, dispatch.MaxCommit) {
		results, err := e.store.Finish(batch, now)
		if err != nil {
			return recoverError(err)
		}
		for i := range results {
			if x := &results[i].Execution; results[i].Err == nil && x.State == runtime.StateQueued {
				queued = append(queued, newQueuedRun(x))
			}
			if results[i].JobDone {
				e.JobDone(results[i].Execution.Tenant, results[i].Execution.Task.JobExecution)
			}
		}
	}
	limits := make(logLimits)
	for i := range adopted {
		x := &adopted[i]
		x.Suspicion.Probation = runtime.ProbationNone
		l := lent.take(x)
		e.background.Adopt(newQueuedRun(x), x, l, limits.of(e.store, x, l.Version))
	}
	cancelled := len(lent)
	if len(queued)+len(interrupted)+len(adopted)+cancelled > 0 {
		e.log.Info("engine: resuming executions of the previous process", "queued", len(queued), "lost_while_running", len(interrupted), "taken_for_the_cause", failed,
			"running_elsewhere", len(adopted), "cancelled_elsewhere", cancelled)
	}
	// Suspects go first, also among the tasks of a job of which only some get a place.
	slices.SortFunc(queued, func(a, b *dispatch.QueuedRun) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	e.background.Add(queued)
	lent.cancelRest() // after an error, all of them are for the next owner of the data
	return nil
}

// recoverError returns the error of a server that cannot start because of err. Its message
// contains the cause, which the operator may know.
func recoverError(err error) error {
	const op = "engine.recover"
	if runtime.CodeOf(err) != runtime.CodeInternal {
		return withOp(op, err)
	}
	cause := err
	if known, ok := runtime.AsError(err); ok && known.Err != nil {
		cause = known.Err
	}
	return &runtime.Error{
		Code:    runtime.CodeUnavailable,
		Op:      op,
		Message: "cannot resume executions left by the previous process: " + cause.Error(),
		Hint:    "check the disk of the data folder; if the folder is damaged, restore it from a backup",
		Err:     err,
	}
}
