package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/queue"
)

// Run runs a function and waits for its end, at most for [runtime.MaxBlocking]. An error means that the run did not start
// (CodeNotFound, CodeInvalidArgument, CodeTooLarge, CodeTooBusy, CodeUnavailable) or that the
// platform failed. [runtime.ErrBegan] is in its chain if the run may have begun. A failure of the function is part of the
// Execution, not an error.
//
// The end of ctx cancels the run: while it waits for memory Run returns an error, later the
// execution ends as cancelled.
//
// As soon as it begins, the execution is found by all methods that read executions, and
// [Engine.CancelExecution] stops it. It is recorded after Run has returned, so its slices must
// not be changed, and it may be lost if the process ends right then.
func (e *Engine) Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	created, id := e.clock.Stamp()
	use := e.useOf(r.Tenant)
	if err := use.BeginRun(); err != nil {
		return nil, withOp("engine.run", err)
	}
	defer e.endRun(r.Tenant, use)

	version, space, err := e.admit(ctx, r)
	if err != nil {
		return nil, withOp("engine.run", err)
	}
	defer e.current.release(version)
	defer space.Release()
	if err := e.owner(); err != nil { // the run may have waited for memory
		return nil, withOp("engine.run", err)
	}

	p := &version.Program
	x := &runtime.Execution{
		ID:         id,
		Tenant:     r.Tenant,
		Kind:       runtime.KindRun,
		FunctionID: p.FunctionID,
		Function:   r.Function,
		Version:    p.Version,
		State:      runtime.StateRunning,
		Caller:     r.Caller,
		Created:    created,
		Started:    e.clock.Now(),
		Attempt:    1,
		DropArgs:   version.DropArgs,
	}
	args := runtime.ObjectOrEmpty(r.Args)
	x.ArgsSize = len(args)
	x.EndArgs()
	x.Caller.BeginTrace(x.ID)
	ctx, blocking := e.blocking.add(ctx, x, args)
	e.feeds.publish(x.Tenant, x.ID)
	defer func() {
		e.blocking.remove(blocking)
		e.completions.Notify(x.ID)
		e.attempts.Notify(x.ID)
		e.feeds.publish(x.Tenant, x.ID)
	}()
	outcome, err := e.sandbox.Run(ctx, runtime.RunCall{
		Program: version.Program, Args: args, Context: version.Context, Limits: p.Limits.Blocking(), Room: space,
		Info: runtime.RunInfo{Execution: x.ID, Attempt: x.Attempt, Function: x.Function},
	})
	cancelled := e.blocking.markReturned(blocking)
	switch stopped := ctx.Err() != nil && (err != nil || outcome.Failure != nil && outcome.Failure.Class == runtime.ClassCancelled); {
	case cancelled: // even if it has succeeded since: the response to the cancellation said so
		outcome.Failure = &runtime.Failure{Class: runtime.ClassCancelled, Message: runtime.CancelledWhileRunning}
	case stopped && err != nil:
		outcome = runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCancelled, Message: "the run was cancelled by its caller"}, Egress: outcome.Egress, Timeline: outcome.Timeline}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", runtime.ErrBegan, withOp("engine.run", err))
	case outcome.Failure != nil && outcome.Failure.Class == runtime.ClassTimeout && p.Limits.Timeout > runtime.MaxBlocking:
		outcome.Failure = blockingTimeout(p.Limits.Timeout)
	}
	x.Finish(outcome, e.clock.Now())
	x.ResultSize = len(x.Result)
	if x.KeepsArgs() {
		x.Args = bytes.Clone(args) // they are the caller's, who may change them
	}
	e.records.add(x)
	return x, nil
}

// blockingTimeout returns the failure of a run that took longer than a caller may wait, and less than
// the timeout of its function.
func blockingTimeout(timeout time.Duration) *runtime.Failure {
	return &runtime.Failure{Class: runtime.ClassTimeout, Message: fmt.Sprintf(
		"the function did not end within the %.0f seconds that a run may take while its caller waits; run it in the background to give it all of its timeout of %g seconds",
		runtime.MaxBlocking.Seconds(), timeout.Seconds())}
}

