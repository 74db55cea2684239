package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/confine"
	"github.com/faaspot/faaspot/cmd/fas/internal/spawn"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/runtime/egress"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/metrics"
	"github.com/faaspot/faaspot/runtime/redact"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/tracing"
	"github.com/faaspot/faaspot/runtime/worker"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"
)

const (
	// storeShare is the divisor of a small memory budget that gives the size of the store's cache.
	storeShare = 16
	// usualMemory is what a run with the default memory limit reserves, its files in /tmp included, in
	// bytes.
	usualMemory = runtime.DefaultMemory + 64*runtime.MiB
	// ownMemory is the memory that the process takes beyond its budget, in bytes.
	ownMemory = 300 * runtime.MiB
	// dataMode restricts the data folder to the server's user: contexts of functions hold secrets.
	dataMode fs.FileMode = 0o700
	// stopTime is the time that runs get to end after they are stopped at the end of the grace
	// period. Stopping a run takes milliseconds.
	stopTime = 5 * time.Second
	// passOnTime bounds the time for which connections are served whose first request has not arrived, if
	// another process takes the listener over.
	passOnTime = 2 * time.Second
	// passOnRest is the time for which they are served once all of them have sent something.
	passOnRest = 250 * time.Millisecond
	// traceTime is the time that the last spans get to reach their collector.
	traceTime = 3 * time.Second
)

// server is a server with its parts, in the order in which they start. A part that has not started
// is nil.
type server struct {
	Options
	log         *slog.Logger
	levels      *logLevels       // of the log, and of that of requests
	secrets     *redact.Registry // that the log does not show
	certificate *certificate     // in files, of the listener; nil: none
	notifier    *notifier        // of the service manager
	hangups     chan os.Signal   // at which files are read again; nil: there are none
	listener    net.Listener
	passed      bool         // a service manager has opened the listener, and keeps it for the next process
	health      net.Listener // for health checks alone; nil: none
	encryption  *tls.Config  // of connections; nil: they are not encrypted
	keys        *keyset.Keyset
	keepKeys    func() error // stores keys that are new; nil: they are stored
	at          place
	memory      *memory.Budget
	govern      context.CancelFunc // ends the government of Go's memory
	store       *storage.Store
	admin       admin
	access      *access.Keeper
	web         *httpapi.Server
	served      chan error                      // receives the errors of listeners that web stops serving by itself
	spawner     *spawn.Spawner                  // nil: runs happen in this process
	box         io.Closer                       // what runs functions
	workers     atomic.Pointer[worker.Pool]     // that it is; nil: a sandbox in this process
	own         atomic.Pointer[sandbox.Sandbox] // that it is; nil: workers
	walls       confine.Report                  // none before it is confined
	engine      *engine.Engine
	metrics     *metrics.Metrics
	traces      *tracing.Exporter             // nil: none are exported
	measured    atomic.Pointer[engine.Engine] // the engine, for metrics; nil until it has started
	node        *node                         // of a cluster; nil: the server is alone
	life        *life                         // of the node, that this is the server of
}

// Run runs a server until ctx ends, which is not an error.
func Run(ctx context.Context, o Options) error {
	if len(o.Cluster) > 0 {
		return runNode(ctx, o)
	}
	s := &server{Options: o, secrets: redact.New(), levels: newLogLevels(o)}
	s.log = newLog(o.Terminal, &s.levels.server, o.LogFormat, s.secrets)
	s.notifier = newNotifier(o.Environ, s.log)
	defer s.notifier.close()
	defer s.leaveHangups()
	err := s.start(ctx)
	if err == nil {
		err = s.attend(ctx)
	}
	grace := o.Grace
	if ctx.Err() != nil {
		s.notifier.send("STOPPING=1")
		s.log.Info("stopping", "grace", grace.String())
		err = nil // any error is a consequence of the stop
	} else {
		grace = 0
	}
	if err := errors.Join(err, s.stop(grace)); err != nil {
		return err
	}
	s.log.Info("stopped")
	return nil
}

// shareProcessors returns the number of guests that may compute at once, which is the number of
// processors, and raises GOMAXPROCS by one for the rest of the server. Go cannot preempt a guest
// between two of its checkpoints: with GOMAXPROCS equal to the number of guests, nothing would poll
// the network while all guests compute. The kernel shares the real processors fairly. It runs once
// per process, because a test may start several servers.
var shareProcessors = sync.OnceValue(func() (places int) {
	places = goruntime.GOMAXPROCS(0)
	goruntime.GOMAXPROCS(places + 1)
	return places
})

