package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/lend"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// leaveTime is the time between the announcement that the owner leaves the data and when it accepts no connections any more: the other
	// nodes hear of it meanwhile.
	leaveTime = 50 * time.Millisecond
	// answerTime bounds the time for which it answers the last requests on the connections that it has then, while its runs go on, and
	// answerRest is how long it does once all of them have sent something.
	answerTime = 500 * time.Millisecond
	answerRest = 100 * time.Millisecond
	// holdTime bounds how long a request is held back while the data are handed over.
	holdTime = 10 * time.Second
)

// settleTime is how long a request that reads waits until the runs that have ended on this node are recorded.
const settleTime = time.Second

// life is a server of a node from when its store is opened until it is closed.
type life struct {
	*server
	forwarding
	standing *cluster.Standing
	roll     atomic.Pointer[cluster.Roll] // of the other nodes; nil: this life does not own the data
	places   *lend.Borrower               // of other nodes, while this life owns the data
	lender   atomic.Pointer[lend.Server]  // of places to the owner; nil: the engine has not started
	stopped  bool                         // its parts are stopped
	// keyless is why the life does not have the keys of its data; nil: it has. It runs no functions then.
	keyless  atomic.Pointer[error]
	checking sync.Mutex // held while keyless is found out
	stood    uint64     // the last record for which stand was called; guarded by checking
	stuck    bool       // its runs do not end, so that its store stays open
	// sending is read-held while a copy of the store is sent. It ends with copying, as what changes the keys of secrets does.
	sending    sync.RWMutex
	copying    context.Context
	stopCopies context.CancelFunc
}

// open opens the store of the node, which follows, and serves.
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
	if err := n.catchUp(n.stopping); err != nil {
		return nil, err
	}
	s := &server{
		Options: n.Options, log: n.log, levels: n.levels, secrets: n.secrets, certificate: n.certificate, listener: n.listener, encryption: n.encryption,
		keepKeys: n.keepKeys, at: n.at, spawner: n.spawner, node: n,
	}
	l := &life{server: s, forwarding: forwarding{n}, standing: cluster.NewStanding()}
	s.life = l
	s.openMemory()
	l.openPlaces()
	if err := l.openStore(); err != nil {
		l.places.Close()
		return nil, err
	}
	_, durable := l.Applied()
	n.cluster.Hardened(durable)
	n.records.permit(true)
	l.checkKeys()
	if err := s.begin(n.stopping, time.Now()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	n.announce()
	return l, nil
}

// openStore opens the store of a life, and makes that the life of the node.
func (l *life) openStore() error {
	n := l.node
	n.sealing.mu.Lock() // what changes the keys finds the life, or has changed them
	defer n.sealing.mu.Unlock()
	l.keys = n.sealing.keys
	if err := l.server.openStore(&storage.Replication{Log: n.logs, Generation: n.generation, Node: n.Node, Follow: true}); err != nil {
		return err
	}
	l.copying, l.stopCopies = context.WithCancel(context.Background())
	n.life.Store(l)
	return nil
}

