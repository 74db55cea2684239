package engine

import (
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// attempt is an execution that has a lease, or is about to have one.
type attempt struct {
	waiter     // for memory
	ticket     *ticket
	dispatcher *dispatcher
	ctx        context.Context // of the run; ends when it is cancelled or handed back
	cancel     context.CancelFunc
	version    *loaded            // in use until the end is on disk
	logs       *runtime.LogBuffer // nil until it runs; the dispatcher's lock is held
	started    time.Time
	began      time.Time         // zero until it runs; the dispatcher's lock is held
	cancelled  bool              // somebody wants it cancelled; likewise
	end        runtime.Execution // as it shall stand, once it has ended
}

// decided is told by admission whether the attempt may begin. The lock of
// admission is held.
func (a *attempt) decided(refused bool) {
	d := a.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	if refused {
		d.ahead--
		d.append(a, a.handedBack())
		return
	}
	d.ready = append(d.ready, a)
	if d.admitted++; d.workers < d.admitted {
		d.workers++
		go d.work()
	}
}

// work runs what is ready until nothing is. There are as many workers as
// attempts that are ready or running, so that nothing waits for a goroutine.
func (d *dispatcher) work() {
	for a := d.next(); a != nil; a = d.next() {
		d.engine.turns.tell(a.ticket.id)
		x := a.run()
		x.Logs = a.logs.End()
		d.hand(a, x)
		d.mu.Lock()
		d.admitted--
		d.run++
		d.mu.Unlock()
		d.engine.admission.release(a.bytes)
	}
}

// next gives an attempt that begins now, or nil to a worker that is not needed.
func (d *dispatcher) next() *attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ready) == 0 {
		d.workers--
		return nil
	}
	a := d.ready[0]
	d.ready[0] = nil
	d.ready = d.ready[1:]
	d.ahead--
	a.began = d.engine.now()
	a.logs = runtime.NewLogBuffer(a.version.program.Limits.Logs)
	if !d.enough() || d.suspect == a {
		wake(d.lease)
	}
	return a
}

// run carries the attempt to its end, and tells what becomes of it.
func (a *attempt) run() runtime.Execution {
	if a.ctx.Err() != nil {
		return a.stopped(runtime.Outcome{})
	}
	e := a.dispatcher.engine
	args, err := e.store.GetArgs(a.ticket.tenant, a.ticket.id)
	if err != nil {
		return a.faulted(err)
	}
	if again, err := a.renew(); err != nil {
		return a.unstarted(err)
	} else if again {
		return a.handedBack()
	}
	a.started = a.began.UTC()
	call := runtime.RunCall{Program: a.version.program, Args: args, Context: a.version.context, Logs: a.logs}
	if g := a.ticket.job; g != nil {
		call.Env, call.Limits = g.env, a.limitsOf(a.version)
	}
	outcome, err := e.runIn(a.ctx, call)
	switch {
	case a.ctx.Err() != nil && (err != nil || outcome.Failure != nil && outcome.Failure.Class == runtime.ClassCancelled):
		return a.stopped(outcome)
	case err != nil:
		return a.faulted(err)
	}
	return a.ended(outcome)
}

// renew takes the version that is current now: while the attempt waited its
// function may have been changed or deleted. If the new one needs more memory
// than was reserved, the execution is to be queued again.
func (a *attempt) renew() (again bool, err error) {
	e := a.dispatcher.engine
	current, err := e.versionOf(a.ctx, a.ticket)
	switch {
	case err != nil:
		return false, err
	case a.limitsOf(current).Reservation() > a.bytes:
		e.current.release(current)
		return true, nil
	}
	e.current.release(a.version)
	a.version = current
	return false, nil
}

// limitsOf are the limits of the attempt if it runs a version.
func (a *attempt) limitsOf(v *loaded) runtime.Limits { return a.ticket.job.limits(v.program.Limits) }

// reservation is what the attempt may use at most, in bytes.
func (a *attempt) reservation() int64 { return a.limitsOf(a.version).Reservation() }

// execution is the running execution.
func (a *attempt) execution() runtime.Execution {
	x := a.ticket.execution()
	x.State = runtime.StateRunning
	x.Started = a.started
	if a.version != nil {
		x.Version = a.version.program.Version
	}
	return x
}
