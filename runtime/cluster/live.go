package cluster

import (
	"context"
	"errors"
	"time"
)

// reopenTime is the time between the loss of the shard and the next life of a node.
const reopenTime = 100 * time.Millisecond

// ErrBehind reports that a replica lacks records that the log does not have any more: it needs a copy of another
// replica. The next life begins with one.
var ErrBehind = errors.New("the log does not have the records any more that the replica lacks")

// ErrInUse reports that a replica stays open, because something that uses it did not end: the process must.
var ErrInUse = errors.New("the replica is still in use")

// Life is a replica from when it is opened until it is closed. A node has one after the other: what has
// served as the owner never follows again, and is opened anew.
type Life interface {
	Replica
	// Serve serves as the owner of the shard until ctx ends, and returns when nothing uses the replica any
	// more. An error without the end of ctx ends the node.
	Serve(ctx context.Context) error
	// Close closes the replica. ErrInUse: it could not be.
	Close() error
}

// errHandedOver says that a node has given up the shard of its own accord, and lives on.
var errHandedOver = errors.New("it was handed over")

// Live follows the owner of the shard, becomes the owner when there is none, and follows again when another
// node has become it, until ctx ends, and then returns nil. It returns the error of a node that can do
// neither. open opens the replica of the next life, until ctx ends.
func (n *Node) Live(ctx context.Context, open func() (Life, error)) error {
	for ctx.Err() == nil {
		life, err := open()
		if err != nil {
			if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
				return nil
			}
			return err
		}
		lost, err := n.live(ctx, life)
		switch {
		case errors.Is(err, ErrBehind) && !errors.Is(err, ErrInUse) && ctx.Err() == nil:
			n.Log.Warn("this node needs a copy of the data: the log does not have the records any more that it lacks")
		case err != nil || ctx.Err() != nil:
			return err
		case errors.Is(lost, errHandedOver):
			n.Log.Info("this node has handed the shard over: it follows")
			continue
		default:
			n.Log.Warn("this node does not own the shard any more: it follows", "reason", lost)
		}
		select {
		case <-time.After(reopenTime):
		case <-ctx.Done():
		}
	}
	return nil
}

// live is one life. lost is why the node does not own the shard any more.
func (n *Node) live(ctx context.Context, life Life) (lost, err error) {
	held := func() error { return nil }
	if err = n.Follow(ctx, life); err == nil {
		held, err = n.serve(ctx, life)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	epoch, _ := life.Applied()
	// A beat that the log does not answer ends with the replica.
	closed := life.Close()
	if errors.Is(closed, ErrInUse) {
		return nil, errors.Join(err, closed) // it may still write: the node neither waits for that nor gives the shard up
	}
	if lost = held(); lost != nil {
		return lost, closed // an error of Serve is a consequence
	}
	n.Release(epoch)
	if err == nil && ctx.Err() == nil {
		lost = errHandedOver
	}
	return lost, errors.Join(err, closed)
}

// serve serves as the owner until ctx ends or the shard is lost. The node stays the owner while the last
// requests end. held must be called when the replica is closed, and returns why the shard was lost, nil if it
// was not.
func (n *Node) serve(ctx context.Context, life Life) (held func() error, err error) {
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	result := make(chan error, 1)
	go func() {
		err := n.Hold(holding, life)
		if holding.Err() != nil {
			err = nil
		}
		result <- err
		stop()
	}()
	go n.awaitHandOver(serving, stop)
	epoch, _ := life.Applied()
	n.Log.Info("this node owns the shard", "epoch", epoch)
	err = life.Serve(serving)
	if err == nil && serving.Err() == nil {
		err = errors.New("the node stopped serving by itself")
	}
	return func() error { return <-result }, err
}
