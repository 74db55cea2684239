package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

var quiet = slog.New(slog.DiscardHandler)

var errUnreachable = errors.New("unreachable")

// world is a cluster in a bubble of synctest: nodes with replicas of a log in memory, whose processes
// stop and die, and whose connections are cut.
type world struct {
	seed  uint64 // of the random faults of the log; 0: there are none
	log   *mem.Log
	nodes []*host

	mu        sync.Mutex
	listeners map[*host]func([]byte) // of the bus
}

// host is a machine with one node.
type host struct {
	w    *world
	name string

	mu      sync.Mutex
	disk    *disk
	p       *process      // nil: dead
	paused  chan struct{} // closed when the process runs again; nil: it runs
	offLog  bool          // the log cannot be reached
	offMesh bool          // other nodes cannot be reached
	unfit   atomic.Bool   // it follows, and cannot own the log, as an older release
}

// process is a process of a node.
type process struct {
	h    *host
	node *cluster.Node
	log  replog.Log
	dead context.Context
	kill context.CancelFunc
	// serving ends when stop is called, as SIGTERM does.
	serving context.Context
	stop    context.CancelFunc
	done    chan struct{}
	err     error // when done
	behind  bool  // the next life begins with a copy

	mu     sync.Mutex
	serves *replica // nil: it does not
}

func newWorld(seed uint64, nodes int) *world {
	w := &world{seed: seed, log: mem.New(), listeners: make(map[*host]func([]byte))}
	for i := range nodes {
		w.nodes = append(w.nodes, &host{w: w, name: string(rune('a' + i)), disk: new(disk)})
	}
	return w
}

// awake waits while the process does not run.
func (h *host) awake() {
	for {
		h.mu.Lock()
		paused := h.paused
		h.mu.Unlock()
		if paused == nil {
			return
		}
		<-paused
	}
}

func (h *host) pause() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused == nil {
		h.paused = make(chan struct{})
	}
}

func (h *host) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused != nil {
		close(h.paused)
		h.paused = nil
	}
}

func (h *host) cut(log, mesh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offLog, h.offMesh = log, mesh
}

func (h *host) process() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.p
}

// Publish implements [cluster.Bus].
func (p *process) Publish(message []byte) error {
	h := p.h
	h.awake()
	h.mu.Lock()
	off := h.offMesh
	h.mu.Unlock()
	if off || p.dead.Err() != nil {
		return errUnreachable
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for other, hear := range h.w.listeners {
		other.mu.Lock()
		off := other.offMesh || other.paused != nil
		other.mu.Unlock()
		if !off {
			hear(message)
		}
	}
	return nil
}

// Subscribe implements [cluster.Bus].
func (p *process) Subscribe(ctx context.Context, each func([]byte)) error {
	p.h.w.mu.Lock()
	p.h.w.listeners[p.h] = each
	p.h.w.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// ask asks the node with a name, which is its address, too.
func (h *host) ask(ctx context.Context, address string) (s cluster.Status, err error) {
	h.awake()
	for _, other := range h.w.nodes {
		if other.name != address {
			continue
		}
		for ctx.Err() == nil {
			h.mu.Lock()
			off := h.offMesh
			h.mu.Unlock()
			other.mu.Lock()
			p, silent := other.p, off || other.offMesh || other.paused != nil
			other.mu.Unlock()
			if !silent && p == nil {
				return s, errUnreachable
			}
			if !silent {
				text, err := json.Marshal(p.node.Status())
				return s, errors.Join(err, json.Unmarshal(text, &s))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return s, errors.Join(errUnreachable, ctx.Err())
}

// start starts the process of a host.
func (h *host) start() {
	p := &process{h: h, done: make(chan struct{})}
	p.dead, p.kill = context.WithCancel(context.Background())
	random := func(mem.Op) mem.Fault { return mem.Fault{} }
	if h.w.seed > 0 {
		random = mem.RandomFaults(h.w.seed*1000+uint64(h.name[0]), 20, 300*time.Millisecond)
	}
	p.log = mem.WithFaults(h.w.log.Client(), func(op mem.Op) mem.Fault {
		h.awake()
		h.mu.Lock()
		off := h.offLog
		h.mu.Unlock()
		if off {
			time.Sleep(50 * time.Millisecond)
			return mem.Fault{Kind: mem.Lost}
		}
		return random(op)
	})
	p.node = cluster.New(cluster.Options{Name: h.name, Address: h.name, Bus: p, Ask: h.ask, Log: quiet})
	p.serving, p.stop = context.WithCancel(p.dead)
	h.mu.Lock()
	h.p = p
	h.mu.Unlock()
	go p.node.Run(p.dead)
	go func() {
		defer close(p.done)
		defer p.kill()
		p.err = p.node.Live(p.serving, func() (cluster.Life, error) { return p.open(), nil })
	}()
}

// crash kills the process. What it had not synced may be lost.
func (h *host) crash(rng *rand.Rand) {
	h.mu.Lock()
	p := h.p
	if p == nil {
		h.mu.Unlock()
		return
	}
	h.p = nil
	h.disk = h.disk.crash(rng)
	h.mu.Unlock()
	p.kill()
	_ = p.log.Close() // nothing of it reaches the log any more
	h.resume()
}

func (p *process) open() cluster.Life {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	if p.behind {
		p.behind = false
		for _, other := range p.h.w.nodes {
			if other != p.h && other.disk.at().Seq > p.h.disk.at().Seq { // no process is started meanwhile
				p.h.disk = other.disk.copy()
			}
		}
	}
	return newReplica(p, p.h.disk)
}

// serving returns the replica of a process that serves.
func (h *host) serving() (*process, *replica) {
	p := h.process()
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p, p.serves
}

// answers reports whether a process can answer a client: it lives, and runs.
func (p *process) answers() bool {
	p.h.awake()
	return p.dead.Err() == nil
}

// ledger is what clients know.
type ledger struct {
	last    atomic.Int64 // the number of the record that was acknowledged last; 0: none
	next    atomic.Int64
	reads   atomic.Int64 // answered ones
	refused atomic.Int64 // reads of owners that could not answer for the shard

	mu    sync.Mutex
	acked []int64
	wrong []string
}

// write writes a record through a host, and notes that it was acknowledged.
func (l *ledger) write(h *host) {
	p, s := h.serving()
	if s == nil {
		return
	}
	n := l.next.Add(1)
	if !p.answers() || s.put(n) != nil || !p.answers() {
		return
	}
	l.mu.Lock()
	l.acked = append(l.acked, n)
	l.mu.Unlock()
	l.last.Store(n)
}

// read reads what was acknowledged last, as a server does: it answers only if it is the owner after that.
func (l *ledger) read(h *host) {
	p, s := h.serving()
	n := l.last.Load()
	if s == nil || n == 0 || !p.answers() {
		return
	}
	found := s.disk.has(n)
	switch {
	case !p.answers():
	case p.node.Current() != nil:
		l.refused.Add(1)
	case !found:
		l.mu.Lock()
		l.wrong = append(l.wrong, fmt.Sprintf("the owner %s does not have record %d, which was acknowledged", h.name, n))
		l.mu.Unlock()
	default:
		l.reads.Add(1)
	}
}
