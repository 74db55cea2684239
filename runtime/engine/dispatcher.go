package engine

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// minAhead and maxAhead bound how many runs hold a lease and wait for memory.
	// A lease must be on disk before its run begins; to have some ahead keeps
	// runs from waiting for the disk. What holds a lease when the process dies has
	// lost an attempt, and is told as started all the while, so there are no more
	// of them than are run in a few milliseconds.
	minAhead = 2
	maxAhead = 1024
	// spareAhead is how much longer than two leases take the runs ahead are to
	// last.
	spareAhead = 5 * time.Millisecond
	// probation is for how long no other run gets a lease beside one that may
	// have been the end of earlier processes. What kills a process mostly does
	// so at once; for longer others cannot wait.
	probation = time.Second
)

// dispatcher works off the queue of executions: it leases them in batches, has
// them admitted beside the runs that callers wait for, and ends them in batches.
// A run takes a ticket while it is queued and an attempt from then on.
//
// Tenants take turns, functions of a tenant take turns, runs of a function go in
// the order in which they came. What was running each time that earlier processes
// died goes before all others, one after another.
//
// The lock of admission is taken before mu, never while mu is held.
type dispatcher struct {
	engine *Engine
	made   time.Time

	mu       sync.Mutex
	queue    fairQueue // of tickets that may start
	suspects []*ticket // that may start, likewise
	delayed  delays    // tickets that may not start yet
	jobs     map[string]*jobGroup
	parked   int // tickets that wait in those
	reserved int // executions being accepted
	active   map[string]*attempt
	suspect  *attempt // the one suspect that is active
	ahead    int      // attempts that have not begun
	target   int      // how many that shall be
	run      int      // attempts that have been run since the dispatcher was made
	ready    []*attempt
	admitted int // attempts ready or running
	workers  int
	ended    []*attempt
	bytes    int64     // of what has ended
	room     sync.Cond // bytes has become less; L is mu
	closing  bool      // nothing is leased any more
	cut      bool      // what runs is to be handed back

	shutting chan struct{} // closed when closing
	drained  chan struct{} // closed when closing and nothing is active
	lease    chan struct{} // has an element if the leaser is to look
	commit   chan struct{} // has an element if the committer is to look
	stop     chan struct{} // closed when leaser and committer are to end
	group    sync.WaitGroup
}

