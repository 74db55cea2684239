package server

import (
	"context"
	"net"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/lend"
)

// lendLink is the kind of the links on which the owner sends runs to nodes that lend places.
const lendLink = "lend"

// openPlaces opens what a life has of places: those of other nodes while it leads.
func (l *life) openPlaces() {
	l.places = lend.NewBorrower(lend.BorrowerOptions{Node: l.node.Node, Members: l.lenders, Dial: l.dialLender, Memory: l.memory, Log: l.log})
}

// lendPlaces lends places of this node to the owner while the life follows.
func (l *life) lendPlaces() {
	epoch := func() uint64 {
		epoch, _ := l.Applied()
		return epoch
	}
	l.lender.Store(lend.NewServer(lend.ServerOptions{Lender: l.engine, Lends: l.lends, Epoch: epoch, Memory: l.memory, Log: l.log}))
}

// lends reports whether this node lends places: it has the last state of the data and their keys, and shall not stop soon.
func (l *life) lends() bool {
	return l.Follows() && l.standing.Ready() && l.keyless.Load() == nil && l.node.confined() && l.node.stopping.Err() == nil && !l.node.cluster.Status().Drained
}

// lenders returns the nodes that may lend places, and this one: it may still run what a former owner has sent. So may those that were
// not heard for a while: the machine of the former owner may have had a server of the log, too.
func (l *life) lenders() []lend.Member {
	all := []lend.Member{{Name: l.node.Node}}
	for _, one := range l.node.cluster.Recent(lend.HoldTime) {
		all = append(all, lend.Member{Name: one.Node, Address: one.Address})
	}
	return all
}

// dialLender connects to a node that may lend places.
func (l *life) dialLender(ctx context.Context, m lend.Member) (net.Conn, error) {
	if m.Name != l.node.Node {
		return l.node.dialer.Link(ctx, m.Address, lendLink, l.node.Node)
	}
	own, other := net.Pipe()
	go l.serveLender(other)
	return own, nil
}

// serveLender serves a connection of the owner.
func (l *life) serveLender(conn net.Conn) {
	lender := l.lender.Load()
	if lender == nil {
		_ = conn.Close()
		return
	}
	if err := lender.Serve(conn); err != nil {
		l.log.Debug("a connection of the owner, which runs functions here, has ended", "reason", err)
	}
}

// adopt returns what nodes, this one too, have begun to run for a former owner.
func (l *life) adopt() []runtime.LentRun {
	epoch, _ := l.Applied()
	l.places.Start(epoch)
	return l.places.Collect(l.node.running)
}

// closePlaces ends what other nodes and this one run for each other: they may end within a grace period. The caller must call
// what it returns when no run uses a place any more.
func (l *life) closePlaces(grace time.Duration) (end func()) {
	l.places.Leave()
	lent := make(chan struct{})
	go func() {
		defer close(lent)
		if lender := l.lender.Load(); lender != nil {
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			lender.Close(ctx)
		}
	}()
	return func() {
		<-lent
		l.places.Close()
	}
}
