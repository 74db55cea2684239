package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// TaskStates returns the state of each task of an execution of a job, in order, a byte for each.
func (e *Engine) TaskStates(_ context.Context, tenant runtime.Tenant, job, execution string) (states []runtime.TaskState, err error) {
	const op = "engine.taskstates"
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	x, err := e.jobExecution(tenant, job, execution)
	if err == nil {
		states, err = e.store.TaskStates(tenant, x.ID, x.Stats.Total)
	}
	return states, withOp(op, err)
}

// RerunJob repeats tasks of an execution of a job as a new execution, with the environment, the memory
// and the callback that the caller of the first one requested, as [Engine.StartJob] accepts it. Each new
// task names the one that it repeats. The error is CodeConflict if there is no such task, or if their
// args were not kept.
func (e *Engine) RerunJob(ctx context.Context, r runtime.RerunJobRequest) (runtime.JobAcceptance, error) {
	const op = "engine.rerunjob"
	if err := e.enter(); err != nil {
		return runtime.JobAcceptance{}, err
	}
	defer e.gate.leave()
	x, err := e.jobExecution(r.Tenant, r.Job, r.Execution)
	if err != nil {
		return runtime.JobAcceptance{}, withOp(op, err)
	}
	start := runtime.JobStartRequest{
		Tenant: r.Tenant, Caller: r.Caller, Job: r.Job, Env: x.EnvOverride, Memory: x.MemoryOverride, Callback: x.Callback,
		IdempotencyKey: r.IdempotencyKey,
	}
	if err := e.addTasks(&start, &x, r); err != nil {
		return runtime.JobAcceptance{}, withOp(op, err)
	}
	job, err := e.store.GetJobByName(r.Tenant, r.Job)
	if most := job.Spec.MaxConcurrentTasks; most == 0 || x.Parallelism <= most {
		start.Parallelism = x.Parallelism
	}
	if err != nil {
		return runtime.JobAcceptance{}, withOp(op, err)
	}
	a, err := e.acceptJob(ctx, start)
	return a, withOp(op, err)
}

// argsBatch is the number of tasks whose args are read before memory for them is reserved.
const argsBatch = 16

// addTasks adds the tasks of an execution that are to be repeated to a request.
func (e *Engine) addTasks(start *runtime.JobStartRequest, x *runtime.JobExecution, r runtime.RerunJobRequest) error {
	states, err := e.store.TaskStates(x.Tenant, x.ID, x.Stats.Total)
	if err != nil {
		return err
	}
	missing, size := 0, int64(0)
	for i, state := range states {
		if !r.Tasks.Includes(state) {
			continue
		}
		id := runtime.TaskID(x.ID, i)
		args, err := e.store.GetArgs(x.Tenant, id)
		switch {
		case err != nil:
			return err
		case args == nil:
			missing++
			continue
		}
		start.Tasks, start.RerunOf = append(start.Tasks, args), append(start.RerunOf, id)
		if size += int64(len(args)); size > runtime.MaxBulkArgs {
			return runtime.Errorf(runtime.CodeTooLarge, "the tasks have more than the %s bytes in total that are allowed", runtime.SizeText(runtime.MaxBulkArgs)).
				WithHint("repeat tasks one by one")
		}
		if r.Reserve != nil && len(start.Tasks)%argsBatch == 0 {
			if err := r.Reserve(size); err != nil {
				return err
			}
		}
	}
	switch n := missing + len(start.Tasks); {
	case n == 0:
		return runtime.Errorf(runtime.CodeConflict, "the execution has no task to repeat: none has failed")
	case missing > 0:
		return runtime.Errorf(runtime.CodeConflict, "the args of %d of %d tasks were not kept", missing, n).
			WithHint("start an execution with their args; of tasks with more than " + runtime.SizeText(runtime.MaxKeptArgs) + " the server keeps none")
	case r.Reserve != nil:
		return r.Reserve(size)
	}
	return nil
}