// start starts all parts.
func (s *server) start(ctx context.Context) (err error) {
	began := time.Now()
	if err := s.prepare(); err != nil {
		return err
	}
	if s.keys, s.keepKeys, err = (Secrets{Data: s.Data, File: s.SecretsFile, Environ: s.Environ}).open(s.log); err != nil {
		return err
	}
	s.openMemory()
	if err := s.openStore(nil); err != nil {
		return err
	}
	return s.begin(ctx, began)
}

// prepare opens what the server listens at, and starts the process that starts workers.
func (s *server) prepare() (err error) {
	s.hideOwn()
	if err = s.openListeners(); err != nil {
		return err
	}
	if s.at, err = placeOf(s.listener.Addr()); err != nil {
		return fmt.Errorf("read the address of the listener: %w", err)
	}
	if s.encryption, err = s.secure(); err != nil {
		return err
	}
	s.catchHangups()
	s.at = s.reachedAt(s.at)
	s.log.Info("starting", "url", s.at.url(), "data", s.Data, "version", s.Version)
	s.logSettings()
	if err := os.MkdirAll(s.Data, dataMode); err != nil {
		return clierror.Usagef("choose another folder with --data", "cannot create the data folder: %v", err)
	}
	return s.startSpawner()
}

// openMemory opens the memory budget.
func (s *server) openMemory() {
	s.memory = memory.New(s.budget(), s.log)
	s.secrets.Count(s.memory.Open(memory.Options{Name: "secrets that the log does not show", Heap: true}))
	if s.memory.Total() < usualMemory {
		s.log.Warn("the memory budget has no room for a function with the default memory limit, so that most deployments will be refused",
			"budget", ui.SizeText(s.memory.Total()), "hint", "give --memory-budget at least "+ui.SizeText(usualMemory)+", or deploy functions with a lower --memory")
	}
	if machine := memory.Machine(); machine-s.memory.Total() < ownMemory {
		s.log.Warn("the memory budget and what the server takes beyond it are more than the memory of this machine or control group: the kernel may kill the server",
			"budget", ui.SizeText(s.memory.Total()), "memory", ui.SizeText(machine), "hint", "leave "+ui.SizeText(ownMemory)+" beyond --memory-budget")
	}
}

// openStore opens the store, as the replica of a log or alone.
func (s *server) openStore(replication *storage.Replication) (err error) {
	if replication == nil { // the store is missing, or older, while a copy waits to replace it
		if _, err := os.Stat(filepath.Join(s.Data, copiedName)); err == nil {
			return clierror.Usagef("start it with --cluster", "the data folder %s is that of a node, which was stopped when it had got a copy of the data", s.Data)
		}
	}
	writes := s.memory.Open(memory.Options{Name: "writes to the store", Heap: true})
	s.store, err = storage.Open(storage.Options{
		Keys: s.keys, KeepKeys: s.keepKeys, Held: writes.Hold, Dir: filepath.Join(s.Data, storeName), Log: s.log, CacheBytes: min(storage.DefaultCacheBytes, s.memory.Total()/storeShare),
		MinFree: uint64(s.DiskFloor), Ballast: ballastBytes(s.Ballast), AuditAge: time.Duration(s.AuditAge), AuditBytes: int64(s.AuditBytes),
		Replication: replication,
	})
	return err
}

