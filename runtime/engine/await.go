package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// AwaitExecution returns an execution as soon as it is in a terminal state, without its logs and
// without a result larger than [runtime.ListedResult]: many may wait for one execution.
// If ctx ends first, or the server begins to shut down, it returns the execution in its current
// state, without an error.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return runtime.Execution{}, err
	}
	defer e.gate.leave()
	const op = "engine.await"
	x, err := e.summary(tenant, id)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, withOp(op, err)
	}
	completed, leave := e.completions.Wait(x.ID)
	defer leave()
	// It may have ended before the wait began.
	if x, err = e.summary(tenant, id); err != nil || x.State.Terminal() {
		return x, withOp(op, err)
	}
	select {
	case <-completed:
	case <-ctx.Done():
	case <-e.background.Stopping():
	}
	x, err = e.summary(tenant, id)
	return x, withOp(op, err)
}
