package runtime

import "context"

// Bounds of a page of [Engine.Functions].
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Function gets a function and its current version.
func (e *Engine) Function(ctx context.Context, tenant Tenant, name string) (FunctionDetail, error) {
	if err := e.enter(); err != nil {
		return FunctionDetail{}, err
	}
	defer e.gate.leave()
	if err := ValidateName(name); err != nil {
		return FunctionDetail{}, fault("engine.function", err)
	}
	f, v, err := e.stored(functionKey{tenant, name})
	if err != nil {
		return FunctionDetail{}, fault("engine.function", err)
	}
	return FunctionDetail{Function: f, Version: v}, nil
}

// Functions lists functions by name, in the order of their bytes, after the
// given name: up to limit, which is [DefaultPage] if it is not positive and
// [MaxPage] if it is larger than that.
func (e *Engine) Functions(ctx context.Context, tenant Tenant, after string, limit int) ([]Function, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	if limit <= 0 {
		limit = DefaultPage
	}
	functions, err := e.store.Functions(tenant, after, min(limit, MaxPage))
	if err != nil {
		return nil, fault("engine.functions", err)
	}
	return functions, nil
}
