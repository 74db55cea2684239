package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// Rerun repeats the run of an execution in the background, done or not, as [Engine.Submit] accepts a
// run: with the args of the execution or others, by the version that is current then or another one
// that is stored. The new execution names the one that it repeats. A function that was renamed since
// is found; for one that was deleted, the function that has its name now runs.
//
// The error is CodeInvalidArgument for a change of a function and for a task of a job, and CodeConflict
// if the args are needed and were not kept. Else the errors are those of Submit.
func (e *Engine) Rerun(ctx context.Context, r runtime.RerunRequest) (runtime.Acceptance, error) {
	const op = "engine.rerun"
	if err := e.enter(); err != nil {
		return runtime.Acceptance{}, err
	}
	defer e.gate.leave()
	var key *runtime.IdempotencyKey
	if r.IdempotencyKey != "" {
		if err := runtime.ValidateIdempotencyKey(r.IdempotencyKey); err != nil {
			return runtime.Acceptance{}, withOp(op, err)
		}
		key = &runtime.IdempotencyKey{Key: r.IdempotencyKey, Hash: r.Hash(), Now: e.clock.Now().UTC()}
		// A repeated request has the answer of the first one, even if the execution was dropped since.
		if ids, err := e.store.LookupKey(r.Tenant, *key); err != nil || len(ids) > 0 {
			return runtime.Acceptance{IDs: ids, Replayed: err == nil}, withOp(op, err)
		}
	}
	x, err := e.summary(r.Tenant, r.ID)
	if err == nil && r.Sees != nil && !r.Sees(&x) {
		err = runtime.NoExecutionError(r.ID)
	}
	if err == nil {
		err = checkRerun(&x)
	}
	if err != nil {
		return runtime.Acceptance{}, withOp(op, err)
	}
	name, err := e.functionOf(&x)
	if err == nil && r.MayRun != nil && !r.MayRun(name) {
		err = runtime.NoFunctionError(x.Function) // the new name is not for its sender
	}
	if err == nil && r.Args == nil {
		r.Args, err = e.keptArgs(&x)
	}
	if err != nil {
		return runtime.Acceptance{}, withOp(op, err)
	}
	run := runtime.BulkRequest{
		Tenant: r.Tenant, Function: name, Caller: r.Caller, Args: [][]byte{r.Args}, Retries: r.Retries,
		RerunOf: []string{x.ID}, Version: r.Version,
	}
	if err := run.Validate(); err != nil {
		return runtime.Acceptance{}, withOp(op, err)
	}
	a, err := e.acceptKeyed(ctx, run, key)
	return a, withOp(op, err)
}

// checkRerun returns an error for an execution whose run cannot be repeated alone.
func checkRerun(x *runtime.Execution) error {
	switch {
	case x.Kind != runtime.KindRun:
		return runtime.Errorf(runtime.CodeInvalidArgument, "the execution is a change of a function, which cannot be repeated").
			WithHint("deploy the function again")
	case x.Task != nil:
		return runtime.Errorf(runtime.CodeInvalidArgument, "the execution is a task of a job, which runs with the settings of the job").
			WithHint("repeat the failed tasks of its execution of the job: " + x.Task.JobExecution)
	}
	return nil
}

// functionOf returns the present name of the function of an execution: the name that it had then, if
// the function was deleted.
func (e *Engine) functionOf(x *runtime.Execution) (string, error) {
	f, err := e.store.GetFunction(x.Tenant, x.FunctionID)
	switch {
	case err == nil:
		return f.Name, nil
	case runtime.CodeOf(err) == runtime.CodeNotFound:
		return x.Function, nil
	}
	return "", err
}

// keptArgs returns the args of an execution, or an error if they are not kept.
func (e *Engine) keptArgs(x *runtime.Execution) ([]byte, error) {
	args, running := e.blocking.getArgs(x.Tenant, x.ID)
	if !running && x.KeepsArgs() {
		var err error
		if args, err = e.store.GetArgs(x.Tenant, x.ID); runtime.CodeOf(err) == runtime.CodeNotFound {
			e.records.flush() // a blocking run that has just ended
			args, err = e.store.GetArgs(x.Tenant, x.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if args != nil {
		return args, nil
	}
	err := runtime.Errorf(runtime.CodeConflict, "the args of execution %s were not kept", x.ID)
	if x.ArgsSize > runtime.MaxKeptArgs {
		return nil, err.WithHint("give the args; of runs with more than " + runtime.SizeText(runtime.MaxKeptArgs) + " the server keeps none")
	}
	return nil, err.WithHint("give the args; the function keeps none, or an earlier release ran it")
}

// versionToRun returns the version with whose limits a request is accepted. The caller must release it.
func (e *Engine) versionToRun(ctx context.Context, r *runtime.BulkRequest) (*dispatch.Version, error) {
	if r.Version == 0 {
		return e.currentVersion(ctx, r.Tenant, r.Function)
	}
	f, err := e.store.GetFunctionByName(r.Tenant, r.Function)
	if err != nil {
		return nil, err
	}
	return e.pinnedVersion(ctx, &dispatch.Origin{Tenant: r.Tenant, FunctionID: f.ID, Function: f.Name, Version: r.Version}, false)
}

// pinnedVersion returns the version of an origin, if it is still stored; with inUse, also if it is in use.
// The caller must release it.
func (e *Engine) pinnedVersion(ctx context.Context, o *dispatch.Origin, inUse bool) (*dispatch.Version, error) {
	f, err := e.store.GetFunction(o.Tenant, o.FunctionID)
	if err != nil {
		return nil, err
	}
	if f.Version == o.Version {
		v, err := e.currentVersion(ctx, o.Tenant, f.Name)
		if err != nil || v.Program.FunctionID == o.FunctionID && v.Program.Version == o.Version {
			return v, err
		}
		e.current.release(v) // it has changed since
	}
	if inUse {
		if v := e.current.share(versionKey{o.FunctionID, o.Version}); v != nil {
			return v, nil
		}
	}
	stored, err := e.store.GetVersion(o.Tenant, o.FunctionID, o.Version)
	if err != nil {
		return nil, err
	}
	// It is not current any more: its image is dropped after its last run, which may need the bundle.
	release := e.holdBundle(o.Tenant, stored.Bundle)
	v, fresh := e.current.holdRetired(e.newVersion(f, stored), func() {
		e.sandbox.Forget(o.FunctionID, o.Version)
		release()
	})
	if !fresh {
		release()
	}
	return v, nil
}
