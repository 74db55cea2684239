package runtime

import "context"

// deadLettersAtOnce is how many dead letters are driven again, or purged, in one
// batch.
const deadLettersAtOnce = 1000

// DeadLetters lists dead letters, newest first, from behind the one with the id
// after: up to limit, which is [DefaultPage] if it is not positive and [MaxPage] if
// it is larger than that. They come without what is told.
//
// Errors of this and the methods below: CodeInvalidArgument, CodeNotFound,
// CodeUnavailable, CodeInternal. What is of another tenant is not found.
func (e *Engine) DeadLetters(ctx context.Context, tenant Tenant, after string, limit int) ([]Delivery, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	if limit <= 0 {
		limit = DefaultPage
	}
	all, err := e.store.DeadLetters(tenant, after, min(limit, MaxPage))
	return all, fault("engine.deadletters", err)
}

// DeadLetter gets a dead letter.
func (e *Engine) DeadLetter(ctx context.Context, tenant Tenant, id string) (Delivery, error) {
	if err := e.enter(); err != nil {
		return Delivery{}, err
	}
	defer e.gate.leave()
	d, err := e.store.DeadLetter(tenant, id)
	return d, fault("engine.deadletter", err)
}

// RedriveDeadLetters has dead letters tried again as if they were new: those with
// the ids, or all if ids is nil. It gives how many; ids of none are passed over.
func (e *Engine) RedriveDeadLetters(ctx context.Context, tenant Tenant, ids []string) (int, error) {
	return e.takeDead(ctx, "engine.redrive", ids, func(ids []string) (int, error) {
		driven, err := e.store.Redrive(tenant, ids, deadLettersAtOnce)
		for _, d := range driven {
			e.deliveries.add(d)
		}
		return len(driven), err
	})
}

// PurgeDeadLetters drops dead letters for good, likewise.
func (e *Engine) PurgeDeadLetters(ctx context.Context, tenant Tenant, ids []string) (int, error) {
	return e.takeDead(ctx, "engine.purge", ids, func(ids []string) (int, error) {
		return e.store.Purge(tenant, ids, deadLettersAtOnce)
	})
}

func (e *Engine) takeDead(ctx context.Context, op string, ids []string, take func(ids []string) (int, error)) (sum int, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.gate.leave()
	if len(ids) > MaxBulk {
		return 0, fault(op, Errorf(CodeTooLarge, "%d dead letters are named, at most %d can be in one request", len(ids), MaxBulk).
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
