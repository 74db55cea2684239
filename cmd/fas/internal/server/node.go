package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

const (
	// DefaultNodeListen is the address at which a node listens for others without --node-listen.
	DefaultNodeListen = "127.0.0.1:8788"
	// logTime is the time within which the servers of the log must answer when a node starts.
	logTime = time.Minute
	// standbyPart is the divisor of the part of the memory budget that the server may use which forwards requests between two lives of a node.
	standbyPart = 4
	// hardenTime is the time between two syncs of what a node has applied.
	hardenTime = 15 * time.Second
	// fillTime is the time between two looks of the owner at how full the log is.
	fillTime = 3 * time.Second
	// divideTime is the time between two looks at how many nodes there are.
	divideTime = time.Second
	// logTrimPart is how full the log is before the owner drops records of it. Until then a node that was away, or is
	// new, finds all. From logFullPart on it takes no new work: the rest is for the ends of the work that it has.
	logTrimPart = 0.5
	logFullPart = 0.875
	// logWarnTime is the time between two warnings that the log is nearly full.
	logWarnTime = time.Minute
	// generationTime is the time between two looks for a later generation of the log.
	generationTime = 15 * time.Second
	// firstGeneration is the generation of the first log of a cluster.
	firstGeneration = 1
)

// node is a server of a cluster. It has one life after the other, in which it follows the owner of the
// data, and then may be the owner. What outlives them is here.
type node struct {
	*server // its listeners, and the process that starts workers
	cluster *cluster.Node
	dialer  mesh.Dialer
	logs    replog.Log
	// generation is that of the log.
	generation uint64
	bus        *nats.Bus
	peers      *mesh.Listener
	behind     bool        // the next life begins with a copy of another node's data
	front      *mesh.Front // of the API
	checks     *mesh.Front // of health checks; nil: none
	standby    *httpapi.Server
	forwarder  *mesh.Forwarder
	records    recordLink
	kept       keptRuns
	requests   atomic.Pointer[mesh.Queue] // of connections on which other nodes send requests
	walled     atomic.Bool                // the process is confined
	announce   func()                     // says once that the node serves
	stopping   context.Context            // ends when the process shall end
	running    context.Context            // ends when it does
	life       atomic.Pointer[life]
	ordered    atomic.Pointer[time.Time] // when the process was to end; nil: it was not
	grace      atomic.Int64              // of the last order to give up the data, in nanoseconds
	sealing    nodeKeys
}

// runNode runs a node of a cluster until ctx ends, which is not an error.
func runNode(ctx context.Context, o Options) (err error) {
	began := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &server{Options: o, secrets: redact.New(), levels: newLogLevels(o)}
	s.log = newLog(o.Terminal, &s.levels.server, o.LogFormat, s.secrets)
	s.notifier = newNotifier(o.Environ, s.log)
	defer s.notifier.close()
	defer s.leaveHangups()
	n := &node{server: s, stopping: ctx}
	s.node = n
	running, end := context.WithCancel(context.Background())
	defer end()
	n.running = running
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.prepare(); err != nil {
		return err
	}
	if err := n.openKeys(); err != nil {
		return err
	}
	options, err := n.logOptions()
	if err != nil {
		return err
	}
	options.Log = n.log
	if err := n.connect(ctx, options); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	go n.cluster.Run(running)
	n.maintain(running)
	go n.harden(running)
	go n.trim(running)
	go n.divide(running)
	go n.rekey(running)
	go n.lookForGenerations(ctx, options, stop)
	if n.AddressFile != "" {
		if err := writeAddress(n.AddressFile, n.listener.Addr()); err != nil {
			return err
		}
	}
	n.AddressFile = "" // it is written
	if n.Environ[environ.AdminTokenVar] != "" && n.keepKeys == nil {
		n.confineOnce() // else the first life as the owner has files to write elsewhere
	}
	n.announce = sync.OnceFunc(func() {
		n.log.Info("ready", "url", n.at.url(), "node", n.Node, "node_address", n.cluster.Address, "took", time.Since(began).Round(time.Millisecond).String())
		n.notifier.ready(n.at.url())
	})
	defer context.AfterFunc(ctx, n.beginStop)()
	err = n.cluster.Live(ctx, n.open)
	if errors.Is(context.Cause(ctx), errSuperseded) {
		return errors.Join(errSuperseded, err)
	}
	if ctx.Err() != nil {
		n.log.Info("stopped")
	}
	return err
}

