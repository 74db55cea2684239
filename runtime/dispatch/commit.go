package dispatch

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// end hands the end of an attempt to the committer, when there is room.
func (d *Dispatcher) end(a *attempt, x runtime.Execution) {
	a.setResult(x)
	d.outbox.reserve(x.Weight())
	d.handOver(a)
}

// endNow hands over an end without waiting for room.
func (d *Dispatcher) endNow(a *attempt, x runtime.Execution) {
	a.setResult(x)
	d.outbox.reserveNow(x.Weight())
	d.handOver(a)
}

func (d *Dispatcher) handOver(a *attempt) {
	if g := a.run.Job; g != nil {
		d.mu.Lock()
		g.state.running--
		d.mu.Unlock()
	}
	d.outbox.put(a)
}

// commitAll writes the ends of attempts, until the Dispatcher ends. Attempts that end while
// a batch is written form the next one.
func (d *Dispatcher) commitAll() {
	for {
		if batch := d.outbox.take(); len(batch) > 0 {
			d.commitBatch(batch)
			continue
		}
		select {
		case <-d.outbox.changed:
		case <-d.stop:
			return
		}
	}
}

// commitBatch writes ends. Those that the store refuses return to the outbox after a pause, until they
// are written: a run that has ended is not repeated because a disk was full.
func (d *Dispatcher) commitBatch(batch []*attempt) {
	for {
		results, err := d.finish(batch)
		if err == nil {
			d.afterCommit(batch, results)
			return
		}
		if now := time.Now(); now.Sub(d.refusedCommit) >= storePatience {
			d.refusedCommit = now
			d.o.Log.Error("engine: the outcomes of executions cannot be written", "executions", len(batch), "error", err)
		}
		switch {
		case len(batch) == 1:
			d.commitLater(batch)
			return
		case runtime.CodeOf(err) == runtime.CodeUnavailable:
			// There may be room for the smaller ones.
			slices.SortStableFunc(batch, func(a, b *attempt) int { return cmp.Compare(a.result.Weight(), b.result.Weight()) })
			half := len(batch) / 2
			d.commitLater(batch[half:])
			batch = batch[:half]
		default:
			// One of them may be the cause of the failure.
			for i := range batch {
				d.commitBatch(batch[i : i+1])
			}
			return
		}
	}
}

func (d *Dispatcher) finish(batch []*attempt) ([]runtime.FinishResult, error) {
	ends := make([]runtime.Execution, len(batch))
	for i, a := range batch {
		ends[i] = a.result
		ends[i].InOrder()
	}
	return d.o.Store.Finish(ends, d.o.Now().UTC())
}

// commitLater returns ends to the outbox after a pause. If the server is being aborted, it abandons
// them.
func (d *Dispatcher) commitLater(batch []*attempt) {
	if !d.outbox.putLater(batch) {
		d.abandon(batch)
	}
}

// abandon discards ends that cannot be written. The store holds the executions as running; the next
// process runs them again.
func (d *Dispatcher) abandon(batch []*attempt) {
	d.outbox.free(batch)
	d.mu.Lock()
	for _, a := range batch {
		d.plan.drop(a)
	}
	d.account()
	d.mu.Unlock()
	d.releaseVersions(batch)
	d.outbox.changed.Set()
}

// afterCommit updates the plan and notifies waiting callers once ends are on disk.
func (d *Dispatcher) afterCommit(batch []*attempt, results []runtime.FinishResult) {
	d.outbox.free(batch)
	d.mu.Lock()
	for i, a := range batch {
		x := &results[i].Execution
		if results[i].Err != nil || x.State != runtime.StateQueued || d.plan.closing {
			d.plan.drop(a)
			continue
		}
		r := d.QueuedRun(a.run.Origin, x)
		r.busySince, r.crashes, r.away = a.busySince, a.run.crashes, a.run.away
		if a.takenBack && r.notBefore == 0 {
			d.plan.release(a)
			d.plan.putBack(r)
		} else {
			d.plan.drop(a)
			d.plan.put(r)
		}
	}
	d.account()
	d.mu.Unlock()
	d.leaser.Set()
	for i, a := range batch {
		if a.place != nil {
			a.place.Recorded()
		}
		d.o.Attempts.Notify(a.run.id)
		switch err := results[i].Err; {
		case err != nil:
			if !errors.Is(err, runtime.ErrLease) {
				d.o.Log.Error("engine: the end of an execution was not stored", "execution", a.run.id, "error", err)
			}
		case results[i].Execution.State.Terminal():
			d.o.Completions.Notify(a.run.id)
		}
		if results[i].JobDone {
			d.o.Engine.JobDone(a.run.Tenant, a.run.Job.id)
		}
		a.result = runtime.Execution{}
	}
	d.releaseVersions(batch)
}

func (d *Dispatcher) releaseVersions(batch []*attempt) {
	for _, a := range batch {
		if a.version != nil {
			d.o.Engine.ReleaseVersion(a.version)
		}
	}
}
