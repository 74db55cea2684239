package sandbox

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// processors shares the processors among the runs that compute. It has as many permits as guests
// may compute at once; a run computes only while it holds one.
//
// Most runs finish in less than a slice and should not wait for longer ones. So a run is fresh
// until it has used up its first slice, and worn from then on. A waiting fresh run gets the permit
// of the next worn run that reaches a checkpoint; worn runs rotate, a slice each. Worn runs that
// have waited long go before fresh ones, so that neither kind starves.
//
// While runs wait, tenants share the processors by their weights, see [tenantTurns]: the run that is
// next is one of the tenant that has had least.
//
// Guests do not have the processors to themselves: the server works for each run, and for a short one
// longer than the guest. While others' short runs come in, permits are left to it, see [serverTurns].
//
// Runs that have slept go before those that have not begun: they hold a slot, and the fewer slots are
// in use, the more of their memory is in the processors' caches. After a slice of their computing one of
// the others has its turn.
type processors struct {
	slice   time.Duration
	now     func() time.Time
	giveWay func() // lets other threads of the machine go first

	// Numbers of waiting runs, which a checkpoint reads without the lock.
	waiting      atomic.Int32
	waitingFresh atomic.Int32 // woken ones included

	permits int

	mu       sync.Mutex
	free     int
	wornHeld int // permits that worn runs have
	serverTurns
	tenantTurns
}

const (
	// defaultSlice is how long a run computes before it yields to waiting runs. It is too short for
	// a person to notice, and long compared with the cost of a switch (some microseconds, and cold
	// caches).
	defaultSlice = 4 * time.Millisecond
	// minSlice is how long a worn run computes undisturbed once it has a permit, even if fresh runs
	// wait.
	minSlice = defaultSlice / 8
	// maxSlicesWaited is the number of slices that a worn run waits before it goes ahead of fresh
	// ones.
	maxSlicesWaited = 4
)

// claim is the state of one run in the sharing of processors. One goroutine at a time. It has at
// most one permit, and only the permit that it has can be returned or handed over: every method of
// processors may be called in any state.
type claim struct {
	ctx      context.Context // its end ends a wait for a permit; nil: never
	deadline time.Time       // ends a wait for a permit; zero: never

	// stood is how long the run has waited for memory, which does not count as its time.
	stood time.Duration

	tenant  runtime.Tenant // that the run computes for
	held    bool           // it has a permit
	worn    bool
	woken   bool          // it has slept
	since   time.Time     // when it got its permit, or began to wait
	looked  time.Duration // how long after since a checkpoint last looked for a run that should compute next
	gaveWay time.Time     // when it last gave way to the server's threads
	ready   chan struct{}
	element *list.Element // its place in a queue while it waits, guarded by the processors' mutex
	queue   *tenantQueue  // that it waits in, likewise
}

// stopped returns why the run must end at a time, or an empty class. It must if it has no permit.
func (c *claim) stopped(now time.Time) runtime.Class {
	switch {
	case c.ctx != nil && c.ctx.Err() != nil:
		return runtime.ClassCancelled
	case !c.held || !c.deadline.IsZero() && !now.Before(c.deadline):
		return runtime.ClassTimeout
	}
	return ""
}

func newProcessors(n int, now func() time.Time) *processors {
	return &processors{slice: defaultSlice, now: now, giveWay: giveWay, permits: n, free: n, tenantTurns: newTenantTurns()}
}

// acquire waits for a permit, unless the claim has one. It returns false, without a permit, if the
// claim's deadline passes or its context ends before.
func (p *processors) acquire(c *claim) bool {
	if c.held {
		return true
	}
	p.mu.Lock()
	c.since, c.looked = p.now(), 0
	p.settle(c.since)
	if !c.worn && !c.woken {
		p.begins(c.tenant)
	}
	if p.free > 0 && (!c.worn || p.wornHeld < p.mostWorn()) {
		p.free--
		if c.worn {
			p.addWorn(c)
		}
		p.mu.Unlock()
		c.held = true
		return true
	}
	p.enqueue(c, false)
	if p.free > 0 {
		p.watch()
	}
	p.mu.Unlock()
	return p.wait(c)
}

