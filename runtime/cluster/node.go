package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// retryTime is when a caller may repeat a request that was refused because there is no owner.
const retryTime = time.Second

// Node is a node of a cluster. It follows the owner of the shard with [Node.Follow], until it is the owner
// itself, and then stays the owner with [Node.Hold]. Both are called in turn, with the replica of that turn.
type Node struct {
	Options
	members    *members
	changed    chan struct{} // has one element if the status is to be announced at once
	handOver   chan struct{} // has one element if the node shall give up the shard
	publishing chan struct{} // has one element while the status is sent
	// readable is since when the log has answered all questions for its end; zero: it did not answer the
	// last one. Follow alone uses it.
	readable time.Time

	mu       sync.Mutex
	replica  Replica // of Follow or Hold; nil: none
	owner    string  // the name of the owner of the present epoch, if it is known
	claiming bool    // the node tries to become the owner
	owns     bool
	serves   bool // as the owner: requests are answered
	leaves   bool // it owns the shard, and is about to give it up
	released uint64
	left     time.Time // when it has given up the shard; zero: never
	// successor is the node that shall be the next owner; empty: any.
	successor  string
	drained    bool
	durable    uint64
	secretsKey string // the name of the newest key of secrets
	secrets    string // their state for that key, as an owner knows it; empty: it is not known
	keyless    bool   // keys of secrets that are used are missing
	copies     uint64 // the sequence up to which a copy has the records that the node gets; 0: it gets none
	// acked is when the last acknowledged record of the owner was sent.
	acked time.Time
	// seen is when the last record of another owner was applied.
	seen time.Time
}

// New returns a node. Run must be called.
func New(o Options) *Node {
	return &Node{
		Options: o, members: newMembers(o), changed: make(chan struct{}, 1), publishing: make(chan struct{}, 1), handOver: make(chan struct{}, 1),
	}
}

// Run exchanges announcements with the other nodes until ctx ends.
func (n *Node) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { n.subscribe(ctx) })
	parts.Go(func() { n.announce(ctx) })
}

// Status returns what the node says about itself.
func (n *Node) Status() Status {
	owner, _ := n.Owner()
	n.mu.Lock()
	defer n.mu.Unlock()
	s := Status{Node: n.Name, Address: n.Address, Generation: n.Generation, Owns: n.owns || n.claiming, Released: n.released, Durable: n.durable, Copies: n.copies, Leaves: n.leaves, Drained: n.drained, Version: n.Version, SecretsKey: n.secretsKey, Keyless: n.keyless}
	if s.Ready = owner.Ready; n.owns {
		s.Ready = n.serves && time.Since(n.acked) < LeaseTime
	}
	if n.released > 0 && !n.owns {
		s.Successor = n.successor
	}
	if n.replica != nil {
		s.Epoch, s.Applied = n.replica.Applied()
	}
	if n.owns {
		s.Secrets = n.secrets
		s.Stuck = max(time.Since(n.acked)-BeatTime, 0)
	}
	return s
}

// Members returns the nodes that have announced themselves lately, without the node itself.
func (n *Node) Members() []Status { return n.members.live() }

// Recent returns the other nodes that have announced themselves within a time, in the order of their names.
func (n *Node) Recent(age time.Duration) (all []Status) {
	for _, one := range n.members.since(age) {
		all = append(all, one.Status)
	}
	return all
}

// Hardened notes up to which sequence the records are on the disk of the node.
func (n *Node) Hardened(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.durable = seq
}

// Copying says up to which sequence the copy has the records that this node gets, NoRecords if it waits for one, or 0 if
// it gets none any more. The others keep the records behind it.
func (n *Node) Copying(seq uint64) {
	n.mu.Lock()
	n.copies = seq
	n.mu.Unlock()
	n.publish()
}

// Trimmable returns the sequence up to which the log, of which a part is filled, may be trimmed: all nodes that count have
// these records on their disks, or get them with a copy, and at least two nodes have them in any case; 0: none may be. A node that is away counts for
// AbsentTime, and one that gets a copy while it does, but not when the log is filled to FullPart. holder is the node that has the fewest.
func (n *Node) Trimmable(filled float64) (seq uint64, holder string) {
	own := n.Status().Durable
	seq, holder = own, n.Name
	most, second := own, uint64(0) // of all nodes
	for _, one := range n.members.since(AbsentTime) {
		most, second = max(most, one.Durable), max(second, min(most, one.Durable))
		counts := filled < FullPart || one.Copies == 0 && time.Since(one.heard) <= memberTime
		if has := max(one.Durable, one.Copies); has < seq && counts {
			seq, holder = has, one.Node
		}
	}
	return min(seq, second), holder
}

// Owner returns the node that owns the shard, as far as this node knows.
func (n *Node) Owner() (s Status, ok bool) {
	for _, one := range n.members.live() {
		if one.Owns && (!ok || one.Epoch > s.Epoch) {
			s, ok = one, true
		}
	}
	return s, ok
}

// Current returns nil if what the replica has is the last state of the shard: the node owns the shard, and no
// other node can have become the owner yet. It is asked after a read, not before it.
func (n *Node) Current() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.owns && time.Since(n.acked) < LeaseTime {
		return nil
	}
	err := runtime.Errorf(runtime.CodeUnavailable, "this node cannot answer now: it does not own the data, or the replicated log does not answer it").
		WithHint("try again in a moment")
	err.RetryAfter = retryTime
	return err
}

// begin makes a replica that of the node until done is called.
func (n *Node) begin(r Replica) (done func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replica, n.seen, n.readable = r, time.Now(), time.Time{}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.replica = nil
	}
}

// see notes a record of another owner.
func (n *Node) see(r Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = time.Now()
	if r.Owner != "" {
		n.owner = r.Owner
	}
}

// announceNow announces the status without delay.
func (n *Node) announceNow() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Serves says that the owner answers requests from now on.
func (n *Node) Serves() {
	n.mu.Lock()
	n.serves = true
	n.mu.Unlock()
	n.wake()
	n.announceNow()
}

// Hold keeps a replica, which owns the shard, the owner: it writes a record each BeatTime, until that fails or
// ctx ends. It returns why the node is not the owner any more. If ctx has ended, the node still is: Release
// must be called when nothing writes to the replica any more.
func (n *Node) Hold(ctx context.Context, r Replica) error {
	done := n.begin(r)
	defer done()
	ticker := time.NewTicker(BeatTime)
	defer ticker.Stop()
	for {
		sent := time.Now()
		if err := r.Beat(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err() // the replica was closed
			}
			n.lose()
			return err
		}
		n.mu.Lock()
		n.acked = sent
		n.mu.Unlock()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lose notes that the node does not own the shard.
func (n *Node) lose() {
	n.mu.Lock()
	n.owns, n.claiming, n.leaves, n.secrets = false, false, false, ""
	n.mu.Unlock()
	n.wake()
	n.announceNow()
}

// Release says that the node does not own the shard any more, of its own accord: nothing writes to the
// replica, which is closed. The others need not wait until the node is silent.
func (n *Node) Release(epoch uint64) {
	n.mu.Lock()
	if n.owns {
		n.released, n.left = epoch, time.Now()
		if !n.drained { // else Drain has chosen one
			n.successor = best(n.members.able())
		}
	}
	n.mu.Unlock()
	n.lose()
	n.publish() // the process may end now
}
