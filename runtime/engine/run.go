package engine

import (
	"context"
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// Run runs a function and waits for its end. An error means that it did not
// start (CodeNotFound, CodeInvalidArgument, CodeTooLarge, CodeTooBusy,
// CodeUnavailable) or that the platform failed; however the function itself
// ended is told by the Execution.
//
// The end of ctx calls the run off: while it waits for a place this is an
// error, later the execution is cancelled.
//
// From when it begins the execution is found by all that look for executions,
// and [Engine.CancelExecution] stops it. It is recorded behind the answer; its slices must
// not be changed. A process that dies at once may take the record with it.
func (e *Engine) Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	created := e.now()

	version, err := e.currentOf(ctx, r.Tenant, r.Function)
	if err != nil {
		return nil, fault("engine.run", err)
	}
	defer e.current.release(version)
	if err := runtime.ValidateObject("args", r.Args, runtime.MaxArgs); err != nil {
		return nil, fault("engine.run", err)
	}

	p := &version.Program
	if err := e.admission.Acquire(ctx, r.Tenant, p.FunctionID, p.Limits.Reservation()); err != nil {
		return nil, fault("engine.run", err)
	}
	defer e.admission.Release(p.Limits.Reservation())

	x := &runtime.Execution{
		ID:         runtime.NewID(),
		Tenant:     r.Tenant,
		Kind:       runtime.KindRun,
		FunctionID: p.FunctionID,
		Function:   r.Function,
		Version:    p.Version,
		State:      runtime.StateRunning,
		Caller:     r.Caller,
		Created:    created,
		Started:    e.now(),
		Attempt:    1,
	}
	x.Caller.BeginTrace(x.ID)
	ctx, w := e.blocking.begin(ctx, x)
	defer func() {
		e.blocking.end(w)
		e.completions.Notify(x.ID)
		e.attempts.Notify(x.ID)
	}()
	outcome, err := e.sandbox.Run(ctx, runtime.RunCall{Program: version.Program, Args: runtime.ObjectOrEmpty(r.Args), Context: version.Context})
	cancelled := e.blocking.ending(w)
	switch stopped := ctx.Err() != nil && (err != nil || outcome.Failure != nil && outcome.Failure.Class == runtime.ClassCancelled); {
	case stopped && cancelled:
		outcome.Failure = &runtime.Failure{Class: runtime.ClassCancelled, Message: runtime.CancelledWhileRunning}
	case stopped && err != nil:
		outcome = runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCancelled, Message: "the run was called off"}}
	case err != nil:
		return nil, fault("engine.run", err)
	}
	x.Finish(outcome, e.now())
	x.ResultSize = len(x.Result)
	e.records.add(x)
	return x, nil
}

// currentOf gives the current version of a function, which must be given to
// release.
func (e *Engine) currentOf(ctx context.Context, tenant runtime.Tenant, name string) (*dispatch.Version, error) {
	l, err := e.current.use(ctx, functionKey{tenant, name}, e.load)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = runtime.AbandonedError(err)
	}
	return l, err
}

// AcquireVersion implements [dispatch.Engine]: it returns the current version of a function,
// also if the function was renamed since the request.
func (e *Engine) AcquireVersion(ctx context.Context, o *dispatch.Origin) (*dispatch.Version, error) {
	l, err := e.current.use(ctx, functionKey{o.Tenant, o.Function}, e.load)
	switch {
	case err == nil && l.Program.FunctionID == o.FunctionID:
		return l, nil
	case err == nil:
		e.current.release(l)
	case runtime.CodeOf(err) != runtime.CodeNotFound:
		return nil, err
	}
	return e.newest(o)
}

// ReleaseVersion implements [dispatch.Engine].
func (e *Engine) ReleaseVersion(v *dispatch.Version) { e.current.release(v) }

// newest reads the newest version of a function that does not have the name any
// more under which it was asked to run.
func (e *Engine) newest(o *dispatch.Origin) (*dispatch.Version, error) {
	for {
		numbers, err := e.store.ListVersions(o.Tenant, o.FunctionID)
		if err != nil {
			return nil, err
		}
		if len(numbers) == 0 {
			return nil, runtime.NoFunctionError(o.Function)
		}
		v, err := e.store.GetVersion(o.Tenant, o.FunctionID, numbers[0])
		if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
			return nil, err
		}
		l := newVersion(runtime.Function{ID: o.FunctionID, Tenant: o.Tenant}, v)
		if err == nil {
			e.current.hold(l)
		}
		// If it was retired before it was held, nobody would forget its image.
		again, failed := e.store.ListVersions(o.Tenant, o.FunctionID)
		same := failed == nil && len(again) > 0 && again[0] == numbers[0]
		switch {
		case err == nil && same:
			return l, nil
		case err == nil:
			e.current.release(l)
		case same:
			return nil, runtime.Internal("engine.load",
				runtime.Errorf(runtime.CodeInternal, "version %d of function %s is missing in the store", numbers[0], o.FunctionID))
		}
	}
}

// load reads the current version of a function from the store.
func (e *Engine) load(key functionKey) (*dispatch.Version, error) {
	// What is no name cannot be stored: the caller shall know why.
	if err := runtime.ValidateName(key.name); err != nil {
		return nil, err
	}
	f, v, err := e.stored(key)
	if err != nil {
		return nil, err
	}
	return newVersion(f, v), nil
}

// stored reads a function and its current version. Between the two reads the
// function may be changed often enough for that version to be dropped; it is
// then read again.
func (e *Engine) stored(key functionKey) (runtime.Function, runtime.Version, error) {
	for {
		f, err := e.store.GetFunctionByName(key.tenant, key.name)
		if err != nil {
			return runtime.Function{}, runtime.Version{}, err
		}
		v, err := e.store.GetVersion(key.tenant, f.ID, f.Version)
		if runtime.CodeOf(err) != runtime.CodeNotFound {
			return f, v, err
		}
		again, err := e.store.GetFunctionByName(key.tenant, key.name)
		if err != nil {
			return runtime.Function{}, runtime.Version{}, err
		}
		if again.ID == f.ID && again.Version == f.Version {
			return runtime.Function{}, runtime.Version{}, runtime.Internal("engine.load",
				runtime.Errorf(runtime.CodeInternal, "version %d of function %s is missing in the store", f.Version, f.ID))
		}
	}
}
