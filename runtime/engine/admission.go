package engine

import (
	"context"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxOvertaken is by how many runs of other tenants one that is next, but
	// too large for what is free, may be overtaken. Without any, one large run
	// would make everybody wait until enough memory is free; without a bound,
	// it might never be.
	maxOvertaken = 100
	// maxPassedOver bounds how many tenants one search passes over because
	// their next run is too large, and with it what a search costs.
	maxPassedOver = 16
)

// admission lets runs begin while there is memory for them. Each reserves what
// it may use at most. Beyond the budget, or beyond maxRuns at once, runs wait:
// first come, first served within a function, in turns between the functions of
// a tenant, in turns between tenants. A run that is in turn but too large for
// what is free holds up its own tenant; runs of others may pass it, at most
// maxOvertaken times.
type admission struct {
	budget     int64
	maxRuns    int
	queueLimit int

	mu      sync.Mutex
	free    int64
	running int
	closed  bool
	queue   fairQueue
}

func newAdmission(budget int64, maxRuns, queueLimit int) *admission {
	return &admission{budget: budget, maxRuns: maxRuns, queueLimit: queueLimit, free: budget, queue: newFairQueue()}
}

// acquire waits until bytes are reserved for a run of a function. After nil the
// caller must release them.
func (a *admission) acquire(ctx context.Context, tenant runtime.Tenant, function string, bytes int64) error {
	if err := a.possible(bytes); err != nil {
		return err
	}
	a.mu.Lock()
	switch {
	case a.closed:
		a.mu.Unlock()
		return runtime.ShuttingDownError()
	case a.queue.waiting == 0 && a.fits(bytes):
		a.take(bytes)
		a.mu.Unlock()
		return nil
	case a.full(tenant):
		a.mu.Unlock()
		err := runtime.Errorf(runtime.CodeTooBusy, "the server is busy and too many runs are waiting").WithHint("try again in a moment")
		err.RetryAfter = runtime.BusyRetry
		return err
	}
	w := &waiter{bytes: bytes, decided: make(chan struct{})}
	a.queue.push(w, tenant, function)
	a.admit()
	a.mu.Unlock()

	select {
	case <-w.decided:
	case <-ctx.Done():
		a.mu.Lock()
		if w.queued() {
			a.queue.remove(w)
			a.admit() // it may have been what others waited behind
			a.mu.Unlock()
			return runtime.AbandonedError(ctx.Err())
		}
		a.mu.Unlock() // the decision came first: it stands
	}
	if w.refused {
		return runtime.ShuttingDownError()
	}
	return nil
}

// possible tells whether a run can ever be admitted.
func (a *admission) possible(bytes int64) error {
	if bytes <= a.budget {
		return nil
	}
	return runtime.Errorf(runtime.CodeUnavailable, "the function may use %d MB (memory and /tmp), more than the %d MB that this server has for all functions",
		(bytes+runtime.MiB-1)/runtime.MiB, a.budget/runtime.MiB).WithHint("lower the function's memory, or run the server on a larger machine or with a larger memory budget")
}

// takeNow reserves bytes for a run that does not wait, if there is as much also
// for each of some runs that come before it. Else it gives false.
func (a *admission) takeNow(bytes int64, before int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	runs := int64(before) + 1
	if a.closed || a.queue.waiting > 0 || bytes*runs > a.free || a.running+int(runs) > a.maxRuns {
		return false
	}
	a.take(bytes)
	return true
}

// enqueue lets a run in the background wait, whose bytes are possible. It is
// told by a call that it may begin, perhaps before enqueue returns; from then on
// whoever is told must release the bytes. These runs have no share in the bound
// of the queue: how many wait is up to the dispatcher.
func (a *admission) enqueue(w *waiter, tenant runtime.Tenant, function string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		w.decide(true)
		return
	}
	a.queue.push(w, tenant, function)
	a.admit()
}

// withdraw takes out a run in the background. It gives false if the run does not
// wait.
func (a *admission) withdraw(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !w.queued() {
		return false
	}
	a.queue.remove(w)
	a.admit()
	return true
}

// release gives back what acquire reserved.
func (a *admission) release(bytes int64) {
	a.mu.Lock()
	a.free += bytes
	a.running--
	if a.queue.waiting > 0 {
		a.admit()
	}
	a.mu.Unlock()
}

// shut refuses what waits and what comes.
func (a *admission) shut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for t := a.queue.first(); t != nil; t = a.queue.first() {
		w := t.next()
		a.queue.remove(w)
		w.decide(true)
	}
}

func (a *admission) fits(bytes int64) bool { return bytes <= a.free && a.running < a.maxRuns }

func (a *admission) take(bytes int64) {
	a.free -= bytes
	a.running++
}

// full tells whether a run of a tenant has no place in the queue. One eighth of
// it is kept for tenants that have few runs waiting, so that one tenant cannot
// keep all others out.
func (a *admission) full(tenant runtime.Tenant) bool {
	kept := a.queueLimit / 8
	few := max(kept/8, 1)
	switch waiting := a.queue.callers; {
	case waiting >= a.queueLimit:
		return true
	case waiting >= a.queueLimit-kept:
		return a.queue.callersOf(tenant) >= few
	}
	return false
}

// admit lets begin what waits and fits. The lock is held.
func (a *admission) admit() {
	for w := a.choose(); w != nil; w = a.choose() {
		a.queue.serve(w)
		a.take(w.bytes)
		w.decide(false)
	}
}

// choose finds who may begin now: the first in turn that fits, if those in turn
// before it may still be overtaken. The lock is held.
func (a *admission) choose() *waiter {
	passed := 0
	for t := a.queue.first(); t != nil && a.running < a.maxRuns; t = t.after() {
		w := t.next()
		if a.fits(w.bytes) {
			for p := a.queue.first(); p != t; p = p.after() {
				p.next().overtaken++
			}
			return w
		}
		if passed++; passed > maxPassedOver || w.overtaken >= maxOvertaken {
			return nil
		}
	}
	return nil
}
