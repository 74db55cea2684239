package engine

import (
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxCommit and maxCommitBytes bound how many ends are written at once. One
	// more may go beyond the bytes.
	maxCommit      = 1024
	maxCommitBytes = 8 * runtime.MiB
	// maxEndedBytes is how many bytes of results and logs may wait for the disk.
	// Beyond it runs keep their memory until there is room.
	maxEndedBytes = 64 * runtime.MiB
)

// hand gives the end of an attempt to the committer, when there is room.
func (d *dispatcher) hand(a *attempt, x runtime.Execution) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.bytes > maxEndedBytes && !d.cut {
		d.room.Wait()
	}
	d.append(a, x)
}

// append gives it at once. The lock is held.
func (d *dispatcher) append(a *attempt, x runtime.Execution) {
	a.end = x
	if a.ticket.job != nil {
		a.ticket.job.running--
	}
	d.bytes += a.end.Weight()
	d.ended = append(d.ended, a)
	wake(d.commit)
}

// commitAll writes the ends of attempts, those together that have ended while
// the ones before them were written, until the dispatcher ends.
func (d *dispatcher) commitAll() {
	for {
		batch := d.takeEnded()
		if len(batch) > 0 {
			d.commitBatch(batch)
			continue
		}
		select {
		case <-d.commit:
		case <-d.stop:
			return
		}
	}
}

func (d *dispatcher) takeEnded() []*attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, bytes := 0, int64(0)
	for n < min(len(d.ended), maxCommit) && bytes < maxCommitBytes {
		bytes += d.ended[n].end.Weight()
		n++
	}
	batch := d.ended[:n:n]
	d.ended = d.ended[n:]
	return batch
}

// commitBatch writes ends until it succeeds: what has ended is not run again
// because a disk was full.
func (d *dispatcher) commitBatch(batch []*attempt) {
	ends := make([]runtime.Execution, len(batch))
	for i, a := range batch {
		ends[i] = a.end
	}
	for {
		settled, err := d.engine.store.Finish(ends, d.engine.now().UTC())
		if err == nil {
			d.settle(batch, settled)
			return
		}
		d.engine.log.Error("engine: the ends of executions cannot be written", "executions", len(batch), "error", err)
		switch {
		case len(batch) > 1 && runtime.CodeOf(err) != runtime.CodeUnavailable:
			// One of them may be what the store fails with.
			for i := range batch {
				d.commitBatch(batch[i : i+1])
			}
			return
		case len(batch) == 1 && runtime.CodeOf(err) != runtime.CodeUnavailable && d.retryLater(batch[0]):
			return
		case !d.pauseCommit():
			d.abandon(batch)
			return
		}
	}
}

// retryLater puts an end that the store fails with behind all others, after a
// while. It gives false if there is no later.
func (d *dispatcher) retryLater(a *attempt) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return false
	}
	time.AfterFunc(storePatience, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended = append(d.ended, a)
		wake(d.commit)
	})
	return true
}

// pauseCommit leaves a store that has failed alone. It gives false if what runs
// is handed back: then the next process does what this one cannot.
func (d *dispatcher) pauseCommit() bool {
	timer := time.NewTimer(storePatience)
	defer timer.Stop()
	for {
		d.mu.Lock()
		cut := d.cut
		d.mu.Unlock()
		if cut {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-d.commit:
		}
	}
}

// abandon gives up ends that cannot be written. The store holds the executions
// as running; the next process runs them again.
func (d *dispatcher) abandon(batch []*attempt) {
	d.mu.Lock()
	for _, a := range batch {
		d.bytes -= a.end.Weight()
		d.drop(a)
	}
	d.room.Broadcast()
	d.mu.Unlock()
	d.releaseVersions(batch)
	wake(d.commit)
}

// settle does what follows from ends that are on disk.
func (d *dispatcher) settle(batch []*attempt, settled []runtime.FinishResult) {
	d.mu.Lock()
	for i, a := range batch {
		d.bytes -= a.end.Weight()
		d.drop(a)
		if x := &settled[i].Execution; settled[i].Err == nil && x.State == runtime.StateQueued && !d.closing {
			d.put(d.ticketOf(a.ticket.origin, x))
		}
	}
	d.room.Broadcast()
	d.mu.Unlock()
	wake(d.lease)
	for i, a := range batch {
		d.engine.turns.tell(a.ticket.id)
		switch err := settled[i].Err; {
		case err != nil:
			if !errors.Is(err, runtime.ErrLease) {
				d.engine.log.Error("engine: the end of an execution did not count", "execution", a.ticket.id, "error", err)
			}
		case settled[i].Execution.State.Terminal():
			d.engine.ends.tell(a.ticket.id)
		}
		if settled[i].JobDone {
			d.engine.jobDone(a.ticket.tenant, a.ticket.job.id)
		}
		a.end = runtime.Execution{}
	}
	d.releaseVersions(batch)
}

func (d *dispatcher) releaseVersions(batch []*attempt) {
	for _, a := range batch {
		if a.version != nil {
			d.engine.current.release(a.version)
		}
	}
}
