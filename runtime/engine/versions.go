package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// ListVersions returns the stored versions of a function without their sources and contexts, newest
// first: the first is the current one, and there are at most [runtime.KeptVersions].
func (e *Engine) ListVersions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.VersionSummary, error) {
	const op = "engine.versions"
	f, leave, err := e.findFunction(tenant, name)
	if err != nil {
		return nil, withOp(op, err)
	}
	defer leave()
	versions, err := e.store.DescribeVersions(tenant, f.ID)
	if runtime.CodeOf(err) == runtime.CodeNotFound { // it was deleted meanwhile
		err = runtime.NoFunctionError(name)
	}
	return versions, withOp(op, err)
}

// GetVersion returns one stored version of a function; zero is the number of the current one.
func (e *Engine) GetVersion(ctx context.Context, tenant runtime.Tenant, name string, number uint64) (runtime.VersionDetail, error) {
	const op = "engine.version"
	f, leave, err := e.findFunction(tenant, name)
	if err != nil {
		return runtime.VersionDetail{}, withOp(op, err)
	}
	defer leave()
	if number == 0 {
		_, v, err := e.readFunction(functionKey{tenant, name})
		return runtime.VersionDetail{Version: v, Current: true}, withOp(op, err)
	}
	v, err := e.storedVersion(f, number)
	return runtime.VersionDetail{Version: v, Current: number == f.Version}, withOp(op, err)
}

// findFunction enters the gate, which the caller leaves, and returns a function.
func (e *Engine) findFunction(tenant runtime.Tenant, name string) (f runtime.Function, leave func(), err error) {
	if err := e.enter(); err != nil {
		return f, nil, err
	}
	if err = runtime.ValidateName(name); err == nil {
		f, err = e.store.GetFunctionByName(tenant, name)
	}
	if err != nil {
		e.gate.leave()
		return f, nil, err
	}
	return f, e.gate.leave, nil
}

// storedVersion returns a version of a function.
func (e *Engine) storedVersion(f runtime.Function, number uint64) (runtime.Version, error) {
	v, err := e.store.GetVersion(f.Tenant, f.ID, number)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		err = runtime.NoVersionError(f.Name, number)
	}
	return v, err
}

// checkPrecondition checks the condition of an update, where read is the error of reading the function.
func checkPrecondition(u runtime.FunctionUpdate, f runtime.Function, read error) error {
	switch {
	case read == nil:
		return u.If.Check(u.Name, &f)
	case runtime.CodeOf(read) == runtime.CodeNotFound:
		return u.If.Check(u.Name, nil)
	}
	return nil // the caller returns read
}

// baseVersion returns the version that an update changes: the current one, with its context patched, or
// the one that it restores, whose bundle is held until unhold is called. The caller holds the lock of the function's name, so
// that no version is dropped meanwhile.
func (e *Engine) baseVersion(f runtime.Function, current runtime.Version, u runtime.FunctionUpdate) (v runtime.Version, unhold func(), err error) {
	switch u.Restore {
	case 0:
		if u.ContextPatch != nil {
			current.Context, err = runtime.PatchContext(current.Context, u.ContextPatch)
		}
		return current, func() {}, err
	case current.Number:
		return v, nil, runtime.Errorf(runtime.CodeInvalidArgument, "version %d is the current one of %q", u.Restore, f.Name).
			WithHint("name an earlier version")
	}
	if v, err = e.storedVersion(f, u.Restore); err != nil {
		return v, nil, err
	}
	if u.KeepContext {
		v.Context = current.Context
	}
	return v, e.holdBundle(f.Tenant, v.Bundle), nil
}