// Follow implements [cluster.Replica].
func (l *life) Follow(ctx context.Context, seen func(cluster.Record)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop(nil)
	parts.Go(func() { l.node.reportAll(ctx, l.standing) })
	parts.Go(func() {
		select {
		case err := <-l.served:
			stop(fmt.Errorf("the server stopped accepting connections: %w", err))
		case <-l.spawnerEnded():
			stop(errSpawnerEnded)
		case <-ctx.Done():
		}
	})
	_, applied := l.Applied()
	l.stand(applied)
	err := l.store.Follow(ctx, func(r replog.Record, c storage.Changes) {
		if err := l.changed(c); err != nil {
			stop(err)
			return
		}
		l.stand(r.At.Seq)
		seen(cluster.Record{Epoch: r.At.Epoch, Seq: r.At.Seq, Owner: r.Owner})
	})
	if errors.Is(err, replog.ErrTrimmed) {
		l.node.behind = true
		return cluster.ErrBehind
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return err
}

// stand notes that the life has applied a record, and forgotten what it knew from before. Without the keys of its data it does
// not become ready.
func (l *life) stand(seq uint64) {
	l.checking.Lock()
	defer l.checking.Unlock()
	l.stood = max(l.stood, seq)
	if l.keyless.Load() == nil {
		l.standing.Applied(l.stood)
	}
}

// changed makes the server forget what it knows from before a record of the log.
func (l *life) changed(c storage.Changes) error {
	l.engine.FunctionsChanged(c.Functions)
	if len(c.Tenants)+len(c.Tokens) > 0 {
		if err := l.access.Changed(c.Tenants, c.Tokens); err != nil {
			return err
		}
	}
	if !c.Settings {
		return nil
	}
	l.checkKeys()
	a, err := l.followAdmin()
	l.access.SetAdmin(a.hash)
	return err
}

// spawnerEnded returns what is closed when no worker can be started any more.
func (s *server) spawnerEnded() <-chan struct{} {
	if s.spawner == nil {
		return nil
	}
	return s.spawner.Done()
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
	err := l.lead(time.Now())
	if err == nil {
		select {
		case err = <-l.served:
			err = fmt.Errorf("the server stopped accepting connections: %w", err)
		case <-l.spawnerEnded():
			err = errSpawnerEnded
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		err = nil // it is a consequence of the end
	}
	return errors.Join(err, l.end())
}

// lead serves as the owner of the data.
func (l *life) lead(began time.Time) (err error) {
	if l.admin, err = l.openAdmin(); err != nil {
		return err
	}
	l.secrets.Hold(l.admin.token)
	l.access.SetAdmin(l.admin.hash)
	// All that needs more rights is done.
	l.node.confineOnce()
	l.node.records.permit(false) // the former owner may stand still, and readers wait for what is sent
	if err := l.engine.Lead(); err != nil {
		return err
	}
	l.access.Lead()
	epoch, _ := l.Applied()
	l.roll.Store(cluster.NewRoll(epoch <= 1))
	l.node.forwarder.EndAll()
	requests := mesh.NewQueue(l.listener.Addr())
	go func() { l.served <- l.web.ServePeers(requests) }()
	l.node.requests.Store(requests)
	l.node.cluster.Serves()
	l.log.Info("this node serves as the owner", "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// end stops all parts but the store.
func (l *life) end() error {
	grace := time.Duration(0)
	if l.node.cluster.Status().Owns {
		l.leave()
	}
	switch {
	case l.node.stopping.Err() != nil:
		grace = l.Grace
	case l.node.cluster.Status().Owns: // it is handed over
		grace = time.Duration(l.node.grace.Load())
	}
	l.stopped = true
	closed := l.closePlaces(grace)
	err := l.stop(grace)
	closed()
	l.stuck = err != nil
	return err
}

// leave prepares that the data are handed over: nodes hold requests back from now on, and what they and clients have sent is answered.
func (l *life) leave() {
	l.node.cluster.Leave()
	time.Sleep(leaveTime)
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	l.web.HandOver(ctx, answerRest)
}

// Close implements [cluster.Life].
func (l *life) Close() error {
	l.stopCopies()
	var err error
	if !l.stopped {
		err = l.end()
	}
	l.detach()
	l.sending.Lock() // until a copy that was being sent has ended
	defer l.sending.Unlock()
	if l.stuck {
		l.store.Abandon()
		return errors.Join(err, fmt.Errorf("some runs did not end, and the process must: %w", cluster.ErrInUse))
	}
	return errors.Join(err, l.store.Close())
}

// detach makes the node one without a store, of which nothing is known, so that no keys of it are missing.
func (l *life) detach() {
	l.checking.Lock()
	defer l.checking.Unlock()
	if l.node.life.CompareAndSwap(l, nil) {
		l.node.cluster.SetKeyless(false)
	}
}

// Follows implements [httpapi.Follower].
func (l *life) Follows() bool { return l.roll.Load() == nil }

// Runs implements [httpapi.Follower]. A node that is not ready any more goes on to run functions as it knows them for a while
// if the owner does not answer it: the owner may be lost, or stand still.
func (l *life) Runs() bool {
	_, known := l.node.cluster.Owner()
	return l.standing.Runs(known) && l.node.confined() && l.keyless.Load() == nil
}

// current returns why this node cannot answer for the data, or nil. A node that follows runs functions as it knows them.
func (l *life) current() error {
	if l.Follows() {
		return nil
	}
	return l.node.cluster.Current()
}

// record records runs that have ended while the node follows.
func (l *life) record(runs []runtime.Execution) error { return l.node.records.send(l.node, runs) }

// Settle implements [httpapi.Follower].
func (l *life) Settle() {
	if _, ok := l.node.cluster.Owner(); !ok {
		return
	}
	if e := l.measured.Load(); e != nil {
		e.RecordNow(settleTime)
	}
}

// readiness returns why this node does not know the last state of the data, or nil.
func (l *life) readiness() error {
	if l.node.stopping.Err() != nil {
		return runtime.Errorf(runtime.CodeUnavailable, "this node is stopping").WithHint("use another one")
	}
	if !l.Follows() {
		return l.node.cluster.Current()
	}
	if why := l.keyless.Load(); why != nil {
		return *why
	}
	if l.node.cluster.Status().Owns { // it does not serve as the owner yet
		return startingError()
	}
	if l.standing.Ready() {
		return nil
	}
	err := runtime.Errorf(runtime.CodeUnavailable, "this node does not have the last state of the data: no node owns them, or it has not read all of the log").
		WithHint("use another node, or try again in a moment")
	err.RetryAfter = time.Second
	return err
}

// spread waits until no ready node has a state of the data from before now.
func (l *life) spread() {
	if roll := l.roll.Load(); roll != nil {
		_, seq := l.Applied()
		_ = roll.Wait(l.node.running, seq) // the process ends
	}
}