// admit checks a run, waits until there is memory for it, and returns the version that is current
// then, and the run's memory. The caller must release both.
func (e *Engine) admit(ctx context.Context, r runtime.RunRequest) (*dispatch.Version, *queue.Run, error) {
	var space *queue.Run // nil: no memory is reserved
	for {
		version, err := e.currentVersion(ctx, r.Tenant, r.Function)
		if err == nil && space == nil {
			if err = runtime.ValidateObject("args", r.Args, runtime.MaxArgs); err != nil {
				e.current.release(version)
			}
		}
		if err != nil {
			if space != nil {
				space.Release()
			}
			return nil, nil, err
		}
		p := &version.Program
		needed := &queue.Run{Tenant: r.Tenant, Function: p.FunctionID, Group: p.FunctionID, Bytes: p.Limits.Reservation(), Usual: &version.Usual}
		switch {
		case space != nil && space.Bytes >= needed.Bytes:
			return version, space, nil
		case space == nil && e.admission.TryAcquire(needed, 0):
			return version, needed, nil
		}
		// What waits must not hold the code: it may have left the cache.
		e.current.release(version)
		if space != nil {
			space.Release()
		}
		if err := e.admission.Acquire(ctx, needed, int64(len(r.Args))); err != nil {
			return nil, nil, err
		}
		space = needed
	}
}

// currentVersion returns the current version of a function. The caller must release it.
func (e *Engine) currentVersion(ctx context.Context, tenant runtime.Tenant, name string) (*dispatch.Version, error) {
	v, err := e.current.acquire(ctx, functionKey{tenant, name}, e.readVersion)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = runtime.AbandonedError(err)
	}
	return v, err
}

// AcquireVersion implements [dispatch.Engine]: it returns the current version of a function, even
// if the function was renamed since the run was accepted, or the one that the run is pinned to.
func (e *Engine) AcquireVersion(ctx context.Context, o *dispatch.Origin) (*dispatch.Version, error) {
	if o.Pinned {
		return e.pinnedVersion(ctx, o, true)
	}
	v, err := e.current.acquire(ctx, functionKey{o.Tenant, o.Function}, e.readVersion)
	switch {
	case err == nil && v.Program.FunctionID == o.FunctionID:
		return v, nil
	case err == nil:
		e.current.release(v)
	case runtime.CodeOf(err) != runtime.CodeNotFound:
		return nil, err
	}
	return e.newestVersion(o)
}

// ReleaseVersion implements [dispatch.Engine].
func (e *Engine) ReleaseVersion(v *dispatch.Version) { e.current.release(v) }

// newestVersion reads the newest version of a function that was renamed since the run was
// accepted. The caller must release it.
func (e *Engine) newestVersion(o *dispatch.Origin) (*dispatch.Version, error) {
	for {
		numbers, err := e.store.ListVersions(o.Tenant, o.FunctionID)
		if err != nil {
			return nil, err
		}
		if len(numbers) == 0 {
			return nil, runtime.NoFunctionError(o.Function)
		}
		stored, err := e.store.GetVersion(o.Tenant, o.FunctionID, numbers[0])
		if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
			return nil, err
		}
		v := e.newVersion(runtime.Function{ID: o.FunctionID, Tenant: o.Tenant}, stored)
		if err == nil {
			e.current.hold(v)
		}
		// If it was retired before it was held, its image would never be forgotten.
		again, failed := e.store.ListVersions(o.Tenant, o.FunctionID)
		same := failed == nil && len(again) > 0 && again[0] == numbers[0]
		switch {
		case err == nil && same:
			return v, nil
		case err == nil:
			e.current.release(v)
		case same:
			return nil, runtime.Internal("engine.load",
				runtime.Errorf(runtime.CodeInternal, "version %d of function %s is missing in the store", numbers[0], o.FunctionID))
		}
	}
}

// readVersion reads the current version of a function from the store.
func (e *Engine) readVersion(key functionKey) (*dispatch.Version, error) {
	// No function has an invalid name, but the caller gets the reason.
	if err := runtime.ValidateName(key.name); err != nil {
		return nil, err
	}
	f, v, err := e.readFunction(key)
	if err != nil {
		return nil, err
	}
	return e.newVersion(f, v), nil
}

// readFunction reads a function and its current version from the store. If the function changes
// so often between the two reads that the version is dropped, it reads both again.
func (e *Engine) readFunction(key functionKey) (runtime.Function, runtime.Version, error) {
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
