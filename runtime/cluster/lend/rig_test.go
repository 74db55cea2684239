package lend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/lend"
	"github.com/faaspot/faaspot/runtime/memory"
)

var quiet = slog.New(slog.DiscardHandler)

// order is what the function of a test does, as its args.
type order struct {
	Sleep  time.Duration // before it prints, and again afterwards
	Print  int           // lines
	Result int           // bytes
	Fail   string        // how it ends: "unused", "unfit", "late", "worker", "busy" or "error"
	Deaf   bool          // it does not notice that it is cancelled
}

func (o order) args() []byte {
	text, _ := json.Marshal(o)
	return text
}

// line is a line that the run of an execution prints.
func line(id string, n int) string {
	return fmt.Sprintf("%s prints line %d %s\n", id, n, strings.Repeat("x", n%150))
}

// result is the result of a run.
func result(id string, o order) string { return `"` + id + strings.Repeat("r", o.Result) + `"` }

// printed is all that a run prints.
func printed(id string, lines int) string {
	var all strings.Builder
	for n := range lines {
		all.WriteString(line(id, n))
	}
	return all.String()
}

// host is a node that lends.
type host struct {
	name   string
	server *lend.Server
	memory *memory.Budget
	epoch  atomic.Uint64
	idle   atomic.Bool // it does not lend

	mu     sync.Mutex
	places int
	bytes  int64
	now    int // runs
	asked  int // how often it was asked what it can lend
	starts map[string]int
	calls  []runtime.RunCall
	conns  []net.Conn
	cut    bool          // it cannot be reached
	still  bool          // it cannot be read, nor does it read
	lag    time.Duration // after which it gets what was sent to it
	pace   time.Duration // that it takes to send a byte
}

const hostMemory = 64 * runtime.MiB

func newHost(t *testing.T, name string, places int) *host {
	h := &host{name: name, places: places, bytes: 1 << 40, starts: make(map[string]int), memory: memory.New(hostMemory, quiet)}
	h.server = lend.NewServer(lend.ServerOptions{Lender: h, Lends: func() bool { return !h.idle.Load() }, Epoch: h.epoch.Load, Memory: h.memory, Log: quiet})
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		h.server.Close(now)
	})
	return h
}

// Lendable implements [runtime.RunLender].
func (h *host) Lendable() (bytes int64, places int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	return h.bytes, h.places - h.now
}

// RunLent implements [runtime.RunLender].
func (h *host) RunLent(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	var o order
	if err := json.Unmarshal(c.Args, &o); err != nil {
		return runtime.Outcome{}, err
	}
	if o.Fail == "unused" {
		return runtime.Outcome{}, fmt.Errorf("version %d: %w", c.Program.Version, runtime.ErrPlaceUnused)
	}
	if o.Fail == "unfit" {
		return runtime.Outcome{}, fmt.Errorf("%w: as many runs as it may", runtime.ErrPlaceUnfit)
	}
	if o.Fail == "late" { // it does not get the memory that it has waited for
		time.Sleep(o.Sleep)
		return runtime.Outcome{}, runtime.ErrPlaceUnused
	}
	h.mu.Lock()
	h.starts[fmt.Sprintf("%s/%d", c.Info.Execution, c.Info.Attempt)]++
	h.calls = append(h.calls, c)
	h.now++
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.now--
	}()
	if o.Deaf {
		ctx = context.Background()
	}
	cancelled := runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCancelled, Message: "cancelled"}}
	for i := range 2 {
		select {
		case <-time.After(o.Sleep):
		case <-ctx.Done():
			if known, ok := runtime.AsError(context.Cause(ctx)); ok {
				return runtime.Outcome{}, known
			}
			cancelled.Logs = c.Logs.End()
			return cancelled, nil
		}
		for n := range o.Print {
			if i == 0 {
				c.Logs.Append(uint8(n/3%2+1), []byte(line(c.Info.Execution, n)))
			}
		}
	}
	switch o.Fail {
	case "worker":
		return runtime.Outcome{}, runtime.WorkerLostError()
	case "busy":
		busy := runtime.Errorf(runtime.CodeTooBusy, "no memory").WithHint("wait")
		busy.RetryAfter = 7 * time.Second
		return runtime.Outcome{}, busy
	case "error":
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "m", Traceback: "t", Line: 7}, Logs: c.Logs.End()}, nil
	}
	return runtime.Outcome{
		Result: []byte(result(c.Info.Execution, o)), Logs: c.Logs.End(),
		Usage:  runtime.Usage{Duration: o.Sleep, Memory: 1234, Pages: 5, Start: 6, Built: true},
		Egress: []runtime.Egress{{Host: "example.com", Port: 443, Sent: 1, Received: 2, Connections: 3}},
	}, nil
}

// started returns how often each attempt has begun.
func (h *host) started() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.starts)
}

// set changes the host.
func (h *host) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// disconnect closes all connections to the host.
func (h *host) disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.conns = nil
}

