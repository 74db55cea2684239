package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// purgeBatch and redriveBatch are the numbers of dead letters that are purged, or redriven, in
	// one batch. A batch that redrives has their bodies, which may have 4 MiB each.
	purgeBatch   = 1000
	redriveBatch = 16
)

// ListDeadLetters returns a page of dead letters, newest first, without their bodies. Next is the
// id of the last one on a full page, so the page after it may be empty. Sort, Query and Offset of
// the request do not apply.
//
// Errors of this and the methods below: CodeInvalidArgument, CodeNotFound, CodeUnavailable,
// CodeInternal. A dead letter of another tenant is not found.
func (e *Engine) ListDeadLetters(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Delivery], err error) {
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	r = r.Bounded()
	page.Items, err = e.store.ListDeadLetters(tenant, r.After, r.Limit)
	if n := len(page.Items); n == r.Limit {
		page.Next = page.Items[n-1].ID
	}
	return page, withOp("engine.deadletters", err)
}

// GetDeadLetter returns a dead letter.
func (e *Engine) GetDeadLetter(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	if err := e.enter(); err != nil {
		return runtime.Delivery{}, err
	}
	defer e.gate.leave()
	d, err := e.store.GetDeadLetter(tenant, id)
	return d, withOp("engine.deadletter", err)
}

// RedriveDeadLetters turns dead letters into new deliveries: those with the ids or, if ids is
// nil, all. It returns their number, and skips ids of no dead letter.
func (e *Engine) RedriveDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return e.deadLetterBatches(ctx, "engine.redrive", ids, redriveBatch, func(ids []string) (int, error) {
		redriven, err := e.store.RedriveDeadLetters(tenant, ids, redriveBatch)
		for _, d := range redriven {
			e.deliveries.Add(d)
		}
		return len(redriven), err
	})
}

// PurgeDeadLetters drops dead letters for good: those with the ids or, if ids is nil, all. It
// returns their number, and skips ids of no dead letter.
func (e *Engine) PurgeDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return e.deadLetterBatches(ctx, "engine.purge", ids, purgeBatch, func(ids []string) (int, error) {
		return e.store.PurgeDeadLetters(tenant, ids, purgeBatch)
	})
}

// deadLetterBatches calls process with batches of size ids or, if ids is nil, with nil until no dead
// letter is left. It returns the sum of what process returns.
func (e *Engine) deadLetterBatches(ctx context.Context, op string, ids []string, size int, process func(ids []string) (int, error)) (total int, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.gate.leave()
	if len(ids) > runtime.MaxBulk {
		return 0, withOp(op, runtime.Errorf(runtime.CodeTooLarge, "%d dead letters were requested, at most %d are allowed in one request", len(ids), runtime.MaxBulk).
			WithHint("send several requests"))
	}
	all := ids == nil
	for ctx.Err() == nil {
		batch := ids
		if !all {
			batch = ids[:min(len(ids), size)]
			ids = ids[len(batch):]
		}
		n, err := process(batch)
		total += n
		if err != nil || all && n < size || !all && len(ids) == 0 {
			return total, withOp(op, err)
		}
	}
	return total, nil
}
