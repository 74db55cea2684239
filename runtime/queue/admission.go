package queue

import (
	"context"
	"sync"
	"time"

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

const (
	// headroomParts is the divisor of the memory for runs that new runs of a function leave free while
	// others of the function have lent theirs.
	headroomParts = 8
	// reclaimAfter is the time without progress after which caches give up memory for runs that wait.
	// It is doubled, up to the longest, each time that there is still none.
	reclaimAfter        = 20 * time.Millisecond
	longestReclaimAfter = 100 * time.Millisecond
)

// Admission lets runs start while there is memory for them. Each run takes the most that it may
// use from the memory budget of the server. Beyond it, or beyond the allowed number of runs at once, of which those do not count that are parked, runs wait:
// first come, first served within a group, the groups of a tenant in turns, the tenants in
// turns. A run that is next in turn but too large for the free memory holds up its own
// group; runs of other groups and tenants may overtake it, at most maxOvertaken times. A run whose
// function or tenant has its share of the memory holds up nobody.
//
// There are two kinds of runs that have not started: those whose caller blocks in
// [Admission.Acquire], and background runs, which are notified by a function ([Admission.Enqueue]).
// Only the former count towards the limit of the queue; the dispatcher bounds the latter.
//
// A run that has started and waits for something lends what it does not hold ([Run.Lend]), and takes
// it back to go on ([Run.Reclaim]). Runs that are to go on come before those that have not started, of
// which one has its turn after maxOvertaken of them.
type Admission struct {
	memory     *memory.Account
	maxRuns    int
	queueLimit int
	// goBefore is the number of runs that go on before one that has not started has its turn:
	// maxOvertaken, except in tests.
	goBefore uint64
	// The most bytes that all runs of a function, and of a tenant, may have, if they are more than unshared.
	mostOfFunction, mostOfTenant int64
	// Limit returns the bytes that the runs of a tenant may have at once, zero for one without a
	// limit. It is called concurrently, and is set before the first run. Nil: no tenant has one.
	Limit func(runtime.Tenant) int64

	mu        sync.Mutex
	running   int
	lending   int // of these, the runs that wait for something
	parked    int // of these, the runs that wait without an interpreter
	closed    bool
	paused    bool
	progress  uint64        // runs that have started or gone on
	started   uint64        // ages.served when a run started last, or had its turn
	watched   bool          // it is looked soon whether there is progress
	stuck     bool          // there was none
	patience  time.Duration // until it is looked again; zero: reclaimAfter
	short     bool          // runs wait for memory of the server
	makesRoom bool          // a caller was refused since it was looked last, and gives back its request
	queue     *Fair[*Run]
	callers   map[runtime.Tenant]int // blocked callers, by tenant
	blocked   int                    // blocked callers of all tenants
	held      int64                  // bytes of the requests of blocked callers, in an account that yields

	// The runs that have started.
	shares shares
	all    share // the root
	owed   int64 // bytes that runs have lent
	kept   int64 // bytes that these runs keep
	ages   ages  // of those that are to go on
}

// NewAdmission returns an Admission of runs that take their memory from a budget, with a bound for
// the runs admitted at once, and a bound for the callers blocked in Acquire.
func NewAdmission(b *memory.Budget, maxRuns, queueLimit int) *Admission {
	a := &Admission{
		memory:  b.Open(memory.Options{Name: "runs", HeapEach: runtime.RunOverhead, Lends: true, HeapLent: runtime.WaitingOverhead}),
		maxRuns: maxRuns, queueLimit: queueLimit, goBefore: maxOvertaken,
		queue: NewFair[*Run](), callers: make(map[runtime.Tenant]int), shares: make(shares),
	}
	a.mostOfFunction = a.Largest() * functionShare / functionParts
	a.mostOfTenant = a.Largest() * tenantShare / tenantParts
	return a
}

// Largest returns the bytes that one run may take at most.
func (a *Admission) Largest() int64 { return a.memory.Largest() }

// Acquire waits until the memory of a run is reserved. If it returns nil, the caller must release the
// run. While it waits, the caller holds the given bytes of a request. It does not wait, or no longer, if
// the run would not even fit if all other runs ended, and if what is in the way is not freed soon or may be
// the requests of such callers.
//
// Errors: CodeTooBusy if the queue is full, the tenant has the memory that it may have, the caller may
// not wait or ctx reached its deadline, CodeTooLarge if the tenant may never have as much, CodeUnavailable if the run can never be admitted, ctx was cancelled or the server shuts down.
func (a *Admission) Acquire(ctx context.Context, r *Run, holds int64) error {
	if err := a.Allowed(r.Tenant, r.Bytes); err != nil {
		return err
	}
	r.begin(a)
	a.mu.Lock()
	switch _, tenant := a.shares.of(r); {
	case a.closed:
		a.mu.Unlock()
		return runtime.ShuttingDownError()
	case a.queue.InTurn() == 0 && a.take(r): // the frequent case
		a.mu.Unlock()
		return nil
	case tenant.exceedsLimit(r.Bytes):
		limit := tenant.limit
		a.mu.Unlock()
		return memoryLimitError(limit)
	case a.mayNeverFit(r.Bytes, holds):
		a.mu.Unlock()
		return a.memory.Refuse(r.Bytes)
	case a.full(r.Tenant):
		a.mu.Unlock()
		err := runtime.Errorf(runtime.CodeTooBusy, "the server is busy, and too many runs are waiting: at most %d may wait", a.queueLimit).
			WithHint("try again in a moment, or run the function in the background")
		err.RetryAfter = runtime.BusyRetry
		return err
	}
	r.decided, r.holds = make(chan struct{}), holds
	a.push(r)
	a.admit()
	a.mu.Unlock()

	select {
	case <-r.decided:
	case <-ctx.Done():
		if a.Withdraw(r) {
			return runtime.AbandonedError(ctx.Err())
		}
		// The decision came first and counts.
	}
	return r.refusal
}

// Possible returns an error if a run of this size can never be admitted.
func (a *Admission) Possible(bytes int64) error {
	if bytes <= a.Largest() {
		return nil
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "a run may use %d MB (memory, /tmp and overhead), more than the %d MB that this server has for all runs",
		(bytes+runtime.MiB-1)/runtime.MiB, a.Largest()/runtime.MiB).WithHint("ask for less memory, or run the server on a larger machine or with a larger memory budget")
}

// TryAcquire reserves the memory of a run without waiting, and reports whether it did. It does
// so only if no run waits and the free memory would suffice for ahead further runs of this
// size, which are to start first.
func (a *Admission) TryAcquire(r *Run, ahead int) bool {
	r.begin(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	runs := int64(ahead) + 1
	if a.closed || a.queue.InTurn() > 0 || r.Bytes*runs > a.memory.Free() || a.running-a.parked+int(runs) > a.maxRuns {
		return false
	}
	return a.take(r)
}

// Enqueue lets a background run wait for its memory, which must be [Admission.Possible]. notify
// is called once with the decision, perhaps before Enqueue returns, unless the run is withdrawn
// first. It must not call the Admission. Unless refused is true, the memory is reserved and the run
// must be released.
func (a *Admission) Enqueue(r *Run, notify func(refused bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.begin(a)
	r.notify = notify
	if a.closed {
		r.decide(runtime.ShuttingDownError())
		return
	}
	a.push(r)
	a.admit()
}

// Withdraw removes a run from the queue. It returns false if the run is not there, because it was
// decided already or was never queued.
func (a *Admission) Withdraw(r *Run) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.item.Queued() {
		return false
	}
	a.queue.Remove(&r.item)
	a.uncount(r)
	a.freeTenant(r.Tenant)
	a.admit() // other runs may have waited behind it
	return true
}

// Exceeds reports whether a run in the queue waits for others of its function or its tenant, which have as much memory as they may.
func (a *Admission) Exceeds(r *Run) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	function, tenant := a.shares.of(r)
	return function.exceeds(r.Bytes) || tenant.exceeds(r.Bytes)
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
	a.queue.FreeAll()
	for t := a.queue.First(); t != nil; t = a.queue.First() {
		r := t.Next().Value
		a.queue.Remove(&r.item)
		a.uncount(r)
		r.decide(runtime.ShuttingDownError())
	}
}

// The methods below are called with mu held: they are the steps of those above.

func (a *Admission) push(r *Run) {
	r.item.Value = r
	if a.queue.InTurn() == 0 {
		a.started = a.ages.served
	}
	if a.queue.Push(&r.item, r.Tenant, "", r.Group); !r.item.InTurn() {
		r.setAside(true)
	}
	if r.notify == nil {
		a.callers[r.Tenant]++
		a.blocked++
		a.held += r.holds
	}
}

// uncount drops a run that has left the queue from the count of blocked callers.
func (a *Admission) uncount(r *Run) {
	if r.notify != nil {
		return
	}
	a.blocked--
	a.held -= r.holds
	if a.callers[r.Tenant]--; a.callers[r.Tenant] == 0 {
		delete(a.callers, r.Tenant)
	}
}

// take lets a run start if there is memory for it.
func (a *Admission) take(r *Run) bool {
	function, tenant := a.shares.of(r)
	if a.paused || a.taken() || a.all.first() != nil && !a.startIsDue() || function.exceeds(r.Bytes) || tenant.exceeds(r.Bytes) ||
		!a.memory.Leaves(r.Bytes, a.headroom(function)) || !a.memory.TakeFree(r.Bytes) {
		return false
	}
	a.running++
	a.progress++
	a.started = a.ages.served
	a.enter(r, function, tenant)
	r.charged = r.Bytes
	return true
}

// taken reports whether as many runs have an interpreter as may run at once.
func (a *Admission) taken() bool { return a.running-a.parked >= a.maxRuns }

// headroom returns the bytes that a new run of a function leaves to those of its runs that wait:
// these then seldom wait for memory.
func (a *Admission) headroom(function *share) int64 {
	if function == nil || function.runs == function.computing {
		return 0
	}
	return a.memory.Largest() / headroomParts
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

// admitIfWanted lets runs go on and start that fit, if any wait.
func (a *Admission) admitIfWanted() {
	if a.queue.InTurn() > 0 || a.ages.order.Len() > 0 {
		a.admit()
	}
}

// admit lets runs go on and start that fit. If runs still wait for memory, they are tried again when
// another holder gives some back.
func (a *Admission) admit() {
	for {
		wanted := a.next()
		if a.short = wanted.most > 0; !a.short || a.all.first() == nil && a.taken() {
			a.memory.Notify(nil, 0, 0)
			return
		}
		if !a.memory.Notify(a.retry, wanted.most, wanted.least) {
			a.reclaim(wanted.most)
			return
		}
		// Bytes may have been freed before Notify.
	}
}

// next lets runs go on and start that fit, and returns what the next want. Those that are to go on come
// first. But when maxOvertaken of them have gone on since a run has started, one that fits starts before
// them; if none fits, none goes on until one does, or until there is no progress for a while: then the
// runs that have not started lose their turn. Otherwise a few runs that wait again and again, of which
// one always wants to go on, would keep out all others.
func (a *Admission) next() demand {
	if a.startIsDue() {
		wanted := a.start()
		if a.startIsDue() && wanted.most > 0 && wanted.least <= a.memory.FreeOfRuns()-a.kept {
			if !a.stuck {
				return wanted
			}
			a.started = a.ages.served
		}
	}
	wanted := a.goOn()
	if wanted.most == 0 && !a.paused {
		wanted = a.start()
	}
	return wanted
}

// startIsDue reports whether a run may start before those that are to go on.
func (a *Admission) startIsDue() bool {
	return !a.paused && a.queue.InTurn() > 0 && a.ages.served-a.started >= a.goBefore
}

// reclaim lets caches give up what is wanted: at once if no run computes, else when no run has started
// or gone on for a while. Runs that compute return or lend memory soon, and idle instances are
// needed again soon: to close them for each run of a burst would cost more than the runs.
func (a *Admission) reclaim(wanted int64) {
	if a.all.computing == 0 || a.stuck {
		if a.stuck = false; a.all.first() != nil {
			a.memory.ReclaimLent(wanted)
		} else {
			a.memory.Reclaim(wanted)
		}
	}
	if a.watched {
		return
	}
	a.watched = true
	progress := a.progress
	time.AfterFunc(max(a.patience, reclaimAfter), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.watched, a.makesRoom, a.stuck = false, false, a.progress == progress
		if a.stuck {
			a.patience = min(2*max(a.patience, reclaimAfter), longestReclaimAfter)
		} else {
			a.patience = 0
		}
		a.admit()
		a.stuck = false
	})
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
		r, wanted := a.choose()
		if r == nil {
			return wanted
		}
		a.queue.Serve(&r.item)
		a.uncount(r)
		r.decide(nil)
	}
}

