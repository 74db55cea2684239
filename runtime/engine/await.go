package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// AwaitExecution gives an execution, without its logs, as soon as it is in a terminal
// state. When ctx ends before, or the server begins to shut down, it gives the
// execution as it stands, without an error.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return runtime.Execution{}, err
	}
	defer e.gate.leave()
	const op = "engine.await"
	x, err := e.stands(tenant, id)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, fault(op, err)
	}
	end, leave := e.completions.Wait(x.ID)
	defer leave()
	if x, err = e.stands(tenant, id); err != nil || x.State.Terminal() {
		return x, fault(op, err)
	}
	select {
	case <-end:
	case <-ctx.Done():
	case <-e.background.Stopping():
	}
	x, err = e.stands(tenant, id)
	return x, fault(op, err)
}
