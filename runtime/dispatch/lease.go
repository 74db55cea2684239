package dispatch

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

const (
	// spareAhead is added to the time of two leases when the number of runs ahead is
	// computed.
	spareAhead = 5 * time.Millisecond
	// storePatience is the pause after the store has failed.
	storePatience = time.Second
	// setAsideTime is the time for which a run that the store cannot start is set aside, so that
	// other runs do not wait for it.
	setAsideTime = time.Minute
)

// leaseAll leases what is queued, until the Dispatcher ends.
func (d *Dispatcher) leaseAll() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	ran := 0
	for {
		d.openPlaces()
		s := d.choose()
		if !s.empty() {
			d.handleSuspects(&s)
			d.book(&s)
			if len(s.batch) == 0 {
				continue
			}
			from := d.o.Now()
			d.leaseBatch(s.batch)
			now := d.o.Now()
			ran = d.aim(ran, now.Sub(last), now.Sub(from))
			last = now
			continue
		}
		var due <-chan time.Time
		if s.wait > 0 {
			timer.Reset(s.wait)
			due = timer.C
		}
		select {
		case <-d.leaser:
		case <-due:
		case <-d.stop:
			s := d.choose()
			d.handleSuspects(&s)
			return
		}
	}
}

func (d *Dispatcher) choose() step {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.choose(d.clock(), d.newAttempt)
}

func (d *Dispatcher) aim(before int, since, lease time.Duration) (ran int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.aim(before, since, lease)
}

// leaseBatch leases attempts and lets those that got a lease wait for memory.
func (d *Dispatcher) leaseBatch(batch []*attempt) {
	started := d.o.Now().UTC()
	leases := d.leases(batch, started)
	refused, err := d.o.Store.Start(leases)
	for runtime.CodeOf(err) == runtime.CodeUnavailable {
		d.o.Log.Error("engine: queued executions cannot be started yet", "executions", len(batch), "error", err)
		d.stopQuiet(batch, leases)
		if !d.pauseLeasing() {
			for _, a := range batch {
				d.dropUnstarted(a)
			}
			return
		}
		refused, err = d.o.Store.Start(leases)
	}
	switch {
	case err == nil:
		for i, a := range batch {
			if refused[i] != nil { // it was cancelled
				d.dropUnstarted(a)
				continue
			}
			a.run.attempt++
			a.started = started
			d.noteLease(a)
			switch {
			case a.reserved:
				d.makeReady(a)
			case a.place != nil:
				go d.runAway(a)
			default:
				d.admit(a)
			}
		}
	case len(batch) == 1:
		d.setAside(batch[0], err)
	default:
		// One of them may be the cause of the failure.
		for i := range batch {
			d.leaseBatch(batch[i : i+1])
		}
	}
}

// leases returns the leases of attempts that start now.
func (d *Dispatcher) leases(batch []*attempt, started time.Time) []runtime.Lease {
	leases := make([]runtime.Lease, len(batch))
	for i, a := range batch {
		leases[i] = runtime.Lease{Tenant: a.run.Tenant, ID: a.run.id, Attempt: int(a.run.attempt) + 1, Started: runtime.Later(started, time.Unix(0, a.run.created).UTC())}
		if a.lane != nil {
			leases[i].Probation = d.probationOf(a)
		}
		if g := a.run.Job; g != nil && !d.hasStarted(g) {
			leases[i].JobExecution = g.id
		}
	}
	return leases
}

// hasStarted reports whether a task of an execution of a job has got a lease.
func (d *Dispatcher) hasStarted(g *TaskGroup) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return g.state.started
}

// noteLease counts an attempt of a task that has got its lease as running.
func (d *Dispatcher) noteLease(a *attempt) {
	if g := a.run.Job; g != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		g.state.started = true
		g.state.running++
	}
}

// pauseLeasing waits before the store is tried again. It returns false if no more runs are to be
// leased.
func (d *Dispatcher) pauseLeasing() bool {
	timer := time.NewTimer(storePatience)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.shutting:
		return false
	}
}

// dropUnstarted forgets an attempt that has not begun and will not.
func (d *Dispatcher) dropUnstarted(a *attempt) {
	d.releaseReserved(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.countAhead(a, -1)
	d.plan.drop(a)
	d.account()
}

// setAside queues a run for later, because the store grants it no lease.
func (d *Dispatcher) setAside(a *attempt, cause error) {
	d.o.Log.Error("engine: a queued execution cannot be started", "execution", a.run.id, "error", cause)
	d.releaseReserved(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.countAhead(a, -1)
	d.plan.drop(a)
	a.run.notBefore = d.clock() + int64(setAsideTime)
	d.plan.put(a.run)
}

// admit lets an attempt that has its lease wait for memory.
func (d *Dispatcher) admit(a *attempt) {
	var err error
	if a.version == nil { // else it has been found already, for a run that was to go alone
		err = d.findMemory(a)
	}
	switch {
	case a.ctx.Err() != nil:
		d.endUnstarted(a, a.onStopped(runtime.Outcome{}))
		return
	case err != nil:
		d.endUnstarted(a, a.onNotStarted(err))
		return
	}
	if d.o.Places != nil {
		d.mu.Lock()
		d.plan.wait(a)
		d.mu.Unlock()
	}
	d.o.Admission.Enqueue(&a.memory, a.onDecision)
	a.enqueued.Store(true)
	if a.ctx.Err() != nil { // who cancelled it may not have seen that it waits
		d.withdraw(a)
	}
}

// findMemory sets the version and the memory of an attempt. The error says why it cannot run.
func (d *Dispatcher) findMemory(a *attempt) error {
	version, err := d.o.Engine.AcquireVersion(a.ctx, a.run.Origin)
	if err != nil {
		return err
	}
	a.version = version
	a.memory = queue.Run{
		Tenant: a.run.Tenant, Function: version.Program.FunctionID, Group: AdmissionGroup(a.run.turn()),
		Bytes: a.limitsOf(version).Reservation(), Usual: &version.Usual,
		Aside: a.onAside,
	}
	a.bytes, a.output = a.memory.Bytes, min(version.Program.Limits.Logs, mostOutput)
	return d.o.Admission.Possible(a.memory.Bytes)
}

// AdmissionGroup returns the group in which background runs wait for memory: it takes turns
// with the group of the callers that wait for the same function, so that neither goes in
// front of the other.
func AdmissionGroup(turn string) string { return "background " + turn }

// withdraw ends an attempt that was cancelled, aborted or taken back while it waits for memory. An
// attempt that has begun ends by itself, and one that has its memory when it would begin.
func (d *Dispatcher) withdraw(a *attempt) {
	if !a.enqueued.Load() || !d.o.Admission.Withdraw(&a.memory) {
		return
	}
	d.mu.Lock()
	reserves := d.plan.quiet.suspect == a && d.plan.quiet.stage == reserving
	d.mu.Unlock()
	if reserves {
		d.returnSuspect(a)
	} else {
		d.endUnstarted(a, a.onStopped(runtime.Outcome{}))
	}
}

// endUnstarted ends an attempt that has a lease and has not begun.
func (d *Dispatcher) endUnstarted(a *attempt, x runtime.Execution) {
	d.mu.Lock()
	d.plan.endWait(a)
	d.plan.countAhead(a, -1)
	d.mu.Unlock()
	d.end(a, x)
	d.leaser.Set()
}