// choose takes the memory of the run to start now and returns it, or nil: the first in turn that
// fits, unless a run before it may not be overtaken any more. A run that would not fit if all others
// ended does not hold up anything, and is refused if its caller holds up others. wanted is what those want that were passed over.
func (a *Admission) choose() (next *Run, wanted demand) {
	var before [maxTenants * maxGroups]*Run
	passed := before[:0]
	tenants := 0
	for t := a.queue.First(); t != nil && tenants < maxTenants && !a.taken(); {
		following := t.After()
		shared, full := true, true // all runs wait for their function or tenant, or for their tenant
		groups := 0
		for it := t.Next(); it != nil && groups < maxGroups; groups++ {
			r := it.Value
			it = it.After() // before Pass moves the present one
			if a.take(r) {
				for _, p := range passed {
					p.overtaken++
				}
				return r, demand{}
			}
			function, tenant := a.shares.of(r)
			if function.exceeds(r.Bytes) || tenant.exceeds(r.Bytes) {
				// Its turn comes when runs of its own function or tenant have ended.
				a.queue.Pass(&r.item)
				byTenant := tenant.exceeds(r.Bytes)
				full = full && byTenant
				r.setAside(byTenant)
				continue
			}
			shared = false
			needs := r.Bytes + a.headroom(function)
			if wanted.most = max(wanted.most, needs); len(passed) == 0 {
				wanted.least = needs
			}
			wanted.least = min(wanted.least, needs)
			switch {
			case r.overtaken >= maxOvertaken && a.comesToFit(r.Bytes):
				return nil, wanted
			case a.isInTheWay(r):
				a.queue.Remove(&r.item)
				a.uncount(r)
				a.makesRoom = true
				r.decide(a.memory.Refuse(r.Bytes))
				continue
			}
			passed = append(passed, r)
		}
		switch {
		case shared && full:
			a.queue.Hold(t) // until its runs have less; this is not repeated, so it does not count
			for it := t.Next(); it != nil; it = it.After() {
				it.Value.setAside(true)
			}
		case shared:
			a.queue.PassTenant(t)
			tenants++
		default:
			tenants++
		}
		t = following
	}
	return nil, wanted
}
