package cluster

import (
	"context"
	"sync"
	"time"
)

// A node that follows is ready while the owner waits for it: after a change, the owner answers when all nodes that are
// ready have applied it. For that, a node reports what it has applied again and again. A report is granted if the node has
// applied what the owner had when it granted the last one, so that one which has come to a halt is not waited for long.
const (
	// ReadyTime is the time from the sending of a report that was granted for which a node is ready, if it has applied by
	// then what the owner had when it granted the report.
	ReadyTime = 4 * time.Second
	// WaitTime is the time from the arrival of a report that was granted for which the owner waits for its node, and that
	// from the beginning of an epoch in which a node may be ready for the owner before. It is longer than ReadyTime, as
	// clocks differ.
	WaitTime = 5 * time.Second
	// ReportTime is the longest time between two reports.
	ReportTime = time.Second
	// AloneTime is how long a node that was ready runs functions as it knows them while no owner answers it. It is longer
	// than it takes to replace an owner.
	AloneTime = time.Minute
)

// Report says what a node has applied.
type Report struct {
	Node string
	Seq  uint64
}

// Granted is the answer to a report.
type Granted struct {
	Granted bool
	Seq     uint64 // of the last record that the owner has applied
}

// Roll has the nodes that an owner waits for.
type Roll struct {
	first time.Time // from when on nobody is ready for an owner before; zero: nobody ever was

	mu      sync.Mutex
	nodes   map[string]*onRoll
	changed chan struct{} // is closed, and replaced, with each report
}

// onRoll is what an owner knows of a node.
type onRoll struct {
	seq   uint64
	owed  uint64    // what the owner had when it granted the last report, or had the first one
	until time.Time // when the node is ready no longer that lacks more than that; zero: nothing was granted
	prior time.Time // likewise, that lacks some of that: by the grant before
	heard time.Time
}

// NewRoll returns the roll of a node that has become the owner. first says that there was no owner before.
func NewRoll(first bool) *Roll {
	r := &Roll{nodes: make(map[string]*onRoll), changed: make(chan struct{})}
	if !first {
		r.first = time.Now().Add(WaitTime)
	}
	return r
}

// Report notes what a node has applied. applied returns what the owner has, and must not be called before the node is on
// the roll: what the owner has later waits for the node.
func (r *Roll) Report(report Report, applied func() uint64) Granted {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	n := r.nodes[report.Node]
	if n == nil {
		if len(r.nodes) >= maxMembers && !r.forget(now) {
			return Granted{Seq: applied()}
		}
		n = &onRoll{owed: applied(), heard: now}
		r.nodes[report.Node] = n
		return Granted{Seq: n.owed}
	}
	n.heard, n.seq = now, report.Seq
	close(r.changed)
	r.changed = make(chan struct{})
	if report.Seq < n.owed {
		return Granted{Seq: n.owed}
	}
	n.prior, n.until = n.until, now.Add(WaitTime)
	n.owed = applied()
	return Granted{Granted: true, Seq: n.owed}
}

// forget drops the nodes that are silent, and reports whether there was one.
func (r *Roll) forget(now time.Time) bool {
	before := len(r.nodes)
	for name, n := range r.nodes {
		if now.Sub(n.heard) > WaitTime {
			delete(r.nodes, name)
		}
	}
	return len(r.nodes) < before
}

// Wait waits until no node is ready that has not applied the record seq, or ctx ends. The owner must have applied it.
// It takes at most WaitTime.
func (r *Roll) Wait(ctx context.Context, seq uint64) error {
	for {
		until, changed := r.behind(seq)
		pause := time.Until(until)
		if pause <= 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// behind returns until when a node may be ready that has not applied a record, and what is closed when a node reports.
func (r *Roll) behind(seq uint64) (until time.Time, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	until = r.first
	for _, n := range r.nodes {
		last := n.until
		if seq <= n.owed { // what was granted then makes no node ready that lacks it
			last = n.prior
		}
		if n.seq < seq && last.After(until) {
			until = last
		}
	}
	return until, r.changed
}

// Standing is what a node that follows knows of how it stands with the owner.
type Standing struct {
	mu      sync.Mutex
	applied uint64
	changed chan struct{} // has one element if something was applied that is not reported
	until   time.Time     // the node is ready until then
	owed    uint64        // what must be applied
	next    time.Time     // the node is ready until then when it is
	was     bool          // the node was ready
	heard   bool          // the owner has answered the last report, and may be asked
}

// NewStanding returns the standing of a node that has reported nothing.
func NewStanding() *Standing { return &Standing{changed: make(chan struct{}, 1)} }

// Applied notes that the node has applied a record, and forgotten all that it knew from before.
func (s *Standing) Applied(seq uint64) {
	s.mu.Lock()
	s.applied = seq
	s.settle()
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// settle makes the node ready that has applied what it must have. The caller holds mu.
func (s *Standing) settle() {
	if s.applied >= s.owed && s.next.After(s.until) {
		s.until, s.was = s.next, true
	}
}

// Changed receives when there is something to report.
func (s *Standing) Changed() <-chan struct{} { return s.changed }

// Seq returns what is to be reported.
func (s *Standing) Seq() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// Answered notes the answer to a report that was sent at a time.
func (s *Standing) Answered(sent time.Time, g Granted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard = true; !g.Granted {
		return
	}
	s.owed, s.next = g.Seq, sent.Add(ReadyTime)
	s.settle()
}

// Unanswered notes that the owner did not answer a report, or is not asked any more.
func (s *Standing) Unanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = false
}

// Ready reports whether the owner waits for this node.
func (s *Standing) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until)
}

// Runs reports whether this node may run functions as it knows them: it is ready, or was ready a short time ago and no
// owner answers, who would know better. known says that an owner is known.
func (s *Standing) Runs(known bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, alone := time.Now(), !known || !s.heard
	return now.Before(s.until) || s.was && alone && now.Before(s.until.Add(AloneTime))
}
