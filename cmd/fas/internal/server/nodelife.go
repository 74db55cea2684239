package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog"
)

// life is a server of a node from when its store is opened until it is closed.
type life struct {
	*server
	stuck bool // its runs do not end, so that its store stays open
}

// open opens the store of the node, which follows.
func (n *node) open() (cluster.Life, error) {
	s := &server{
		Options: n.Options, log: n.log, levels: n.levels, secrets: n.secrets, certificate: n.certificate, listener: n.listener, encryption: n.encryption,
		keys: n.keys, keepKeys: n.keepKeys, at: n.at, spawner: n.spawner, node: n,
	}
	s.openMemory()
	err := s.openStore(&storage.Replication{Log: n.logs, Generation: logGeneration, Node: n.Node, Follow: true})
	if err != nil {
		return nil, err
	}
	l := &life{server: s}
	n.life.Store(l)
	return l, nil
}

// Follow implements [cluster.Replica].
func (l *life) Follow(ctx context.Context, seen func(cluster.Record)) error {
	err := l.store.Follow(ctx, func(r replog.Record) { seen(cluster.Record{Epoch: r.At.Epoch, Seq: r.At.Seq, Owner: r.Owner}) })
	if errors.Is(err, replog.ErrTrimmed) {
		return runtime.Errorf(runtime.CodeUnavailable, "the log does not have the records any more that this node lacks").
			WithHint("restore a backup of the cluster into the folder of this node: see docs/cluster.md")
	}
	return err
}

// Applied implements [cluster.Replica].
func (l *life) Applied() (epoch, seq uint64) {
	at, _ := l.store.Applied()
	return at.Epoch, at.Seq
}

// End implements [cluster.Replica].
func (l *life) End(ctx context.Context) (uint64, error) { return l.node.logs.End(ctx) }

// Own implements [cluster.Replica].
func (l *life) Own(ctx context.Context, seq uint64) error { return l.store.OwnAt(ctx, seq) }

// Beat implements [cluster.Replica].
func (l *life) Beat() error { return l.store.Beat() }

// Problem implements [cluster.Replica].
func (l *life) Problem() error { return l.store.Problem() }

// Serve implements [cluster.Life].
func (l *life) Serve(ctx context.Context) error {
	err := l.serve(ctx, time.Now())
	if err == nil {
		var spawnerEnded <-chan struct{}
		if l.spawner != nil {
			spawnerEnded = l.spawner.Done()
		}
		select {
		case err = <-l.served:
			err = fmt.Errorf("the server stopped accepting connections: %w", err)
		case <-spawnerEnded:
			err = errSpawnerEnded
		case <-ctx.Done():
		}
	}
	grace := time.Duration(0)
	if l.node.stopped.Err() != nil {
		grace = l.Grace
	}
	if ctx.Err() != nil {
		err = nil // it is a consequence of the end
	}
	stuck := l.stop(grace)
	if l.health != nil {
		_ = l.health.Close() // of a server that did not come so far
	}
	l.stuck = stuck != nil
	return errors.Join(err, stuck)
}

// Close implements [cluster.Life].
func (l *life) Close() error {
	l.node.life.Store(nil)
	if l.stuck {
		l.store.Abandon()
		return fmt.Errorf("some runs did not end, and the process must: %w", cluster.ErrInUse)
	}
	return l.store.Close()
}
