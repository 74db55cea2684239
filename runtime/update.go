package runtime

import (
	"bytes"
	"context"
)

// UpdateFunction deploys a change as a new version, or renames. Code, context
// and limits make a new version, even if they are what they were; a new name
// alone does not, and needs no deployment. Runs that have begun, or wait,
// finish with the version they found; those that come after UpdateFunction has
// returned find the new one. What is queued in the background runs the version
// that is current when it starts. The update is an execution of its own, as a
// creation is, and has the same errors, or CodeNotFound.
func (e *Engine) UpdateFunction(ctx context.Context, u FunctionUpdate) (Deployment, error) {
	const op = "engine.update"
	if err := e.enter(); err != nil {
		return Deployment{}, err
	}
	defer e.gate.leave()
	if err := checkUpdate(u); err != nil {
		return Deployment{}, fault(op, err)
	}
	d, err := e.doOnce(ctx, u.Tenant, u.IdempotencyKey, u.hash, func(key *IdempotencyKey) (Deployment, error) {
		return e.update(ctx, u, key)
	})
	return d, fault(op, err)
}

func (e *Engine) update(ctx context.Context, u FunctionUpdate, key *IdempotencyKey) (Deployment, error) {
	from, to := functionKey{u.Tenant, u.Name}, functionKey{u.Tenant, u.Name}
	if u.NewName != nil {
		to.name = *u.NewName
	}
	unlock, err := e.lockNames(ctx, from, to)
	if err != nil {
		return Deployment{}, gaveUp(err)
	}
	defer unlock()

	f, old, err := e.stored(from)
	if err != nil {
		return Deployment{}, err
	}
	if from != to {
		if err := e.available(to); err != nil {
			return Deployment{}, err
		}
	}
	f.Name, f.Updated = to.name, e.now().UTC()
	change := newChange(KindUpdate, f.Updated)
	if u.onlyRenames() {
		x := change.changed(f, Outcome{}, f.Updated)
		if err := e.store.UpdateFunction(f, nil, Change{x, key}); err != nil {
			return Deployment{}, err
		}
		e.changed(from, to)
		return Deployment{Function: f, ExecutionID: x.ID}, nil
	}

	f.Version = old.Number + 1
	v := u.version(f, old)
	if err := v.Limits.Validate(); err != nil {
		return Deployment{}, err
	}
	outcome, err := e.deploy(ctx, f, v)
	if err != nil {
		e.recordFailed(change, f, outcome)
		return Deployment{}, err
	}
	x := change.changed(f, outcome, e.now().UTC())
	if err := e.store.UpdateFunction(f, &v, Change{x, key}); err != nil {
		e.sandbox.Forget(f.ID, v.Number)
		return Deployment{}, err
	}
	e.changed(from, to)
	e.retire(f.ID, old.Number)
	return Deployment{Function: f, ExecutionID: x.ID, Logs: outcome.Logs}, nil
}

// onlyRenames tells whether nothing changes that a version has.
func (u FunctionUpdate) onlyRenames() bool {
	return u.Source == nil && u.Context == nil && u.Timeout == nil && u.Memory == nil && u.Retries == nil
}

func checkUpdate(u FunctionUpdate) error {
	if err := ValidateName(u.Name); err != nil {
		return err
	}
	if u.NewName == nil && u.onlyRenames() {
		return Errorf(CodeInvalidArgument, "the update changes nothing").
			WithHint("give at least one of code, context, timeout, memory, retries and a new name")
	}
	if u.NewName != nil {
		if err := ValidateName(*u.NewName); err != nil {
			return err
		}
	}
	if u.Source != nil {
		if err := checkSource(u.Source); err != nil {
			return err
		}
	}
	if u.Retries != nil {
		if err := checkRetries(*u.Retries); err != nil {
			return err
		}
	}
	return checkObject("context", u.Context, MaxContext)
}

// version is the version that the update makes of the old one.
func (u FunctionUpdate) version(f Function, old Version) Version {
	v := old
	v.Number, v.Name, v.Created = f.Version, f.Name, f.Updated
	if u.Source != nil {
		v.Source = bytes.Clone(u.Source)
	}
	if u.Context != nil {
		v.Context = bytes.Clone(u.Context)
	}
	if u.Timeout != nil {
		v.Limits.Timeout = *u.Timeout
	}
	if u.Memory != nil {
		v.Limits.Memory = *u.Memory
	}
	if u.Retries != nil {
		v.Retries = *u.Retries
	}
	return v
}

// lockNames locks the names that a change touches, in one order for all.
func (e *Engine) lockNames(ctx context.Context, a, b functionKey) (unlock func(), err error) {
	if b.name < a.name {
		a, b = b, a
	}
	if err := e.changes.lock(ctx, a); err != nil {
		return nil, err
	}
	if a == b {
		return func() { e.changes.unlock(a) }, nil
	}
	if err := e.changes.lock(ctx, b); err != nil {
		e.changes.unlock(a)
		return nil, err
	}
	return func() { e.changes.unlock(b); e.changes.unlock(a) }, nil
}

// changed lets the cache know that what the names stand for was changed.
func (e *Engine) changed(a, b functionKey) {
	e.current.changed(a)
	e.current.changed(b)
}

// retire drops the image of a version that is not current any more, after the
// last run that uses it.
func (e *Engine) retire(functionID string, number uint64) {
	e.current.retire(versionKey{functionID, number}, func() { e.sandbox.Forget(functionID, number) })
}
