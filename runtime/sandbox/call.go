package sandbox

import (
	"context"
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// continuation continues a call that has succeeded, with the slot as the call left it. It returns
// the outcome, and whether the slot can be restored.
type continuation func(*slot, runtime.Outcome) (outcome runtime.Outcome, usable bool, err error)

// callOnSlot makes a call on any slot. next may be nil. Everything that is done for the call counts
// as its duration. A panic leaves nothing behind: the slot is closed.
//
// A run that waits may leave its slot, and continues in any.
func (s *Sandbox) callOnSlot(ctx context.Context, img *image, tenant runtime.Tenant, r request, next continuation) (runtime.Outcome, error) {
	c := claim{ctx: ctx, deadline: r.deadline, tenant: tenant}
	defer s.processors.release(&c)
	if !s.processors.acquire(&c) || c.stopped(c.since) != "" {
		outcome := stoppedOutcome(ctx, r.limits)
		if r.logs != nil {
			outcome.Logs = r.logs.End()
		}
		return outcome, nil
	}
	if r.started.IsZero() {
		r.started = c.since
		r.deadline = c.since.Add(r.limits.Timeout)
		c.deadline = r.deadline
	}
	r.parks = next == nil && r.op == opRun
	defer func() {
		if r.parked != nil { // a panic
			s.drop(&r, runtime.ClassInternal)
		}
	}()
	for {
		outcome, err := s.useSlot(ctx, &c, img, tenant, &r, next)
		switch {
		case r.parked == nil:
		case err != nil: // there was no slot to continue in
			outcome.Logs = s.drop(&r, runtime.ClassInternal).Logs
		default:
			var ended bool
			if outcome, ended, err = s.await(&c, &r); !ended {
				continue
			}
		}
		outcome.Usage.Duration = s.processors.now().Sub(r.started) - c.stood
		r.start(&outcome.Usage)
		return outcome, err
	}
}

// useSlot makes or continues a call on any slot, until it has ended or is parked. The claim has a permit,
// and has none afterwards.
func (s *Sandbox) useSlot(ctx context.Context, c *claim, img *image, tenant runtime.Tenant, r *request, next continuation) (runtime.Outcome, error) {
	most := max(r.limits.Memory, int64(img.size))
	slot := s.pool.take(img, tenant, int(most))
	defer s.pool.leave()
	if slot == nil {
		var err error
		if slot, err = s.guest.newSlot(ctx, s.processors, s.accounts, classOf(most)); err != nil {
			return runtime.Outcome{}, err
		}
	}
	slot.claim, *c = *c, claim{} // the slot has the permit now
	returned := false
	defer func() {
		if !returned { // a panic: the state of the slot is unknown
			s.processors.release(&slot.claim)
			s.discard(slot)
		}
	}()
	outcome, usable, err := s.callSlot(ctx, slot, img, tenant, r, next)
	returned = true
	*c, slot.claim = slot.claim, claim{}
	surplus := slot
	if usable && slot.image != nil {
		// The next run gets the permit, and is to find the slot.
		surplus, usable = s.pool.put(slot), false
	}
	s.processors.release(c)
	if surplus != nil {
		s.retire(surplus, usable)
	}
	return outcome, err
}

// callSlot prepares the slot, makes the call and restores the slot. If usable is false, the slot must
// be closed.
func (s *Sandbox) callSlot(ctx context.Context, slot *slot, img *image, tenant runtime.Tenant, r *request, next continuation) (outcome runtime.Outcome, usable bool, err error) {
	slot.call.limits = r.limits
	if err := slot.prepare(img, tenant); errors.Is(err, endOfRun{}) {
		if r.parked != nil {
			return s.drop(r, slot.call.endClass), false, nil
		}
		outcome.Failure = endFailure(&slot.call)
		if r.logs != nil {
			outcome.Logs = r.logs.End()
		}
		return outcome, false, nil
	} else if err != nil {
		return runtime.Outcome{}, false, err
	}
	outcome, usable = slot.invoke(ctx, r)
	if err := slot.call.platform; err != nil {
		return runtime.Outcome{Logs: outcome.Logs}, false, err
	}
	if next != nil && outcome.Failure == nil {
		if outcome, usable, err = next(slot, outcome); errors.Is(err, endOfRun{}) {
			logs := outcome.Logs
			return runtime.Outcome{Failure: endFailure(&slot.call), Logs: logs}, false, nil
		}
	}
	if usable {
		var restoreErr error
		outcome.Usage.Pages, usable, restoreErr = slot.restore()
		if restoreErr != nil && !errors.Is(restoreErr, endOfRun{}) {
			s.log.Error("cannot restore a slot; it is closed", "error", restoreErr)
		}
	}
	return outcome, usable, err
}

// retire drops the memory of a usable slot and returns it to the pool, or closes the slot. Its caller
// holds no permit to compute, because returning half a gigabyte to the system takes tens of
// milliseconds, and still has its reservation, because the memory exists until it returns.
func (s *Sandbox) retire(slot *slot, usable bool) {
	if usable {
		err := slot.memory.drop()
		if slot.idle = idleOverhead; err == nil {
			slot = s.pool.put(slot)
		} else {
			s.log.Error("cannot drop the memory of a slot; it is closed", "error", err)
		}
	}
	if slot != nil {
		s.discard(slot)
	}
}

// maxClosing is the largest number of slots that are closed in the background. Each takes a
// processor that no run has a permit for.
const maxClosing = 4

// discard closes a slot: in the background, so that the caller of the run need not wait, if the
// memory that the slot may have is free beside the reservation of its run.
func (s *Sandbox) discard(slot *slot) {
	select {
	case s.closing <- struct{}{}:
	default:
		s.closeSlot(slot)
		return
	}
	n := int64(len(slot.memory.data()))
	if !s.accounts.closing.TakeFree(n) {
		<-s.closing
		s.closeSlot(slot)
		return
	}
	slot.rewind() // frees what the run had in /tmp
	s.active.Add(1)
	go func() {
		defer s.active.Done()
		s.closeSlot(slot)
		s.accounts.closing.Give(n)
		<-s.closing
	}()
}

func (s *Sandbox) closeSlot(slot *slot) {
	if err := slot.close(); err != nil {
		s.log.Error("cannot close a slot", "error", err)
	}
	s.pool.discharge(slot)
}