// begin starts all parts above the store. That of a node runs functions and forwards requests until its life leads.
func (s *server) begin(ctx context.Context, began time.Time) (err error) {
	if err = s.startTraces(); err != nil {
		return err
	}
	var poster runtime.Poster
	if poster, err = egress.New(egress.Options{Allow: s.EgressAllow}); err != nil {
		return err
	}
	if s.Poster != nil {
		poster = s.Poster(poster)
	}
	networks, err := egress.NewNetworks(egress.NetworkOptions{
		Allow: s.EgressAllow, Ceiling: s.EgressCeiling, Proxy: s.EgressProxy,
		Uses:  func(t runtime.Tenant) *runtime.TenantUse { return s.access.Use(t) }, // it is open before a run begins
		Calls: s.notedCalls(),
	})
	if err != nil {
		return err
	}
	open := s.openAdmin
	if s.life != nil {
		open = s.followAdmin
	}
	if s.admin, err = open(); err != nil {
		return err
	}
	s.secrets.Hold(s.admin.token)

	if s.access, err = access.Open(access.Options{
		Store: s.store, Memory: s.memory, Log: s.log, Admin: s.admin.hash, Limits: s.TenantLimits, Stored: s.store.Stored,
		OwnWorkers: s.ownWorkers(), Follow: s.life != nil,
	}); err != nil {
		return err
	}
	s.store.LimitTenants(func(t runtime.Tenant) runtime.TenantLimits { return s.access.Use(t).Limits() })

	if n := s.access.OwnWorkers(); n > 0 && s.Workers == 0 {
		s.log.Warn("tenants have a worker of their own, but this server has no workers: their functions run in the server",
			"tenants", n, "hint", "start it with --workers 1 or more")
	}

	s.metrics = s.newMetrics()
	// From here on clients get answers: that the server is starting.
	web := httpapi.Options{
		Memory:      s.memory,
		Workers:     s.workerStatus,
		Auth:        s.access,
		Access:      s.access,
		Audit:       s.store,
		Disk:        s.store.Disk,
		Maintenance: s.store,
		Cursors:     s.store.Sealer("cursors"),
		Metrics:     s.metrics.Text,
		Ready:       s.ready,
		Log:         s.log,
		Secrets:     s.secrets,
		AccessLog:   s.accessLog(),
		BaseURL:     s.PublicURL,
		TLS:         s.encryption,
		SpoolDir:    filepath.Join(s.Data, "spool"),
		Version:     s.Version,
	}
	if s.life != nil {
		web.Current, web.Follower, web.Spread = s.life.current, s.life, s.life.spread
	}
	if s.web, err = httpapi.New(web); err != nil {
		return err
	}
	s.served = make(chan error, 3)
	s.answerChecks()
	if !s.passed { // else clients wait until there are better answers
		s.acceptAll()
	}

	box, err := s.openSandbox(ctx)
	if err != nil {
		return err
	}
	if s.life == nil { // nothing of a tenant has run yet, and all that needs more rights is done
		s.confine()
	}
	options := engine.Options{
		Poster: poster, CallbackBody: blaxel.RenderExecution, Networks: networks,
		Store: s.store, Sandbox: box, Log: s.log, Memory: s.memory, Uses: s.access.Use, Secrets: s.secrets, OnEnd: s.metrics.OnEnd, DropArgs: s.DropArgs,
		Traces: s.engineTraces(), NoSchedules: s.NoSchedules,
		Retention: runtime.Retention{
			Age: time.Duration(s.RetentionAge), MinAge: time.Duration(s.RetentionMinAge), Count: s.RetentionCount,
			Bytes: int64(s.RetentionBytes), TenantBytes: int64(s.RetentionTenantBytes), FunctionBytes: int64(s.RetentionFunctionBytes),
		},
	}
	if s.life != nil {
		options.Owner, options.Follow = s.life.current, &engine.Following{Record: s.life.record, Keep: s.life.keep, Kept: s.node.kept.take(), Still: s.life.still}
		options.Places, options.Adopt = s.life.places, s.life.adopt
	}
	if s.engine, err = engine.New(options); err != nil {
		return err
	}
	s.measured.Store(s.engine)
	s.web.SetEngine(s.engine)
	s.access.SetEngine(s.engine)
	if s.life != nil {
		s.life.lendPlaces()
	}
	if s.passed {
		s.acceptAll()
	}
	// Compiling or loading the guest leaves garbage of many times the size of an idle server.
	debug.FreeOSMemory()
	if s.Environ["GOGC"] == "" {
		debug.SetGCPercent(sandbox.GCPercent)
	}
	governed, stop := context.WithCancel(context.Background())
	s.govern = stop
	go s.memory.Govern(governed)
	if s.life == nil {
		s.log.Info("ready", "url", s.at.url(), "took", time.Since(began).Round(time.Millisecond).String())
	}
	if beyond(s.listener.Addr()) && !s.encrypts() {
		s.log.Warn("other machines can reach this server, and requests are not encrypted",
			"hint", "use --tls-cert and --tls-key, or --acme-domain; or put a proxy that speaks TLS in front")
	}
	return nil
}

