package engine

import (
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Following is what an Engine that follows needs of the process that it follows.
type Following struct {
	// Record records runs that have ended, as [Engine.RecordForeign] of that process does. CodeUnavailable: it is not
	// known whether it has, and Record is called again.
	Record func(batch []runtime.Execution) error
	// Keep keeps runs that have ended and were not recorded, for the next Engine of this process, and reports whether it does: the
	// process that was followed, or was this one, has changed. Nil: none are kept.
	Keep func(batch []runtime.Execution) bool
	// Kept are those that the Engine before has kept. It is not known whether they are recorded.
	Kept []runtime.Execution
	// Still calls record with the runs of a batch whose tenants still exist. An Engine that leads records those with it that it has kept, or
	// sent to the process that it followed. Nil: all are recorded.
	Still func(batch []runtime.Execution, record func([]runtime.Execution) error) error
}

// keptRuns has the ids of runs that the Engine before has kept.
type keptRuns struct {
	ids  map[string]bool
	last string
}

// keep keeps runs that were not recorded for the next Engine.
func (e *Engine) keep(batch []runtime.Execution) bool {
	return e.follow != nil && e.follow.Keep != nil && e.follow.Keep(batch)
}

// recordKept begins to record what the Engine before has kept, before all else.
func (e *Engine) recordKept() {
	if e.follow == nil || len(e.follow.Kept) == 0 {
		return
	}
	kept := &keptRuns{ids: make(map[string]bool, len(e.follow.Kept))}
	for i := range e.follow.Kept {
		kept.last = e.follow.Kept[i].ID
		kept.ids[kept.last] = true
	}
	e.kept.Store(kept)
	e.records.restore(e.follow.Kept)
	e.follow.Kept = nil
}

// follows reports whether another process changes what is in the store.
func (e *Engine) follows() bool { return !e.leads.Load() }

// Lead makes an Engine that follows do everything: its process alone changes what is in the Store from now on, and the
// Engine continues the unfinished executions in it. Runs go on. It is called once.
func (e *Engine) Lead() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	return e.begin()
}

// record records blocking runs. What the process that this one has followed may have recorded is recorded once.
func (e *Engine) record(batch []runtime.Execution) (err error) {
	unsure, kept := e.unsure.Load(), e.kept.Load()
	switch {
	case e.follows():
		first := batch[0].ID // the batch is used again
		e.unsure.Store(&first)
		err = e.follow.Record(batch)
	case unsure != nil && *unsure == batch[0].ID, kept != nil && kept.ids[batch[0].ID]: // what was kept is in front of all else
		err = e.recordStill(batch)
	default:
		return e.store.Record(batch)
	}
	if err == nil {
		e.unsure.Store(nil)
		if kept != nil && slices.ContainsFunc(batch, func(x runtime.Execution) bool { return x.ID == kept.last }) {
			e.kept.Store(nil)
		}
		e.store.countEnded(batch)
	}
	return err
}

// recordStill records what may be recorded already, without runs of tenants that were deleted since.
func (e *Engine) recordStill(batch []runtime.Execution) error {
	record := func(batch []runtime.Execution) error {
		_, err := e.store.RecordOnce(batch)
		return err
	}
	if e.follow.Still == nil {
		return record(batch)
	}
	return e.follow.Still(batch, record)
}

// RecordForeign records runs that have ended in a process that follows this one. Repeated, it records them once.
func (e *Engine) RecordForeign(batch []runtime.Execution) error {
	const op = "engine.record"
	if err := e.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	e.foreign.Lock()
	defer e.foreign.Unlock()
	recorded, err := e.store.RecordOnce(batch)
	if err != nil {
		return withOp(op, err)
	}
	now := e.clock.Now()
	for i := range recorded {
		x := &recorded[i]
		use := e.useOf(x.Tenant)
		for _, c := range x.Egress {
			_ = use.CountEgress(c.Sent+c.Received, now) // it was sent
		}
		e.completions.Notify(x.ID)
	}
	return nil
}

// IsOf reports whether an execution is of a tenant that was created at a time, rather than of one before it with its name: a
// function that the tenant does not have any more must not be older than the tenant.
func (e *Engine) IsOf(x *runtime.Execution, created time.Time) bool {
	if !runtime.IDTime(x.FunctionID).Before(created.Truncate(time.Millisecond)) {
		return true
	}
	numbers, err := e.store.ListVersions(x.Tenant, x.FunctionID)
	return err == nil && len(numbers) > 0
}

// CancelRuns cancels the runs of a tenant whose callers wait: the process that this one follows deletes the tenant.
func (e *Engine) CancelRuns(tenant runtime.Tenant) { e.blocking.cancelAll(tenant) }

// RecordNow waits until the runs that have ended are recorded, at most for a time.
func (e *Engine) RecordNow(limit time.Duration) { e.records.flushUntil(time.Now().Add(limit)) }

// FunctionsChanged is called with the ids of functions that the process which this one follows has changed in the
// store, or deleted. When it has returned, no run begins with a version that was current before.
func (e *Engine) FunctionsChanged(ids []string) {
	if len(ids) == 0 {
		return
	}
	changed := make(map[string]bool, len(ids))
	for _, id := range ids {
		changed[id] = true
	}
	for _, v := range e.current.invalidateFunctions(changed) {
		e.current.retire(v, func() { e.sandbox.Forget(v.functionID, v.number) })
	}
}

// invalidateFunctions is like invalidate for functions with ids. It returns their versions that it has dropped.
func (c *versionCache) invalidateFunctions(changed map[string]bool) (dropped []versionKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, element := range c.recent.entries {
		if v := element.Value.(*cacheEntry).version; changed[v.Program.FunctionID] {
			dropped = append(dropped, keyOf(v))
			c.recent.remove(key)
		}
	}
	for _, l := range c.loading { // of which function is not known yet
		l.stale = true
	}
	return dropped
}
