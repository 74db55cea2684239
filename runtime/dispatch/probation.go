package dispatch

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// longestQuiet bounds the time in which nothing begins beside a suspect that goes alone, even if the
// store takes longer to note the steps of its probation.
const longestQuiet = leadTime + shortProbation + 500*time.Millisecond

// handleSuspects takes the part of a step that is about suspects, but for leasing them.
func (d *Dispatcher) handleSuspects(s *step) {
	if len(s.outlived) > 0 {
		d.noteOutlived(s.outlived)
	}
	if s.resume {
		d.o.Admission.Resume()
	}
	if s.pause {
		d.o.Admission.Pause()
		time.AfterFunc(longestQuiet, func() { d.endQuiet(s.suspect) })
	}
	if s.reserve != nil {
		d.reserve(s.reserve)
	}
	if s.discard != nil {
		d.releaseReserved(s.discard)
	}
}

// noteOutlived stores that the process has outlived the probation of suspects. If that fails and the
// process dies, they count as lost during the probation.
func (d *Dispatcher) noteOutlived(outlived []*attempt) {
	changes := make([]runtime.SuspicionChange, len(outlived))
	for i, a := range outlived {
		s := a.run.suspicion
		s.Probation = runtime.ProbationOutlived
		changes[i] = runtime.SuspicionChange{Tenant: a.run.Tenant, ID: a.run.id, Attempt: int(a.run.attempt), Suspicion: s}
	}
	if err := d.o.Store.SetSuspicion(changes); err != nil {
		d.o.Log.Error("engine: it cannot be stored that runs have outlived their probation", "executions", len(outlived), "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.clear(outlived)
}

// reserve lets a suspect that is about to go alone wait for its memory. A suspect that cannot run
// gets its lease as others do, and ends for the same reason.
func (d *Dispatcher) reserve(a *attempt) {
	err := d.findMemory(a)
	switch {
	case a.ctx.Err() != nil:
		d.returnSuspect(a)
		return
	case err != nil:
		if a.version != nil {
			d.o.Engine.ReleaseVersion(a.version)
			a.version = nil
		}
		d.mu.Lock()
		d.plan.notAlone(a)
		d.plan.join(&d.plan.lanes[0], a, d.clock())
		d.mu.Unlock()
		d.leaseBatch([]*attempt{a})
		return
	}
	d.o.Admission.Enqueue(&a.memory, a.onReserved)
	a.enqueued.Store(true)
	if a.ctx.Err() != nil { // the pause of its function may not have seen that it waits
		d.withdraw(a)
	}
}

// returnSuspect lets a suspect that was about to go alone, and waits for no memory, wait for its turn again,
// because its function is paused.
func (d *Dispatcher) returnSuspect(a *attempt) {
	d.releaseReserved(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.returnSuspect(a)
	d.account()
}

// onReserved is called by the Admission when a suspect that is about to go alone has its memory, or
// when the server shuts down.
func (a *attempt) onReserved(refused bool) {
	d := a.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	a.reserved = !refused
	d.plan.quiet.stage = reserved
	d.leaser.Set()
}

// releaseReserved releases what an attempt has that was to go alone, or elsewhere, and does not start.
func (d *Dispatcher) releaseReserved(a *attempt) {
	if a.place != nil {
		a.place.Release()
		a.place = nil
	}
	if a.reserved {
		a.memory.Release()
		a.reserved = false
	}
	if a.version != nil {
		d.o.Engine.ReleaseVersion(a.version)
		a.version = nil
	}
}

// stopQuiet lets other runs begin if one of a batch was to go alone, because the store grants no
// leases.
func (d *Dispatcher) stopQuiet(batch []*attempt, leases []runtime.Lease) {
	for i, a := range batch {
		if a.reserved && leases[i].Probation != runtime.ProbationGroup {
			leases[i].Probation = runtime.ProbationGroup
			d.mu.Lock()
			d.plan.notAlone(a)
			d.mu.Unlock()
			d.o.Admission.Resume()
		}
	}
}

// probationOf returns the probation with which the lease of an attempt starts. A suspect that goes
// alone may do so beside runs that were under way before and have not ended.
func (d *Dispatcher) probationOf(a *attempt) runtime.Probation {
	d.mu.Lock()
	p := a.probation
	d.mu.Unlock()
	if p == runtime.ProbationAlone && d.o.Admission.Running() > 1 {
		return runtime.ProbationBeside
	}
	return p
}

// endQuiet lets other runs begin if the store has not noted the probation of a suspect in time.
func (d *Dispatcher) endQuiet(a *attempt) {
	d.mu.Lock()
	late := d.plan.quiet.suspect == a
	if late && a.beganAt == 0 {
		a.probation = runtime.ProbationGroup // its lease must not say that it goes alone
	}
	d.mu.Unlock()
	if late {
		d.o.Admission.Resume()
	}
}
