package queue

import (
	"context"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxOvertaken is the number of runs of other tenants that may overtake a run that is
	// next in turn but too large for the free memory. With zero, one large run would hold
	// up every tenant until enough memory is free; without a bound, it could wait forever.
	maxOvertaken = 100
	// maxPassedOver bounds the tenants that one search passes over because their next run
	// is too large, and with it the cost of a search.
	maxPassedOver = 16
)

// Admission lets runs start while there is memory for them. Each run reserves the most that
// it may use. Beyond the budget, or beyond the allowed number of runs at once, runs wait:
// first come, first served within a group, the groups of a tenant in turns, the tenants in
// turns. A run that is next in turn but too large for the free memory holds up its own
// tenant; runs of other tenants may overtake it, at most maxOvertaken times.
//
// There are two kinds of waiting runs: those whose caller blocks in [Admission.Acquire], and
// background runs, which are notified by a function ([Admission.Enqueue]). Only the former
// count towards the limit of the queue; the dispatcher bounds the latter.
type Admission struct {
	budget     int64
	maxRuns    int
	queueLimit int

	mu      sync.Mutex
	free    int64
	running int
	closed  bool
	paused  bool
	queue   *Fair[*Waiter]
	callers map[runtime.Tenant]int // blocked callers, by tenant
	blocked int                    // blocked callers of all tenants
}

// Waiter is a run that waits for memory.
type Waiter struct {
	item      Item[*Waiter]
	tenant    runtime.Tenant
	bytes     int64
	overtaken int // runs that overtook it since it became its tenant's next
	// notify is called with the decision on a background run, under the lock of the
	// Admission. It is nil for a blocked caller, which waits for decided instead.
	notify  func(refused bool)
	decided chan struct{}
	refused bool
}

// NewAdmission returns an Admission with a budget in bytes for all admitted runs together,
// a bound for the runs admitted at once, and a bound for the callers blocked in Acquire.
func NewAdmission(budget int64, maxRuns, queueLimit int) *Admission {
	return &Admission{
		budget: budget, maxRuns: maxRuns, queueLimit: queueLimit,
		free: budget, queue: NewFair[*Waiter](), callers: make(map[runtime.Tenant]int),
	}
}

// Budget returns the bytes that all admitted runs together may reserve.
func (a *Admission) Budget() int64 { return a.budget }

// Acquire waits until bytes are reserved for a run of a group. If it returns nil, the caller
// must release them.
//
// Errors: CodeTooBusy if the queue is full or ctx reached its deadline, CodeUnavailable if
// the run can never be admitted, ctx was cancelled or the server shuts down.
func (a *Admission) Acquire(ctx context.Context, tenant runtime.Tenant, group string, bytes int64) error {
	if err := a.Possible(bytes); err != nil {
		return err
	}
	a.mu.Lock()
	switch {
	case a.closed:
		a.mu.Unlock()
		return runtime.ShuttingDownError()
	case a.queue.Len() == 0 && a.fits(bytes):
		a.take(bytes)
		a.mu.Unlock()
		return nil
	case a.full(tenant):
		a.mu.Unlock()
		err := runtime.Errorf(runtime.CodeTooBusy, "the server is busy and too many runs are waiting").WithHint("try again in a moment")
		err.RetryAfter = runtime.BusyRetry
		return err
	}
	w := &Waiter{tenant: tenant, bytes: bytes, decided: make(chan struct{})}
	a.push(w, group)
	a.admit()
	a.mu.Unlock()

	select {
	case <-w.decided:
	case <-ctx.Done():
		if a.Withdraw(w) {
			return runtime.AbandonedError(ctx.Err())
		}
		// The decision came first and counts.
	}
	if w.refused {
		return runtime.ShuttingDownError()
	}
	return nil
}

// Possible returns an error if a run of this size can never be admitted.
func (a *Admission) Possible(bytes int64) error {
	if bytes <= a.budget {
		return nil
	}
	return runtime.Errorf(runtime.CodeUnavailable, "the function may use %d MB (memory and /tmp), more than the %d MB that this server has for all functions",
		(bytes+runtime.MiB-1)/runtime.MiB, a.budget/runtime.MiB).WithHint("lower the function's memory, or run the server on a larger machine or with a larger memory budget")
}

