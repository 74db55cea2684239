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
)

// plan holds the runs that wait and those that hold a lease. Its methods take no lock, block
// nowhere and start nothing; the Dispatcher's mutex guards it.
type plan struct {
	queue          *queue.Fair[*QueuedRun] // may start
	lanes          [2]lane                 // suspects that may start: with the first probation, and with longer ones
	quiet          quiet
	leasedSuspects int    // suspects that have a lease, also after they have outlived their probation
	delayed        delays // may not start yet
	gone           map[runtime.Tenant]*goneRuns
	away           away
	paused         pausedFunctions
	pausedSuspects int                   // suspects of functions that are paused
	groups         map[string]*TaskGroup // executions of jobs that are not done, by id
	groupBytes     int64                 // memory of groups
	held           int                   // tasks that wait in their groups
	reserved       int                   // executions that are being accepted

	load     load                            // of what waits and what has a lease, by function
	active   map[string]*attempt             // have a lease or are about to get one, by execution id
	ahead    int                             // attempts that have not begun, suspects and those that wait aside excluded
	aheadOf  map[runtime.Tenant]*tenantAhead // all attempts that have not begun, suspects excluded
	target   int                             // number of attempts that should be ahead
	ran      int                             // attempts that have run so far
	ready    []*attempt                      // have memory and wait for a worker
	admitted int                             // attempts that are ready or running
	workers  int                             // goroutines that run them
	closing  bool                            // nothing is leased any more
	drained  chan struct{}                   // closed when closing and nothing is active
	leaser   notify.Signal
	random   func(n time.Duration) time.Duration // less than n
}

func newPlan(leaser notify.Signal) plan {
	waiting := queue.NewFair[*QueuedRun]()
	waiting.KeepAges(func(r *QueuedRun) int64 { return r.created })
	return plan{
		queue:   waiting,
		paused:  make(pausedFunctions),
		groups:  make(map[string]*TaskGroup),
		active:  make(map[string]*attempt),
		load:    make(load),
		aheadOf: make(map[runtime.Tenant]*tenantAhead),
		gone:    make(map[runtime.Tenant]*goneRuns),
		target:  minAhead,
		drained: make(chan struct{}),
		leaser:  leaser,
		random:  randomTime,
		lanes:   [2]lane{1: {late: true}},
	}
}

// size returns the number of runs in the backlog, reserved places included.
func (p *plan) size() int {
	return p.queue.Len() + p.suspects() + p.pausedSuspects + len(p.delayed) + p.held + p.reserved
}

// suspects returns the number of suspects that have no lease and may start.
func (p *plan) suspects() int {
	n := p.lanes[0].waits() + p.lanes[1].waits()
	if s := p.quiet.stage; noQuiet < s && s < going {
		n++
	}
	return n
}

// idle reports whether nothing that may start waits for a lease. What waits because of a limit of its
// tenant may not.
func (p *plan) idle() bool {
	return !p.closing && p.queue.First() == nil && p.suspects() == 0 && p.quiet.stage == noQuiet
}

// enough reports whether enough runs are leased ahead: leasing more would cost more than it gains.
// Code that lowers ahead must wake the leaser.
func (p *plan) enough() bool { return p.ahead > p.target/2 }

// put queues a run.
func (p *plan) put(r *QueuedRun) {
	r.Use.Queue(1)
	p.putReserved(r)
}

// putReserved queues a run that its tenant's use counts already.
func (p *plan) putReserved(r *QueuedRun) {
	p.load.count(r.Tenant, r.Function, 1, 0)
	if r.notBefore != 0 {
		heap.Push(&p.delayed, r)
		return
	}
	p.enter(r)
}

// enter queues a run that may start. A task whose group has no free place waits there.
func (p *plan) enter(r *QueuedRun) {
	if p.isGone(r) {
		p.uncount(r)
		return
	}
	if g := r.Job; g != nil {
		g.state.use, g.state.function, g.state.functionID = r.Use, r.Function, r.FunctionID
		switch {
		case g.state.cancelled:
			p.uncount(r)
			return
		case g.full():
			g.state.hold(r)
			p.held++
			return
		}
		g.state.places++
	}
	p.place(r)
}

// uncount counts a run as no longer queued.
func (p *plan) uncount(r *QueuedRun) {
	r.Use.Queue(-1)
	p.load.count(r.Tenant, r.Function, -1, 0)
}

