package engine

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// blockingRuns knows the runs that callers wait for while they run. No store has
// them before they have ended; whoever looks for executions is to see them all
// the same, and can cancel them.
//
// A run is recorded before it is taken out here. So who looks here first, and
// then at what is recorded, finds every run at one of the two.
type blockingRuns struct {
	mu    sync.Mutex
	runs  map[string]*blockingRun
	ended sync.Cond // some are not in runs any more; L is mu
}

// blockingRun is a run that a caller waits for. Its execution has no slices.
type blockingRun struct {
	execution runtime.Execution
	cancel    context.CancelFunc
	// ending says that it is about to be recorded. Whoever looks for it waits for
	// that, so that nobody sees it run after its end.
	ending bool
}

func newBlockingRuns() *blockingRuns {
	u := &blockingRuns{runs: make(map[string]*blockingRun)}
	u.ended.L = &u.mu
	return u
}

// begin counts a run in. The context is for the run, and ends when it is
// cancelled. Whoever calls begin must call end.
func (u *blockingRuns) begin(ctx context.Context, x *runtime.Execution) (context.Context, *blockingRun) {
	w := &blockingRun{execution: *x}
	ctx, w.cancel = context.WithCancel(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.runs[x.ID] = w
	return ctx, w
}

// ending marks a run that has ended, and tells whether somebody has cancelled it.
func (u *blockingRuns) ending(w *blockingRun) (cancelled bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w.ending = true
	return w.execution.CancelRequested
}

// end counts a run out.
func (u *blockingRuns) end(w *blockingRun) {
	w.cancel()
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.runs, w.execution.ID)
	u.ended.Broadcast()
}

// of gives a run of a tenant that has not ended, or nil. The lock is held.
func (u *blockingRuns) of(tenant runtime.Tenant, id string) *blockingRun {
	id = strings.ToLower(id)
	w := u.runs[id]
	if w == nil || w.execution.Tenant != tenant || u.over(w) {
		return nil
	}
	return w
}

// over tells whether a run has ended, and by then is recorded. The lock is held.
func (u *blockingRuns) over(w *blockingRun) bool {
	for w.ending && u.runs[w.execution.ID] == w {
		u.ended.Wait()
	}
	return w.ending
}

// find gives a run as it stands.
func (u *blockingRuns) find(tenant runtime.Tenant, id string) (runtime.Execution, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if w := u.of(tenant, id); w != nil {
		return w.execution, true
	}
	return runtime.Execution{}, false
}

// cancel tells a run to stop. changed is false if it was told before.
func (u *blockingRuns) cancel(tenant runtime.Tenant, id string) (x runtime.Execution, changed, found bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.of(tenant, id)
	if w == nil {
		return runtime.Execution{}, false, false
	}
	changed = !w.execution.CancelRequested
	w.execution.CancelRequested = true
	w.execution.State = runtime.StateCancelling
	w.cancel()
	return w.execution, changed, true
}

// list gives the runs that pass a filter and were accepted before the execution
// with the id cursor, if it is not empty.
func (u *blockingRuns) list(tenant runtime.Tenant, f runtime.Filter, cursor string) []runtime.Execution {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []runtime.Execution
	var ending []*blockingRun
	for id, w := range u.runs {
		x := &w.execution
		switch {
		case x.Tenant != tenant || cursor != "" && id >= cursor || !f.Matches(x):
		case w.ending:
			ending = append(ending, w)
		default:
			all = append(all, *x)
		}
	}
	for _, w := range ending {
		u.over(w)
	}
	return all
}

// merge puts runs that are under way among those that are recorded, newest
// first. Of one that has ended in between the record counts.
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
