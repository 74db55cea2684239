package dispatch

import (
	"container/heap"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/queue"
)

const (
	// minAhead and MaxAhead bound the runs that hold a lease and wait for memory. A lease
	// must be on disk before its run begins; a few leases ahead keep runs from waiting for
	// the disk. A run that holds a lease when the process dies has lost an attempt, and is
	// reported as running in the meantime, so there are no more leases ahead than runs that
	// start within a few milliseconds.
	minAhead = 2
	// MaxAhead is the largest number of leases that are granted ahead.
	MaxAhead = 1024
	// isolationPeriod is the time for which no other run gets a lease while an isolated one runs.
	// Most runs that kill the process do so at once; others cannot wait longer.
	isolationPeriod = time.Second
)

// plan holds the runs that wait and those that hold a lease. Its methods take no lock, block
// nowhere and start nothing; the Dispatcher's mutex guards it.
type plan struct {
	queue    *queue.Fair[*QueuedRun] // may start
	isolated []*QueuedRun            // may start, one after another, before all others
	delayed  delays                  // may not start yet
	groups   map[string]*TaskGroup   // executions of jobs that are not done, by id
	held     int                     // tasks that wait in their groups
	reserved int                     // executions that are being accepted

	active   map[string]*attempt // have a lease or are about to get one, by execution id
	alone    *attempt            // the isolated run among them
	ahead    int                 // attempts that have not begun
	target   int                 // number of attempts that should be ahead
	ran      int                 // attempts that have run so far
	ready    []*attempt          // have memory and wait for a worker
	admitted int                 // attempts that are ready or running
	workers  int                 // goroutines that run them

	closing bool          // nothing is leased any more
	drained chan struct{} // closed when closing and nothing is active
	leaser  notify.Signal
}

func newPlan(leaser notify.Signal) plan {
	return plan{
		queue:   queue.NewFair[*QueuedRun](),
		groups:  make(map[string]*TaskGroup),
		active:  make(map[string]*attempt),
		target:  minAhead,
		drained: make(chan struct{}),
		leaser:  leaser,
	}
}

// size returns the number of runs in the backlog, reserved places included.
func (p *plan) size() int {
	return p.queue.Len() + len(p.isolated) + len(p.delayed) + p.held + p.reserved
}

// idle reports whether nothing that may start waits for a lease.
func (p *plan) idle() bool {
	return !p.closing && p.queue.Len()+len(p.isolated) == 0 && p.alone == nil
}

// enough reports whether enough runs are leased ahead: leasing more would cost more than it gains.
// Code that lowers ahead must wake the leaser.
func (p *plan) enough() bool { return p.ahead > p.target/2 }

// put queues a run.
func (p *plan) put(r *QueuedRun) {
	if r.notBefore != 0 {
		heap.Push(&p.delayed, r)
		return
	}
	p.enter(r)
}

// enter queues a run that may start. A task whose group has no free place waits there.
func (p *plan) enter(r *QueuedRun) {
	if g := r.Job; g != nil {
		switch {
		case g.state.cancelled:
			return
		case g.full():
			g.state.hold(r)
			p.held++
			return
		}
		g.state.places++
	}
	if r.isolated() {
		p.isolated = append(p.isolated, r)
		return
	}
	p.queue.Push(&r.item, r.Tenant, r.turn())
}

// choose removes the runs to lease now from the queue and returns them. If there are none it
// returns the time after which there may be some, 0 if time alone changes nothing.
func (p *plan) choose(clock int64, now func() time.Time, newAttempt func(*QueuedRun) *attempt) (batch []*attempt, wait time.Duration) {
	if p.closing {
		return nil, 0
	}
	for len(p.delayed) > 0 {
		var r *QueuedRun
		if r, wait = p.delayed.due(clock); r == nil {
			break
		}
		p.enter(r)
	}
	if len(p.isolated) > 0 && p.alone == nil {
		r := p.isolated[0]
		p.isolated[0] = nil
		p.isolated = p.isolated[1:]
		p.alone = p.activate(newAttempt(r))
		return []*attempt{p.alone}, 0
	}
	if a := p.alone; a != nil {
		if a.began.IsZero() {
			return nil, 0
		}
		if left := isolationPeriod - now().Sub(a.began); left > 0 {
			return nil, left
		}
	}
	if p.enough() {
		return nil, wait
	}
	for t := p.queue.First(); t != nil && p.ahead < p.target; t = p.queue.First() {
		it := t.Next()
		p.queue.Serve(it)
		batch = append(batch, p.activate(newAttempt(it.Value)))
	}
	return batch, wait
}

// activate counts an attempt in.
func (p *plan) activate(a *attempt) *attempt {
	p.active[a.run.id] = a
	p.ahead++
	if g := a.run.Job; g != nil {
		g.state.pending = true
		if g.state.leased == nil {
			g.state.leased = make(map[*attempt]struct{})
		}
		g.state.leased[a] = struct{}{}
	}
	return a
}

// aim sets the target number of runs that are leased ahead: twice as many as have run since the
// last lease, so that the number grows until it suffices; but at most the number that run, at that
// rate, in the time of two leases plus spareAhead, so that there are few when runs are long. It
// returns the number of runs so far, for the next call.
func (p *plan) aim(before int, since, lease time.Duration) (ran int) {
	run := p.ran - before
	inTime := float64(run) * (2*lease + spareAhead).Seconds() / max(since, time.Microsecond).Seconds()
	p.target = min(max(int(min(inTime, float64(2*run))), minAhead), MaxAhead)
	return p.ran
}

// begin returns the attempt that begins now, or nil if no worker is needed any more.
func (p *plan) begin(now func() time.Time) *attempt {
	if len(p.ready) == 0 {
		p.workers--
		return nil
	}
	a := p.ready[0]
	p.ready[0] = nil
	p.ready = p.ready[1:]
	p.ahead--
	a.began = now()
	a.logs = runtime.NewLogBuffer(a.version.Program.Limits.Logs)
	if !p.enough() || p.alone == a {
		p.leaser.Set()
	}
	return a
}

// drop removes an attempt and lets the next task of its group take its place.
func (p *plan) drop(a *attempt) {
	a.cancel()
	delete(p.active, a.run.id)
	if g := a.run.Job; g != nil {
		delete(g.state.leased, a)
		g.state.places--
		for g.state.holding() > 0 && !g.full() {
			next := g.state.unhold()
			p.held--
			p.enter(next)
		}
	}
	if p.alone == a {
		p.alone = nil
		p.leaser.Set()
	}
	p.checkDrained()
}

// cancelGroup marks a group as cancelled, forgets its waiting tasks, and returns its
// attempts that have not begun, marked as cancelled.
func (p *plan) cancelGroup(id string) (waiting []*attempt) {
	g := p.groups[id]
	if g == nil {
		return nil
	}
	for a := range g.state.leased {
		if a.began.IsZero() {
			a.cancelled = true
			waiting = append(waiting, a)
		}
	}
	g.state.cancelled = true
	g.state.places -= p.queue.Clear(g.tenant, g.id)
	p.held -= g.state.holding()
	g.state.clearHeld()
	return waiting
}

// close ends leasing.
func (p *plan) close() {
	p.closing = true
	p.checkDrained()
}

func (p *plan) checkDrained() {
	if p.closing && len(p.active) == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}
