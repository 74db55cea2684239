package worker

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Options configures a Pool.
type Options struct {
	// Workers is the number of workers that tenants share, at least 1.
	Workers int
	// MostOwn is the largest number of workers of tenants that have their own, and of tenants and of functions
	// that are suspected of ending workers, each. Zero: 8.
	MostOwn int
	// Start starts a worker process, which serves the connection with [Serve].
	Start func(ctx context.Context) (Process, error)
	// Own reports whether a tenant has a worker of its own. Nil: no tenant has.
	Own func(runtime.Tenant) bool
	// Uses returns the use of a tenant, which has its part of the processors of a worker and the limit of its
	// images there, and gets what workers keep for it. Nil: no tenant has limits. A nil use: this one has none.
	Uses func(runtime.Tenant) *runtime.TenantUse
	// Memory is the budget that the workers lease from. The caller takes the reservations of runs from it.
	Memory   *memory.Budget
	Bundles  runtime.BundleSource  // nil: no program may have a bundle
	Bytecode runtime.BytecodeStore // nil: none is kept
	Files    *Files                // for images and bundles on disk; nil: both are in memory
	Log      *slog.Logger          // nil: slog.Default
}

// Process is a worker process.
type Process interface {
	// Conn returns the server's end of the connection to the process.
	Conn() *net.UnixConn
	// Wait returns when the process has ended, with the reason unless it has ended by itself.
	Wait() error
	// Kill ends the process at once. It may be called at any time.
	Kill() error
}

// Pool runs programs in worker processes. It implements [runtime.Sandbox].
type Pool struct {
	o        Options
	accounts accounts
	shared   []*host
	seed     maphash.Seed
	suspects struct{ functions, tenants suspects }
	pause    time.Duration // see pingPause
	answer   time.Duration // see pingTime

	mu     sync.Mutex
	own    map[ownKey]*host
	closed bool
	active sync.WaitGroup // calls in progress
	ended  chan struct{}  // closed by Close
	last   uint64         // number of the latest worker

	processes sync.WaitGroup // workers that have not ended
}

var _ runtime.Sandbox = (*Pool)(nil)

// ownKey names a worker that is not shared: that of a tenant, or that of a function of it.
type ownKey struct {
	tenant    runtime.Tenant
	function  string // ID; empty: all functions of the tenant
	suspected bool   // of ending workers; else the tenant has a worker of its own
}

// like reports whether two workers are of one sort, which is bounded.
func (k ownKey) like(other ownKey) bool {
	return k.suspected == other.suspected && (k.function == "") == (other.function == "")
}

// errClosed is returned by calls after Close.
var errClosed = errors.New("worker: closed")

