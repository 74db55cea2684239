package engine

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// storePatience is for how long a store that has failed is left alone.
const storePatience = time.Second

// asideTime is for how long an execution that the store cannot start is set
// aside. Others are not to wait for it.
const asideTime = time.Minute

// leaseAll leases what is queued, until the dispatcher ends.
func (d *dispatcher) leaseAll() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	run := 0
	for {
		batch, wait := d.choose()
		if len(batch) > 0 {
			from := d.engine.now()
			d.leaseBatch(batch)
			now := d.engine.now()
			run = d.aim(run, now.Sub(last), now.Sub(from))
			last = now
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-d.lease:
		case <-due:
		case <-d.stop:
			return
		}
	}
}

// aim sets how many runs are to be ahead: twice as many as were run since the
// last lease, so that there are more until there are enough; but no more than
// are run, at that rate, while two leases are taken and a little longer, so that
// there are few where runs are long. It gives how many were run by now.
func (d *dispatcher) aim(before int, since, lease time.Duration) (now int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	run := d.run - before
	inTime := float64(run) * (2*lease + spareAhead).Seconds() / max(since, time.Microsecond).Seconds()
	d.target = min(max(int(min(inTime, float64(2*run))), minAhead), maxAhead)
	return d.run
}

// leaseBatch leases attempts and sends those that may start on their way.
func (d *dispatcher) leaseBatch(batch []*attempt) {
	started := d.engine.now().UTC()
	leases := make([]runtime.Lease, len(batch))
	for i, a := range batch {
		leases[i] = runtime.Lease{Tenant: a.ticket.tenant, ID: a.ticket.id, Attempt: int(a.ticket.attempt) + 1, Started: started}
		if g := a.ticket.job; g != nil && !d.hasStarted(g) {
			leases[i].JobExecution = g.id
		}
	}
	refused, err := d.engine.store.Start(leases)
	for runtime.CodeOf(err) == runtime.CodeUnavailable {
		d.engine.log.Error("engine: queued executions cannot be started yet", "executions", len(batch), "error", err)
		if !d.pause() {
			for _, a := range batch {
				d.forget(a)
			}
			return
		}
		refused, err = d.engine.store.Start(leases)
	}
	switch {
	case err == nil:
		for i, a := range batch {
			if refused[i] != nil { // it was cancelled
				d.forget(a)
				continue
			}
			a.ticket.attempt++
			a.started = started
			d.granted(a)
			d.proceed(a)
		}
	case len(batch) == 1:
		d.setAside(batch[0], err)
	default:
		// One of them may be what the store fails with.
		for i := range batch {
			d.leaseBatch(batch[i : i+1])
		}
	}
}

// hasStarted tells whether a task of an execution of a job has got a lease.
func (d *dispatcher) hasStarted(g *jobGroup) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return g.started
}

// granted notes that an attempt has got its lease.
func (d *dispatcher) granted(a *attempt) {
	if g := a.ticket.job; g != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		g.started = true
		g.running++
	}
}

// pause leaves a store that has failed alone. It gives false if nothing is to be
// leased any more.
func (d *dispatcher) pause() bool {
	timer := time.NewTimer(storePatience)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.shutting:
		return false
	}
}

// forget drops an attempt that has not begun and is not to.
func (d *dispatcher) forget(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead--
	d.drop(a)
}

// setAside queues an attempt that the store does not give a lease for a later
// time.
func (d *dispatcher) setAside(a *attempt, cause error) {
	d.engine.log.Error("engine: a queued execution cannot be started", "execution", a.ticket.id, "error", cause)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead--
	d.drop(a)
	t := a.ticket
	t.notBefore = d.clock() + int64(asideTime)
	d.put(t)
}

// proceed lets an attempt that has its lease wait for memory.
func (d *dispatcher) proceed(a *attempt) {
	e := d.engine
	version, err := e.versionOf(a.ctx, a.ticket)
	if err == nil {
		a.version = version
		a.bytes = a.reservation()
		err = e.admission.possible(a.bytes)
	}
	switch {
	case a.ctx.Err() != nil:
		d.conclude(a, a.stopped(runtime.Outcome{}))
		return
	case err != nil:
		d.conclude(a, a.unstarted(err))
		return
	}
	e.admission.enqueue(&a.waiter, a.ticket.tenant, backgroundOf(a.ticket.turn()))
	if a.ctx.Err() != nil {
		d.withdraw(a)
	}
}

// backgroundOf is where runs of a function, or of an execution of a job, in the
// background wait for memory: they take turns with those that callers wait for,
// instead of being in front of them all.
func backgroundOf(turn string) string { return "background " + turn }

// withdraw ends an attempt that was cancelled or is handed back, if it has not
// begun. One that has ends by itself.
func (d *dispatcher) withdraw(a *attempt) {
	if d.engine.admission.withdraw(&a.waiter) {
		d.conclude(a, a.stopped(runtime.Outcome{}))
	}
}

// conclude ends an attempt that has a lease and has not begun.
func (d *dispatcher) conclude(a *attempt, x runtime.Execution) {
	d.mu.Lock()
	d.ahead--
	d.mu.Unlock()
	d.hand(a, x)
	wake(d.lease)
}
