package sandbox

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// places shares the processors among the runs that compute. There are as many
// places as guests may compute at once; a run computes only while it holds one.
//
// Most runs are over in less than a slice and should not wait for those that
// are not. So a run is fresh until it has used up its first slice, and worn from
// then on. A fresh run that waits gets a place from the next worn run that
// reaches a checkpoint; worn runs take turns, a slice each. Worn runs that have
// waited for long go before fresh ones, so that neither kind starves.
type places struct {
	slice time.Duration
	now   func() time.Time

	// wanted is how many wait: what a checkpoint looks at without the lock.
	wanted      atomic.Int32
	wantedFresh atomic.Int32

	mu    sync.Mutex
	free  int
	fresh list.List // of *turn
	worn  list.List // of *turn
}

const (
	// defaultSlice is how long a run computes before others that wait have
	// their turn. Short against what a person notices, long against the cost
	// of a switch (some microseconds and cold caches).
	defaultSlice = 4 * time.Millisecond
	// minSlice is what a worn run may use undisturbed once it has a place,
	// even if fresh runs wait.
	minSlice = defaultSlice / 8
	// patience is how many slices a worn run waits before it goes ahead of
	// fresh ones.
	patience = 4
)

// turn is one run's standing with the places. One goroutine at a time.
type turn struct {
	worn  bool
	since time.Time // when it got its place, or began to wait
	ready chan struct{}
}

func newPlaces(n int, now func() time.Time) *places {
	return &places{slice: defaultSlice, now: now, free: n}
}

// take waits for a place. Nothing but another run's end or checkpoint can delay
// it, so it takes no context: that delay is bounded by the slices of the runs
// ahead, and a run whose time is up ends at its first checkpoint.
func (p *places) take(t *turn) {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		t.since = p.now()
		return
	}
	t.since = p.now()
	p.enqueue(t, false)
	p.mu.Unlock()
	<-t.ready
	t.since = p.now()
}

// give returns the place.
func (p *places) give() {
	p.mu.Lock()
	p.pass(p.now())
	p.mu.Unlock()
}

// checkpoint lets others have their turn if it is theirs, and says what time it
// is. The run holds a place before and after.
func (p *places) checkpoint(t *turn) time.Time {
	now := p.now()
	if p.wanted.Load() == 0 {
		return now
	}
	used := now.Sub(t.since)
	if used >= p.slice {
		t.worn = true
	} else if !t.worn || used < minSlice || p.wantedFresh.Load() == 0 {
		return now
	}
	p.mu.Lock()
	if p.fresh.Len()+p.worn.Len() == 0 {
		p.mu.Unlock()
		return now
	}
	// The next in line is chosen before this one lines up, so that it cannot
	// be passed its own place.
	p.pass(now)
	t.since = now
	p.enqueue(t, used < p.slice)
	p.mu.Unlock()
	<-t.ready
	t.since = p.now()
	return t.since
}

// enqueue puts t in line: at the head if it has not had its full slice.
func (p *places) enqueue(t *turn, head bool) {
	if t.ready == nil {
		t.ready = make(chan struct{}, 1)
	}
	line := &p.fresh
	if t.worn {
		line = &p.worn
	} else {
		p.wantedFresh.Add(1)
	}
	if head {
		line.PushFront(t)
	} else {
		line.PushBack(t)
	}
	p.wanted.Add(1)
}

// pass hands a place to whoever is next, or keeps it free.
func (p *places) pass(now time.Time) {
	line := &p.fresh
	if w := p.worn.Front(); w != nil {
		if line.Len() == 0 || now.Sub(w.Value.(*turn).since) > patience*p.slice {
			line = &p.worn
		}
	}
	next := line.Front()
	if next == nil {
		p.free++
		return
	}
	t := line.Remove(next).(*turn)
	if !t.worn {
		p.wantedFresh.Add(-1)
	}
	p.wanted.Add(-1)
	t.ready <- struct{}{}
}
