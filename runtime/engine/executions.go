package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// scanPatience is how long a scan waits for its turn.
const scanPatience = 10 * time.Second

// GetExecution returns an execution with its result, without its logs.
func (e *Engine) GetExecution(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, err error) {
	if err := e.enter(); err != nil {
		return runtime.Execution{}, err
	}
	defer e.gate.leave()
	x, err = e.execution(tenant, id)
	return x, withOp("engine.execution", err)
}

// GetExecutions returns executions in the order of ids, nil for unknown ones, without logs and
// without results larger than [runtime.ListedResult]. For more than [runtime.MaxBulk] ids the
// error is CodeTooLarge.
func (e *Engine) GetExecutions(ctx context.Context, tenant runtime.Tenant, ids []string) (all []*runtime.Execution, err error) {
	running := make(map[int]*runtime.Execution)
	for i, id := range ids[:min(len(ids), runtime.MaxBulk)] {
		if x, ok := e.blocking.find(tenant, id); ok {
			running[i] = &x
		}
	}
	err = e.read("engine.executions", func() error {
		if len(ids) > runtime.MaxBulk {
			return runtime.Errorf(runtime.CodeTooLarge, "%d executions were requested, at most %d are allowed in one request", len(ids), runtime.MaxBulk).
				WithHint("send several requests")
		}
		all, err = e.store.GetExecutions(tenant, ids)
		return err
	})
	for i, x := range running {
		if err == nil && all[i] == nil {
			all[i] = x
		}
	}
	return all, err
}

// ListExecutions returns a page of the executions that a filter selects, newest first,
// without logs and without results larger than [runtime.ListedResult]. Where of the filter, and Sort, Query
// and Offset of the request do not apply; see ScanExecutions.
func (e *Engine) ListExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	r = r.Bounded()
	running := e.blocking.list(tenant, filter, r.After)
	err = e.read("engine.list", func() error {
		found, err := e.store.ListExecutions(tenant, filter, r.After, r.Limit)
		page.Items = merge(found, running, r.Limit)
		if n := len(page.Items); n == r.Limit {
			page.Next = page.Items[n-1].ID
		}
		return err
	})
	return page, err
}

// ScanExecutions returns a page of the executions that a filter with Where selects, as ListExecutions does,
// and the number of looks that it took. Next is the id of the last execution that it looked at: a page
// with a Next may have fewer executions than Limit, or none. However many executions it looks at, it reads
// one state of the store.
//
// Scans take turns, because each computes for long: those of a tenant come one after the other, and leave half
// of the processors to others. The error of one that has waited for scanPatience is CodeTooBusy.
func (e *Engine) ScanExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, scan runtime.ExecutionScan) (page runtime.Page[runtime.Execution], looks int, err error) {
	waiting, cancel := context.WithTimeout(ctx, scanPatience)
	defer cancel()
	if !e.scans.Take(waiting, tenant) {
		if ctx.Err() != nil {
			return page, 0, runtime.AbandonedError(ctx.Err())
		}
		busy := runtime.Errorf(runtime.CodeTooBusy, "too many requests search the executions of this workspace").WithHint("try again in a moment, with fewer requests at once")
		busy.RetryAfter = runtime.BusyRetry
		return page, 0, busy
	}
	defer e.scans.Give(tenant)
	running := e.blocking.list(tenant, filter, scan.After)
	slices.SortFunc(running, func(a, b runtime.Execution) int { return strings.Compare(b.ID, a.ID) })
	now, bytes := e.clock.Now(), 0
	look := func(x *runtime.Execution) (more bool) {
		if filter.Selects(x, now) && (scan.Sees == nil || scan.Sees(x)) {
			page.Items = append(page.Items, *x)
			bytes += int(x.Weight())
		}
		if looks += runtime.LooksOf(x); len(page.Items) < scan.Limit && bytes < scan.Bytes && looks < scan.Looks && ctx.Err() == nil {
			return true
		}
		page.Next = x.ID
		return false
	}
	// lookAbove looks at the runs that have not ended and were accepted after the execution with an id.
	lookAbove := func(id string) (more bool) {
		for more = true; more && len(running) > 0 && running[0].ID > id; running = running[1:] {
			more = look(&running[0])
		}
		return more
	}
	err = e.read("engine.scan", func() error {
		more := true
		err := e.store.EachExecution(tenant, filter, scan.After, func(x *runtime.Execution) bool {
			if more = lookAbove(x.ID); !more {
				return false
			}
			if len(running) > 0 && running[0].ID == x.ID { // it was recorded meanwhile
				running = running[1:]
			}
			more = look(x)
			return more
		})
		if more && err == nil {
			lookAbove("")
		}
		return cmp.Or(err, ctx.Err())
	})
	return page, looks, err
}

// GetArgs returns the args of an execution, nil if they are not kept; see [runtime.Version].
func (e *Engine) GetArgs(_ context.Context, tenant runtime.Tenant, id string) (args []byte, err error) {
	const op = "engine.args"
	if args, running := e.blocking.getArgs(tenant, id); running {
		return args, nil
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	if args, err = e.store.GetArgs(tenant, id); runtime.CodeOf(err) == runtime.CodeNotFound {
		e.records.flush()
		args, err = e.store.GetArgs(tenant, id)
	}
	return args, withOp(op, err)
}

// execution returns an execution in its current state, without its logs. It does not wait for the recorder if the
// store has the end of the execution, after which nothing changes.
func (e *Engine) execution(tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if x, running := e.blocking.find(tenant, id); running {
		return x, nil
	}
	if x, err := e.store.GetExecution(tenant, id); err == nil && x.State.Terminal() {
		return x, nil
	}
	e.records.flush()
	return e.store.GetExecution(tenant, id)
}

// summary returns an execution without a result larger than [runtime.ListedResult].
func (e *Engine) summary(tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if x, running := e.blocking.find(tenant, id); running {
		return x, nil
	}
	e.records.flush()
	found, err := e.store.GetExecutions(tenant, []string{id})
	if err != nil {
		return runtime.Execution{}, err
	}
	if found[0] == nil {
		return e.store.GetExecution(tenant, id) // it has the error
	}
	return *found[0], nil
}

// read calls a function that reads the store, once the store holds every execution whose caller
// has its result.
func (e *Engine) read(op string, read func() error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	e.records.flush()
	if err := read(); err != nil {
		return withOp(op, err)
	}
	return nil
}
