package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
	"github.com/faaspot/faaspot/runtime/redact"
)

// CreateFunction deploys a new function: it checks the function, runs its module body, and stores
// it only if that succeeds. For code that does not deploy the error is CodeDeployFailed with
// traceback and line, for a taken name CodeAlreadyExists. The deploy is an execution of its own,
// stored in one batch with the function; a deploy that fails because of the code is recorded too.
//
// Other errors: CodeInvalidArgument, CodeTooLarge, CodeConflict, CodeTooBusy, CodeUnavailable,
// CodeInternal.
func (e *Engine) CreateFunction(ctx context.Context, s runtime.FunctionSpec) (runtime.Deployment, error) {
	const op = "engine.create"
	if err := e.enter(); err != nil {
		return runtime.Deployment{}, err
	}
	defer e.gate.leave()
	defer e.secrets.Hold(redact.Texts(s.Context)...)()
	if err := s.Validate(); err != nil {
		return runtime.Deployment{}, withOp(op, err)
	}
	d, err := e.doOnce(ctx, s.Tenant, s.IdempotencyKey, s.Hash, func(key *runtime.IdempotencyKey) (runtime.Deployment, error) {
		return e.create(ctx, s, key)
	})
	return d, withOp(op, err)
}

func (e *Engine) create(ctx context.Context, s runtime.FunctionSpec, key *runtime.IdempotencyKey) (runtime.Deployment, error) {
	name := functionKey{s.Tenant, s.Name}
	if err := e.changes.lock(ctx, name); err != nil {
		return runtime.Deployment{}, runtime.AbandonedError(err)
	}
	defer e.changes.unlock(name)
	if err := e.checkNameFree(name); err != nil {
		return runtime.Deployment{}, err
	}
	return e.createLocked(ctx, s, key)
}

// createLocked deploys a new function. The caller holds the lock of its name, which is free.
func (e *Engine) createLocked(ctx context.Context, s runtime.FunctionSpec, key *runtime.IdempotencyKey) (runtime.Deployment, error) {
	now, id := e.clock.Stamp()
	f := runtime.Function{ID: id, Tenant: s.Tenant, Name: s.Name, Version: 1, Created: now, Updated: now}
	v := s.FirstVersion(f)
	if err := e.checkAllow(f.Tenant, v.Allow); err != nil {
		return runtime.Deployment{}, err
	}
	// The store checks again: this avoids a deploy in vain.
	if err := e.store.CheckRoom(f.Tenant, v.CodeBytes()); err != nil {
		return runtime.Deployment{}, err
	}
	change := e.newChange(runtime.KindCreate, s.UserID)
	outcome, err := e.deploy(ctx, f, v, f.ID)
	if err != nil {
		e.recordFailed(change, f, outcome, err)
		return runtime.Deployment{}, err
	}
	x := change.AfterChange(f, outcome, e.clock.Now().UTC())
	if err := e.store.CreateFunction(f, v, runtime.Change{Execution: x, Key: key}); err != nil {
		e.sandbox.Forget(f.ID, v.Number)
		return runtime.Deployment{}, err
	}
	e.current.invalidate(functionKey{s.Tenant, s.Name})
	return runtime.Deployment{Function: f, ExecutionID: x.ID, Logs: outcome.Logs}, nil
}

// checkNameFree returns an error if a function has the name. It avoids a deploy in vain; the
// store checks again.
func (e *Engine) checkNameFree(key functionKey) error {
	_, err := e.store.GetFunctionByName(key.tenant, key.name)
	switch {
	case err == nil:
		return runtime.FunctionNameTakenError(key.name)
	case runtime.CodeOf(err) == runtime.CodeNotFound:
		return nil
	}
	return err
}

// deploy creates the image of a version. The run of the module body reserves memory, and waits
// for it in a group, as any run does. If deploy fails it leaves no image; a failure of the program is also
// in the outcome.
func (e *Engine) deploy(ctx context.Context, f runtime.Function, v runtime.Version, group string) (runtime.Outcome, error) {
	p := runtime.NewProgram(f, v)
	if !v.Bundle.IsZero() {
		p.Limits.Timeout = max(p.Limits.Timeout, runtime.MaxBundleDeploy)
	}
	limits := p.Limits
	space := queue.Run{Tenant: p.Tenant, Function: p.FunctionID, Group: group, Bytes: p.Limits.Reservation()}
	if err := e.admission.Acquire(ctx, &space, int64(len(p.Source))); err != nil {
		return runtime.Outcome{}, err
	}
	defer space.Release()
	p.Limits = p.Limits.Blocking()
	outcome, err := e.sandbox.Deploy(ctx, p)
	switch {
	case err != nil && ctx.Err() != nil:
		err = runtime.AbandonedError(ctx.Err())
	case err == nil && outcome.Failure != nil:
		err = deployError(outcome.Failure, limits)
	}
	if err != nil {
		e.sandbox.Forget(p.FunctionID, p.Version)
	}
	return outcome, err
}
