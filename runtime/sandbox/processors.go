package sandbox

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// processors shares the processors among the runs that compute. It has as many permits as guests
// may compute at once; a run computes only while it holds one.
//
// Most runs finish in less than a slice and should not wait for longer ones. So a run is fresh
// until it has used up its first slice, and worn from then on. A waiting fresh run gets the permit
// of the next worn run that reaches a checkpoint; worn runs rotate, a slice each. Worn runs that
// have waited long go before fresh ones, so that neither kind starves.
type processors struct {
	slice time.Duration
	now   func() time.Time

	// Numbers of waiting runs, which a checkpoint reads without the lock.
	waiting      atomic.Int32
	waitingFresh atomic.Int32

	mu    sync.Mutex
	free  int
	fresh list.List // of *claim
	worn  list.List // of *claim
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

// claim is the state of one run in the sharing of processors. One goroutine at a time.
type claim struct {
	worn  bool
	since time.Time // when it got its permit, or began to wait
	ready chan struct{}
}

func newProcessors(n int, now func() time.Time) *processors {
	return &processors{slice: defaultSlice, now: now, free: n}
}

// acquire waits for a permit. Only the ends and checkpoints of other runs can delay it, so it takes
// no context: the delay is bounded by the slices of the runs ahead, and a run past its deadline
// ends at its first checkpoint.
func (p *processors) acquire(c *claim) {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		c.since = p.now()
		return
	}
	c.since = p.now()
	p.enqueue(c, false)
	p.mu.Unlock()
	<-c.ready
	c.since = p.now()
}

// release returns the permit.
func (p *processors) release() {
	p.mu.Lock()
	p.handOver(p.now())
	p.mu.Unlock()
}

// checkpoint yields the permit if another run should compute next, waits until this run may
// continue, and returns the time. The run holds a permit before and after.
func (p *processors) checkpoint(c *claim) time.Time {
	now := p.now()
	if p.waiting.Load() == 0 {
		return now
	}
	used := now.Sub(c.since)
	if used >= p.slice {
		c.worn = true
	} else if !c.worn || used < minSlice || p.waitingFresh.Load() == 0 {
		return now
	}
	p.mu.Lock()
	if p.fresh.Len()+p.worn.Len() == 0 {
		p.mu.Unlock()
		return now
	}
	// Choose the next run before this one joins the queue, so that it is not handed its own permit.
	p.handOver(now)
	c.since = now
	p.enqueue(c, used < p.slice)
	p.mu.Unlock()
	<-c.ready
	c.since = p.now()
	return c.since
}

// enqueue adds c to its queue: at the head if it has not had its full slice.
func (p *processors) enqueue(c *claim, head bool) {
	if c.ready == nil {
		c.ready = make(chan struct{}, 1)
	}
	queue := &p.fresh
	if c.worn {
		queue = &p.worn
	} else {
		p.waitingFresh.Add(1)
	}
	if head {
		queue.PushFront(c)
	} else {
		queue.PushBack(c)
	}
	p.waiting.Add(1)
}

// handOver gives a permit to the next run in a queue, or marks it free.
func (p *processors) handOver(now time.Time) {
	queue := &p.fresh
	if w := p.worn.Front(); w != nil {
		if queue.Len() == 0 || now.Sub(w.Value.(*claim).since) > maxSlicesWaited*p.slice {
			queue = &p.worn
		}
	}
	next := queue.Front()
	if next == nil {
		p.free++
		return
	}
	c := queue.Remove(next).(*claim)
	if !c.worn {
		p.waitingFresh.Add(-1)
	}
	p.waiting.Add(-1)
	c.ready <- struct{}{}
}
