package cluster

import (
	"context"
	"time"
)

// Leave says that the node, which owns the shard, is about to give it up: the other nodes keep requests back until the next owner serves.
// It answers those that arrive meanwhile. The others know when Leave returns, unless a message is lost.
func (n *Node) Leave() {
	n.mu.Lock()
	n.leaves = n.owns
	n.mu.Unlock()
	n.wake()
	n.publish()
}

// wake wakes those that wait for the next owner.
func (n *Node) wake() {
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	n.members.wake()
}

// HandsOver reports whether the shard is being handed over: its owner leaves it, or has given it up a moment ago, and the next one does not
// serve yet.
func (n *Node) HandsOver() bool {
	_, _, over := n.succession()
	return over
}

// AwaitOwner waits while the shard is being handed over, or until ctx ends.
func (n *Node) AwaitOwner(ctx context.Context) {
	for {
		turned, pause, over := n.succession()
		if !over {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-turned:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// succession reports whether the shard is being handed over, for how long that is believed, and what is closed when there is news.
func (n *Node) succession() (turned <-chan struct{}, pause time.Duration, over bool) {
	m := n.members
	m.mu.Lock()
	turned = m.turned // first, so that what changes from now on is news
	m.mu.Unlock()
	n.mu.Lock()
	owns, serves, leaves, left := n.owns, n.serves, n.leaves, n.left
	n.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	pause = max(time.Until(left), time.Until(m.left)) + successionTime
	if owns {
		if leaves {
			pause = max(pause, memberTime)
		} else if serves {
			return turned, 0, false
		}
	}
	for _, one := range m.all {
		fresh := memberTime - now.Sub(one.heard)
		switch {
		case fresh <= 0 || !one.Owns:
		case one.Leaves:
			pause = max(pause, fresh)
		case one.Ready:
			return turned, 0, false
		}
	}
	return turned, pause, pause > 0
}
