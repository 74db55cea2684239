package cluster

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Follow follows the owner of the shard with a replica, until the replica owns the shard, and then returns
// nil. It returns the error of ctx, or why the replica can follow no longer.
func (n *Node) Follow(ctx context.Context, r Replica) error {
	done := n.begin(r)
	defer done()
	for {
		end, err := n.followUntilOwnerless(ctx, r)
		if err != nil {
			return err
		}
		owned, err := n.claim(ctx, r, end)
		if owned || err != nil {
			return err
		}
		// Another node may be the owner now, or the log does not take records.
		select {
		case <-time.After(askTime):
		case <-ctx.Done():
			return ctx.Err()
		}
		n.mu.Lock()
		n.seen = time.Now()
		n.mu.Unlock()
	}
}

// followUntilOwnerless follows the log until it seems to have no owner, and returns the sequence of its last
// record.
func (n *Node) followUntilOwnerless(ctx context.Context, r Replica) (end uint64, err error) {
	following, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Follow(following, n.see) }()
	ticker := time.NewTicker(lookTime)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			stop()
			return 0, errors.Join(ctx.Err(), err)
		case <-ticker.C:
		case <-n.members.moved:
		}
		if n.stepsBack() {
			continue
		}
		if _, suspect := n.ownerless(ctx, r); !suspect || !n.awaitTurn(ctx) {
			continue
		}
		if end, suspect := n.ownerless(ctx, r); suspect {
			stop()
			err := <-ended
			if ctx.Err() == nil && errors.Is(err, context.Canceled) {
				err = nil
			}
			return end, errors.Join(ctx.Err(), err)
		}
	}
}

// stepsBack reports whether the node leaves it to others to become the owner. It does not for ever: they may follow, and yet not be
// able to own the shard.
func (n *Node) stepsBack() bool {
	n.mu.Lock()
	unfit, silent := n.drained || n.keyless, time.Since(n.seen) >= stepBackTime
	n.mu.Unlock()
	return unfit && !silent && len(n.members.able()) > 0
}

// turn returns how long the node waits for those that come before it.
func (n *Node) turn() time.Duration {
	n.mu.Lock()
	owner := n.owner
	n.mu.Unlock()
	former, _ := n.members.find(owner)
	if former.Successor == n.Name {
		return 0
	}
	wait := time.Duration(n.members.rank()) * rankTime
	if former.Successor != "" && slices.ContainsFunc(n.members.able(), func(s Status) bool { return s.Node == former.Successor }) {
		wait += successorTime
	}
	return wait
}

// awaitTurn waits for the nodes that come before this one. It returns false if ctx ends.
func (n *Node) awaitTurn(ctx context.Context) bool {
	select {
	case <-time.After(n.turn()):
		return true
	case <-ctx.Done():
		return false
	}
}

// ownerless reports whether the shard seems to have no owner: the node has applied all of the log, and no
// record has come for SilenceTime, and the owner does not answer. An owner that says that it has given up, or
// a log that never had one, is not waited for. end is the sequence of the last record then.
func (n *Node) ownerless(ctx context.Context, r Replica) (end uint64, suspect bool) {
	n.mu.Lock()
	owner, seen := n.owner, n.seen
	n.mu.Unlock()
	epoch, applied := r.Applied()
	known, _ := n.members.find(owner)
	silent := time.Since(seen) >= SilenceTime
	if epoch > 0 && (owner == "" || known.Released < epoch) {
		if !silent && (owner == "" || known.Owns || known.Epoch < epoch) {
			return 0, false
		}
		if end, ok := n.readEnd(ctx, r); !ok || end != applied || !n.unowned(ctx, owner, epoch, silent) {
			return 0, false
		}
	}
	// The last question is the one to the log: nothing has come since the others.
	end, ok := n.readEnd(ctx, r)
	return end, ok && end == applied
}

// readEnd asks the log for the sequence of its last record, and notes since when it has answered.
func (n *Node) readEnd(ctx context.Context, r Replica) (end uint64, ok bool) {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	end, err := r.End(asking)
	switch {
	case err != nil:
		n.readable = time.Time{}
	case n.readable.IsZero():
		n.readable = time.Now()
	}
	return end, err == nil
}

// stuck reports whether an owner that answers cannot write to a log that this node can read. A log that
// answers again must have had time to answer the owner.
func (n *Node) stuck(owner Status) bool {
	return owner.Stuck >= StuckTime && !n.readable.IsZero() && time.Since(n.readable) >= SilenceTime
}

// unowned asks the owner, and all nodes that have announced that they are, and reports whether none of them is
// the owner, in an epoch or a later one. An owner that is not silent must answer that it is not.
func (n *Node) unowned(ctx context.Context, owner string, epoch uint64, silent bool) bool {
	asked := make(map[string]string) // addresses by name
	if known, ok := n.members.find(owner); ok {
		asked[owner] = known.Address
	}
	for _, one := range n.members.live() {
		if one.Owns {
			asked[one.Node] = one.Address
		}
	}
	answered := false
	for name, address := range asked {
		asking, cancel := context.WithTimeout(ctx, askTime)
		s, err := n.Ask(asking, address)
		cancel()
		switch {
		case err != nil || s.Node != name || s.Generation != n.Generation: // nobody there, or another node has the address now
		case s.Owns && s.Epoch >= epoch && !n.stuck(s):
			return false
		case name == owner && !s.Owns && s.Epoch >= epoch:
			answered = true
		}
	}
	return silent || answered
}

// claim tries to become the owner.
func (n *Node) claim(ctx context.Context, r Replica, end uint64) (owned bool, err error) {
	n.mu.Lock()
	n.claiming = true
	before := n.drained
	n.mu.Unlock()
	select {
	case <-n.handOver: // an order to an owner that has given up the shard already
	default:
	}
	n.Log.Info("the shard seems to have no owner: this node tries to become it")
	owning, cancel := context.WithTimeout(ctx, ownTime)
	defer cancel()
	sent := time.Now()
	err = r.Own(owning, end)
	n.mu.Lock()
	n.claiming, n.owns = false, err == nil
	if err == nil {
		n.owner, n.acked, n.serves, n.leaves = n.Name, sent, false, false
	}
	drained := n.drained && !before
	n.mu.Unlock()
	if err == nil && drained && len(n.members.able()) > 0 { // since the claim has begun
		n.yield()
	}
	if err == nil {
		n.announceNow()
		return true, nil
	}
	n.Log.Warn("this node did not become the owner", "reason", err)
	if problem := r.Problem(); problem != nil {
		return false, problem
	}
	return false, ctx.Err()
}
