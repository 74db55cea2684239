package dispatch

import (
	"container/list"
	"context"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// attempt is a queued run that has a lease or is about to get one.
type attempt struct {
	run        *QueuedRun
	dispatcher *Dispatcher
	memory     queue.Run
	// enqueued reports that memory has been handed to the Admission, and that others may read it.
	enqueued atomic.Bool
	// ctx is the lifetime of the attempt, which several goroutines serve one after the
	// other; it ends when the run is cancelled or aborted.
	ctx     context.Context
	cancel  context.CancelFunc
	version *Version // in use until the end is on disk
	started time.Time
	took    time.Duration     // as the sandbox has measured it; 0: it was not called
	result  runtime.Execution // the execution to store, once the attempt has ended
	// timeline has the times of its parts. Nil: the sandbox was not called, or no traces are exported.
	timeline *runtime.Timeline
	// lane has the attempt as a member while it is on probation; nil if the run is no suspect.
	lane *lane
	// busySince is when memory was first short for the run, if this attempt ended for that; else 0.
	busySince int64
	// reserved reports that a suspect that goes alone has its memory before its lease.
	reserved bool
	// place is where it runs, or is about to; nil: here.
	place runtime.Place
	// adopted is what it has run as since before this process was the owner of the data, nil if that was not so.
	adopted *runtime.LentRun
	// What a place elsewhere takes, in bytes: its memory there, and here that of its output. They do not change while others may
	// read them.
	bytes, output int64
	// The turns that it has had, while it is not known whether there is a place for it.
	before *list.Element
	number int64

	// The Dispatcher's mutex guards these.
	logs      *runtime.LogBuffer // nil until it runs
	began     time.Time          // zero until it runs
	beganAt   int64              // the same on the Dispatcher's clock, of a suspect
	probation runtime.Probation  // with which its lease starts
	outlived  bool               // the process has outlived its probation
	cancelled bool               // a cancellation was requested before it returned
	returned  bool               // it has ended, and its end is not on disk yet
	final     bool               // its execution has ended with it
	aside     aside              // what it waits for in spite of free memory
	takenBack bool               // its function was paused before it began
	away      bool               // it has a place on another node, or is about to take one
	waits     *list.Element      // in the plan's list of those that wait for memory; nil: it is not there
	trial     uint64             // if it is that of away: there was no place for it, perhaps because of its tenant
	leave     func(cause error)  // ends its call on another node, but not what runs there; nil: there is none
	left      bool               // leave was called
}

func (d *Dispatcher) newAttempt(r *QueuedRun) *attempt {
	a := &attempt{run: r, dispatcher: d}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// isOwn reports whether the attempt was adopted from this very process.
func (a *attempt) isOwn() bool { return a.adopted != nil && a.adopted.Own }

// onAside is called by the Admission when the attempt has to wait for others of its function, or of its
// tenant.
func (a *attempt) onAside(byTenant bool) {
	d := a.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.setAside(a, byTenant)
}

// onDecision is called by the Admission when the attempt may begin or is refused.
func (a *attempt) onDecision(refused bool) {
	d := a.dispatcher
	if refused {
		d.mu.Lock()
		d.plan.endWait(a)
		d.plan.countAhead(a, -1)
		d.mu.Unlock()
		d.endNow(a, a.requeued())
		return
	}
	d.makeReady(a)
}

// makeReady lets an attempt that has a lease and its memory begin.
func (d *Dispatcher) makeReady(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.endWait(a)
	d.plan.ready = append(d.plan.ready, a)
	if d.plan.admitted++; d.plan.workers < d.plan.admitted {
		d.plan.workers++
		go d.work()
	}
}

// work runs attempts until none is ready. There are as many workers as attempts that are
// ready or running, so that no attempt waits for a goroutine.
func (d *Dispatcher) work() {
	for a, begins := d.begin(); a != nil; a, begins = d.begin() {
		if !begins {
			a.memory.Release()
			d.endUnstarted(a, a.onStopped(runtime.Outcome{}))
			continue
		}
		d.o.Attempts.Notify(a.run.id)
		x := a.execute()
		a.markReturned()
		x.Logs = a.logs.End()
		x.Timeline = a.timeline
		d.end(a, x)
		d.mu.Lock()
		d.plan.admitted--
		d.plan.ran++
		d.plan.away.learn(a.run.FunctionID, a.took)
		d.mu.Unlock()
		a.memory.Release()
	}
}

func (d *Dispatcher) begin() (a *attempt, begins bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.begin(d.clock(), d.o.Now)
}

// execute runs the attempt here and returns the execution to store.
func (a *attempt) execute() runtime.Execution {
	call, x, over := a.prepare()
	defer a.dispatcher.args.Give(int64(len(call.Args)))
	if over {
		return x
	}
	call.Room = &a.memory
	return a.conclude(a.dispatcher.o.Sandbox.Run(a.ctx, call))
}

// prepare returns the call of an attempt that has begun. If over is true there is none, and x is the execution to store.
// The args are counted.
func (a *attempt) prepare() (call runtime.RunCall, x runtime.Execution, over bool) {
	args, err := a.dispatcher.o.Store.GetArgs(a.run.Tenant, a.run.id)
	if err != nil {
		return call, a.onPlatformError(err), true
	}
	// They are bounded by their size and the number of runs at once.
	a.dispatcher.args.Add(int64(len(args)))
	call.Args = args
	if again, err := a.renewVersion(); err != nil {
		return call, a.onNotStarted(err), true
	} else if again {
		return call, a.requeued(), true
	}
	a.started = a.began.UTC()
	call.Program, call.Context, call.Logs = a.version.Program, a.version.Context, a.logs
	call.Info = runtime.RunInfo{Execution: a.run.id, Attempt: int(a.run.attempt), Function: a.run.Function}
	if g := a.run.Job; g != nil {
		call.Env, call.Limits = g.env, a.limitsOf(a.version)
		call.Info.Job, call.Info.JobExecution, call.Info.Task = g.job, g.id, int(a.run.task)
	}
	return call, x, false
}

// conclude returns the execution to store after a call has returned.
func (a *attempt) conclude(outcome runtime.Outcome, err error) runtime.Execution {
	a.took = outcome.Usage.Duration
	if a.timeline = outcome.Timeline; a.timeline != nil {
		a.timeline.Waiting = time.Unix(0, a.run.waiting)
	}
	// A run that was cancelled before it returned ends as cancelled, even if it has succeeded since:
	// the response to the cancellation said so.
	stopped := a.ctx.Err() != nil && (err != nil || outcome.Failure != nil && outcome.Failure.Class == runtime.ClassCancelled)
	switch {
	case a.markReturned() || stopped:
		return a.onStopped(outcome)
	case err != nil:
		return a.onPlatformError(err)
	}
	return a.onReturn(outcome)
}

// renewVersion takes the version that is current now: the function may have been changed or
// deleted while the attempt waited. again is true if the new version needs more memory than
// was reserved; the run must then be queued again.
func (a *attempt) renewVersion() (again bool, err error) {
	engine := a.dispatcher.o.Engine
	current, err := engine.AcquireVersion(a.ctx, a.run.Origin)
	switch {
	case err != nil:
		return false, err
	case a.limitsOf(current).Reservation() > a.memory.Bytes:
		engine.ReleaseVersion(current)
		return true, nil
	}
	engine.ReleaseVersion(a.version)
	a.version = current
	return false, nil
}

// limitsOf returns the limits of the attempt if it runs version v.
func (a *attempt) limitsOf(v *Version) runtime.Limits { return a.run.Job.Limits(v.Program.Limits) }

// execution returns the execution, running.
func (a *attempt) execution() runtime.Execution {
	x := a.run.execution()
	x.State = runtime.StateRunning
	x.Started = a.started
	switch {
	case a.version != nil:
		x.Version = a.version.Program.Version
	case a.adopted != nil:
		x.Version = a.adopted.Version
	}
	return x
}

// setResult sets the execution to store.
func (a *attempt) setResult(x runtime.Execution) {
	a.result = x
	a.dispatcher.mu.Lock()
	defer a.dispatcher.mu.Unlock()
	a.final = x.State.Terminal()
}

// markReturned marks the attempt as ended, and reports whether it was cancelled before.
func (a *attempt) markReturned() (cancelled bool) {
	a.dispatcher.mu.Lock()
	defer a.dispatcher.mu.Unlock()
	a.returned = true
	return a.cancelled
}

// isCancelled reports whether a cancellation of the execution was requested.
func (a *attempt) isCancelled() bool {
	a.dispatcher.mu.Lock()
	defer a.dispatcher.mu.Unlock()
	return a.cancelled
}
