package worker

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// Close ends a worker whose start is in progress: one that becomes ready meanwhile, and one that never does.
func TestCloseDuringAStart(t *testing.T) {
	for name, ready := range map[string]bool{"ready": true, "never ready": false} {
		t.Run(name, func(t *testing.T) {
			began, proceed := make(chan struct{}), make(chan struct{})
			var starts atomic.Int32
			s := &starter{t: t}
			s.serve = func(socket *net.UnixConn) error {
				if starts.Add(1) == 1 || ready {
					return hostile(nil)(socket)
				}
				c, err := newConn(socket, true)
				if err != nil {
					return err
				}
				c.handle(kindHello, func(ctx context.Context, _ []byte, _ []int) ([]byte, []int, error) {
					close(proceed)
					<-c.out.ended
					return nil, nil, ctx.Err()
				})
				c.handle(kindPing, pong)
				_ = c.serve()
				return nil
			}
			pool, err := New(Options{Memory: memory.New(testMemory, quiet), Log: quiet, Start: func(ctx context.Context) (Process, error) {
				if s.count.Load() == 1 {
					close(began)
					if ready {
						<-proceed
					}
				}
				return s.start(ctx)
			}})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.last.Load().Kill()
			<-began
			if !ready {
				<-proceed // it has its hello
			}
			closed := make(chan error, 1)
			go func() { closed <- pool.Close() }()
			<-pool.ended
			if ready {
				close(proceed)
			}
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if used := pool.o.Memory.Used(); used != 0 {
				t.Errorf("%d bytes are in use: %+v", used, pool.o.Memory.Holders())
			}
		})
	}
}

// A worker that answers but never ends a deployment is killed, as one that never ends a run.
func TestOverdueCalls(t *testing.T) {
	for name, call := range map[string]func(*Pool) error{
		"run": func(p *Pool) error { _, err := runIn(t, p, runtime.RunCall{}); return err },
		"deployment": func(p *Pool) error {
			_, err := p.Deploy(t.Context(), newProgram("", runtime.Limits{}))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, release := make(chan struct{}), make(chan struct{})
			s := &starter{t: t, serve: silent(got, release)}
			pool := poolOf(t, s, Options{})
			w := pool.shared[0].current()
			failed := make(chan error, 1)
			go func() { failed <- call(pool) }()
			<-got
			if w.overdue(time.Now()) != 0 {
				t.Error("it is overdue at once")
			}
			id := w.overdue(time.Now().Add(24 * time.Hour))
			if id == 0 {
				t.Error("it is never overdue")
			}
			w.conn.abort(errors.New("overdue"))
			close(release)
			if err := <-failed; !errors.Is(err, runtime.ErrWorkerLost) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// silent is a worker that answers no run and no deployment until release is closed.
func silent(got, release chan struct{}) func(*net.UnixConn) error {
	var once atomic.Bool
	return func(socket *net.UnixConn) error {
		c, err := newConn(socket, true)
		if err != nil {
			return err
		}
		c.handle(kindHello, pong)
		c.handle(kindPing, pong)
		nothing := func([]byte) error { return nil }
		c.handlers[kindProgram].note, c.handlers[kindContext].note, c.handlers[kindForget].note = nothing, nothing, nothing
		waits := func(context.Context, []byte, []int) ([]byte, []int, error) {
			if once.CompareAndSwap(false, true) {
				close(got)
			}
			<-release
			return nil, nil, wire.ErrMalformed
		}
		c.handle(kindRun, waits)
		c.handle(kindDeploy, waits)
		_ = c.serve()
		return nil
	}
}

// A run that finds the connection at its end gives its lane back, so that the lane is closed.
func TestLaneAfterTheEnd(t *testing.T) {
	server, other := sockets(t)
	defer other.Close()
	c, err := newConn(server, false)
	if err != nil {
		t.Fatal(err)
	}
	w := &peer{conn: c, runs: make(map[uint64]*run)}
	w.programs.conn, w.programs.account = c, memory.New(testMemory, quiet).Open(memory.Options{})
	defer w.programs.close()
	ends, err := w.lanes.open()
	if err != nil {
		t.Fatal(err)
	}
	defer closeFDs(ends)
	defer w.lanes.close()
	call := runtime.RunCall{Program: newProgram("", runtime.Limits{}), Args: runtime.EmptyObject, Context: runtime.EmptyObject}
	known := w.programs.use(&call.Program, call.Context)
	defer w.programs.release(known)
	w.programs.settle(known, call.Context)
	w.programs.took(known, 0)
	_ = c.end(errEnded)
	if _, err := w.send(t.Context(), &run{}, &call); !errors.Is(err, errNotSent) {
		t.Errorf("got %v", err)
	}
	for i, l := range w.lanes.all {
		if l.busy {
			t.Errorf("lane %d is not free", i)
		}
	}
}

// What a run or a deployment has used is not more than it may use, whatever its worker says.
func TestUsageIsBounded(t *testing.T) {
	claims := func(*conn, *request) ([]byte, error) {
		return appendOutcome(nil, &runtime.Outcome{Result: []byte("1"), Usage: runtime.Usage{Duration: 1 << 62, Memory: 1 << 62, Pages: 1 << 62}}), nil
	}
	serve := hostileWith(ready, claims, func(c *conn) {
		c.handlers[kindDeploy].call = func(_ context.Context, r *request) ([]byte, []int, error) {
			reply, err := claims(c, r)
			return reply, nil, err
		}
	})
	pool := poolOf(t, &starter{t: t, serve: serve}, Options{})
	most := runtime.Limits{}.WithDefaults().Memory
	for name, call := range map[string]func() (runtime.Outcome, error){
		"run":        func() (runtime.Outcome, error) { return runIn(t, pool, runtime.RunCall{}) },
		"deployment": func() (runtime.Outcome, error) { return pool.Deploy(t.Context(), newProgram("", runtime.Limits{})) },
	} {
		began := time.Now()
		o, err := call()
		if longest := time.Since(began); err != nil || o.Usage.Duration <= 0 || o.Usage.Duration > longest {
			t.Errorf("%s: %v within %v, %v", name, o.Usage.Duration, longest, err)
		}
		if o.Usage.Memory > most || int64(o.Usage.Pages) > most/4096 || o.Usage.Pages < 0 {
			t.Errorf("%s: %d bytes, %d pages of %d bytes", name, o.Usage.Memory, o.Usage.Pages, most)
		}
	}
}

// Nothing follows the output of a run that has panicked in the sandbox.
func TestOutputEndsAfterAPanic(t *testing.T) {
	_, w := pair(t, func(*conn) {})
	before := goleak.IgnoreCurrent()
	crashing := &worker{conn: w, runs: memory.New(testMemory, quiet).Open(memory.Options{}), programs: map[uint64]*runtime.RunCall{1: {}}} // without a sandbox
	message := appendRun(nil, 1, &runtime.RunCall{Args: runtime.EmptyObject, Logs: runtime.NewLogBuffer(0)})
	if _, _, err := crashing.onRun(t.Context(), &request{id: 1, payload: message}); runtime.CodeOf(err) != runtime.CodeInternal {
		t.Errorf("got %v", err)
	}
	time.Sleep(2 * followPause) // until it would be followed
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