// errSuperseded ends a process whose log is not the present one any more. Its next start uses that.
var errSuperseded = errors.New("a later generation of the log was made: this process ends, and uses it when it is started again")

// lookForGenerations stops the node when there is a later generation of its log, until ctx ends.
func (n *node) lookForGenerations(ctx context.Context, options nats.Options, stop context.CancelCauseFunc) {
	for pause(ctx, generationTime) {
		asking, cancel := context.WithTimeout(ctx, lookTime)
		latest, err := nats.Latest(asking, options)
		cancel()
		if err == nil && latest > n.generation {
			stop(errSuperseded)
		}
	}
}

// end returns until when requests may be answered once the process shall end.
func (n *node) end() time.Time {
	if ordered := n.ordered.Load(); ordered != nil {
		return ordered.Add(n.Grace)
	}
	return time.Now()
}

// beginStop stops accepting connections.
func (n *node) beginStop() {
	now := time.Now()
	n.ordered.Store(&now)
	n.notifier.send("STOPPING=1")
	n.log.Info("stopping", "grace", n.Grace.String())
	if err := n.front.Stop(); err != nil {
		n.log.Debug("cannot close the listener", "error", err)
	}
}

// drain makes the node give up the data, and lets its runs end for a while.
func (n *node) drain(to string, grace time.Duration) error {
	n.grace.Store(int64(min(max(grace, 0), n.Grace)))
	err := n.cluster.Drain(to)
	if err == nil {
		n.log.Info("asked to leave the data to other nodes", "to", to, "grace", grace.String())
	}
	return err
}

// connect opens all that outlives the lives of the node.
func (n *node) connect(ctx context.Context, options nats.Options) (err error) {
	if n.dialer, err = dialer(options); err != nil {
		return err
	}
	ln, err := listen(n.NodeListen)
	if err != nil {
		return err
	}
	address := n.NodeAddress
	if address == "" {
		address = ln.Addr().String()
		if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().IsUnspecified() {
			return errors.Join(clierror.Usagef("give --node-address, at which the other nodes reach this one", "--node-listen %s names no address of this machine", n.NodeListen), ln.Close())
		}
	}
	opening, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	if n.generation, err = nats.Latest(opening, options); err == nil {
		n.generation = max(n.generation, firstGeneration)
		options.Generation = n.generation
		n.logs, err = nats.Open(opening, options)
	}
	if err == nil {
		n.bus, err = nats.OpenBus(opening, options)
	}
	if err != nil {
		_ = ln.Close()
		return runtime.Errorf(runtime.CodeUnavailable, "cannot use the log of the cluster: %v", err).
			WithHint("check --cluster, --cluster-name and the key; the first start of a cluster needs --cluster-create, or `fas cluster init` before")
	}
	n.cluster = cluster.New(cluster.Options{Name: n.Node, Address: address, Bus: n.bus, Ask: n.dialer.Ask, Log: n.log, Version: n.Version, Generation: n.generation})
	n.cluster.SetSecretsKey(n.sealing.keys.ID())
	n.peers = mesh.Listen(ln, mesh.ListenOptions{
		TLS: n.dialer.TLS, Status: n.cluster.Status, Requests: n.requests.Load, Link: n.answerLink, Copy: n.sendCopy, Drain: n.drain, Undrain: n.cluster.Undrain, Log: n.log,
	})
	n.forwarder = mesh.NewForwarder(mesh.ForwarderOptions{Dialer: n.dialer, Owner: n.cluster.Owner, Log: n.log})
	n.front = mesh.NewFront(n.listener, n.log)
	if n.health != nil {
		n.checks = mesh.NewFront(n.health, n.log)
	}
	n.standby, err = httpapi.New(httpapi.Options{
		Auth: starting{}, Memory: memory.New(n.budget()/standbyPart, n.log), Standby: true, Follower: between{forwarding{n}}, Ready: startingError, Log: n.log, Secrets: n.secrets,
		TLS: n.encryption, SpoolDir: filepath.Join(n.Data, "standby"), Version: n.Version,
	})
	if err != nil {
		return err
	}
	go func() { _ = n.standby.Serve(n.front.Standby()) }() // until it is shut down
	go n.front.Serve()
	if n.checks != nil {
		go func() { _ = n.standby.ServeHealth(n.checks.Standby()) }()
		go n.checks.Serve()
	}
	return nil
}

