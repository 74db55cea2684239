package runtime

import "context"

// DeleteFunction removes a function and its versions. Runs under way, or
// waiting, finish; those that are queued in the background and have not started
// end as failed. The deletion is an execution of its own.
func (e *Engine) DeleteFunction(ctx context.Context, tenant Tenant, name string) (Deployment, error) {
	const op = "engine.delete"
	if err := e.enter(); err != nil {
		return Deployment{}, err
	}
	defer e.gate.leave()
	if err := ValidateName(name); err != nil {
		return Deployment{}, fault(op, err)
	}
	key := functionKey{tenant, name}
	if err := e.changes.lock(ctx, key); err != nil {
		return Deployment{}, fault(op, gaveUp(err))
	}
	defer e.changes.unlock(key)

	f, err := e.store.FunctionByName(tenant, name)
	if err != nil {
		return Deployment{}, fault(op, err)
	}
	change := newChange(KindDelete, e.now().UTC())
	versions, err := e.store.Versions(tenant, f.ID)
	if err != nil {
		return Deployment{}, fault(op, err)
	}
	if err := e.store.DeleteFunction(tenant, f.ID); err != nil {
		return Deployment{}, fault(op, err)
	}
	e.current.changed(key)
	for _, number := range versions {
		e.retire(f.ID, number)
	}
	return Deployment{Function: f, ExecutionID: e.recordChange(change, f, Outcome{})}, nil
}