// TryAcquire reserves bytes for a run without waiting, and reports whether it did. It does
// so only if no run waits and the free memory would suffice for ahead further runs of this
// size, which are to start first.
func (a *Admission) TryAcquire(bytes int64, ahead int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	runs := int64(ahead) + 1
	if a.closed || a.paused || a.queue.Len() > 0 || bytes*runs > a.free || a.running+int(runs) > a.maxRuns {
		return false
	}
	a.take(bytes)
	return true
}

// Enqueue lets a background run wait for bytes, which must be [Admission.Possible]. notify
// is called once with the decision, perhaps before Enqueue returns, unless the run is withdrawn
// first. It must not call the Admission. Unless refused is true, the bytes are reserved and must be released.
func (a *Admission) Enqueue(w *Waiter, tenant runtime.Tenant, group string, bytes int64, notify func(refused bool)) {
	w.tenant, w.bytes, w.notify = tenant, bytes, notify
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		w.decide(true)
		return
	}
	a.push(w, group)
	a.admit()
}

// Withdraw removes a waiting run. It returns false if the run does not wait, because it was decided
// already or was never queued.
func (a *Admission) Withdraw(w *Waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !w.item.Queued() {
		return false
	}
	a.queue.Remove(&w.item)
	a.uncount(w)
	a.admit() // other runs may have waited behind it
	return true
}

// Release returns the bytes of a run that has ended.
func (a *Admission) Release(bytes int64) {
	a.mu.Lock()
	a.free += bytes
	a.running--
	if a.queue.Len() > 0 {
		a.admit()
	}
	a.mu.Unlock()
}

// Running returns the number of admitted runs that have not ended.
func (a *Admission) Running() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

// Pause lets all runs wait that are not admitted yet, until Resume.
func (a *Admission) Pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = true
}

// Resume ends a pause.
func (a *Admission) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = false
	a.admit()
}

// Stop refuses all waiting and all future runs.
func (a *Admission) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for t := a.queue.First(); t != nil; t = a.queue.First() {
		w := t.Next().Value
		a.queue.Remove(&w.item)
		a.uncount(w)
		w.decide(true)
	}
}

// The methods below are called with mu held: they are the steps of those above.

func (a *Admission) push(w *Waiter, group string) {
	w.item.Value = w
	a.queue.Push(&w.item, w.tenant, group)
	if w.notify == nil {
		a.callers[w.tenant]++
		a.blocked++
	}
}

// uncount drops a run that has left the queue from the count of blocked callers.
func (a *Admission) uncount(w *Waiter) {
	if w.notify != nil {
		return
	}
	a.blocked--
	if a.callers[w.tenant]--; a.callers[w.tenant] == 0 {
		delete(a.callers, w.tenant)
	}
}

// decide delivers the decision to the waiting run.
func (w *Waiter) decide(refused bool) {
	if w.notify != nil {
		w.notify(refused)
		return
	}
	w.refused = refused
	close(w.decided)
}

func (a *Admission) fits(bytes int64) bool {
	return bytes <= a.free && a.running < a.maxRuns && !a.paused
}

func (a *Admission) take(bytes int64) {
	a.free -= bytes
	a.running++
}

// full reports whether the queue has no room for another caller of a tenant. One eighth of
// the queue is reserved for tenants with few waiting callers, so that one tenant cannot keep
// all others out.
func (a *Admission) full(tenant runtime.Tenant) bool {
	reserved := a.queueLimit / 8
	few := max(reserved/8, 1)
	switch {
	case a.blocked >= a.queueLimit:
		return true
	case a.blocked >= a.queueLimit-reserved:
		return a.callers[tenant] >= few
	}
	return false
}

// admit starts the waiting runs that fit.
func (a *Admission) admit() {
	for w := a.choose(); w != nil; w = a.choose() {
		a.queue.Serve(&w.item)
		a.uncount(w)
		a.take(w.bytes)
		w.decide(false)
	}
}

// choose returns the run to start now, or nil: the first in turn that fits, unless a run
// before it may not be overtaken any more.
func (a *Admission) choose() *Waiter {
	passed := 0
	for t := a.queue.First(); t != nil && a.running < a.maxRuns; t = t.After() {
		w := t.Next().Value
		if a.fits(w.bytes) {
			for p := a.queue.First(); p != t; p = p.After() {
				p.Next().Value.overtaken++
			}
			return w
		}
		if passed++; passed > maxPassedOver || w.overtaken >= maxOvertaken {
			return nil
		}
	}
	return nil
}
