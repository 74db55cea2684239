package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Refusal is why a node does not do what it was asked for, and what to do.
type Refusal struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func (r *Refusal) Error() string { return r.Message + ": " + r.Hint }

// Drain makes the node give up the shard, if it owns it, to another node; empty: the one that has the most records. From
// then on the node does not become the owner while others can, until Undrain is called.
func (n *Node) Drain(to string) error {
	able := n.members.able()
	if len(able) == 0 {
		return &Refusal{"no other node can become the owner", "start another node, and wait until it follows and has the keys of secrets"}
	}
	if to != "" && !slices.ContainsFunc(able, func(s Status) bool { return s.Node == to }) {
		return &Refusal{
			fmt.Sprintf("the node %q cannot become the owner: it does not run, does not follow, lacks keys of secrets, or is drained itself", to),
			"look at the state of the cluster",
		}
	}
	n.mu.Lock()
	n.drained = true
	n.successor = cmp.Or(to, best(able))
	owns := n.owns
	n.mu.Unlock()
	if owns {
		n.yield()
	}
	n.announceNow()
	return nil
}

// yield makes an owner give up the shard.
func (n *Node) yield() {
	select {
	case n.handOver <- struct{}{}:
	default:
	}
}

// awaitHandOver calls stop when the owner shall give up the shard, unless ctx ends before.
func (n *Node) awaitHandOver(ctx context.Context, stop func()) {
	for {
		select {
		case <-n.handOver:
		case <-ctx.Done():
			return
		}
		n.mu.Lock()
		drained := n.drained
		n.mu.Unlock()
		if drained { // else it is a request from before
			stop()
			return
		}
	}
}

// Undrain lets a node become the owner again.
func (n *Node) Undrain() {
	n.mu.Lock()
	n.drained = false
	n.mu.Unlock()
	n.announceNow()
}

// best returns the name of the node that has the most records, empty if there is none.
func best(able []Status) string {
	if len(able) == 0 {
		return ""
	}
	return slices.MaxFunc(able, func(a, b Status) int { return cmp.Compare(a.Applied, b.Applied) }).Node
}
