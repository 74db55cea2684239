package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// deadLettersAtOnce is how many dead letters are driven again, or purged, in one
// batch.
const deadLettersAtOnce = 1000

// ListDeadLetters returns a page of dead letters, newest first, without their bodies.
// Next is the id of the last one on a full page, so the page after it may be empty.
// Sort, Query and Offset of the request do not apply.
//
// Errors of this and the methods below: CodeInvalidArgument, CodeNotFound,
// CodeUnavailable, CodeInternal. What is of another tenant is not found.
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
	return page, fault("engine.deadletters", err)
}

// GetDeadLetter gets a dead letter.
func (e *Engine) GetDeadLetter(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	if err := e.enter(); err != nil {
		return runtime.Delivery{}, err
	}
	defer e.gate.leave()
	d, err := e.store.GetDeadLetter(tenant, id)
	return d, fault("engine.deadletter", err)
}

// RedriveDeadLetters has dead letters tried again as if they were new: those with
// the ids, or all if ids is nil. It gives how many; ids of none are passed over.
func (e *Engine) RedriveDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return e.takeDead(ctx, "engine.redrive", ids, func(ids []string) (int, error) {
		driven, err := e.store.RedriveDeadLetters(tenant, ids, deadLettersAtOnce)
		for _, d := range driven {
			e.deliveries.Add(d)
		}
		return len(driven), err
	})
}

// PurgeDeadLetters drops dead letters for good, likewise.
func (e *Engine) PurgeDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return e.takeDead(ctx, "engine.purge", ids, func(ids []string) (int, error) {
		return e.store.PurgeDeadLetters(tenant, ids, deadLettersAtOnce)
	})
}

func (e *Engine) takeDead(ctx context.Context, op string, ids []string, take func(ids []string) (int, error)) (sum int, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.gate.leave()
	if len(ids) > runtime.MaxBulk {
		return 0, fault(op, runtime.Errorf(runtime.CodeTooLarge, "%d dead letters are named, at most %d can be in one request", len(ids), runtime.MaxBulk).
			WithHint("send several requests"))
	}
	all := ids == nil
	for ctx.Err() == nil {
		part := ids
		if !all {
			part = ids[:min(len(ids), deadLettersAtOnce)]
			ids = ids[len(part):]
		}
		n, err := take(part)
		sum += n
		if err != nil || all && n < deadLettersAtOnce || !all && len(ids) == 0 {
			return sum, fault(op, err)
		}
	}
	return sum, nil
}