// wait waits until the permit of a queued claim is handed over, and returns as acquire does.
func (p *processors) wait(c *claim) bool {
	var expired <-chan time.Time
	var cancelled <-chan struct{}
	if !c.deadline.IsZero() {
		timer := time.NewTimer(c.deadline.Sub(p.now()))
		defer timer.Stop()
		expired = timer.C
	}
	if c.ctx != nil {
		cancelled = c.ctx.Done()
	}
	select {
	case <-c.ready:
		return p.begin(c)
	case <-expired:
	case <-cancelled:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.element == nil { // a permit was handed over first
		<-c.ready
		return p.begin(c)
	}
	p.dequeue(c)
	return false
}

// begin records that the claim has got its permit.
func (p *processors) begin(c *claim) bool {
	c.held, c.since, c.looked = true, p.now(), 0
	return true
}

// release returns the claim's permit, and reports whether no run computes afterwards. Without a
// permit it does nothing.
func (p *processors) release(c *claim) (idle bool) {
	if !c.held {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.surrender(c, p.now())
	return p.free == p.permits
}

// checkpoint yields the permit if another run should compute next, waits until this run may
// continue, and returns the time. A run that has a permit before has one afterwards, unless its
// deadline has passed or its context has ended while it waited. Without one it only returns the
// time.
func (p *processors) checkpoint(c *claim) time.Time {
	now := p.now()
	indebted := p.indebted.Load()
	if p.waiting.Load() == 0 && !indebted || !c.held {
		return now
	}
	if indebted && now.Sub(c.gaveWay) >= giveWayAfter {
		c.gaveWay = now
		p.giveWay()
		now = p.now()
	}
	used := now.Sub(c.since)
	if used < p.slice && (used-c.looked < minSlice || !indebted && (!c.worn || p.waitingFresh.Load() == 0)) {
		return now
	}
	p.mu.Lock()
	p.settle(now)
	if !c.worn {
		c.worn = true
		p.addWorn(c)
	}
	yields := p.yield(c, now, used >= p.slice)
	p.mu.Unlock()
	if !yields {
		return now
	}
	if !p.wait(c) {
		return p.now()
	}
	return c.since
}

// yield hands the permit of a worn run to the one that is next, or leaves it to the server, and lets the
// run wait. It does nothing and reports false if the run is next itself, or if it has not had its slice
// and no fresh one is next.
func (p *processors) yield(c *claim, now time.Time, sliceOver bool) bool {
	began := c.since
	c.since = now
	p.enqueue(c, !sliceOver)
	p.charge(c, began.Add(c.looked), now)
	p.wornHeld--
	if heir := p.heir(now); heir != c && (sliceOver || heir == nil || !heir.worn) {
		c.held = false
		p.handOver(heir)
		return true
	}
	p.wornHeld++
	p.dequeue(c)
	if c.looked = 0; !sliceOver {
		c.since, c.looked = began, now.Sub(began)
	}
	return false
}

// enqueue adds c, which waits since c.since, to its queue: at the head if it has not had its full
// slice.
func (p *processors) enqueue(c *claim, head bool) {
	if c.ready == nil {
		c.ready = make(chan struct{}, 1)
	}
	if p.waiting.Add(1) == 1 {
		p.contended = c.since
	}
	if !c.worn {
		p.waitingFresh.Add(1)
	}
	p.join(c, head)
}

// dequeue removes c from its queue.
func (p *processors) dequeue(c *claim) {
	if !c.worn {
		p.waitingFresh.Add(-1)
	}
	p.waiting.Add(-1)
	p.leave(c)
}

// surrender gives the claim's permit to the next run in a queue, or marks it free. Without a permit
// it does nothing.
func (p *processors) surrender(c *claim, now time.Time) {
	if !c.held {
		return
	}
	c.held = false
	if c.worn {
		p.wornHeld--
	}
	p.settle(now)
	if p.waiting.Load() == 0 {
		p.free++
		return
	}
	p.charge(c, c.since.Add(c.looked), now)
	p.handOver(p.heir(now))
}

// handOver gives a permit to a run in a queue, or leaves it to the server if there is none.
func (p *processors) handOver(heir *claim) {
	if heir == nil {
		p.free++
		p.watch()
		return
	}
	if heir.worn {
		p.addWorn(heir)
	} else if !heir.woken {
		heir.queue.ahead = 0
	}
	p.dequeue(heir)
	heir.ready <- struct{}{}
}
