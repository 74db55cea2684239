package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	// sending is read-held while a copy of the store is sent, until ending ends.
	sending sync.RWMutex
	ending  context.Context
	end     context.CancelFunc
}

// open opens the store of the node, which follows.
func (n *node) open() (cluster.Life, error) {
	for {
		l, err := n.openLife()
		if !errors.Is(err, storage.ErrOutdated) || n.behind {
			return l, err
		}
		n.cluster.Hardened(0)
		n.log.Warn("the data of this node belong to an earlier generation of the log: it needs a copy", "generation", n.generation)
		n.behind = true
	}
}

// openLife opens the store of the node, which it replaces by a copy before if it must.
func (n *node) openLife() (cluster.Life, error) {
	if err := n.catchUp(n.stopped); err != nil {
		return nil, err
	}
	s := &server{
		Options: n.Options, log: n.log, levels: n.levels, secrets: n.secrets, certificate: n.certificate, listener: n.listener, encryption: n.encryption,
		keys: n.keys, keepKeys: n.keepKeys, at: n.at, spawner: n.spawner, node: n,
	}
	s.openMemory()
	err := s.openStore(&storage.Replication{Log: n.logs, Generation: n.generation, Node: n.Node, Follow: true})
	if err != nil {
		return nil, err
	}
	l := &life{server: s}
	l.ending, l.end = context.WithCancel(context.Background())
	n.cluster.Hardened(l.durable())
	l.openBox()
	n.life.Store(l)
	return l, nil
}

// Follow implements [cluster.Replica].
func (l *life) Follow(ctx context.Context, seen func(cluster.Record)) error {
	err := l.store.Follow(ctx, func(r replog.Record) { seen(cluster.Record{Epoch: r.At.Epoch, Seq: r.At.Seq, Owner: r.Owner}) })
	if errors.Is(err, replog.ErrTrimmed) {
		l.node.behind = true
		return cluster.ErrBehind
	}
	return err
}

// openBox opens what runs functions in the background: a node that becomes the owner shall not wait for it.
func (l *life) openBox() {
	l.boxed = l.openSandbox
	if l.spawner != nil {
		return // workers start with the engine
	}
	done := make(chan struct{})
	l.boxing = done
	var box runtime.Sandbox
	var err error
	go func() {
		defer close(done)
		box, err = l.openSandbox(l.ending)
	}()
	l.boxed = func(context.Context) (runtime.Sandbox, error) {
		<-done
		return box, err
	}
}

// durable returns the sequence up to which the records are on the disk of a store that was just opened.
func (l *life) durable() uint64 {
	at, _ := l.store.Applied()
	return at.Seq
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
	switch {
	case l.node.stopped.Err() != nil:
		grace = l.Grace
	case l.node.cluster.Status().Owns: // it is handed over
		grace = time.Duration(l.node.grace.Load())
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
	l.end()
	l.sending.Lock() // until a copy that was being sent has ended
	defer l.sending.Unlock()
	if l.stuck {
		l.store.Abandon()
		return fmt.Errorf("some runs did not end, and the process must: %w", cluster.ErrInUse)
	}
	return errors.Join(l.closeBox(), l.store.Close()) // the sandbox is closed already, unless the node has only followed
}
