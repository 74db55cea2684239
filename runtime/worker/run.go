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

// cutLine is the size of the line that reports a cut of output, in bytes, at most.
const cutLine = 128

// run is a run or a deployment in a worker as the server sees it.
type run struct {
	program *program
	room    runtime.Room
	logs    *runtime.LogBuffer
	began   time.Time
	timeout time.Duration
	most    int64 // bytes of memory that it may have

	mu      sync.Mutex
	output  outputBound // does not change once the run has ended
	memory  memoryState
	ended   bool
	stood   time.Duration      // time for which it waited for its memory
	waiting time.Time          // since when it waits for its memory
	cancel  context.CancelFunc // ends that wait
	settled sync.Cond          // signalled at the end of that wait
}

// memoryState says who has the memory of a run.
type memoryState int

const (
	hasMemory memoryState = iota
	lendsMemory
	reclaimsMemory
	lostMemory // it could not have it back, and must end
)

// Run implements [runtime.Sandbox]. The error is [runtime.ErrWorkerLost], as CodeUnavailable with a
// RetryAfter, if the worker ended during the run.
func (p *Pool) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	if err := p.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer p.active.Done()
	return p.use(ctx, &c.Program, func(w *peer) (runtime.Outcome, error) { return w.run(ctx, &c) })
}

func (w *peer) run(ctx context.Context, c *runtime.RunCall) (runtime.Outcome, error) {
	limits := c.Limits
	if limits == (runtime.Limits{}) {
		limits = c.Program.Limits
	}
	limits = limits.WithDefaults()
	began := time.Now()
	r := &run{room: c.Room, logs: c.Logs, began: began, timeout: limits.Timeout, most: limits.Memory, output: boundOf(limits.Logs, began)}
	r.settled.L = &r.mu
	reply, err := w.send(ctx, r, c)
	r.end()
	switch {
	case errors.Is(err, errNotSent):
		return runtime.Outcome{}, err
	case errors.Is(err, errEnded):
		return runtime.Outcome{}, w.lost(&c.Program)
	}
	return w.outcome(r, reply, err)
}

// send sends a run to the worker and returns the reply.
func (w *peer) send(ctx context.Context, r *run, c *runtime.RunCall) (reply []byte, err error) {
	program := w.programs.use(&c.Program, c.Context)
	defer w.programs.release(program)
	r.program = program
	buffer := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= copied {
			buffers.Put(buffer)
		}
	}()
	*buffer = appendRun((*buffer)[:0], program.number, c)
	limit := runtime.MaxResult + r.output.limit + 4*maxText
	// Output that is sent meanwhile must not come after the outcome.
	if c.Logs == nil && len(*buffer)+len(c.Args) <= laneBytes && w.programs.suits(program) {
		if l := w.lanes.take(); l != nil {
			id, err := w.conn.newID()
			if err != nil {
				w.lanes.give(l)
				return nil, err
			}
			w.add(id, r, c)
			defer w.remove(id, c)
			return w.runIn(ctx, l, id, limit, *buffer, c.Args)
		}
	}
	call := &pendingCall{kind: kindRun, limit: limit, done: make(chan struct{}, 1)}
	id, err := w.conn.begin(call)
	if err != nil {
		return nil, err
	}
	w.add(id, r, c)
	defer w.remove(id, c)
	reply, _, err = w.conn.await(ctx, call, id, *buffer, c.Args)
	if err == nil {
		w.programs.settle(program, c.Context)
	}
	return reply, err
}

func (w *peer) add(id uint64, r *run, c *runtime.RunCall) {
	w.mu.Lock()
	w.runs[id] = r
	w.mu.Unlock()
	w.lent.begin(&c.Program, id, c.Network)
}

func (w *peer) remove(id uint64, c *runtime.RunCall) {
	w.mu.Lock()
	delete(w.runs, id)
	w.mu.Unlock()
	w.lent.end(&c.Program, id, c.Network)
}

// buffers are for the parts of runs that writers copy.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// outcome returns the outcome of a run from its reply.
func (w *peer) outcome(r *run, reply []byte, err error) (runtime.Outcome, error) {
	if err != nil {
		return runtime.Outcome{}, err
	}
	o, err := decodeOutcome(reply, r.output)
	if err != nil {
		w.conn.abort(fmt.Errorf("the outcome of a run: %w", err))
		return runtime.Outcome{}, runtime.Internal("worker.run", err)
	}
	r.bound(&o.Usage)
	w.programs.took(r.program, o.Usage.Duration)
	if r.logs != nil {
		o.Logs = r.logs.EndWith(o.Logs)
	}
	return o, nil
}

// bound bounds what a worker says that a run has used.
func (r *run) bound(u *runtime.Usage) {
	const page = 4 * runtime.KiB // see [runtime.Usage.Pages]
	elapsed := time.Since(r.began)
	u.Duration, u.Start = min(u.Duration, elapsed), min(u.Start, elapsed)
	u.Memory = min(u.Memory, r.most)
	u.Pages = max(min(u.Pages, int(r.most/page)), 0)
}

// of returns the run of an id that begins a message. It is nil if the run has ended.
func (w *peer) of(d *wire.Decoder) *run {
	id := d.Uint()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[id]
}

// onLogs adds output of a run.
func (w *peer) onLogs(payload []byte) error {
	d := wire.Decode(payload)
	r := w.of(&d)
	if r == nil {
		return nil
	}
	if r.logs == nil {
		return errors.New("output of a run that nobody follows")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	logs := decodeLogs(&d, r.output)
	if err := d.Err(); err != nil || len(logs.Data) == 0 {
		return errors.Join(errors.New("malformed output of a run"), err)
	}
	r.output.left -= len(logs.Data)
	r.logs.AppendAll(logs)
	return nil
}

// overdue reports whether the run should have ended long ago.
func (r *run) overdue(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting.IsZero() && now.Sub(r.began) > r.timeout+r.stood+runtime.MaxBundleDeploy+overdue
}

// end ends all that goes on for the run.
func (r *run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for r.memory == reclaimsMemory {
		r.cancel()
		r.settled.Wait()
	}
}
