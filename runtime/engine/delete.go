package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// DeleteFunction deletes a function and its versions. Runs that have begun or wait for memory
// continue to their ends; background runs that are queued and have not started fail. The deletion
// is an execution of its own.
//
// Errors: CodeNotFound, CodeInvalidArgument, CodeConflict, CodeUnavailable, CodeInternal.
func (e *Engine) DeleteFunction(ctx context.Context, r runtime.FunctionDeletion) (runtime.Deployment, error) {
	const op = "engine.delete"
	if err := e.enter(); err != nil {
		return runtime.Deployment{}, err
	}
	defer e.gate.leave()
	if err := runtime.ValidateName(r.Name); err != nil {
		return runtime.Deployment{}, withOp(op, err)
	}
	d, err := e.doOnce(ctx, r.Tenant, r.IdempotencyKey, r.Hash, func(key *runtime.IdempotencyKey) (runtime.Deployment, error) {
		return e.remove(ctx, functionKey{r.Tenant, r.Name}, r.UserID, key)
	})
	return d, withOp(op, err)
}

func (e *Engine) remove(ctx context.Context, name functionKey, userID string, key *runtime.IdempotencyKey) (runtime.Deployment, error) {
	if err := e.changes.lock(ctx, name); err != nil {
		return runtime.Deployment{}, runtime.AbandonedError(err)
	}
	defer e.changes.unlock(name)

	f, err := e.store.GetFunctionByName(name.tenant, name.name)
	if err != nil {
		return runtime.Deployment{}, err
	}
	current, err := e.store.GetVersion(f.Tenant, f.ID, f.Version)
	if err != nil {
		current = runtime.Version{} // a function can be deleted although its code cannot be read
	}
	versions, err := e.store.ListVersions(f.Tenant, f.ID)
	if err != nil {
		return runtime.Deployment{}, err
	}
	change := e.newChange(runtime.KindDelete, userID)
	x := change.AfterChange(f, runtime.Outcome{}, change.Created)
	held := e.holdBundle(f.Tenant, current.Bundle)
	if err := e.store.DeleteFunction(f.Tenant, f.ID, runtime.Change{Execution: x, Key: key}); err != nil {
		held()
		return runtime.Deployment{}, err
	}
	e.current.invalidate(name)
	if f.Paused {
		f.Paused = false
		e.background.SetPaused(&f) // so that its runs end
	}
	e.retire(f.ID, f.Version, held)
	for _, number := range versions {
		if number != f.Version {
			e.retire(f.ID, number, func() {}) // its bundle is held since another version followed
		}
	}
	return runtime.Deployment{Function: f, ExecutionID: x.ID}, nil
}
