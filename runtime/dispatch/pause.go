package dispatch

import (
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// No run of a function that is paused begins, until it is resumed: not a queued one, not a task of a job, and
// not one that has a lease and has not begun, which is queued again, before those that were accepted after it.
// What is accepted meanwhile is queued. Runs that have begun go on. The runs of a function are a class of the
// queue, so a pause takes the same time however many runs and groups wait.

// pausedFunctions are the functions that are paused, by tenant and id.
type pausedFunctions map[runtime.Tenant]map[string]*pausedFunction

// pausedFunction is a function that is paused. Its class of the queue is held.
type pausedFunction struct {
	name     string
	suspects []*QueuedRun // those of its runs that would be in a lane
}

// of returns the pause of a function, nil if it is not paused.
func (p pausedFunctions) of(tenant runtime.Tenant, id string) *pausedFunction { return p[tenant][id] }

// SetPaused pauses a function or resumes it, as f.Paused says, and notes its name. Once it has returned, no run of a
// function that is paused begins. A function that is deleted must be resumed, so that its runs can end.
func (d *Dispatcher) SetPaused(f *runtime.Function) {
	d.mu.Lock()
	var waiting []*attempt
	if f.Paused {
		waiting = d.plan.pause(f)
	} else {
		d.plan.resume(f)
	}
	for _, a := range waiting {
		a.cancel()
	}
	d.mu.Unlock()
	for _, a := range waiting {
		d.withdraw(a)
	}
}

// Paused reports whether a function is paused.
func (d *Dispatcher) Paused(tenant runtime.Tenant, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.paused.of(tenant, id) != nil
}

// pause holds the queued runs of a function, and returns its attempts that have not begun.
func (p *plan) pause(f *runtime.Function) (waiting []*attempt) {
	if known := p.paused.of(f.Tenant, f.ID); known != nil {
		known.name = f.Name
		return nil
	}
	paused := &pausedFunction{name: f.Name}
	if p.paused[f.Tenant] == nil {
		p.paused[f.Tenant] = make(map[string]*pausedFunction)
	}
	p.paused[f.Tenant][f.ID] = paused
	p.queue.HoldClass(f.Tenant, f.ID)
	of := func(r *QueuedRun) bool { return r.Tenant == f.Tenant && r.FunctionID == f.ID }
	for i := range p.lanes {
		paused.suspects = append(paused.suspects, p.lanes[i].take(of)...)
	}
	p.pausedSuspects += len(paused.suspects)
	for _, a := range p.active {
		if of(a.run) && a.began.IsZero() {
			a.takenBack = true
			waiting = append(waiting, a)
		}
	}
	if s := p.quiet.stage; noQuiet < s && s < going && of(p.quiet.suspect.run) {
		waiting = append(waiting, p.quiet.suspect)
		p.leaser.Set()
	}
	return waiting
}

// resume lets the runs of a function start again.
func (p *plan) resume(f *runtime.Function) {
	paused := p.paused.of(f.Tenant, f.ID)
	if paused == nil {
		return
	}
	if delete(p.paused[f.Tenant], f.ID); len(p.paused[f.Tenant]) == 0 {
		delete(p.paused, f.Tenant)
	}
	p.pausedSuspects -= len(paused.suspects)
	for late := range p.lanes {
		l := &p.lanes[late]
		l.insertAll(slices.DeleteFunc(slices.Clone(paused.suspects), func(r *QueuedRun) bool { return p.laneOf(r) != l }))
	}
	p.queue.FreeClass(f.Tenant, f.ID)
	p.free(f.Tenant) // its other functions may be what is held
}

// putBack queues a run again whose attempt had a lease and has not begun. If it is a task, it has its place.
func (p *plan) putBack(r *QueuedRun) {
	r.Use.Queue(1)
	p.load.count(r.Tenant, r.Function, 1, 0)
	r.takenBack = true
	p.placeAgain(r)
}

// returnSuspect lets a suspect that was about to go alone, and has no lease, wait for its turn again.
func (p *plan) returnSuspect(a *attempt) {
	p.quiet.stage = quietOver
	p.placeAgain(a.run)
	p.leaser.Set()
}

// placeAgain does what [plan.place] does, unless the run was cancelled meanwhile.
func (p *plan) placeAgain(r *QueuedRun) {
	if !p.isGone(r) && (r.Job == nil || !r.Job.state.cancelled) {
		p.place(r)
		return
	}
	p.uncount(r)
	if r.Job != nil {
		p.leavePlace(r.Job)
	}
}

// dropPausedTasks forgets the tasks of a group that are suspects of a function that is paused, and returns their
// number.
func (p *plan) dropPausedTasks(g *TaskGroup) (n int) {
	f := p.paused.of(g.tenant, g.state.functionID)
	if f == nil {
		return 0
	}
	before := len(f.suspects)
	f.suspects = slices.DeleteFunc(f.suspects, func(r *QueuedRun) bool { return r.Job == g })
	n = before - len(f.suspects)
	p.pausedSuspects -= n
	return n
}

// take removes the suspects that have no lease and belong to a function, and returns them.
func (l *lane) take(of func(*QueuedRun) bool) (taken []*QueuedRun) {
	keep := func(r *QueuedRun) bool {
		if !of(r) {
			return false
		}
		taken = append(taken, r)
		return true
	}
	l.waiting, l.last = slices.DeleteFunc(l.waiting, keep), slices.DeleteFunc(l.last, keep)
	return taken
}

// insertAll adds suspects.
func (l *lane) insertAll(all []*QueuedRun) {
	if len(all) == 0 {
		return
	}
	l.waiting = append(l.waiting, all...)
	slices.SortStableFunc(l.waiting, func(a, b *QueuedRun) int {
		switch {
		case a.Before(b):
			return -1
		case b.Before(a):
			return 1
		}
		return 0
	})
	l.crowded = false
}
