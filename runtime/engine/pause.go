package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// PauseFunction pauses a function or resumes it. After it has paused one, no background run of the function begins,
// tasks of jobs included, until it is resumed, whatever happens to the process in between: those that are accepted
// are queued. Runs that have begun go on, and so do blocking runs. Runs of a function that is paused can be
// cancelled, and fail if it is deleted. A change is an execution of its own, like an update; without a change
// nothing is stored. It waits for a change of the function that is in progress.
//
// Errors: CodeNotFound, CodeInvalidArgument, CodeUnavailable, CodeInternal.
func (e *Engine) PauseFunction(ctx context.Context, r runtime.FunctionPause) (runtime.Function, error) {
	const op = "engine.pause"
	if err := e.enter(); err != nil {
		return runtime.Function{}, err
	}
	defer e.gate.leave()
	if err := runtime.ValidateName(r.Name); err != nil {
		return runtime.Function{}, withOp(op, err)
	}
	f, err := e.pause(ctx, functionKey{r.Tenant, r.Name}, r)
	return f, withOp(op, err)
}

func (e *Engine) pause(ctx context.Context, name functionKey, r runtime.FunctionPause) (runtime.Function, error) {
	if err := e.changes.lock(ctx, name); err != nil {
		return runtime.Function{}, runtime.AbandonedError(err)
	}
	defer e.changes.unlock(name)
	f, err := e.store.GetFunctionByName(name.tenant, name.name)
	if err != nil || f.Paused == r.Paused {
		return f, err
	}
	f.Paused = r.Paused
	change := e.newChange(runtime.KindUpdate, r.UserID)
	x := change.AfterChange(f, runtime.Outcome{}, change.Created)
	if err := e.store.UpdateFunction(f, nil, runtime.Change{Execution: x}); err != nil {
		return runtime.Function{}, err
	}
	e.background.SetPaused(&f)
	return f, nil
}
