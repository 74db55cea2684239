package dispatch

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Backlog is the present state of the queued runs.
type Backlog struct {
	Waiting int // that may start and wait for their turn, suspects included
	Delayed int // that wait for their next attempt
	Held    int // tasks that wait for others of their execution
	Paused  int // of functions that are paused
	Active  int // attempts that have a lease
	Away    int // of these, attempts on other nodes
	// Oldest is the time of acceptance of the oldest run in Waiting; zero: there is none.
	Oldest time.Time
}

// Backlog returns the present state of the queued runs of all tenants.
func (d *Dispatcher) Backlog() Backlog {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Backlog{
		Waiting: d.plan.queue.Len() - d.plan.queue.Paused() + d.plan.suspects(), Delayed: len(d.plan.delayed), Held: d.plan.held,
		Paused: d.plan.queue.Paused() + d.plan.pausedSuspects,
		Active: len(d.plan.active), Away: d.plan.away.running, Oldest: d.plan.oldest(""),
	}
}

// PlaceFigures counts attempts on other nodes since the Dispatcher was made.
type PlaceFigures struct {
	Sent    uint64
	Unused  uint64 // of these, attempts that came back because they could not begin there
	Lost    uint64 // with their nodes, also of those that were adopted
	Adopted uint64 // that another process had begun
}

// PlaceFigures returns the counts.
func (d *Dispatcher) PlaceFigures() PlaceFigures {
	c := &d.counts
	return PlaceFigures{Sent: c.sent.Load(), Unused: c.unused.Load(), Lost: c.lost.Load(), Adopted: c.adopted.Load()}
}

// Oldest returns the time of acceptance of the oldest run of a tenant that may start and waits for its
// turn; zero: there is none.
func (d *Dispatcher) Oldest(tenant runtime.Tenant) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.oldest(tenant)
}

// oldest returns the time of acceptance of the oldest run of a tenant, of any if its name is empty, that
// may start and is no suspect. Of a function or a job it is the one that is next.
func (p *plan) oldest(tenant runtime.Tenant) time.Time {
	r, found := p.queue.Oldest(tenant)
	if !found {
		return time.Time{}
	}
	return time.Unix(0, r.created).UTC()
}
