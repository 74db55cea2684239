package sandbox

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// nap is what a run does while it sleeps.
type nap struct {
	timers   *timers
	room     runtime.Room  // to which it lends its memory; nil: it keeps it
	held     int64         // bytes that it does not lend
	parked   bool          // it has no slot meanwhile
	patience time.Duration // the longest time that it waits to have its memory back
}

// sleep returns the claim's permit, and waits for a time until the claim has a permit again. It returns
// why the run must end, or an empty class; then the claim may have no permit. The error is that of the
// room, if the run does not get its memory back.
func (p *processors) sleep(c *claim, d time.Duration, n *nap) (runtime.Class, error) {
	d = min(d, max(c.deadline.Sub(p.now()), 0))
	idle := p.release(c)
	switch {
	case n.room == nil:
	case n.parked:
		n.room.Park(n.held)
	default:
		n.room.Lend(n.held)
	}
	if !idle || !n.timers.sleep(d) { // on a busy server, Go's timers are exact and cost less
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ctx.Done():
		}
	}
	if n.room != nil && c.ctx.Err() == nil && p.now().Before(c.deadline) {
		if class, err := p.reclaim(c, n); class != "" {
			return class, err
		}
	}
	c.woken = true
	p.acquire(c)
	return c.stopped(p.now()), nil
}

// reclaim waits for the memory that a run has lent, and returns why the run must end, or an empty class.
// The run's time stands still.
func (p *processors) reclaim(c *claim, n *nap) (runtime.Class, error) {
	began := p.now()
	err := n.room.Reclaim(c.ctx, n.patience)
	waited := p.now().Sub(began)
	c.deadline = c.deadline.Add(waited)
	c.stood += waited
	switch {
	case err == nil:
		return "", nil
	case c.ctx.Err() != nil:
		return runtime.ClassCancelled, nil
	}
	return runtime.ClassInternal, err
}