// acceptAll serves the API.
func (s *server) acceptAll() {
	ln := s.listener
	if s.node != nil {
		ln = s.node.front.Own()
	}
	go func() { s.served <- s.web.Serve(ln) }()
}

// answerChecks serves health checks at a listener of their own, if there is one.
func (s *server) answerChecks() {
	if s.node != nil && s.node.checks != nil {
		s.health = s.node.checks.Own()
	}
	if s.health != nil {
		go func() { s.served <- s.web.ServeHealth(s.health) }()
		s.log.Info("serving health checks and metrics", "address", s.health.Addr().String())
	}
}

// ready returns why the server cannot serve, or nil.
func (s *server) ready() error {
	if err := s.store.Health(); err != nil || s.life == nil {
		return err
	}
	return s.life.readiness()
}

// attend announces that the server is ready, and waits until ctx ends or the server stops by
// itself.
func (s *server) attend(ctx context.Context) error {
	served, stop := context.WithCancel(ctx)
	defer stop()
	s.maintain(served) // before others learn that the server is there, and may signal it
	if s.AddressFile != "" {
		if err := errors.Join(writeAddress(s.AddressFile, s.listener.Addr()), s.walls.Narrow(s.rights())); err != nil {
			return err
		}
	}
	if s.Ready != nil {
		s.Ready(s.at.url())
	}
	s.notifier.ready(s.at.url())
	if s.Demo {
		if err := s.runDemo(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the demo failed", "error", clierror.Message(err))
		}
	}
	var spawnerEnded <-chan struct{}
	if s.spawner != nil {
		spawnerEnded = s.spawner.Done()
	}
	select {
	case err := <-s.served:
		return fmt.Errorf("the server stopped accepting connections: %w", err)
	case <-spawnerEnded:
		return errSpawnerEnded
	case <-ctx.Done():
		return nil
	}
}

// stop stops the parts that have started, in reverse order. Running runs may finish within the
// grace period; waiting runs do not start.
func (s *server) stop(grace time.Duration) error {
	if s.passed && s.engine != nil {
		ctx, cancel := context.WithTimeout(context.Background(), min(grace, passOnTime))
		s.web.HandOver(ctx, passOnRest)
		cancel()
	}
	if err := drain(s.engine, s.web, grace, s.log); err != nil {
		// Do not close parts that runs still use. Everything that was acknowledged is on disk.
		return err
	}
	if s.govern != nil {
		s.govern()
	}
	if s.traces != nil {
		last, cancel := context.WithTimeout(context.Background(), traceTime)
		s.traces.Close(last)
		cancel()
	}
	var errs []error
	if s.access != nil {
		errs = append(errs, s.access.Close())
	}
	if s.box != nil {
		errs = append(errs, s.box.Close())
	}
	if s.node != nil { // the rest is the node's
		if s.health != nil && s.web == nil {
			errs = append(errs, s.health.Close())
		}
		return errors.Join(errs...)
	}
	if s.spawner != nil {
		errs = append(errs, s.spawner.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	for _, ln := range []net.Listener{s.listener, s.health} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) { // by the server of the API
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// drain refuses new work, waits until running runs finish within the grace period, and then stops
// the rest. A nil part has not started.
func drain(engine *engine.Engine, web *httpapi.Server, grace time.Duration, log *slog.Logger) error {
	graceful, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	final, cancel := context.WithTimeout(context.Background(), grace+stopTime)
	defer cancel()
	var parts sync.WaitGroup
	if web != nil {
		parts.Go(func() {
			if err := web.Shutdown(graceful); err != nil && grace > 0 {
				log.Warn("the grace period is over: stopped the remaining runs and requests", "grace", grace.String())
			}
		})
	}
	var stuck error
	if engine != nil {
		parts.Go(func() {
			if engine.Close(graceful) != nil {
				stuck = engine.Close(final)
			}
		})
	}
	parts.Wait()
	if stuck != nil {
		return fmt.Errorf("some runs did not end after they were stopped: %w", stuck)
	}
	return nil
}

// ballastBytes returns the size of the ballast for the store, which has zero for the default.
func ballastBytes(size ui.ByteSize) int64 {
	switch size {
	case DefaultBallast:
		return 0
	case 0:
		return -1
	}
	return int64(size)
}
