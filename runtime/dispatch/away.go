package dispatch

import (
	"container/list"
	"math"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// Other nodes may lend places for runs. An attempt at such a place is away: it has a lease, as any attempt has, but takes
// nothing here. Tenants take turns for places as they do for this node, and functions and jobs have one order of turns for both.
// What goes away, in this order:
//
//   - runs that have a lease and wait for memory here, those first that have waited longest;
//   - the next runs of tenants that may start nothing here, because they have as many runs here as they may, or their share of
//     the memory;
//   - if the memory here is taken, those of other tenants, too; and if each processor here has a run, as long as the other nodes
//     have fewer runs than this one on average.
//
// Suspects stay, and so does a run that has lost an attempt: it may be what has ended the process. Runs that are so short
// that to send them would take longer stay, too. A run gets its place before its lease, so that nothing waits with a lease for
// a place; a run that gets none keeps its turn. One that a node refuses begins here, if it may, or is queued again, and takes turns with the
// others of its function or job.

const (
	// mostAway bounds the runs that get places in one step, and the step begins with minAhead.
	mostAway = 256
	// mostPassed bounds the tenants that are passed over in one step, because nothing of them may go away.
	mostPassed = 64
	// lookAgain is when it is looked again whether there are places, if nothing else happens.
	lookAgain = time.Second
	// A run that was refused does not go away for firstTrial, which is doubled each time, up to lookAgain. For refusedTime others
	// of its tenant may find no place although there is one.
	firstTrial  = 100 * time.Millisecond
	refusedTime = 2 * time.Second

	// A run goes away if it takes longAway, or shortAway and those that wait before their turns take backlogAway.
	longAway    = 500 * time.Microsecond
	shortAway   = 100 * time.Microsecond
	backlogAway = 20 * time.Millisecond
	// mostTimes bounds the functions whose times are known.
	mostTimes = 4096
	// timeShare is the divisor of the part that the latest run has in the time of its function.
	timeShare = 8
)

// away is the part of a plan that is about other nodes. Its zero value is that of a server alone.
type away struct {
	lends   bool      // other nodes may lend places
	running int       // attempts that are away
	waiting list.List // of *attempt: those that have a lease and wait for memory here, and could go away
	turns   list.List // of *awayTurn, next in turn first; of each tenant in the queue, and perhaps of some that have left it
	of      map[runtime.Tenant]*awayTurn
	at      *list.Element            // the turn at which the next step goes on; nil: the first one
	passed  int                      // turns without a run that may go away, since there was one or a place became free
	times   map[string]time.Duration // about what a run of a function takes, by its id
	adopted []*attempt               // until they are started

	size   int    // runs that get places in the next step
	nodes  int    // that lend
	room   int    // runs that may still get places in this step
	extra  int    // of these, those that could start here
	trials uint64 // how often a place may have become free
	least  int64  // no node has room for so many bytes, as far as is known since the last of these
	look   int64  // when it is looked again; 0: when something happens
}

// awayTurn is the turn of a tenant for places on other nodes.
type awayTurn struct {
	tenant  runtime.Tenant
	place   *list.Element
	trial   uint64
	least   int64 // if trial is that of away: no node has room for so many bytes of this tenant
	refused int64 // when a node has refused a run of it
	again   int64 // when those of its runs may go away again that were refused, since one of them was refused again
}

// awayTrial is what other nodes have said to a queued run.
type awayTrial struct {
	bytes    int64 // that it needs
	refusals int
	after    int64  // when it may go away again
	missed   uint64 // the trial of away in which no node had room for it
}

// trial returns what other nodes have said to a run.
func (r *QueuedRun) trial() *awayTrial {
	if r.away == nil {
		r.away = &awayTrial{}
	}
	return r.away
}

// giveTurnAway gives a tenant a turn for places.
func (p *plan) giveTurnAway(tenant runtime.Tenant) {
	w := &p.away
	if w.of[tenant] != nil {
		return
	}
	for range 2 { // so that no more tenants are left here that wait for nothing than there are others
		if e := w.turns.Front(); e != nil {
			p.passAway(e.Value.(*awayTurn), w.nodes == 0)
		}
	}
	if w.of == nil {
		w.of = make(map[runtime.Tenant]*awayTurn)
	}
	t := &awayTurn{tenant: tenant}
	t.place = w.turns.PushBack(t)
	w.of[tenant] = t
	w.passed = 0 // so that the next step goes on to it
}

// passAway moves a tenant to the back, if it is served, and drops one of which nothing waits.
func (p *plan) passAway(t *awayTurn, served bool) {
	w := &p.away
	gone := p.queue.Waiting(t.tenant) == 0
	if !gone && !served {
		return
	}
	if w.at == t.place {
		w.at = t.place.Next()
	}
	if gone {
		w.turns.Remove(t.place)
		delete(w.of, t.tenant)
		return
	}
	w.turns.MoveToBack(t.place)
}

// open begins a step: it decides how many runs may get places. freed says that a place may have become free, here what this
// node does, and processors how many it has.
func (p *plan) open(clock int64, freed bool, nodes int, here queue.Figures, processors int) {
	w := &p.away
	if freed || w.trials == 0 || w.look > 0 && clock >= w.look {
		w.trials++
		w.least, w.passed, w.look = math.MaxInt64, 0, 0
	}
	w.nodes, w.room, w.extra = nodes, 0, 0
	if nodes == 0 || p.closing {
		return
	}
	w.room = max(w.size, minAhead)
	switch {
	case here.Queued > 0:
		w.extra = w.room
	case here.Running-here.Waiting >= processors:
		w.extra = min(w.room, max(nodes*here.Running-w.running, 0))
	}
}

// chooseAway adds the runs that are to go away.
func (p *plan) chooseAway(clock int64, s *step, newAttempt func(*QueuedRun) *attempt) {
	w := &p.away
	if w.room == 0 {
		return
	}
	p.chooseWaiting(clock, s)
	e := w.at
	if w.at = nil; e == nil {
		e = w.turns.Front()
	}
	passed := 0
	for e != nil && w.room > 0 && passed < mostPassed {
		t := e.Value.(*awayTurn)
		it := p.nextAway(t, clock)
		if it != nil {
			p.goAway(s, it, e.Prev(), newAttempt)
			w.passed = 0
		} else {
			passed++
		}
		following := e.Next()
		if p.passAway(t, it != nil); following == nil && it != nil && w.of[t.tenant] == t {
			following = t.place // all others have been passed over
		}
		e = following
	}
	if w.passed += passed; passed == mostPassed && w.passed < w.turns.Len() {
		w.at, s.more = e, true
	}
	if w.look == 0 && w.turns.Len()+w.waiting.Len() > 0 {
		w.look = clock + int64(lookAgain)
	}
	if w.look > 0 {
		s.wait = sooner(s.wait, time.Duration(max(w.look-clock, 1)))
	}
}

// chooseWaiting adds attempts that wait for memory and may go away, those first that have waited longest.
func (p *plan) chooseWaiting(clock int64, s *step) {
	w := &p.away
	for e := w.waiting.Front(); e != nil && w.room > 0; e = e.Next() {
		if a := e.Value.(*attempt); a.trial != w.trials && p.mayGoAway(a.run, a.bytes, clock) {
			s.moves = append(s.moves, a)
			w.room--
		}
	}
	w.extra = min(w.extra, w.room)
}

// nextAway returns the item that is next of those of a tenant that may go away now, or nil.
func (p *plan) nextAway(t *awayTurn, clock int64) *queue.Item[*QueuedRun] {
	turn := p.queue.Turn(t.tenant)
	if turn == nil || !turn.Held() && p.away.extra == 0 {
		return nil
	}
	return turn.Find(func(r *QueuedRun) bool {
		if r.away == nil {
			return p.mayGoAway(r, 0, clock)
		}
		return p.mayGoAway(r, r.away.bytes, clock)
	})
}

// mayGoAway reports whether a run may get a place now that needs some bytes, 0: it is not known how many.
func (p *plan) mayGoAway(r *QueuedRun, bytes int64, clock int64) bool {
	w := &p.away
	if !p.lendable(r) || bytes > 0 && bytes >= w.leastOf(r.Tenant) || r.away != nil && r.away.missed == w.trials {
		return false
	}
	if r.away != nil && r.away.refusals > 0 {
		after := r.away.after
		if t := w.of[r.Tenant]; t != nil {
			after = max(after, t.again)
		}
		if after > clock {
			if w.look == 0 || w.look > after {
				w.look = after
			}
			return false
		}
	}
	most := r.Use.RunsHere()
	return most == 0 || r.Use.RunsAway() < most*w.nodes
}

// leastOf returns the bytes for which no node has room for a tenant.
func (w *away) leastOf(tenant runtime.Tenant) int64 {
	if t := w.of[tenant]; t != nil && t.trial == w.trials {
		return min(t.least, w.least)
	}
	return w.least
}

// miss notes that no node has room for an attempt. If the reason may be its tenant, that says nothing about others.
func (p *plan) miss(a *attempt, clock int64) {
	w, use := &p.away, a.run.Use
	away := use.RunsAway()
	if a.away {
		away-- // itself
	}
	t := w.of[a.run.Tenant]
	refused := t != nil && t.refused != 0 && clock-t.refused <= int64(refusedTime) || t == nil && a.run.away != nil && a.run.away.refusals > 0
	switch most := use.RunsHere(); {
	case (most == 0 || away < most) && !refused:
		w.least = min(w.least, a.bytes)
		return
	case t == nil: // nothing of the tenant is queued
		a.trial = w.trials
		return
	}
	if t.trial != w.trials {
		t.trial, t.least = w.trials, math.MaxInt64
	}
	t.least = min(t.least, a.bytes)
}

// settle ends a step in which some runs have got places, and others have not.
func (p *plan) settle(taken, missed int) {
	w := &p.away
	if taken > 0 {
		w.size = min(2*max(w.size, minAhead), mostAway)
	}
	if missed > 0 {
		w.size = 0
	}
}

// lendable reports whether a run may go away at all.
func (p *plan) lendable(r *QueuedRun) bool {
	if r.lost > 0 || suspected(r.suspicion) {
		return false
	}
	took, known := p.away.times[r.FunctionID]
	return !known || took >= longAway || took >= shortAway && took*time.Duration(p.queue.Waiting(r.Tenant)) >= backlogAway
}

// learn notes what a run of a function has taken, 0: nothing.
func (w *away) learn(functionID string, took time.Duration) {
	if !w.lends || took == 0 {
		return
	}
	known, found := w.times[functionID]
	switch {
	case found:
		took = known + (took-known)/timeShare
	case w.times == nil || len(w.times) >= mostTimes:
		w.times = make(map[string]time.Duration)
	}
	w.times[functionID] = took
}

// goAway makes an item one of those that get a place. Its tenant, whose turn for places is the one after before, keeps its turn here.
func (p *plan) goAway(s *step, it *queue.Item[*QueuedRun], before *list.Element, newAttempt func(*QueuedRun) *attempt) {
	if it.InTurn() { // else it could not start here
		p.away.extra--
	}
	p.away.room--
	a := newAttempt(it.Value)
	a.before, a.number = before, it.Number()
	p.queue.Pass(it)
	p.queue.Remove(it)
	p.send(a)
	s.away = append(s.away, p.activate(a))
}

// send counts an attempt as away.
func (p *plan) send(a *attempt) {
	a.away = true
	p.away.running++
	if !a.isOwn() { // else it is counted as a run that is here
		a.run.Use.GoAway()
	}
}

// fetch counts an attempt that was away as here. It must have been counted as one of the runs of its tenant.
func (p *plan) fetch(a *attempt) {
	p.endUse(a)
	a.away = false
	p.countAhead(a, 1)
}

// endUse ends what an attempt counts for in the use of its tenant.
func (p *plan) endUse(a *attempt) {
	if a.away {
		if !a.isOwn() {
			a.run.Use.EndAway()
		}
		p.away.running--
		p.leaser.Set()
		return
	}
	if a.run.Use.EndRun() {
		p.free(a.run.Tenant)
	}
}

// putBackInTurn queues a run again that was to go away, as if it had not had its turn. Of several, the last goes first.
func (p *plan) putBackInTurn(a *attempt) {
	p.release(a)
	r := a.run
	// Its tenant may have a new turn, which does not know that.
	r.trial().bytes, r.trial().missed = a.bytes, p.away.trials
	if p.putBack(r); r.item.Queued() {
		p.queue.Restore(&r.item, a.number)
		if turns, place := &p.away.turns, p.away.of[r.Tenant].place; a.before == nil {
			turns.MoveToFront(place)
		} else {
			turns.MoveAfter(place, a.before)
		}
	}
}

// wait notes that an attempt waits for memory here, if it may go away instead.
func (p *plan) wait(a *attempt) {
	if a.lane == nil && p.lendable(a.run) {
		a.waits = p.away.waiting.PushBack(a)
	}
}

// endWait ends wait.
func (p *plan) endWait(a *attempt) {
	if a.waits != nil {
		p.away.waiting.Remove(a.waits)
		a.waits = nil
	}
}

// move makes an attempt away that has waited for memory.
func (p *plan) move(a *attempt) {
	p.endWait(a)
	p.countAhead(a, -1)
	p.endUse(a)
	p.send(a)
	p.leaser.Set()
}

// comeBack notes that a node has refused an attempt, and reports whether it may begin here now: it is counted as here then.
func (p *plan) comeBack(a *attempt, clock int64) (begins bool) {
	a.began, a.leave = time.Time{}, nil
	r := a.run
	trial := r.trial()
	trial.bytes, trial.after = a.bytes, clock+int64(min(firstTrial<<min(trial.refusals, 8), lookAgain))
	if t := p.away.of[r.Tenant]; t != nil {
		if t.refused = clock; trial.refusals > 0 {
			t.again = trial.after
		}
	}
	trial.refusals++
	ahead := p.aheadOf[r.Tenant]
	switch {
	case r.Job != nil && r.Job.state.cancelled:
		a.cancelled = true
		a.cancel()
	case a.ctx.Err() != nil:
	case p.closing, p.paused.of(r.Tenant, r.FunctionID) != nil, p.ahead >= p.target, ahead != nil && ahead.holds(r.FunctionID), !r.Use.TryRun():
		a.takenBack = true
	default:
		p.fetch(a)
		return true
	}
	return false
}

// adopt counts an attempt in that is away since before this process was the owner of the data.
func (p *plan) adopt(a *attempt) {
	p.send(a)
	p.load.count(a.run.Tenant, a.run.Function, 0, 1)
	p.active[a.run.id] = a
	if g := a.run.Job; g != nil {
		s := &g.state
		s.use, s.function, s.functionID = a.run.Use, a.run.Function, a.run.FunctionID
		s.pending, s.started = true, true
		s.places++
		s.running++
		s.lease(a)
	}
	p.away.adopted = append(p.away.adopted, a)
}

// startAdopted returns the attempts that were adopted.
func (p *plan) startAdopted() []*attempt {
	adopted := p.away.adopted
	p.away.adopted = nil
	return adopted
}

// leaveAway ends the calls of the attempts that have begun on other nodes, and not what runs there.
func (p *plan) leaveAway() {
	for _, a := range p.active {
		if a.leave != nil && !a.cancelled && !a.returned && !a.isOwn() {
			p.leaveTo(a)
		}
	}
}

// leaveTo leaves an attempt that has begun on another node to the next owner of the data.
func (p *plan) leaveTo(a *attempt) {
	a.left = true
	a.leave(runtime.ErrOwnerLeaves)
}
