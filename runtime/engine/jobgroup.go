package engine

import (
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// jobGroup is an execution of a job that is not done, as the dispatcher remembers
// it. Its tasks share it.
type jobGroup struct {
	id          string
	tenant      runtime.Tenant
	parallelism int // how many of its tasks may have a place; 0: no bound
	// memory, timeout and env are what its tasks get instead of what the function
	// has; env is a JSON object or nil.
	memory  int64
	timeout time.Duration
	env     []byte
	tells   bool // somebody is told of its end

	// What follows is under the lock of the dispatcher.

	places    int       // tasks that are in the queue or have a lease
	parked    []*ticket // tasks that wait for a place; those taken out are nil
	next      int       // the first of them that is not
	running   int       // tasks that have a lease and have not ended
	pending   bool      // tasks are, or were, about to get a lease
	started   bool      // one has got it
	cancelled bool      // no task is to start any more
}

func newJobGroup(x *runtime.JobExecution) *jobGroup {
	g := &jobGroup{
		id: x.ID, tenant: x.Tenant, parallelism: x.Parallelism, memory: x.Memory, timeout: x.Timeout,
		started: !x.Started.IsZero(), cancelled: x.CancelRequested, tells: x.Callback != nil,
	}
	if len(x.Env) > 0 {
		g.env, _ = json.Marshal(x.Env) // texts can always be encoded
	}
	return g
}

// full tells whether no task may have a place any more.
func (g *jobGroup) full() bool { return g.parallelism > 0 && g.places >= g.parallelism }

func (g *jobGroup) park(t *ticket) { g.parked = append(g.parked, t) }

// unpark takes out the task that has waited longest, nil if none waits.
func (g *jobGroup) unpark() *ticket {
	if g.next == len(g.parked) {
		return nil
	}
	t := g.parked[g.next]
	g.parked[g.next] = nil
	g.next++
	switch {
	case g.next == len(g.parked):
		g.parked, g.next = nil, 0
	case g.next >= 64 && g.next > len(g.parked)/2:
		// What was taken out must not take memory for as long as others wait.
		g.parked, g.next = append([]*ticket(nil), g.parked[g.next:]...), 0
	}
	return t
}

func (g *jobGroup) parkedNow() int { return len(g.parked) - g.next }

// limits are those of a run of the group's tasks, or, for no group, what they
// were.
func (g *jobGroup) limits(l runtime.Limits) runtime.Limits {
	if g != nil {
		l.Memory, l.Timeout = g.memory, g.timeout
	}
	return l
}

// leavePlace gives the place of a task to the next that waits for one, if it is
// a task. The lock is held.
func (d *dispatcher) leavePlace(t *ticket) {
	g := t.job
	if g == nil {
		return
	}
	g.places--
	for g.parkedNow() > 0 && !g.full() {
		next := g.unpark()
		d.parked--
		d.enter(next)
	}
}

// addGroup remembers an execution of a job that is not done.
func (d *dispatcher) addGroup(g *jobGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs[g.id] = g
}

// tells tells whether somebody may have to be told of the end of an execution of a
// job.
func (d *dispatcher) tells(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.jobs[id]
	return g == nil || g.tells
}

// dropGroup forgets an execution of a job that is done.
func (d *dispatcher) dropGroup(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.jobs, id)
}

// cancelGroup starts no tasks of an execution of a job any more. The store has
// cancelled what is queued of it; what has a lease and has not begun is cancelled
// here.
func (d *dispatcher) cancelGroup(id string) {
	for _, a := range d.cancelWaiting(id) {
		a.cancel()
		d.withdraw(a)
	}
}

// cancelWaiting marks and gives the attempts of an execution of a job that have not
// begun.
func (d *dispatcher) cancelWaiting(id string) (waiting []*attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.jobs[id]
	if g == nil {
		return nil
	}
	for _, a := range d.active {
		if a.ticket.job == g && a.began.IsZero() {
			a.cancelled = true
			waiting = append(waiting, a)
		}
	}
	g.cancelled = true
	g.places -= d.queue.clear(g.tenant, g.id)
	d.parked -= g.parkedNow()
	g.parked, g.next = nil, 0
	return waiting
}

// overlay tells of an execution of a job that the store has told of what is in
// memory alone. It is called after the store was read: whatever task the store
// counts as ended had ended here before, so that none is counted twice. It gives
// false if there is nothing in memory, as of what is done by now.
func (d *dispatcher) overlay(x *runtime.JobExecution) bool {
	if x.State.Terminal() {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.jobs[x.ID]
	if g == nil {
		return false
	}
	x.Stats.Running = g.running
	if x.State == runtime.StateQueued && g.pending {
		x.State = runtime.StatePending
	}
	return true
}
