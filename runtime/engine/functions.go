package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// GetFunction returns a function and its current version.
func (e *Engine) GetFunction(ctx context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	if err := e.enter(); err != nil {
		return runtime.FunctionDetail{}, err
	}
	defer e.gate.leave()
	if err := runtime.ValidateName(name); err != nil {
		return runtime.FunctionDetail{}, withOp("engine.function", err)
	}
	f, v, err := e.readFunction(functionKey{tenant, name})
	if err != nil {
		return runtime.FunctionDetail{}, withOp("engine.function", err)
	}
	return runtime.FunctionDetail{Function: f, Version: v, RunImports: e.sandbox.RunImports(f.ID, v.Number), KeepsArgs: e.keepsArgs(&v)}, nil
}

// ListFunctions returns a page of functions in the byte order of their names. Next
// is the name of the last function of the page. Sort, Query and Offset of the
// request do not apply.
func (e *Engine) ListFunctions(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Function], err error) {
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	r = r.Bounded()
	// One more than the page holds shows whether there is a next page.
	found, err := e.store.ListFunctions(tenant, r.After, r.Limit+1)
	if err != nil {
		return page, withOp("engine.functions", err)
	}
	if page.Items = found; len(found) > r.Limit {
		page.Items = found[:r.Limit]
		page.Next = found[r.Limit-1].Name
	}
	return page, nil
}