// stillConn is a connection that stands still with its host.
type stillConn struct {
	net.Conn
	host *host
}

func (c stillConn) Read(b []byte) (n int, err error) {
	n, err = c.Conn.Read(b)
	c.host.mu.Lock()
	lag := c.host.lag
	c.host.mu.Unlock()
	time.Sleep(lag)
	return n, err
}

func (c stillConn) Write(b []byte) (int, error) {
	c.host.mu.Lock()
	still, takes := c.host.still, c.host.pace*time.Duration(len(b))
	c.host.mu.Unlock()
	if still {
		return len(b), nil // it is lost
	}
	time.Sleep(takes)
	return c.Conn.Write(b)
}

// connect returns a connection to the host, which serves it.
func (h *host) connect() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut {
		return nil, errors.New("unreachable")
	}
	own, other := net.Pipe()
	h.conns = append(h.conns, own, other)
	go func() { _ = h.server.Serve(stillConn{other, h}) }()
	return own, nil
}

// world has the nodes of a cluster.
type world struct {
	hosts map[string]*host
}

func newWorld(t *testing.T, places int, names ...string) *world {
	w := &world{hosts: make(map[string]*host)}
	for _, name := range names {
		w.hosts[name] = newHost(t, name, places)
	}
	return w
}

// owner returns the Borrower of a node that becomes the owner.
func (w *world) owner(t *testing.T, name string, epoch uint64) *lend.Borrower {
	return w.ownerWith(t, name, epoch, memory.New(hostMemory, quiet))
}

// ownerWith is owner with a memory budget.
func (w *world) ownerWith(t *testing.T, name string, epoch uint64, budget *memory.Budget) *lend.Borrower {
	b := lend.NewBorrower(lend.BorrowerOptions{
		Node: name,
		Members: func() (all []lend.Member) {
			for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
				all = append(all, lend.Member{Name: name, Address: name})
			}
			return all
		},
		Dial: func(ctx context.Context, m lend.Member) (net.Conn, error) {
			if m.Name == "silent" { // no answer comes
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.hosts[m.Address].connect()
		},
		Memory: budget, Log: quiet,
	})
	t.Cleanup(b.Close)
	b.Start(epoch)
	return b
}

// settledOwner is owner, once it has found out what nodes run, which is nothing that it wants, and what they grant.
func (w *world) settledOwner(t *testing.T, name string, epoch uint64) *lend.Borrower {
	b := w.owner(t, name, epoch)
	b.Collect(t.Context())
	settled()
	return b
}

// call returns the call of an execution.
func call(id string, attempt int, o order) runtime.RunCall {
	return runtime.RunCall{
		Program: runtime.Program{Tenant: "t", FunctionID: "f", Version: 3}, Args: o.args(),
		Info: runtime.RunInfo{Execution: id, Attempt: attempt, Function: "fn"}, Logs: runtime.NewLogBuffer(runtime.DefaultLogs),
	}
}

// ran is the end of a run.
type ran struct {
	outcome runtime.Outcome
	err     error
}

// begin runs a function at a place, gives the place back, and records the end.
func begin(ctx context.Context, p runtime.Place, c runtime.RunCall) <-chan ran {
	ended := make(chan ran, 1)
	go func() {
		o, err := p.Run(ctx, c)
		p.Release()
		p.Recorded()
		ended <- ran{o, err}
	}()
	return ended
}

// beginUnrecorded is begin for an owner that cannot record the end.
func beginUnrecorded(ctx context.Context, p runtime.Place, c runtime.RunCall) <-chan ran {
	return begin(ctx, unrecorded{p}, c)
}

type unrecorded struct{ runtime.Place }

func (unrecorded) Recorded() {}

// take takes a place, which there must be.
func take(t *testing.T, b *lend.Borrower) runtime.Place {
	t.Helper()
	p, ok := b.Take("t", runtime.MiB, 0)
	if !ok {
		t.Fatal("no node has a place")
	}
	return p
}

// check checks that a run has ended as it should.
func (r ran) check(t *testing.T, id string, o order) {
	t.Helper()
	if r.err != nil || r.outcome.Failure != nil || string(r.outcome.Result) != result(id, o) {
		t.Errorf("the run %s has ended with %.100q, %+v, %v", id, r.outcome.Result, r.outcome.Failure, r.err)
	} else if logs := string(r.outcome.Logs.Data); logs != printed(id, o.Print) {
		t.Errorf("the run %s has printed %d bytes, want %d: %.200q", id, len(logs), len(printed(id, o.Print)), logs)
	}
}

// empty checks that the hosts hold nothing but their last message, when what was sent has arrived.
func (w *world) empty(t *testing.T) {
	t.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	for _, h := range w.hosts {
		if used := h.memory.Used(); used > 100 { // a run takes more
			t.Errorf("the node %s holds %d bytes", h.name, used)
		}
	}
}

// runCall returns a call that does nothing.
func runCall(id string) runtime.RunCall { return call(id, 1, order{}) }
