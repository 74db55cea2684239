package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// Submit accepts a run in the background. When it returns without an error, the execution is on
// disk and will reach a terminal state, even if this process or machine fails. The run starts at
// least once, and exactly one attempt determines the outcome. An attempt runs the version of the
// function that is current when the attempt starts.
//
// After these errors nothing was accepted: CodeNotFound, CodeInvalidArgument, CodeTooLarge,
// CodeConflict, CodeTooBusy, CodeUnavailable. After CodeInternal that is unknown; to be sure,
// repeat the request with an idempotency key.
func (e *Engine) Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error) {
	return e.submit(ctx, "engine.submit", runtime.BulkRequest{
		Tenant: r.Tenant, Function: r.Function, Caller: r.Caller, Args: [][]byte{r.Args}, Retries: r.Retries,
		IdempotencyKey: r.IdempotencyKey, KeyOwner: r.KeyOwner,
	})
}

// SubmitBulk accepts many runs as Submit does: all of them or none.
func (e *Engine) SubmitBulk(ctx context.Context, r runtime.BulkRequest) (runtime.Acceptance, error) {
	return e.submit(ctx, "engine.submitbulk", r)
}

func (e *Engine) submit(ctx context.Context, op string, r runtime.BulkRequest) (runtime.Acceptance, error) {
	if err := e.enter(); err != nil {
		return runtime.Acceptance{}, err
	}
	defer e.gate.leave()
	a, err := e.accept(ctx, r)
	if err != nil {
		return runtime.Acceptance{}, withOp(op, err)
	}
	return a, nil
}

func (e *Engine) accept(ctx context.Context, r runtime.BulkRequest) (runtime.Acceptance, error) {
	if err := r.Validate(); err != nil {
		return runtime.Acceptance{}, err
	}
	var key *runtime.IdempotencyKey
	if r.IdempotencyKey != "" {
		key = &runtime.IdempotencyKey{Key: r.IdempotencyKey, Hash: r.Hash(), Now: e.clock.Now().UTC()}
	}
	return e.acceptKeyed(ctx, r, key)
}

// acceptKeyed accepts a valid request. key is nil if the request has none.
func (e *Engine) acceptKeyed(ctx context.Context, r runtime.BulkRequest, key *runtime.IdempotencyKey) (runtime.Acceptance, error) {
	if key != nil {
		// A repeated request succeeds, even if it could not be accepted now.
		if ids, err := e.store.LookupKey(r.Tenant, *key); err != nil || len(ids) > 0 {
			return runtime.Acceptance{IDs: ids, Replayed: err == nil}, err
		}
	}
	version, err := e.versionToRun(ctx, &r)
	if err != nil {
		return runtime.Acceptance{}, err
	}
	p := &version.Program
	retries, dropArgs := version.Retries, version.DropArgs
	if r.Retries != nil {
		retries = *r.Retries
	}
	o := &dispatch.Origin{Tenant: r.Tenant, Use: e.useOf(r.Tenant), FunctionID: p.FunctionID, Function: r.Function, Version: p.Version, Pinned: r.Version != 0, Caller: r.Caller}
	err = e.admission.Allowed(r.Tenant, p.Limits.Reservation())
	e.current.release(version)
	if err != nil {
		return runtime.Acceptance{}, err
	}
	if err := e.background.Reserve(len(r.Args), nil, o.Use); err != nil {
		return runtime.Acceptance{}, err
	}
	added := 0
	defer func() { e.background.Unreserve(len(r.Args), added, o.Use) }()

	created, fresh := e.clock.Stamps(len(r.Args))
	batch := make([]runtime.Accepted, len(r.Args))
	for i, args := range r.Args {
		batch[i] = runtime.Accepted{Args: runtime.ObjectOrEmpty(args), Execution: runtime.Execution{
			ID: fresh[i], Tenant: o.Tenant, Kind: runtime.KindRun, FunctionID: o.FunctionID, Function: o.Function, Version: o.Version,
			State: runtime.StateQueued, Created: created, Retries: retries, Caller: r.Caller, DropArgs: dropArgs, Pinned: o.Pinned,
		}}
		if len(r.RerunOf) > 0 {
			batch[i].Execution.RerunOf = r.RerunOf[i]
		}
	}
	ids, replayed, err := e.store.Accept(batch, key)
	if err != nil {
		return runtime.Acceptance{}, err
	}
	if !replayed {
		runs := make([]*dispatch.QueuedRun, len(batch))
		for i := range batch {
			runs[i] = dispatch.NewQueuedRun(o, &batch[i].Execution)
		}
		e.background.AddReserved(runs)
		added = len(runs)
	}
	return runtime.Acceptance{IDs: ids, Replayed: replayed}, nil
}
