package queue

import (
	"context"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// maxOvertaken is the number of runs of other tenants and functions that may overtake a
	// run that is next in turn but too large for the free memory. With zero, one large run
	// would hold up everything until enough memory is free; without a bound, it could wait
	// forever.
	maxOvertaken = 100
	// maxTenants and maxGroups bound the tenants, and the groups of each, that one search passes
	// over because their next run is too large, and with them the cost of a search.
	maxTenants = 16
	maxGroups  = 4
)

// Admission lets runs start while there is memory for them. Each run takes the most that it may
// use from the memory budget of the server. Beyond it, or beyond the allowed number of runs at once, runs wait:
// first come, first served within a group, the groups of a tenant in turns, the tenants in
// turns. A run that is next in turn but too large for the free memory holds up its own
// group; runs of other groups and tenants may overtake it, at most maxOvertaken times.
//
// There are two kinds of waiting runs: those whose caller blocks in [Admission.Acquire], and
// background runs, which are notified by a function ([Admission.Enqueue]). Only the former
// count towards the limit of the queue; the dispatcher bounds the latter.
type Admission struct {
	memory     *memory.Account
	maxRuns    int
	queueLimit int

	mu      sync.Mutex
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

// NewAdmission returns an Admission of runs that take their memory from a budget, with a bound for
// the runs admitted at once, and a bound for the callers blocked in Acquire.
func NewAdmission(b *memory.Budget, maxRuns, queueLimit int) *Admission {
	return &Admission{
		memory:  b.Open(memory.Options{Name: "runs", HeapEach: runtime.RunOverhead}),
		maxRuns: maxRuns, queueLimit: queueLimit,
		queue: NewFair[*Waiter](), callers: make(map[runtime.Tenant]int),
	}
}

// Largest returns the bytes that one run may take at most.
func (a *Admission) Largest() int64 { return a.memory.Largest() }

// Acquire waits until bytes are reserved for a run of a group. If it returns nil, the caller
// must release them. While it waits, the caller holds the given bytes of a request. It does not wait
// if the run would not even fit if all other runs ended, and if what is in the way is not freed soon
// or may be the requests of such callers.
//
// Errors: CodeTooBusy if the queue is full, the caller may not wait or ctx reached its deadline,
// CodeUnavailable if the run can never be admitted, ctx was cancelled or the server shuts down.
func (a *Admission) Acquire(ctx context.Context, tenant runtime.Tenant, group string, bytes, holds int64) error {
	if err := a.Possible(bytes); err != nil {
		return err
	}
	a.mu.Lock()
	switch {
	case a.closed:
		a.mu.Unlock()
		return runtime.ShuttingDownError()
	case a.queue.Len() == 0 && a.take(bytes):
		a.mu.Unlock()
		return nil
	case a.mayNeverFit(bytes, holds):
		a.mu.Unlock()
		return a.memory.Refuse(bytes)
	case a.full(tenant):
		a.mu.Unlock()
		err := runtime.Errorf(runtime.CodeTooBusy, "the server is busy, and too many runs are waiting: at most %d may wait", a.queueLimit).
			WithHint("try again in a moment, or run the function in the background")
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
	if bytes <= a.Largest() {
		return nil
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "a run may use %d MB (memory, /tmp and overhead), more than the %d MB that this server has for all runs",
		(bytes+runtime.MiB-1)/runtime.MiB, a.Largest()/runtime.MiB).WithHint("ask for less memory, or run the server on a larger machine or with a larger memory budget")
}

// TryAcquire reserves bytes for a run without waiting, and reports whether it did. It does
// so only if no run waits and the free memory would suffice for ahead further runs of this
// size, which are to start first.
func (a *Admission) TryAcquire(bytes int64, ahead int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	runs := int64(ahead) + 1
	if a.closed || a.paused || a.queue.Len() > 0 || bytes*runs > a.memory.Free() || a.running+int(runs) > a.maxRuns {
		return false
	}
	return a.take(bytes)
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
	defer a.mu.Unlock()
	a.running--
	a.memory.Return(bytes)
	if a.queue.Len() > 0 {
		a.admit()
	}
	a.memory.Serve()
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

// take lets a run start if there is memory for it.
func (a *Admission) take(bytes int64) bool {
	if a.paused || a.running >= a.maxRuns || !a.memory.TryTake(bytes) {
		return false
	}
	a.running++
	return true
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

// admit starts the waiting runs that fit. If runs still wait for memory, they are tried again when
// another holder gives some back.
func (a *Admission) admit() {
	for {
		wanted := a.start()
		if !a.waitsForMemory() {
			a.memory.Notify(nil, 0, 0)
			return
		}
		if !a.memory.Notify(a.retry, wanted.most, wanted.least) {
			return
		}
		// Bytes may have been freed before Notify.
	}
}

// mayNeverFit reports whether a caller that holds some bytes of a request should not wait for bytes
// for its run.
func (a *Admission) mayNeverFit(bytes, holds int64) bool {
	beside, yielding := a.memory.Budget().Beside(a.memory)
	most := a.memory.Largest()
	return bytes > most-beside && (holds > memory.FreeBytes || bytes > most-(beside-yielding))
}

func (a *Admission) waitsForMemory() bool {
	return !a.paused && a.queue.Len() > 0 && a.running < a.maxRuns
}

// retry is called, without mu, when bytes of the budget were freed.
func (a *Admission) retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admit()
}

// demand is the most and the least bytes that one of the next runs wants.
type demand struct{ most, least int64 }

// start starts the waiting runs that fit, and returns what the next want.
func (a *Admission) start() demand {
	for {
		w, wanted := a.choose()
		if w == nil {
			return wanted
		}
		a.queue.Serve(&w.item)
		a.uncount(w)
		w.decide(false)
	}
}

// choose takes the memory of the run to start now and returns it, or nil: the first in turn that
// fits, unless a run before it may not be overtaken any more. A run that would not fit if all others
// ended does not hold up anything. wanted is what those want that were passed over.
func (a *Admission) choose() (next *Waiter, wanted demand) {
	var before [maxTenants * maxGroups]*Waiter
	passed := before[:0]
	tenants := 0
	for t := a.queue.First(); t != nil && tenants < maxTenants && a.running < a.maxRuns; t = t.After() {
		tenants++
		groups := 0
		for it := t.Next(); it != nil && groups < maxGroups; it = it.After() {
			groups++
			w := it.Value
			if a.take(w.bytes) {
				for _, p := range passed {
					p.overtaken++
				}
				return w, demand{}
			}
			if wanted.most = max(wanted.most, w.bytes); len(passed) == 0 {
				wanted.least = w.bytes
			}
			wanted.least = min(wanted.least, w.bytes)
			if w.overtaken >= maxOvertaken && !a.mayNeverFit(w.bytes, 0) {
				return nil, wanted
			}
			passed = append(passed, w)
		}
	}
	return nil, wanted
}
