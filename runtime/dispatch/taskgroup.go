package dispatch

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TaskGroup is an execution of a job that is not done, as the Dispatcher remembers it.
type TaskGroup struct {
	id          string
	job         string // name
	tenant      runtime.Tenant
	parallelism int // tasks that may have a place in the queue or a lease; 0: no bound
	// memory, timeout and env apply to the tasks instead of those of the function. env is a
	// JSON object or nil.
	memory      int64
	timeout     time.Duration
	env         []byte
	hasCallback bool // the job notifies a callback when the execution ends

	state groupState // guarded by the Dispatcher's mutex, as plan is
}

// groupState is the part of a TaskGroup that changes.
type groupState struct {
	places     int                   // tasks that are in the queue or have a lease
	held       []*QueuedRun          // tasks that wait for a place; nil where one was taken out
	next       int                   // index of the first task in held
	leased     map[*attempt]struct{} // have a lease or are about to get one
	running    int                   // tasks that have a lease and have not ended
	pending    bool                  // tasks are, or were, about to get a lease
	started    bool                  // a task has got a lease
	cancelled  bool                  // no further task starts
	use        *runtime.TenantUse    // of the tenant, once there is a task
	function   string                // name, once there is a task
	functionID string                // once there is a task
}

// NewTaskGroup returns the group of an execution of a job.
func NewTaskGroup(x *runtime.JobExecution) *TaskGroup {
	g := &TaskGroup{
		id: x.ID, job: x.Job, tenant: x.Tenant, parallelism: x.Parallelism, memory: x.Memory, timeout: x.Timeout,
		hasCallback: x.Callback != nil,
		state:       groupState{started: !x.Started.IsZero(), cancelled: x.CancelRequested},
	}
	if len(x.Env) > 0 {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false) // one byte would become six
		_ = enc.Encode(x.Env)    // a map of strings can always be encoded
		g.env = bytes.Clone(bytes.TrimSpace(text.Bytes()))
	}
	return g
}

// RestoredTaskGroup returns the group of an execution that an earlier process has left. That
// process may have reported it as pending, so it stays pending.
func RestoredTaskGroup(x *runtime.JobExecution) *TaskGroup {
	g := NewTaskGroup(x)
	g.state.pending = true
	return g
}

// groupOverhead is the memory of a TaskGroup in bytes, its environment excluded.
const groupOverhead = 512

// Bytes returns the memory of the group, in bytes.
func (g *TaskGroup) Bytes() int64 { return int64(len(g.env)) + groupOverhead }

// full reports whether no further task may have a place.
func (g *TaskGroup) full() bool { return g.parallelism > 0 && g.state.places >= g.parallelism }

// Limits returns the limits of a task whose function has limits l. A nil group changes
// nothing.
func (g *TaskGroup) Limits(l runtime.Limits) runtime.Limits {
	if g != nil {
		l.Memory, l.Timeout = g.memory, g.timeout
	}
	return l
}

// lease notes that an attempt has a lease, or is about to get one.
func (s *groupState) lease(a *attempt) {
	if s.leased == nil {
		s.leased = make(map[*attempt]struct{})
	}
	s.leased[a] = struct{}{}
}

// hold lets a task wait for a place.
func (s *groupState) hold(r *QueuedRun) { s.held = append(s.held, r) }

// holding returns the number of tasks that wait for a place.
func (s *groupState) holding() int { return len(s.held) - s.next }

// unhold removes and returns the task that has waited longest, or returns nil.
func (s *groupState) unhold() *QueuedRun {
	if s.next == len(s.held) {
		return nil
	}
	r := s.held[s.next]
	s.held[s.next] = nil
	s.next++
	switch {
	case s.next == len(s.held):
		s.clearHeld()
	case s.next >= 64 && s.next > len(s.held)/2:
		// The removed tasks must not take memory for as long as others wait.
		s.held, s.next = append([]*QueuedRun(nil), s.held[s.next:]...), 0
	}
	return r
}

func (s *groupState) clearHeld() { s.held, s.next = nil, 0 }

// AddGroup remembers an execution of a job. It is called before the execution is in the
// store, so that a cancellation finds it.
func (d *Dispatcher) AddGroup(g *TaskGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.groups[g.id] = g
	d.plan.groupBytes += g.Bytes()
}

// DropGroup forgets an execution of a job that is done or was not accepted.
func (d *Dispatcher) DropGroup(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.plan.groups[id]; g != nil {
		delete(d.plan.groups, id)
		d.plan.groupBytes -= g.Bytes()
		d.account()
	}
}

// HasCallback reports whether an execution of a job may notify a callback when it ends. It
// is true for executions that the Dispatcher does not know.
func (d *Dispatcher) HasCallback(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.plan.groups[id]
	return g == nil || g.hasCallback
}

// CancelGroup starts no further task of an execution of a job, and cancels its tasks that
// have a lease and have not begun. The store must have cancelled the queued ones.
func (d *Dispatcher) CancelGroup(id string) {
	d.mu.Lock()
	waiting := d.plan.cancelGroup(id)
	d.account()
	d.mu.Unlock()
	for _, a := range waiting {
		a.cancel()
		d.withdraw(a)
	}
}

// Overlay adds to an execution of a job, as read from the store, what only the Dispatcher knows:
// how many tasks run, and whether the first are about to start. It must be called after the store
// was read: a task leaves the running count before its end is handed to the store, so it is never
// counted twice. Overlay returns false if the Dispatcher does not know the execution, because it
// has ended.
func (d *Dispatcher) Overlay(x *runtime.JobExecution) bool {
	if x.State.Terminal() {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.plan.groups[x.ID]
	if g == nil {
		return false
	}
	x.Stats.Running = g.state.running
	if x.State == runtime.StateQueued && g.state.pending {
		x.State = runtime.StatePending
	}
	return true
}
