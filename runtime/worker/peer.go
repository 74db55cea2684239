package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

const (
	// pingPause is the time between two questions whether a worker still answers, and pingTime the time
	// that it has for the answer.
	pingPause = 10 * time.Second
	pingTime  = 30 * time.Second
	// overdue is the time after which a run that has not ended within its limits ends its worker.
	overdue = 5 * time.Minute
)

// peer is a worker as the server sees it.
type peer struct {
	pool     *Pool
	number   uint64 // of all workers of the pool
	host     *host
	conn     *conn
	process  Process
	programs programs
	lanes    lanes
	lease    lease
	lent     *lent
	asked    chan struct{} // has a value for each question of RunImports without an answer
	gone     chan struct{} // closed when the connection has ended
	ended    chan struct{} // closed when the process has ended and all that it had is given back

	mu       sync.Mutex
	runs     map[uint64]*run // and deployments, by the ids of their calls
	stopping bool            // the pool ends it
}

// startWorker starts a worker and waits until it is ready, at most for startTime and until Close. The error is
// errClosed after the end of the pool.
func (p *Pool) startWorker(h *host) (*peer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	select {
	case <-p.ended:
		return nil, errClosed
	default:
	}
	process, err := p.o.Start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := newConn(process.Conn(), false)
	if err != nil {
		return nil, errors.Join(err, process.Kill(), process.Wait())
	}
	w := &peer{
		pool: p, number: p.nextNumber(), host: h, conn: c, process: process, runs: make(map[uint64]*run),
		asked: make(chan struct{}, maxAsked), gone: make(chan struct{}), ended: make(chan struct{}),
	}
	w.programs.conn, w.programs.account, w.programs.tenants.uses = c, p.accounts.programs, p.o.Uses
	w.lease.peer = w
	w.handle()
	w.lent = newLent(c, &p.o)
	p.accounts.processes.Add(processBytes)
	p.processes.Go(w.serve)
	go w.watch()
	fds, err := w.lanes.open()
	if err != nil && !errors.Is(err, errEnded) {
		p.o.Log.Warn("the server shares no memory with a worker: short runs take more processor time", "error", err)
	}
	stop := context.AfterFunc(ctx, func() { c.abort(ctx.Err()) })
	_, _, err = c.call(ctx, kindHello, w.hello(), fds...)
	stop()
	closeFDs(fds)
	select {
	case <-p.ended:
		err = errClosed
	default:
	}
	switch {
	case err == nil:
		return w, nil
	case !errors.Is(err, errClosed):
		err = fmt.Errorf("the worker does not start: %w", err)
	}
	w.stop()
	return nil, err
}

func (p *Pool) nextNumber() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	return p.last
}

// hello returns the first message to the worker.
func (w *peer) hello() []byte {
	processors := w.lanes.processors()
	b := wire.AppendUint(nil, uint64(w.pool.o.Memory.Total()))
	b = wire.AppendUint(b, uint64(len(processors)))
	for _, n := range processors {
		b = wire.AppendUint(b, uint64(n))
	}
	return b
}

// handle sets what serves the frames of the worker.
func (w *peer) handle() {
	c := w.conn
	c.handlers[kindLogs].note = w.onLogs
	c.handlers[kindLend].note = func(b []byte) error { return w.onLend(b, false) }
	c.handlers[kindPark].note = func(b []byte) error { return w.onLend(b, true) }
	c.handlers[kindReclaim].free = true // one of each run
	c.handlers[kindReclaim].call = func(ctx context.Context, r *request) ([]byte, []int, error) {
		return nil, nil, w.onReclaim(ctx, r.payload)
	}
	c.handlers[kindGrow].call = func(ctx context.Context, r *request) ([]byte, []int, error) {
		reply, err := w.lease.onGrow(ctx, r.payload)
		return reply, nil, err
	}
	c.handlers[kindReturn].note = w.lease.onReturn
}

// serve serves the connection until the worker has ended, and then gives back what it had.
func (w *peer) serve() {
	cause := w.conn.serve()
	w.lanes.close()
	killed := w.process.Kill()
	close(w.gone)
	w.host.ended(w, cause)
	if err := errors.Join(w.process.Wait(), killed); err != nil {
		w.pool.o.Log.Debug("a worker process has ended", "error", err)
	}
	w.lent.close()
	w.programs.close()
	w.lease.close()
	w.pool.accounts.processes.Give(processBytes)
	close(w.ended)
}

// stop ends the worker, and returns when its process has ended.
func (w *peer) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.conn.abort(errClosed)
	<-w.ended
}

// watch ends the worker if it does not answer, or if a run or a deployment in it does not end.
func (w *peer) watch() {
	ticker := time.NewTicker(w.pool.pause)
	defer ticker.Stop()
	for {
		select {
		case <-w.ended:
			return
		case <-ticker.C:
		}
		w.lent.networks.audit()
		err := w.ping()
		if id := w.overdue(time.Now()); err == nil && id != 0 {
			w.conn.abort(fmt.Errorf("call %d has not ended in time", id))
		}
	}
}

// ping asks whether the worker answers, and what it keeps in memory for tenants.
func (w *peer) ping() error {
	report, err := w.ask(kindPing, nil)
	if err != nil {
		return err
	}
	if err = w.programs.onKept(report); err != nil {
		w.conn.abort(err)
	}
	return err
}

// ask calls the worker for something that it can do at once. One that does not is killed.
func (w *peer) ask(k kind, payload []byte) (reply []byte, err error) {
	timer := time.AfterFunc(w.pool.answer, func() { w.conn.abort(errors.New("the worker does not answer")) })
	defer timer.Stop()
	reply, _, err = w.conn.call(context.Background(), k, payload)
	return reply, err
}

// overdue returns the id of a run or a deployment that should have ended long ago; 0: there is none.
func (w *peer) overdue(now time.Time) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.runs {
		if r.overdue(now) {
			return id
		}
	}
	return 0
}

// calls returns the number of calls in progress.
func (w *peer) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}

// lost returns the error of a call that was in progress when its worker ended, and notes that for the
// function and its tenant.
func (w *peer) lost(p *runtime.Program) error {
	w.mu.Lock()
	stopping := w.stopping
	w.mu.Unlock()
	if !stopping {
		w.pool.suspects.functions.note(p.FunctionID, w.number)
		w.pool.suspects.tenants.note(string(p.Tenant), w.number)
	}
	return runtime.WorkerLostError()
}
