package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// requestKey identifies an idempotency key of a tenant.
type requestKey struct {
	tenant runtime.Tenant
	key    string
}

// doOnce changes a function, unless the same request with the same key has changed it before. Of
// concurrent requests with one key the first makes the change and the others get its response; if
// it fails, the next one tries.
func (e *Engine) doOnce(ctx context.Context, tenant runtime.Tenant, key string, hash func() [32]byte, change func(*runtime.IdempotencyKey) (runtime.Deployment, error)) (runtime.Deployment, error) {
	if key == "" {
		return change(nil)
	}
	if err := runtime.ValidateIdempotencyKey(key); err != nil {
		return runtime.Deployment{}, err
	}
	k := runtime.IdempotencyKey{Key: key, Hash: hash(), Now: e.clock.Now().UTC()}
	request := requestKey{tenant, key}
	if err := e.once.lock(ctx, request); err != nil {
		return runtime.Deployment{}, runtime.AbandonedError(err)
	}
	defer e.once.unlock(request)
	ids, err := e.store.LookupKey(tenant, k)
	if err != nil {
		return runtime.Deployment{}, err
	}
	if len(ids) > 0 {
		return runtime.Deployment{ExecutionID: ids[0], Replayed: true}, nil
	}
	return change(&k)
}

// newChange returns the execution of a change of a function that begins now.
func (e *Engine) newChange(kind runtime.Kind, userID string) runtime.Execution {
	now, id := e.clock.Stamp()
	return runtime.Execution{ID: id, Kind: kind, State: runtime.StateRunning, Created: now, Started: now, Attempt: 1, Caller: runtime.Caller{UserID: userID}}
}

// recordFailed records the execution of a change that failed because of the code. The caller gets
// the failure in any case, so an error here is only logged.
func (e *Engine) recordFailed(change runtime.Execution, f runtime.Function, o runtime.Outcome, failed error) {
	if o.Failure == nil {
		return
	}
	if known, ok := runtime.AsError(failed); ok && known.Code == runtime.CodeDeployFailed && o.Failure.Class != runtime.ClassError {
		failure := *o.Failure
		failure.Message = known.Message // the record says what the response says
		o.Failure = &failure
	}
	x := change.AfterChange(f, o, e.clock.Now().UTC())
	if err := e.store.Record([]runtime.Execution{x}); err != nil {
		e.log.Error("engine: a failed change of a function cannot be recorded", "execution", x.ID, "function", f.ID, "kind", x.Kind, "error", err)
	}
}