// New starts the workers that tenants share, and returns when all are ready. The account of the
// reservations must be opened afterwards, see [memory.Budget.RunsElsewhere].
func New(o Options) (*Pool, error) {
	o.Workers, o.MostOwn = max(o.Workers, 1), cmp.Or(o.MostOwn, 8)
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Memory == nil {
		o.Memory = memory.New(memory.Machine()/2, o.Log)
	}
	p := &Pool{o: o, pause: pingPause, answer: pingTime, seed: maphash.MakeSeed(), own: make(map[ownKey]*host), ended: make(chan struct{})}
	p.suspects.functions = suspects{places: o.MostOwn, losses: functionLosses, now: time.Now}
	p.suspects.tenants = suspects{places: o.MostOwn, losses: tenantLosses, now: time.Now}
	p.openAccounts()
	o.Memory.RunsElsewhere()
	for range o.Workers {
		p.shared = append(p.shared, &host{pool: p, keep: true})
	}
	for _, h := range p.shared {
		h.begin()
	}
	for _, h := range p.shared {
		_, err := h.acquire(context.Background(), startTime)
		h.release()
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// enter registers a call, so that Close waits for it.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.active.Add(1)
	return nil
}

// Close waits for the calls in progress, and ends all workers. It is idempotent.
func (p *Pool) Close() error {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	p.active.Wait()
	if closed {
		return nil
	}
	close(p.ended)
	for _, h := range p.hosts() {
		h.close()
	}
	p.processes.Wait()
	return nil
}

// hosts returns all hosts.
func (p *Pool) hosts() []*host {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append([]*host(nil), p.shared...)
	for _, h := range p.own {
		all = append(all, h)
	}
	return all
}

// peers returns the workers that serve.
func (p *Pool) peers() (all []*peer) {
	for _, h := range p.hosts() {
		if w := h.current(); w != nil {
			all = append(all, w)
		}
	}
	return all
}

// acquire returns the worker for a run of a function, and its host. The caller must release the host.
func (p *Pool) acquire(ctx context.Context, tenant runtime.Tenant, function string) (*peer, *host, error) {
	for {
		h, err := p.hostFor(tenant, function)
		if err != nil {
			return nil, nil, err
		}
		w, err := h.acquire(ctx, patience)
		switch {
		case err == nil:
			return w, h, nil
		case !errors.Is(err, errHostClosed):
			h.release()
			return nil, nil, err
		}
	}
}

// use calls f with the worker for a program, and again with another one if that one had ended before.
func (p *Pool) use(ctx context.Context, program *runtime.Program, f func(w *peer) (runtime.Outcome, error)) (runtime.Outcome, error) {
	for {
		w, h, err := p.acquire(ctx, program.Tenant, program.FunctionID)
		if err != nil {
			return runtime.Outcome{}, err
		}
		outcome, err := f(w)
		if errors.Is(err, errNotSent) {
			h.ended(w, err)
		}
		h.release()
		if !errors.Is(err, errNotSent) {
			return outcome, err
		}
	}
}

// hostFor returns the host for the runs of a function.
func (p *Pool) hostFor(tenant runtime.Tenant, function string) (*host, error) {
	switch {
	case p.suspects.functions.isolated(function):
		return p.ownHost(ownKey{tenant: tenant, function: function, suspected: true})
	case p.o.Own != nil && p.o.Own(tenant):
		return p.ownHost(ownKey{tenant: tenant})
	case p.suspects.tenants.isolated(string(tenant)):
		return p.ownHost(ownKey{tenant: tenant, suspected: true})
	}
	return p.share(tenant), nil
}

// share returns the shared host of a tenant: that with the largest of the hashes of both.
func (p *Pool) share(tenant runtime.Tenant) *host {
	sum := maphash.String(p.seed, string(tenant))
	best, found := uint64(0), p.shared[0]
	for i, h := range p.shared {
		if weight := mix(sum + uint64(i)); weight > best {
			best, found = weight, h
		}
	}
	return found
}

// mix returns a number of which each bit depends on all bits of x: the output function of SplitMix64.
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ownHost returns a host that is not shared. The error is CodeTooBusy if there are too many: one without
// runs that nobody needs any more gives way.
func (p *Pool) ownHost(key ownKey) (*host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.own[key]; h != nil {
		return h, nil
	}
	if !p.makeRoom(key) {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many tenants or functions have a worker process of their own").
			WithHint("try again in a moment")
		err.RetryAfter = runtime.BusyRetry
		return nil, err
	}
	h := &host{pool: p, key: key}
	p.own[key] = h
	return h, nil
}

// makeRoom reports whether there may be one more worker like key. It is called with mu held.
func (p *Pool) makeRoom(key ownKey) bool {
	alike, old := 0, []*host(nil)
	for k, h := range p.own {
		if k.like(key) {
			alike++
			if !p.entitled(k) {
				old = append(old, h)
			}
		}
	}
	return alike < p.o.MostOwn || slices.ContainsFunc(old, (*host).retire)
}

// entitled reports whether runs still go to a worker that is not shared.
func (p *Pool) entitled(k ownKey) bool {
	switch {
	case k.function != "":
		return p.suspects.functions.isolated(k.function)
	case k.suspected:
		return p.suspects.tenants.isolated(string(k.tenant))
	}
	return p.o.Own(k.tenant)
}

// Status describes one worker.
type Status struct {
	PID      int            // of the process; 0: there is none, or [Process] does not report it
	Tenant   runtime.Tenant // that the worker belongs to; empty: tenants share it
	Function string         // ID of the function that it belongs to; empty: all functions
	Since    time.Time      // when it was ready; zero: it is not
	Restarts int            // times that it was started anew
	Runs     int            // calls in progress
	Memory   int64          // bytes that it leases
}

// Status returns the state of all workers: first those that tenants share.
func (p *Pool) Status() (all []Status) {
	for _, h := range p.hosts() {
		all = append(all, h.status())
	}
	return all
}
