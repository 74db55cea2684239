package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// shortLife is the time after which a worker that ends has served well: the next one starts at once.
	shortLife = 10 * time.Second
	// firstDelay and longestDelay bound the time between two starts of a worker that ends soon.
	firstDelay   = 50 * time.Millisecond
	longestDelay = 10 * time.Second
	// startTime is the longest time that the start of a worker may take.
	startTime = 2 * time.Minute
	// patience is the longest time that a run waits for a worker that is being started.
	patience = 15 * time.Second
	// idleTime is how long a worker that is not shared stays without runs.
	idleTime = time.Minute
)

// errHostClosed is the error of a host that was not needed any more.
var errHostClosed = errors.New("worker: the host is closed")

// host keeps one place for a worker: it starts one when there is none.
type host struct {
	pool *Pool
	key  ownKey
	keep bool // it always has a worker

	mu       sync.Mutex
	worker   *peer
	starting chan struct{} // closed when the start in progress has ended; nil: there is none
	err      error         // of the last start
	began    time.Time     // when the worker was ready
	failures int           // starts in a row that have failed, or whose workers have ended soon
	starts   int
	users    int
	idle     *time.Timer // ends the worker; nil: it stays
	closed   bool
}

// acquire returns the worker, and waits until there is one, at most for patience. After errHostClosed,
// another host takes its place. Else the caller must call release, also after an error.
func (h *host) acquire(ctx context.Context, patience time.Duration) (*peer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errHostClosed
	}
	if h.users++; h.idle != nil {
		h.idle.Stop()
	}
	if h.worker == nil {
		if err := h.await(ctx, patience); err != nil {
			return nil, err
		}
	}
	if h.worker == nil {
		return nil, unavailable(h.err)
	}
	return h.worker, nil
}

// await waits for a start of the worker. It is called with mu held, and unlocks it meanwhile.
func (h *host) await(ctx context.Context, patience time.Duration) error {
	started := h.startLocked()
	h.mu.Unlock()
	defer h.mu.Lock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return runtime.AbandonedError(ctx.Err())
	case <-started:
	case <-timer.C:
	}
	return nil
}

// unavailable returns the error of a call for which there is no worker.
func unavailable(cause error) error {
	err := runtime.Errorf(runtime.CodeUnavailable, "the process that runs the function is being started").WithHint("try again in a moment")
	err.RetryAfter, err.Err = runtime.BusyRetry, cause
	return err
}

func (h *host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users > 0 || h.keep {
		return
	}
	if h.idle == nil {
		h.idle = time.AfterFunc(idleTime, h.endIdle)
	} else {
		h.idle.Reset(idleTime)
	}
}

// endIdle ends a worker that has no runs, and forgets the host.
func (h *host) endIdle() {
	p := h.pool
	p.mu.Lock()
	h.mu.Lock()
	idle := h.users == 0 && h.starting == nil && !h.closed
	if idle {
		h.closed = true
		delete(p.own, h.key)
	} else if h.starting != nil {
		h.idle.Reset(idleTime)
	}
	h.mu.Unlock()
	p.mu.Unlock()
	if idle {
		h.close()
	}
}

// begin starts a worker if there is none.
func (h *host) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.worker == nil && !h.closed {
		h.startLocked()
	}
}

// startLocked starts a worker, unless that is in progress, and returns what is closed at its end. It is
// called with mu held.
func (h *host) startLocked() <-chan struct{} {
	if h.starting == nil {
		h.starting = make(chan struct{})
		var delay time.Duration
		if h.failures > 0 {
			delay = min(firstDelay<<min(h.failures-1, 16), longestDelay)
		}
		go h.start(delay)
	}
	return h.starting
}

func (h *host) start(delay time.Duration) {
	select {
	case <-time.After(delay):
	case <-h.pool.ended:
	}
	w, err := h.pool.startWorker(h)
	h.mu.Lock()
	started := h.starting
	h.starting, h.worker, h.err = nil, w, err
	if err != nil {
		h.failures++
		h.pool.o.Log.Error("cannot start a worker", "tenant", h.key.tenant, "failures", h.failures, "error", err)
		if h.keep && !h.closed {
			h.startLocked()
		}
	} else {
		h.began = time.Now()
		h.starts++
	}
	h.mu.Unlock()
	close(started)
	if err != nil {
		return
	}
	select {
	case <-w.gone:
		h.ended(w, errEnded) // before it was the host's
	default:
	}
}

// ended handles the end of the worker.
func (h *host) ended(w *peer, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.worker != w {
		return
	}
	h.worker, h.err = nil, cause
	if time.Since(h.began) < shortLife {
		h.failures++
	} else {
		h.failures = 0
	}
	if h.closed {
		return
	}
	h.pool.o.Log.Error("a worker has ended; another one takes its place", "tenant", h.key.tenant, "function", h.key.function, "error", cause)
	if h.keep {
		h.startLocked()
	}
}

func (h *host) current() *peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.worker
}

// close ends the worker, and returns when its process has ended.
func (h *host) close() {
	h.mu.Lock()
	h.closed = true
	if h.idle != nil {
		h.idle.Stop()
	}
	starting := h.starting
	h.mu.Unlock()
	if starting != nil {
		<-starting
	}
	if w := h.current(); w != nil {
		w.stop()
	}
}

func (h *host) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Status{Tenant: h.key.tenant, Function: h.key.function, Restarts: max(h.starts-1, 0)}
	if h.worker != nil {
		if p, ok := h.worker.process.(interface{ PID() int }); ok {
			s.PID = p.PID()
		}
		s.Since, s.Runs, s.Memory = h.began, h.worker.calls(), h.worker.lease.held()
	}
	return s
}
