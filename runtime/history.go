package runtime

import "context"

// Execution gets an execution with its result, without its logs. Those of
// another tenant are not found.
func (e *Engine) Execution(ctx context.Context, tenant Tenant, id string) (x Execution, err error) {
	if err := e.enter(); err != nil {
		return Execution{}, err
	}
	defer e.gate.leave()
	x, err = e.stands(tenant, id)
	return x, fault("engine.execution", err)
}

// Executions gets executions in the order of ids, nil for those that are not
// there. They come without logs and without results above [ListedResult]. More
// than [MaxBulk] ids are CodeTooLarge.
func (e *Engine) Executions(ctx context.Context, tenant Tenant, ids []string) (all []*Execution, err error) {
	running := make(map[int]*Execution)
	for i, id := range ids[:min(len(ids), MaxBulk)] {
		if x, ok := e.underWay.find(tenant, id); ok {
			running[i] = &x
		}
	}
	err = e.look("engine.executions", func() error {
		if len(ids) > MaxBulk {
			return Errorf(CodeTooLarge, "%d executions are asked for, at most %d can be in one request", len(ids), MaxBulk).
				WithHint("send several requests")
		}
		all, err = e.store.Executions(tenant, ids)
		return err
	})
	for i, x := range running {
		if err == nil && all[i] == nil {
			all[i] = x
		}
	}
	return all, err
}

// List gives a page of the executions that pass a filter, newest first: up to
// limit, which is [DefaultPage] if it is not positive and [MaxPage] if it is
// larger than that. cursor is empty for the first page, then the id of the last
// execution of the page before. They come without logs and without results above
// [ListedResult].
func (e *Engine) List(ctx context.Context, tenant Tenant, filter Filter, cursor string, limit int) (all []Execution, err error) {
	if limit <= 0 {
		limit = DefaultPage
	}
	limit = min(limit, MaxPage)
	running := e.underWay.list(tenant, filter, cursor)
	err = e.look("engine.list", func() error {
		all, err = e.store.List(tenant, filter, cursor, limit)
		all = merge(all, running, limit)
		return err
	})
	return all, err
}

// stands gives an execution as it stands, without its logs.
func (e *Engine) stands(tenant Tenant, id string) (Execution, error) {
	if x, running := e.underWay.find(tenant, id); running {
		return x, nil
	}
	e.records.settle()
	return e.store.Execution(tenant, id)
}

// look reads the store once it holds every execution whose caller has its
// answer.
func (e *Engine) look(op string, read func() error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	e.records.settle()
	if err := read(); err != nil {
		return fault(op, err)
	}
	return nil
}