// close closes what connect and prepare have opened.
func (n *node) close() error {
	var errs []error
	if n.standby != nil {
		ending, cancel := context.WithDeadline(context.Background(), n.end())
		_ = n.standby.Shutdown(ending) // it closes what has not ended then
		cancel()
	}
	switch {
	case n.front != nil:
		errs = append(errs, n.front.Close())
	case n.listener != nil:
		errs = append(errs, n.listener.Close())
	}
	switch {
	case n.checks != nil:
		errs = append(errs, n.checks.Close())
	case n.health != nil:
		errs = append(errs, n.health.Close())
	}
	n.records.close()
	if n.forwarder != nil {
		n.forwarder.Close()
	}
	if n.peers != nil {
		errs = append(errs, n.peers.Close())
	}
	if n.bus != nil {
		errs = append(errs, n.bus.Close())
	}
	if n.logs != nil {
		errs = append(errs, n.logs.Close())
	}
	if n.spawner != nil {
		errs = append(errs, n.spawner.Close())
	}
	return errors.Join(errs...)
}

// harden puts what the node has applied on its disk, from time to time.
func (n *node) harden(ctx context.Context) {
	n.each(ctx, hardenTime, func(l *life) {
		seq, err := l.store.Harden()
		if err != nil {
			n.log.Debug("cannot sync what was applied", "error", err)
			return
		}
		n.cluster.Hardened(seq)
	})
}

// trim drops records of the log that no node needs, if this node owns the data, and refuses new work while the log is
// nearly full. A full log takes no records: the owner trims it although it cannot show that it is the owner.
func (n *node) trim(ctx context.Context) {
	var warned time.Time
	n.each(ctx, fillTime, func(l *life) {
		if !n.cluster.Status().Owns {
			return
		}
		filled, err := n.filled(ctx)
		if err != nil {
			return // it is asked again
		}
		l.store.RefuseNewWork(filled >= logFullPart)
		if filled < logTrimPart {
			return
		}
		seq, holder := n.cluster.Trimmable(filled)
		if filled >= cluster.FullPart && time.Since(warned) >= logWarnTime {
			warned = time.Now()
			n.log.Warn("the log is nearly full", "filled", fmt.Sprintf("%.0f%%", 100*filled), "held_by", holder,
				"hint", "at least two nodes must have stored what is dropped: look at the node that holds it")
		}
		if seq == 0 {
			return
		}
		if err := l.store.Trim(ctx, seq); err != nil {
			n.log.Warn("cannot drop records of the log", "error", err)
		}
	})
}

// divide divides the limits of tenants among the nodes that are there.
func (n *node) divide(ctx context.Context) {
	n.each(ctx, divideTime, func(l *life) {
		if e := l.measured.Load(); e != nil { // access is open
			l.access.SetNodes(1 + len(n.cluster.Members()))
		}
	})
}

// each calls f with the life of the node, if it has one, from time to time until ctx ends.
func (n *node) each(ctx context.Context, pause time.Duration, f func(*life)) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if l := n.life.Load(); l != nil {
			f(l)
		}
	}
}

// filled returns how full the log is, from 0 to 1.
func (n *node) filled(ctx context.Context) (float64, error) {
	sized, ok := n.logs.(replog.Sized)
	if !ok {
		return 0, nil
	}
	return sized.Filled(ctx)
}

// starting knows nobody: a node begins a life, and forwards all requests.
type starting struct{}

func startingError() error {
	err := runtime.Errorf(runtime.CodeUnavailable, "this node is starting").WithHint("use another one, or try again in a moment")
	err.RetryAfter = time.Second
	return err
}

func (starting) Authenticate([]byte) (*runtime.Identity, error) { return nil, startingError() }

func (starting) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return nil, startingError()
}

// confineOnce confines the process, once.
func (n *node) confineOnce() {
	if !n.confined() {
		n.confine()
		n.walled.Store(true)
	}
}

// confined reports whether confineOnce was called before.
func (n *node) confined() bool { return n != nil && n.walled.Load() }

// answers returns when the store of the node has answered, if it has one: a life may just end.
func (n *node) answers() {
	if l := n.life.Load(); l != nil {
		_, _ = l.store.Setting(settingAdminToken) // an error is an answer, too
	}
}