// place puts a run that may start, and has a place if it is a task, where it waits for its turn.
func (p *plan) place(r *QueuedRun) {
	paused := p.paused.of(r.Tenant, r.FunctionID)
	if p.away.lends && !suspected(r.suspicion) {
		p.giveTurnAway(r.Tenant)
	}
	switch {
	case suspected(r.suspicion) && paused != nil:
		paused.suspects = append(paused.suspects, r)
		p.pausedSuspects++
		return
	case suspected(r.suspicion):
		p.laneOf(r).insert(r)
		return
	case r.takenBack && !p.waitsRefused(r):
		p.queue.PushFront(&r.item, r.Tenant, r.FunctionID, p.groupOf(r), func(s *QueuedRun) bool { return s.takenBack && s.Before(r) })
	default:
		p.queue.Push(&r.item, r.Tenant, r.FunctionID, p.groupOf(r))
	}
	if paused != nil {
		p.queue.HoldClass(r.Tenant, r.FunctionID)
		return
	}
	if t := p.aheadOf[r.Tenant]; t != nil && t.waits() && !r.item.InTurn() && !t.holds(r.FunctionID) {
		p.queue.Free(r.Tenant) // its other functions may be what is held
	}
}

func (p *plan) laneOf(r *QueuedRun) *lane { return &p.lanes[min(r.suspicion.Stretch, 1)] }

// step is what the leaser does next, in this order.
type step struct {
	outlived []*attempt // suspects that have outlived their probation: note that on disk, then call clear
	resume   bool       // let runs begin again
	pause    bool       // let no run begin beside suspect
	suspect  *attempt
	reserve  *attempt   // a suspect that is about to go alone: let it wait for memory
	discard  *attempt   // such a suspect, which does not start any more: release its memory
	batch    []*attempt // runs to lease
	moves    []*attempt // that have a lease and wait for memory here: let them go away if there are places for them
	away     []*attempt // runs to lease if there are places for them
	more     bool       // there may be others that can go away
	// wait is the time after which there may be more to do, 0 if time alone changes nothing.
	wait time.Duration
}

func (s *step) empty() bool {
	return len(s.outlived)+len(s.batch)+len(s.moves)+len(s.away) == 0 && !s.more && !s.resume && !s.pause && s.reserve == nil && s.discard == nil
}

// choose removes the runs to lease now from the queue and returns what to do.
func (p *plan) choose(clock int64, newAttempt func(*QueuedRun) *attempt) (s step) {
	if p.closing {
		if q := &p.quiet; q.stage == reserved || q.stage == leading {
			s.discard, q.stage = q.suspect, noQuiet
		}
		return s
	}
	for len(p.delayed) > 0 {
		var r *QueuedRun
		if r, s.wait = p.delayed.due(clock); r == nil {
			break
		}
		p.enter(r)
	}
	p.chooseQuiet(clock, &s)
	for i := range p.lanes {
		p.chooseSuspects(&p.lanes[i], clock, &s, newAttempt)
	}
	if !p.enough() {
		p.chooseHere(&s, newAttempt)
	}
	p.chooseAway(clock, &s, newAttempt)
	return s
}

// chooseHere adds the runs that start now on this node.
func (p *plan) chooseHere(s *step, newAttempt func(*QueuedRun) *attempt) {
	for t := p.queue.First(); t != nil && p.ahead < p.target; t = p.queue.First() {
		it := p.nextOf(t)
		if it == nil || !it.Value.Use.TryRun() {
			p.queue.Hold(t)
			continue
		}
		p.queue.Serve(it)
		s.batch = append(s.batch, p.activate(newAttempt(it.Value)))
	}
}

// chooseQuiet adds the next step of the time in which a suspect goes alone.
func (p *plan) chooseQuiet(clock int64, s *step) {
	q := &p.quiet
	if (q.stage == reserved || q.stage == leading) && q.suspect.ctx.Err() != nil {
		s.discard = q.suspect
		p.returnSuspect(q.suspect)
	}
	switch q.stage {
	case reserved:
		s.pause, s.suspect = true, q.suspect
		q.stage, q.until = leading, clock+int64(leadTime)
		s.wait = sooner(s.wait, leadTime)
	case leading:
		if left := time.Duration(q.until - clock); left > 0 {
			s.wait = sooner(s.wait, left)
			return
		}
		q.stage = going
		p.join(&p.lanes[0], q.suspect, clock)
		s.batch = append(s.batch, q.suspect)
	case quietOver:
		s.resume = true
		*q = quiet{}
	}
}

// chooseSuspects adds the suspects of a lane that start now.
func (p *plan) chooseSuspects(l *lane, clock int64, s *step, newAttempt func(*QueuedRun) *attempt) {
	over, wait, blocked := l.outlived(clock)
	s.outlived = append(s.outlived, over...)
	s.wait = sooner(s.wait, wait)
	switch early := &p.lanes[0]; {
	case !l.late && p.quiet.stage != noQuiet:
		return
	case l.late && (!early.done() || p.quiet.stage != noQuiet):
		return // so that a suspect that goes alone in the first lane does so
	}
	if !blocked && !l.open() {
		l.form(clock)
	}
	if l.alone && l.mayJoin() {
		if l.ended && p.leasedSuspects > 0 {
			l.control = 0
			return
		}
		if left := l.inControl(clock, p.random); left > 0 {
			s.wait = sooner(s.wait, left)
			return
		}
		a := newAttempt(l.next())
		l.room = 0
		a.probation = runtime.ProbationBeside
		if !l.late {
			a.probation = runtime.ProbationAlone
			p.quiet = quiet{suspect: a, stage: reserving}
			s.reserve = a
			return
		}
		p.join(l, a, clock)
		s.batch = append(s.batch, a)
		return
	}
	for !l.alone && l.mayJoin() {
		r := l.nextInTurn()
		if r == nil {
			break
		}
		a := newAttempt(r)
		l.room--
		a.probation = runtime.ProbationGroup
		p.join(l, a, clock)
		s.batch = append(s.batch, a)
	}
}

