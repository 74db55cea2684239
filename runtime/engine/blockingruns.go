package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// blockingRuns holds the runs whose callers wait for them, while they run. The store does not
// hold them before they have ended; clients that read or cancel executions find them here.
//
// A run is recorded before it is removed here. So a client that reads here first, and then the
// recorded executions, finds every run in at least one of the two.
type blockingRuns struct {
	mu    sync.Mutex
	table runTable // guarded by mu
}

// blockingRun is a run whose caller waits for it. Its execution contains no slices.
type blockingRun struct {
	execution runtime.Execution
	args      []byte // the caller's, which are not read after the run is removed
	cancel    context.CancelFunc
	// returned reports that the sandbox has returned and the run is about to be recorded.
	// Readers wait for that, so that no client sees it run after its end.
	returned bool
}

// key returns the function of a run.
func (r *blockingRun) key() functionKey { return functionKey{r.execution.Tenant, r.execution.Function} }

func newBlockingRuns() *blockingRuns {
	b := &blockingRuns{table: runTable{runs: make(map[string]*blockingRun), load: make(map[functionKey]int)}}
	b.table.removed.L = &b.mu
	return b
}

// add adds a run. It returns the context of the run, which ends when the run is cancelled. The
// caller must remove the run when it is recorded.
func (b *blockingRuns) add(ctx context.Context, x *runtime.Execution, args []byte) (context.Context, *blockingRun) {
	run := &blockingRun{execution: *x, args: args}
	ctx, run.cancel = context.WithCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.table.add(run)
	return ctx, run
}

// markReturned marks a run as returned from the sandbox, and reports whether a client has
// cancelled it.
func (b *blockingRuns) markReturned(run *blockingRun) (cancelled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.table.markReturned(run)
	return run.execution.CancelRequested
}

// remove removes a run.
func (b *blockingRuns) remove(run *blockingRun) {
	run.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.table.remove(run)
}

// find returns the execution of a run that has not returned, in its current state.
func (b *blockingRuns) find(tenant runtime.Tenant, id string) (runtime.Execution, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if run := b.table.find(tenant, id); run != nil {
		return run.execution, true
	}
	return runtime.Execution{}, false
}

// getArgs returns a copy of the args of a run that has not returned, nil if they are not kept.
func (b *blockingRuns) getArgs(tenant runtime.Tenant, id string) (args []byte, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	run := b.table.find(tenant, id)
	if run == nil {
		return nil, false
	}
	if run.execution.KeepsArgs() {
		args = bytes.Clone(run.args)
	}
	return args, true
}

// cancel cancels a run. changed is false if it was cancelled before.
func (b *blockingRuns) cancel(tenant runtime.Tenant, id string) (x runtime.Execution, changed, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	run := b.table.find(tenant, id)
	if run == nil {
		return runtime.Execution{}, false, false
	}
	changed = !run.execution.CancelRequested
	run.markCancelled()
	return run.execution, changed, true
}

// markCancelled cancels a run that has not returned. The caller holds the mutex of its blockingRuns.
func (r *blockingRun) markCancelled() {
	r.execution.CancelRequested = true
	r.execution.State = runtime.StateCancelling
	r.cancel()
}

// cancelAll cancels the runs of a tenant that have not returned.
func (b *blockingRuns) cancelAll(tenant runtime.Tenant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, run := range b.table.runs {
		if run.execution.Tenant == tenant && !run.returned {
			run.markCancelled()
		}
	}
}

// list returns the runs that pass a filter. If cursor is not empty, they were accepted before
// the execution with that id.
func (b *blockingRuns) list(tenant runtime.Tenant, f runtime.ExecutionFilter, cursor string) []runtime.Execution {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []runtime.Execution
	var returned []*blockingRun
	for id, run := range b.table.runs {
		x := &run.execution
		switch {
		case x.Tenant != tenant || cursor != "" && id >= cursor || !f.Matches(x):
		case run.returned:
			returned = append(returned, run)
		default:
			all = append(all, *x)
		}
	}
	for _, run := range returned {
		b.table.awaitRecord(run)
	}
	return all
}

// addLoad adds the runs of a tenant that have not returned to those of its functions. It takes as long as there are
// functions with such runs, however many runs they have: runs begin and end meanwhile.
func (b *blockingRuns) addLoad(tenant runtime.Tenant, load map[string]runtime.FunctionLoad) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, running := range b.table.load {
		if key.tenant == tenant {
			n := load[key.name]
			n.Running += running
			load[key.name] = n
		}
	}
}

// runTable holds runs by id. Its methods take no lock; the mutex of the blockingRuns guards it.
type runTable struct {
	runs    map[string]*blockingRun
	load    map[functionKey]int // runs that have not returned
	removed sync.Cond           // a run was removed; L is the mutex, which awaitRecord releases meanwhile
}

func (t *runTable) add(run *blockingRun) {
	t.runs[run.execution.ID] = run
	t.load[run.key()]++
}

func (t *runTable) markReturned(run *blockingRun) {
	if run.returned {
		return
	}
	run.returned = true
	key := run.key()
	if t.load[key]--; t.load[key] == 0 {
		delete(t.load, key)
	}
}

// find returns a run of a tenant that has not returned, or nil. For a run that has returned it
// waits until it is recorded.
func (t *runTable) find(tenant runtime.Tenant, id string) *blockingRun {
	run := t.runs[strings.ToLower(id)]
	if run == nil || run.execution.Tenant != tenant {
		return nil
	}
	if t.awaitRecord(run); run.returned {
		return nil
	}
	return run
}

// awaitRecord waits until a run, if it has returned, is recorded and removed.
func (t *runTable) awaitRecord(run *blockingRun) {
	for run.returned && t.runs[run.execution.ID] == run {
		t.removed.Wait()
	}
}

func (t *runTable) remove(run *blockingRun) {
	t.markReturned(run)
	delete(t.runs, run.execution.ID)
	t.removed.Broadcast()
}

// merge adds the runs that have not ended to a page of recorded executions, newest first. If a
// run was recorded meanwhile, merge returns the record.
func merge(recorded, running []runtime.Execution, limit int) []runtime.Execution {
	if len(running) == 0 {
		return recorded
	}
	known := make(map[string]bool, len(recorded))
	for i := range recorded {
		known[recorded[i].ID] = true
	}
	for _, x := range running {
		if !known[x.ID] {
			recorded = append(recorded, x)
		}
	}
	slices.SortFunc(recorded, func(a, b runtime.Execution) int { return strings.Compare(b.ID, a.ID) })
	return recorded[:min(limit, len(recorded))]
}
