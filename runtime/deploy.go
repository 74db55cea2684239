package runtime

import (
	"bytes"
	"context"
)

// CreateFunction deploys a new function: it is checked, its module body is run,
// and only if that succeeds is it kept. Code that does not deploy is a
// CodeDeployFailed error with traceback and line; a taken name is
// CodeAlreadyExists. The deployment is an execution of its own, on disk with the
// function; one that fails for its code is recorded too.
//
// Other errors: CodeInvalidArgument, CodeTooLarge, CodeConflict, CodeTooBusy,
// CodeUnavailable, CodeInternal.
func (e *Engine) CreateFunction(ctx context.Context, s FunctionSpec) (Deployment, error) {
	const op = "engine.create"
	if err := e.enter(); err != nil {
		return Deployment{}, err
	}
	defer e.gate.leave()
	if err := s.Validate(); err != nil {
		return Deployment{}, fault(op, err)
	}
	d, err := e.doOnce(ctx, s.Tenant, s.IdempotencyKey, s.Hash, func(key *IdempotencyKey) (Deployment, error) {
		return e.create(ctx, s, key)
	})
	return d, fault(op, err)
}

func (e *Engine) create(ctx context.Context, s FunctionSpec, key *IdempotencyKey) (Deployment, error) {
	name := functionKey{s.Tenant, s.Name}
	if err := e.changes.lock(ctx, name); err != nil {
		return Deployment{}, AbandonedError(err)
	}
	defer e.changes.unlock(name)
	if err := e.available(name); err != nil {
		return Deployment{}, err
	}

	now := e.now().UTC()
	f := Function{ID: NewID(), Tenant: s.Tenant, Name: s.Name, Version: 1, Created: now, Updated: now}
	v := Version{
		FunctionID: f.ID,
		Number:     1,
		Name:       s.Name,
		Source:     bytes.Clone(s.Source),
		Context:    bytes.Clone(s.Context),
		Limits:     s.Limits,
		Retries:    s.Retries,
		Created:    now,
	}
	change := newChange(KindCreate, now)
	outcome, err := e.deploy(ctx, f, v)
	if err != nil {
		e.recordFailed(change, f, outcome)
		return Deployment{}, err
	}
	x := change.AfterChange(f, outcome, e.now().UTC())
	if err := e.store.CreateFunction(f, v, Change{x, key}); err != nil {
		e.sandbox.Forget(f.ID, v.Number)
		return Deployment{}, err
	}
	e.current.changed(name)
	return Deployment{Function: f, ExecutionID: x.ID, Logs: outcome.Logs}, nil
}

// available tells whether a name can be given to a function. It spares a
// deployment in vain; the store has the last word.
func (e *Engine) available(key functionKey) error {
	_, err := e.store.GetFunctionByName(key.tenant, key.name)
	switch {
	case err == nil:
		return FunctionNameTakenError(key.name)
	case CodeOf(err) == CodeNotFound:
		return nil
	}
	return err
}

// deploy makes the image of a version, whose module body reserves memory and
// waits its turn as a run does. If it fails, nothing of it is left; the outcome tells of
// a failure that is the program's.
func (e *Engine) deploy(ctx context.Context, f Function, v Version) (Outcome, error) {
	p := NewProgram(f, v)
	if err := e.admission.acquire(ctx, p.Tenant, p.FunctionID, p.Limits.Reservation()); err != nil {
		return Outcome{}, err
	}
	defer e.admission.release(p.Limits.Reservation())
	outcome, err := e.deployIn(ctx, p)
	switch {
	case err != nil && ctx.Err() != nil:
		err = AbandonedError(ctx.Err())
	case err == nil && outcome.Failure != nil:
		err = deployError(outcome.Failure, p.Limits)
	}
	if err != nil {
		e.sandbox.Forget(p.FunctionID, p.Version)
	}
	return outcome, err
}
