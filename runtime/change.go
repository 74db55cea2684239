package runtime

import (
	"context"
	"time"
)

// requestKey is a tenant's idempotency key.
type requestKey struct {
	tenant Tenant
	key    string
}

// doOnce makes a change of a function, unless the same request has made it
// before with the same key. Of those who come with one key at once, one makes it
// and the others get its answer; if it fails, the next one tries.
func (e *Engine) doOnce(ctx context.Context, tenant Tenant, key string, hash func() [32]byte, change func(*IdempotencyKey) (Deployment, error)) (Deployment, error) {
	if key == "" {
		return change(nil)
	}
	if err := ValidateIdempotencyKey(key); err != nil {
		return Deployment{}, err
	}
	k := IdempotencyKey{Key: key, Hash: hash(), Now: e.now().UTC()}
	mine := requestKey{tenant, key}
	if err := e.once.lock(ctx, mine); err != nil {
		return Deployment{}, AbandonedError(err)
	}
	defer e.once.unlock(mine)
	ids, err := e.store.LookupKey(tenant, k)
	if err != nil {
		return Deployment{}, err
	}
	if len(ids) > 0 {
		return Deployment{ExecutionID: ids[0], Replayed: true}, nil
	}
	return change(&k)
}

// newChange is the execution of a change of a function that begins now.
func newChange(kind Kind, now time.Time) Execution {
	return Execution{ID: NewID(), Kind: kind, State: StateRunning, Created: now, Started: now, Attempt: 1}
}

// recordFailed keeps the execution of a change of which the code was the failure.
// Its caller is told of that in any case, so what cannot be recorded is for the
// log alone.
func (e *Engine) recordFailed(change Execution, f Function, o Outcome) {
	if o.Failure == nil {
		return
	}
	x := change.AfterChange(f, o, e.now().UTC())
	if err := e.store.Record([]Execution{x}); err != nil {
		e.log.Error("engine: a failed change of a function cannot be recorded", "execution", x.ID, "function", f.ID, "kind", x.Kind, "error", err)
	}
}
