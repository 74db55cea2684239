package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/redact"
)

// UpdateFunction deploys a new version of a function, or renames it. Setting code, context or
// limits makes a new version, even if they stay the same; a new name alone does not, and needs no
// deploy. Blocking runs that have begun, or wait for memory, keep the version that was current
// when they arrived; runs that arrive after UpdateFunction has returned use the new one. A
// background run uses the version that is current when it starts. The update is an execution of
// its own, like a creation. The errors are those of CreateFunction, or CodeNotFound.
func (e *Engine) UpdateFunction(ctx context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error) {
	const op = "engine.update"
	if err := e.enter(); err != nil {
		return runtime.Deployment{}, err
	}
	defer e.gate.leave()
	defer e.secrets.Hold(redact.Texts(u.Context)...)()
	defer e.secrets.Hold(redact.Texts(u.ContextPatch)...)()
	if u.Bundle != nil {
		source, err := e.readMain(ctx, u.Bundle)
		if err != nil {
			return runtime.Deployment{}, withOp(op, err)
		}
		u.Source = source
	}
	if err := u.Validate(); err != nil {
		return runtime.Deployment{}, withOp(op, err)
	}
	d, err := e.doOnce(ctx, u.Tenant, u.IdempotencyKey, u.Hash, func(key *runtime.IdempotencyKey) (runtime.Deployment, error) {
		return e.update(ctx, u, key)
	})
	return d, withOp(op, err)
}

func (e *Engine) update(ctx context.Context, u runtime.FunctionUpdate, key *runtime.IdempotencyKey) (runtime.Deployment, error) {
	from, to := functionKey{u.Tenant, u.Name}, functionKey{u.Tenant, u.Name}
	if u.NewName != nil {
		to.name = *u.NewName
	}
	unlock, err := e.lockNames(ctx, from, to)
	if err != nil {
		return runtime.Deployment{}, runtime.AbandonedError(err)
	}
	defer unlock()

	f, old, err := e.readFunction(from)
	if unmet := checkPrecondition(u, f, err); unmet != nil {
		return runtime.Deployment{}, unmet
	}
	if u.Create && runtime.CodeOf(err) == runtime.CodeNotFound {
		s := u.Spec()
		if err := s.Validate(); err != nil {
			return runtime.Deployment{}, err
		}
		release, err := e.stage(ctx, &u)
		if err != nil {
			return runtime.Deployment{}, err
		}
		defer release()
		return e.createLocked(ctx, s, key)
	}
	if err != nil {
		return runtime.Deployment{}, err
	}
	if from != to {
		if err := e.checkNameFree(to); err != nil {
			return runtime.Deployment{}, err
		}
	}
	change := e.newChange(runtime.KindUpdate, u.UserID)
	f.Name, f.Updated = to.name, runtime.Later(change.Created, f.Created)
	if u.OnlyRenames() {
		x := change.AfterChange(f, runtime.Outcome{}, change.Created)
		if err := e.store.UpdateFunction(f, nil, runtime.Change{Execution: x, Key: key}); err != nil {
			return runtime.Deployment{}, err
		}
		e.invalidate(from, to)
		e.background.SetPaused(&f) // its name may be new
		return runtime.Deployment{Function: f, ExecutionID: x.ID}, nil
	}

	f.Version = old.Number + 1
	base, unhold, err := e.baseVersion(f, old, u)
	if err != nil {
		return runtime.Deployment{}, err
	}
	defer unhold()
	v := u.NextVersion(f, base)
	if err := v.Limits.Validate(); err != nil {
		return runtime.Deployment{}, err
	}
	if u.Allow != nil || u.Restore != 0 {
		if err := e.checkAllow(f.Tenant, v.Allow); err != nil {
			return runtime.Deployment{}, err
		}
	}
	release, err := e.stage(ctx, &u)
	if err != nil {
		return runtime.Deployment{}, err
	}
	defer release()
	outcome, err := e.deploy(ctx, f, v, f.ID)
	if err != nil {
		e.recordFailed(change, f, outcome, err)
		return runtime.Deployment{}, err
	}
	x := change.AfterChange(f, outcome, e.clock.Now().UTC())
	held := e.holdBundle(f.Tenant, old.Bundle)
	if err := e.store.UpdateFunction(f, &v, runtime.Change{Execution: x, Key: key}); err != nil {
		held()
		e.sandbox.Forget(f.ID, v.Number)
		return runtime.Deployment{}, err
	}
	e.invalidate(from, to)
	e.background.SetPaused(&f)
	e.retire(f.ID, old.Number, held)
	return runtime.Deployment{Function: f, ExecutionID: x.ID, Logs: outcome.Logs}, nil
}

// lockNames locks two names, which may be the same, in byte order, so that concurrent updates do
// not block each other forever.
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

// invalidate drops the functions with these names from the cache.
func (e *Engine) invalidate(a, b functionKey) {
	e.current.invalidate(a)
	e.current.invalidate(b)
}

// retire drops the image of a version that is no longer current, and calls release, which releases
// its bundle, after its last run has ended.
func (e *Engine) retire(functionID string, number uint64, release func()) {
	e.current.retire(versionKey{functionID, number}, func() {
		e.sandbox.Forget(functionID, number)
		release()
	})
}