func newDispatcher(e *Engine) *dispatcher {
	d := &dispatcher{
		engine:   e,
		made:     time.Now(),
		queue:    newFairQueue(),
		jobs:     make(map[string]*jobGroup),
		active:   make(map[string]*attempt),
		target:   minAhead,
		shutting: make(chan struct{}),
		drained:  make(chan struct{}),
		lease:    make(chan struct{}, 1),
		commit:   make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	d.room.L = &d.mu
	return d
}

// start begins to work off the queue.
func (d *dispatcher) start() {
	d.group.Go(d.leaseAll)
	d.group.Go(d.commitAll)
}

// clock counts nanoseconds, from 1 on. The machine's time of day may jump; who
// waits for a retry is to wait neither an hour longer nor not at all.
func (d *dispatcher) clock() int64 { return int64(time.Since(d.made)) + 1 }

// ticketOf makes the ticket of a queued execution as the store has it.
func (d *dispatcher) ticketOf(o *origin, x *runtime.Execution) *ticket {
	t := newTicket(o, x)
	if !x.NotBefore.IsZero() {
		wait := min(x.NotBefore.Sub(d.engine.now()), longestDelay+longestDelay/jitter)
		t.notBefore = d.clock() + int64(max(wait, 0))
	}
	return t
}

// wake lets the owner of a channel look again.
func wake(owner chan struct{}) {
	select {
	case owner <- struct{}{}:
	default:
	}
}

// reserve keeps places in the queue for n executions about to be accepted.
func (d *dispatcher) reserve(n int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue.waiting+len(d.suspects)+len(d.delayed)+d.parked+d.reserved+n > d.engine.backlogLimit {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many runs are queued in the background, %d are allowed", d.engine.backlogLimit).
			WithHint("wait until some of them are done")
		err.RetryAfter = runtime.BusyRetry
		return err
	}
	d.reserved += n
	return nil
}

func (d *dispatcher) unreserve(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reserved -= n
}

// add queues what the store has queued.
func (d *dispatcher) add(tickets []*ticket) {
	d.mu.Lock()
	for _, t := range tickets {
		d.put(t)
	}
	enough := d.enough()
	d.mu.Unlock()
	if !enough {
		wake(d.lease)
	}
}

// enough tells that so many runs are ahead that to lease more would cost more than
// it gains. Whoever makes them fewer wakes the leaser. The lock is held.
func (d *dispatcher) enough() bool { return d.ahead > d.target/2 }

// put queues one. The lock is held.
func (d *dispatcher) put(t *ticket) {
	if t.notBefore != 0 {
		heap.Push(&d.delayed, t)
		return
	}
	d.enter(t)
}

// enter queues a ticket that may start. The lock is held.
func (d *dispatcher) enter(t *ticket) {
	if g := t.job; g != nil {
		switch {
		case g.cancelled:
			return
		case g.full():
			g.park(t)
			d.parked++
			return
		}
		g.places++
	}
	if t.suspect() {
		d.suspects = append(d.suspects, t)
		return
	}
	d.queue.push(&t.waiter, t.tenant, t.turn())
}

// choose takes from the queue what is to be leased now. If that is nothing, it
// gives the time after which it may be something, 0 if not by time alone.
func (d *dispatcher) choose() (batch []*attempt, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return nil, 0
	}
	for len(d.delayed) > 0 {
		var t *ticket
		if t, wait = d.delayed.due(d.clock()); t == nil {
			break
		}
		d.enter(t)
	}
	if len(d.suspects) > 0 && d.suspect == nil {
		t := d.suspects[0]
		d.suspects[0] = nil
		d.suspects = d.suspects[1:]
		d.suspect = d.activate(t)
		return []*attempt{d.suspect}, 0
	}
	if s := d.suspect; s != nil {
		if s.began.IsZero() {
			return nil, 0
		}
		if left := probation - d.engine.now().Sub(s.began); left > 0 {
			return nil, left
		}
	}
	if d.enough() {
		return nil, wait
	}
	for next := d.queue.first(); next != nil && d.ahead < d.target; next = d.queue.first() {
		w := next.next()
		d.queue.serve(w)
		batch = append(batch, d.activate(w.ticket))
	}
	return batch, wait
}

// activate makes a ticket an attempt. The lock is held.
func (d *dispatcher) activate(t *ticket) *attempt {
	a := &attempt{ticket: t, dispatcher: d}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.background = a.decided
	d.active[t.id] = a
	d.ahead++
	if t.job != nil {
		t.job.pending = true
	}
	return a
}

// drop forgets an attempt. The lock is held.
func (d *dispatcher) drop(a *attempt) {
	a.cancel()
	delete(d.active, a.ticket.id)
	d.leavePlace(a.ticket)
	if d.suspect == a {
		d.suspect = nil
		wake(d.lease)
	}
	d.checkDrained()
}

// checkDrained tells if nothing is left to wait for. The lock is held.
func (d *dispatcher) checkDrained() {
	if d.closing && len(d.active) == 0 {
		select {
		case <-d.drained:
		default:
			close(d.drained)
		}
	}
}

// shut ends leasing. What is active goes on.
func (d *dispatcher) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closing {
		d.closing = true
		close(d.shutting)
		d.checkDrained()
	}
}

// handBack stops what runs, so that it is queued again.
func (d *dispatcher) handBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	for _, a := range d.active {
		a.cancel()
	}
	d.room.Broadcast()
	wake(d.commit)
}

// end stops the goroutines of the dispatcher.
func (d *dispatcher) end() {
	close(d.stop)
	d.group.Wait()
}