// join counts an attempt of a suspect in, as a member of the group on probation.
func (p *plan) join(l *lane, a *attempt, clock int64) {
	a.lane = l
	p.leasedSuspects++
	l.members = append(l.members, a)
	l.latest = clock
	a.run.Use.ForceRun()
	p.activate(a)
}

// notAlone lets a suspect that was to go alone go on probation with others: nothing waits for it.
func (p *plan) notAlone(a *attempt) {
	a.probation = runtime.ProbationGroup
	if p.quiet.suspect == a {
		p.quiet.stage = quietOver
	}
}

// clear lets suspects that have outlived their probation pass for other runs in this process.
func (p *plan) clear(outlived []*attempt) {
	for _, a := range outlived {
		p.leaveLane(a)
	}
}

// leaveLane removes an attempt from the group on probation.
func (p *plan) leaveLane(a *attempt) {
	if a.lane != nil {
		a.lane.remove(a)
	}
	if p.quiet.suspect == a {
		p.quiet.stage = quietOver
	}
	p.leaser.Set()
}

// activate counts an attempt in, which is one of the runs of its tenant.
func (p *plan) activate(a *attempt) *attempt {
	a.run.Use.Queue(-1)
	p.load.count(a.run.Tenant, a.run.Function, -1, 1)
	a.run.takenBack = false
	if p.isGone(a.run); p.queue.Waiting(a.run.Tenant) == 0 {
		p.tidyGone(a.run.Tenant)
	}
	p.active[a.run.id] = a
	p.countAhead(a, 1)
	if g := a.run.Job; g != nil {
		g.state.pending = true
		g.state.lease(a)
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

// begin returns the attempt that begins now, or nil if no worker is needed any more. An attempt that was
// stopped meanwhile does not begin.
func (p *plan) begin(clock int64, now func() time.Time) (a *attempt, begins bool) {
	if len(p.ready) == 0 {
		p.workers--
		return nil, false
	}
	a = p.ready[0]
	p.ready[0] = nil
	p.ready = p.ready[1:]
	if a.ctx.Err() != nil {
		p.admitted--
		return a, false
	}
	p.countAhead(a, -1)
	a.began = now()
	if a.lane != nil {
		a.beganAt = clock
		a.lane.latest = clock
	}
	if a.logs == nil { // else it has come back from another node
		a.logs = runtime.NewLogBuffer(a.version.Program.Limits.Logs)
	}
	if !p.enough() || a.lane != nil {
		p.leaser.Set()
	}
	return a, true
}

// drop removes an attempt and lets the next task of its group take its place.
func (p *plan) drop(a *attempt) {
	p.release(a)
	if g := a.run.Job; g != nil {
		p.leavePlace(g)
	}
	p.checkDrained()
}

// leavePlace lets the next tasks of a group take the place of one.
func (p *plan) leavePlace(g *TaskGroup) {
	g.state.places--
	for g.state.holding() > 0 && !g.full() {
		next := g.state.unhold()
		p.held--
		p.enter(next)
	}
}

// release removes an attempt. If it is of a task, the place of the task stays taken.
func (p *plan) release(a *attempt) {
	a.cancel()
	if p.active[a.run.id] == a {
		p.load.count(a.run.Tenant, a.run.Function, 0, -1)
		p.endUse(a)
	}
	delete(p.active, a.run.id)
	if g := a.run.Job; g != nil {
		delete(g.state.leased, a)
	}
	if a.lane != nil {
		p.leasedSuspects--
		p.leaveLane(a)
	}
}

// free lets queued runs of a tenant start that have waited because of its limit.
func (p *plan) free(tenant runtime.Tenant) {
	p.queue.Free(tenant)
	p.leaser.Set()
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
	removed := p.clearGroups(g) + p.lanes[0].removeTasks(g) + p.lanes[1].removeTasks(g) + p.dropPausedTasks(g)
	g.state.places -= removed
	if gone := removed + g.state.holding(); gone > 0 {
		g.state.use.Queue(-gone)
		p.load.count(g.tenant, g.state.function, -gone, 0)
	}
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
