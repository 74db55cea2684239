package engine

import (
	"context"
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/queue"
)

// StartJob accepts an execution of a job. When it returns without an error, the execution and all
// its tasks are on disk and will reach terminal states, like those of [Engine.SubmitBulk].
// Memory, timeout, retries and environment of the tasks are now those of the job and, where it
// sets none, those of the function. A task runs the version of the function that is current when
// the task starts.
//
// After these errors nothing was accepted: CodeNotFound, CodeInvalidArgument, CodeTooLarge,
// CodeAlreadyExists (the name), CodeConflict (the key), CodeTooBusy, CodeUnavailable, and
// [runtime.ErrTick]. After CodeInternal that is unknown.
func (e *Engine) StartJob(ctx context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error) {
	if err := e.enter(); err != nil {
		return runtime.JobAcceptance{}, err
	}
	defer e.gate.leave()
	a, err := e.acceptJob(ctx, r)
	if err != nil {
		return runtime.JobAcceptance{}, withOp("engine.runjob", err)
	}
	return a, nil
}

func (e *Engine) acceptJob(ctx context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error) {
	defer e.secrets.Hold(executionSecrets(r.Env, r.Callback)...)()
	if err := r.Validate(); err != nil {
		return runtime.JobAcceptance{}, err
	}
	var key *runtime.IdempotencyKey
	if r.IdempotencyKey != "" {
		key = &runtime.IdempotencyKey{Key: r.IdempotencyKey, Hash: r.Hash(), Now: e.clock.Now().UTC()}
		// A repeated request succeeds, even if it could not be accepted now.
		if ids, err := e.store.LookupKey(r.Tenant, *key); err != nil || len(ids) > 0 {
			return e.replayed(r, ids, err)
		}
	}
	job, err := e.store.GetJobByName(r.Tenant, r.Job)
	if err != nil {
		return runtime.JobAcceptance{}, err
	}
	if job.Spec.Disabled {
		return runtime.JobAcceptance{}, runtime.Errorf(runtime.CodeInvalidArgument, "the job %q is disabled", job.Name).
			WithHint("enable the job to run it")
	}
	version, err := e.versionOfJob(ctx, &job)
	if err != nil {
		return runtime.JobAcceptance{}, err
	}
	p, dropArgs := version.Program, version.DropArgs
	e.current.release(version)
	now, id := e.clock.Stamp()
	x := runtime.NewJobExecution(id, now, job, r, &p)
	if err := r.ValidateAgainst(&job.Spec, p.Limits.WithDefaults().Memory); err != nil {
		return runtime.JobAcceptance{}, err
	}
	if err := runtime.ValidateEnvSize(x.Env); err != nil {
		return runtime.JobAcceptance{}, err
	}

	group := dispatch.NewTaskGroup(&x)
	e.hideGroup(group, &x)
	bytes := group.Limits(p.Limits).Reservation()
	if err := e.admission.Allowed(x.Tenant, bytes); err != nil {
		return runtime.JobAcceptance{}, err
	}
	use := e.useOf(x.Tenant)
	if r.NoQueue {
		if e.background.Paused(x.Tenant, x.FunctionID) {
			paused := runtime.Errorf(runtime.CodeTooBusy, "the execution cannot start now: the function %q is paused", x.Function).
				WithHint("resume the function, or allow the execution to be queued")
			paused.RetryAfter = runtime.BusyRetry
			return runtime.JobAcceptance{}, paused
		}
		if err := use.CheckRuns(); err != nil {
			return runtime.JobAcceptance{}, err
		}
		space := queue.Run{Tenant: x.Tenant, Function: x.FunctionID, Bytes: bytes}
		if err := e.startNow(&space); err != nil {
			return runtime.JobAcceptance{}, err
		}
		defer space.Release()
	}
	if err := e.background.Reserve(len(r.Tasks), group, use); err != nil {
		return runtime.JobAcceptance{}, err
	}
	added := 0
	defer func() { e.background.Unreserve(len(r.Tasks), added, use) }()
	o := &dispatch.Origin{Tenant: x.Tenant, Use: use, FunctionID: x.FunctionID, Function: x.Function, Version: p.Version, Caller: x.TaskCaller(), Job: group}
	tasks := x.Tasks(p.Version, r.Tasks)
	for i := range tasks {
		tasks[i].Execution.DropArgs = dropArgs
		if len(r.RerunOf) > 0 {
			tasks[i].Execution.RerunOf = r.RerunOf[i]
		}
	}
	var tick *runtime.Tick
	if !r.Tick.IsZero() {
		tick = &runtime.Tick{JobID: x.JobID, Trigger: x.Trigger, At: r.Tick.UTC()}
	}
	// A cancellation must find the group as soon as the execution is in the store.
	e.background.AddGroup(group)
	id, replayed, err := e.store.AcceptJob(x, tasks, key, tick)
	if err != nil || replayed {
		e.background.DropGroup(x.ID)
		return e.replayed(r, []string{id}, err)
	}
	runs := make([]*dispatch.QueuedRun, len(tasks))
	for i := range tasks {
		runs[i] = dispatch.NewQueuedRun(o, &tasks[i].Execution)
	}
	e.background.AddReserved(runs)
	added = len(runs)
	return runtime.JobAcceptance{Execution: x}, nil
}

// versionOfJob returns the current version of the function that a job is bound to. The caller must
// release it.
func (e *Engine) versionOfJob(ctx context.Context, j *runtime.Job) (*dispatch.Version, error) {
	if j.Spec.FunctionID == "" { // it did not exist when an earlier release stored the job
		return nil, runtime.NoFunctionOfJobError(j.Spec.Function)
	}
	v, err := e.AcquireVersion(ctx, &dispatch.Origin{Tenant: j.Tenant, FunctionID: j.Spec.FunctionID, Function: j.Spec.Function})
	switch {
	case runtime.CodeOf(err) == runtime.CodeNotFound:
		return nil, runtime.DeletedFunctionOfJobError(j.Spec.Function)
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, runtime.AbandonedError(err)
	}
	return v, err
}

// replayed returns the response to a repeated request.
func (e *Engine) replayed(r runtime.JobStartRequest, ids []string, err error) (runtime.JobAcceptance, error) {
	if err != nil {
		return runtime.JobAcceptance{}, err
	}
	x, err := e.jobExecutionByID(r.Tenant, ids[0])
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		// It is done and was dropped since, or the key refers to executions of a function.
		x, err = runtime.JobExecution{ID: ids[0], Name: ids[0], Tenant: r.Tenant, Job: r.Job, Stats: runtime.TaskCounts{Total: len(r.Tasks)}}, nil
	}
	return runtime.JobAcceptance{Execution: x, Replayed: true}, err
}

// startNow reserves the memory of a background run that must start at once; when it is released, the
// run must be next in the queue. It fails if other runs wait or there is not enough
// memory, so concurrent requests are accepted only while there is memory for them.
func (e *Engine) startNow(space *queue.Run) error {
	if ahead, idle := e.background.Idle(); idle && e.admission.TryAcquire(space, ahead) {
		return nil
	}
	busy := runtime.Errorf(runtime.CodeTooBusy, "the execution cannot start now: other runs wait, or use the memory").
		WithHint("try again in a moment, or allow it to be queued")
	busy.RetryAfter = runtime.BusyRetry
	return busy
}
