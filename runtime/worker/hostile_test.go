package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// hostile is a worker that does what it likes when it gets a run.
func hostile(onRun func(c *conn, r *request) (reply []byte, err error)) func(*net.UnixConn) error {
	return hostileWith(ready, onRun, nil)
}

// ready answers a hello as a worker without lanes.
func ready(_ context.Context, _ []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	return nil, nil, nil
}

// hostileWith is a worker that also gets the hello of its server. set, unless it is nil, sets what serves the
// connection.
func hostileWith(
	onHello func(context.Context, []byte, []int) ([]byte, []int, error), onRun func(c *conn, r *request) (reply []byte, err error), set func(c *conn),
) func(*net.UnixConn) error {
	return func(socket *net.UnixConn) error {
		c, err := newConn(socket, true)
		if err != nil {
			return err
		}
		nothing := func([]byte) error { return nil }
		for _, k := range []kind{kindProgram, kindContext, kindForget, kindTenant} {
			c.handlers[k].note = nothing
		}
		c.handle(kindHello, onHello)
		c.handle(kindPing, pong)
		c.handlers[kindRun].call = func(_ context.Context, r *request) ([]byte, []int, error) {
			reply, err := onRun(c, r)
			return reply, nil, err
		}
		if set != nil {
			set(c)
		}
		_ = c.serve()
		return nil
	}
}

// pong answers a ping as a worker that keeps nothing.
func pong(context.Context, []byte, []int) ([]byte, []int, error) { return []byte{0}, nil, nil }

// runIn runs something in a pool of hostile workers.
func runIn(t *testing.T, pool *Pool, c runtime.RunCall) (runtime.Outcome, error) {
	t.Helper()
	c.Program, c.Args, c.Context = newProgram("", runtime.Limits{}), runtime.EmptyObject, runtime.EmptyObject
	return pool.Run(t.Context(), c)
}

var succeeded = appendOutcome(nil, &runtime.Outcome{Result: []byte("1")})

// A worker that sends what no worker sends is killed: its runs end as lost, and the server goes on.
func TestHostileWorkerIsKilled(t *testing.T) {
	idOf := func(r *request) []byte { return wire.AppendUint(nil, r.id) }
	for name, onRun := range map[string]func(c *conn, r *request) ([]byte, error){
		"garbage": func(c *conn, _ *request) ([]byte, error) {
			_, err := c.socket.Write(bytes.Repeat([]byte{0xa5}, 1<<16))
			return succeeded, err
		},
		"a huge frame": func(c *conn, r *request) ([]byte, error) {
			h := header{kind: kindLogs}
			_, err := c.socket.Write(append(binary.LittleEndian.AppendUint32(nil, 1<<31), h.append(nil)[4:]...))
			return succeeded, err
		},
		"a large call": func(c *conn, _ *request) ([]byte, error) {
			c.send(kindLogs, make([]byte, maxRequest+1))
			return succeeded, nil
		},
		"a reply to no call": func(c *conn, r *request) ([]byte, error) {
			return succeeded, c.out.send(header{kind: kindRun, flags: flagReply, id: r.id + 1000}, succeeded, nil, nil, false)
		},
		"two replies": func(c *conn, r *request) ([]byte, error) {
			for range 2 {
				_ = c.out.send(header{kind: kindPing, flags: flagReply, id: r.id}, succeeded, nil, nil, false)
			}
			return succeeded, nil
		},
		"a reply of another kind": func(c *conn, r *request) ([]byte, error) {
			return nil, c.out.send(header{kind: kindDeploy, flags: flagReply, id: r.id}, succeeded, nil, nil, false)
		},
		"an unknown kind":    func(c *conn, _ *request) ([]byte, error) { c.send(kinds-1, nil); return succeeded, nil },
		"a kind of a server": func(c *conn, _ *request) ([]byte, error) { c.send(kindProgram, nil); return succeeded, nil },
		"output without order": func(c *conn, r *request) ([]byte, error) {
			c.send(kindLogs, append(idOf(r), 200, 1, 7))
			return succeeded, nil
		},
		"output of no follower": func(c *conn, r *request) ([]byte, error) {
			c.send(kindLogs, appendLogs(idOf(r), logsOf("x")))
			return succeeded, nil
		},
		"memory of nobody": func(c *conn, r *request) ([]byte, error) { c.send(kindLend, append(idOf(r), 1)); return succeeded, nil },
		"memory that it lacks": func(c *conn, r *request) ([]byte, error) {
			_, _, err := c.call(context.Background(), kindReclaim, append(idOf(r), 1))
			return succeeded, err
		},
		"memory that it never had": func(c *conn, _ *request) ([]byte, error) {
			c.send(kindReturn, wire.AppendUint(nil, 1<<40))
			return succeeded, nil
		},
		"no memory": func(c *conn, _ *request) ([]byte, error) {
			_, _, err := c.call(context.Background(), kindGrow, nil)
			return succeeded, err
		},
		"the same call twice": func(c *conn, _ *request) ([]byte, error) {
			for range 2 {
				_ = c.out.send(header{kind: kindGrow, flags: flagCall, id: 5}, growRequest(testMemory/2, false), nil, nil, false)
			}
			return succeeded, nil
		},
		"an unknown class": func(*conn, *request) ([]byte, error) {
			return appendOutcome(nil, &runtime.Outcome{Failure: &runtime.Failure{Class: "rejected"}}), nil
		},
		"half an outcome": func(*conn, *request) ([]byte, error) { return succeeded[:3], nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := &starter{t: t, serve: hostile(onRun)}
			pool := poolOf(t, s, Options{})
			first := pool.shared[0].current()
			_, err := runIn(t, pool, runtime.RunCall{})
			<-first.ended
			if err != nil && !errors.Is(err, runtime.ErrWorkerLost) && runtime.CodeOf(err) != runtime.CodeInternal {
				t.Errorf("the run ended with %v", err)
			}
		})
	}
}

func logsOf(text string) runtime.Logs {
	return runtime.Logs{Data: []byte(text), Marks: []runtime.LogMark{{Stream: 1}}}
}

// A worker that writes output without end is killed when it has sent what the run may write.
func TestEndlessOutput(t *testing.T) {
	s := &starter{t: t, serve: hostile(func(c *conn, r *request) ([]byte, error) {
		for c.out.send(header{kind: kindLogs}, appendLogs(wire.AppendUint(nil, r.id), logsOf(strings.Repeat("x", 1000))), nil, nil, false) == nil {
			c.out.wait()
		}
		return nil, io.EOF
	})}
	pool := poolOf(t, s, Options{})
	logs := runtime.NewLogBuffer(runtime.DefaultLogs)
	if _, err := runIn(t, pool, runtime.RunCall{Logs: logs}); !errors.Is(err, runtime.ErrWorkerLost) {
		t.Errorf("the run ended with %v", err)
	}
	if size := len(logs.End().Data); size > runtime.DefaultLogs+200 {
		t.Errorf("%d bytes of output are kept", size)
	}
}

// A worker that has no answer is killed.
func TestSilentWorker(t *testing.T) {
	s := &starter{t: t, serve: hostile(func(c *conn, r *request) ([]byte, error) {
		c.handlers[kindPing].call = func(ctx context.Context, _ *request) ([]byte, []int, error) {
			<-ctx.Done()
			return nil, nil, nil
		}
		return succeeded, nil
	})}
	pool := poolOf(t, s, Options{})
	w := pool.shared[0].current()
	if _, err := runIn(t, pool, runtime.RunCall{}); err != nil {
		t.Fatal(err)
	}
	pool.answer = time.Millisecond
	if _, err := w.ask(kindPing, nil); !errors.Is(err, errEnded) {
		t.Errorf("the question ended with %v", err)
	}
	<-w.ended
}

// The end of a run waits until its memory is back: nobody uses its room afterwards.
func TestOutcomeDuringReclaim(t *testing.T) {
	reclaiming := make(chan struct{})
	s := &starter{t: t, serve: hostile(func(c *conn, r *request) ([]byte, error) {
		id := wire.AppendUint(nil, r.id)
		c.send(kindLend, append(id[:len(id):len(id)], 1))
		go c.call(context.Background(), kindReclaim, append(id[:len(id):len(id)], 100))
		<-reclaiming
		return succeeded, nil
	})}
	pool := poolOf(t, s, Options{})
	over := false
	room := &testRoom{reclaim: func(ctx context.Context, _ time.Duration) error {
		close(reclaiming)
		<-ctx.Done()
		over = true
		return ctx.Err()
	}}
	if _, err := runIn(t, pool, runtime.RunCall{Room: room}); err != nil || !over {
		t.Errorf("the run ended with %v, and its memory was back: %v", err, over)
	}
}

// Descriptors that a worker sends do not arrive in the server.
func TestServerTakesNoDescriptors(t *testing.T) {
	s := &starter{t: t, serve: hostile(func(c *conn, r *request) ([]byte, error) {
		for range 100 {
			h := header{kind: kindLend}
			payload := append(wire.AppendUint(nil, r.id+77), 1)
			h.size = len(payload)
			if _, _, err := c.socket.WriteMsgUnix(append(h.append(nil), payload...), unix.UnixRights(0, 1, 2), nil); err != nil {
				return nil, err
			}
		}
		return succeeded, nil
	})}
	pool := poolOf(t, s, Options{})
	before := openFiles(t)
	if _, err := runIn(t, pool, runtime.RunCall{}); err != nil {
		t.Fatal(err)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, there were %d", after, before)
	}
}

// openFiles returns the number of the lowest descriptor that is free.
func openFiles(t *testing.T) int {
	t.Helper()
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	return fd
}

// A flood of calls is refused beyond what is served at once.
func TestFloodOfCalls(t *testing.T) {
	s := &starter{t: t, serve: hostile(func(c *conn, _ *request) ([]byte, error) {
		for i := range 50_000 {
			_ = c.out.send(header{kind: kindGrow, flags: flagCall, id: uint64(i + 1)}, growRequest(testMemory/4, false), nil, nil, false)
			c.out.wait()
		}
		return succeeded, nil
	})}
	budget := memory.New(testMemory, quiet)
	pool := poolOf(t, s, Options{Memory: budget})
	first := pool.shared[0].current()
	_, err := runIn(t, pool, runtime.RunCall{})
	if err != nil && !errors.Is(err, runtime.ErrWorkerLost) {
		t.Error(err)
	}
	if used := budget.Used(); used > budget.Total() {
		t.Errorf("%d bytes are used of %d", used, budget.Total())
	}
	first.conn.abort(errEnded)
	<-first.ended
}

// FuzzFrames sends bytes to a server in place of a worker: they end the connection or are ignored, and
// leave nothing behind.
func FuzzFrames(f *testing.F) {
	h := header{kind: kindGrow, flags: flagCall, id: 1, size: 3}
	f.Add(append(h.append(nil), 0x80, 1, 0))
	h = header{kind: kindLend, size: 2}
	f.Add(append(h.append(nil), 1, 1))
	h = header{kind: kindRun, flags: flagReply, id: 2, size: len(succeeded)}
	f.Add(append(h.append(nil), succeeded...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &starter{t: t, serve: hostile(func(c *conn, _ *request) ([]byte, error) {
			_, _ = c.socket.Write(data)
			return nil, c.socket.Close() // otherwise a frame that is not complete makes the server wait
		})}
		pool := poolOf(t, s, Options{})
		logs := runtime.NewLogBuffer(1000)
		_, _ = runIn(t, pool, runtime.RunCall{Room: &testRoom{}, Logs: logs})
		if size := len(logs.End().Data); size > 1200 {
			t.Errorf("%d bytes of output", size)
		}
	})
}

// The last piece of a long log may have many times, though few bytes of its limit are left.
func TestTimesOfTheRestOfALog(t *testing.T) {
	logs := runtime.Logs{Began: time.UnixMilli(5000).UTC()}
	for i := range 2000 {
		logs.Marks = append(logs.Marks, runtime.LogMark{Offset: i, Millis: uint32(3 * i), Stream: 1})
		logs.Data = append(logs.Data, '\n')
	}
	whole := boundOf(runtime.DefaultLogs, time.Time{})
	d := wire.Decode(appendLogs(nil, logs))
	if got := decodeLogs(&d, outputBound{left: len(logs.Data), limit: whole.limit}); d.Err() != nil || !cmp.Equal(logs, got) {
		t.Errorf("%v, %s", d.Err(), cmp.Diff(logs, got))
	}
	// With a smaller limit a worker can send fewer.
	d = wire.Decode(appendLogs(nil, logs))
	if decodeLogs(&d, outputBound{left: len(logs.Data), limit: 100_000}); d.Err() == nil {
		t.Error("more marks than the limit allows")
	}
}

// Output that comes behind the outcome of a run changes nothing: the outcome is being read meanwhile.
func TestOutputBehindTheOutcome(t *testing.T) {
	w := &peer{runs: make(map[uint64]*run)}
	r := &run{logs: runtime.NewLogBuffer(1000), output: boundOf(1000, time.Now())}
	w.runs[7] = r
	send := func(text string) error { return w.onLogs(appendLogs(wire.AppendUint(nil, 7), logsOf(text))) }
	if err := send("in time"); err != nil {
		t.Fatal(err)
	}
	before := r.output
	r.end()
	if err := send("late"); err != nil || r.output != before || string(r.logs.End().Data) != "in time" {
		t.Errorf("%v, %+v, want %+v, %q", err, r.output, before, r.logs.End().Data)
	}
}

// FuzzOutcome decodes what a worker says of the end of a run. What is accepted keeps the promises of a
// sandbox.
func FuzzOutcome(f *testing.F) {
	f.Add(succeeded)
	for _, began := range []time.Time{time.UnixMilli(0), time.UnixMilli(maxMillis)} {
		f.Add(appendOutcome(nil, &runtime.Outcome{Result: []byte("1"), Logs: runtime.Logs{Data: []byte("a\nb\n"), Began: began, Marks: []runtime.LogMark{
			{Millis: math.MaxUint32, Stream: 1}, {Offset: 2, Millis: 1, Stream: 2},
		}}}))
	}
	f.Add(appendOutcome(nil, &runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "E", Message: "m", Line: 3}, Logs: logsOf("text")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		o, err := decodeOutcome(data, outputBound{500, 500, began})
		if err != nil {
			return
		}
		last := began.Truncate(time.Millisecond)
		if len(o.Logs.Data) > 500 || o.Usage.Duration < 0 || o.Usage.Memory < 0 || (o.Result == nil) == (o.Failure == nil) {
			t.Errorf("accepted: %+v", o)
		}
		at := -1
		for _, m := range o.Logs.Marks {
			if m.Offset < at || m.Offset >= len(o.Logs.Data) || m.Stream < 1 || m.Stream > 2 {
				t.Errorf("accepted: %+v", o.Logs)
			}
			at = m.Offset
			if when := o.Logs.Time(m); when.Before(last) || when.After(time.Now()) {
				t.Errorf("a time %v, after %v", when, last)
			} else {
				last = when
			}
		}
		_ = decodeError(data)
	})
}

// Others do not wait for the memory of a worker that has stopped.
func TestStoppedWorkerDoesNotHoldMemory(t *testing.T) {
	stopped := make(chan struct{})
	s := &starter{t: t, serve: hostile(func(c *conn, _ *request) ([]byte, error) {
		c.handlers[kindShrink].call = func(context.Context, *request) ([]byte, []int, error) {
			<-stopped
			return nil, nil, errEnded
		}
		_, _, err := c.call(context.Background(), kindGrow, growRequest(runtime.MiB, false))
		return succeeded, err
	})}
	pool := poolOf(t, s, Options{})
	defer close(stopped)
	if _, err := runIn(t, pool, runtime.RunCall{}); err != nil {
		t.Fatal(err)
	}
	w := pool.shared[0].current()
	for range 2 {
		if freed := pool.reclaim(runtime.MiB); freed != 0 {
			t.Errorf("a stopped worker has freed %d bytes", freed)
		}
	}
	if _, err := w.ask(kindPing, nil); err != nil {
		t.Errorf("the worker had to end first: %v", err)
	}
}

// A worker that has stopped does not hold up those who ask what its functions import, and is asked a few
// questions at once.
func TestStoppedWorkerDoesNotHoldImports(t *testing.T) {
	stopped, done := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	s := &starter{t: t, serve: hostileWith(ready, func(*conn, *request) ([]byte, error) { return succeeded, nil }, func(c *conn) {
		c.handlers[kindImports].call = func(context.Context, *request) ([]byte, []int, error) {
			asked.Add(1)
			<-stopped
			return nil, nil, errEnded
		}
	})}
	pool := poolOf(t, s, Options{})
	defer close(stopped)
	c := runtime.RunCall{Program: newProgram("", runtime.Limits{}), Args: runtime.EmptyObject, Context: runtime.EmptyObject}
	if _, err := pool.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		var all sync.WaitGroup
		for range 2 * maxAsked {
			all.Go(func() {
				if names := pool.RunImports(c.Program.FunctionID, c.Program.Version); names != nil {
					t.Errorf("got %q", names)
				}
			})
		}
		all.Wait()
	}()
	select {
	case <-done:
	case <-time.After(pingTime / 2):
		t.Fatal("callers wait for a stopped worker")
	}
	if n := asked.Load(); n < 1 || n > maxAsked {
		t.Errorf("%d questions were asked at once, want at most %d", n, maxAsked)
	}
}

// Workers that lease all that they get and give nothing back leave memory to others: one of them half, all
// together a quarter.
func TestHoardOfMemory(t *testing.T) {
	for _, hoarders := range []int{1, 2, 3} {
		t.Run(strconv.Itoa(hoarders), func(t *testing.T) { hoard(t, hoarders) })
	}
}

func hoard(t *testing.T, hoarders int) {
	s := &starter{t: t, serve: hostile(func(c *conn, _ *request) ([]byte, error) {
		c.handle(kindShrink, func(context.Context, []byte, []int) ([]byte, []int, error) { return wire.AppendUint(nil, 0), nil, nil })
		for n := int64(leaseStep); n > 0; {
			reply, _, err := c.call(context.Background(), kindGrow, growRequest(leaseStep, false))
			if err != nil {
				return nil, err
			}
			d := wire.Decode(reply)
			n = d.Size()
		}
		return succeeded, nil
	})}
	budget := memory.New(8*testMemory, quiet)
	pool := poolOf(t, s, Options{Workers: 2, Memory: budget, Own: func(runtime.Tenant) bool { return true }})
	others := budget.Open(memory.Options{Name: "others"})
	for i := range hoarders {
		c := runtime.RunCall{Program: newProgram("", runtime.Limits{}), Args: runtime.EmptyObject, Context: runtime.EmptyObject}
		c.Program.Tenant = runtime.Tenant(strconv.Itoa(i))
		if _, err := pool.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	left := others.Largest() / 4
	if hoarders == 1 {
		left = others.Largest() / 2
	}
	for _, h := range budget.Holders() { // beside the leases
		if h.Name != "workers" {
			left -= h.Bytes
		}
	}
	if n := others.Free(); n < left {
		t.Errorf("%d bytes are left of %d, want %d: %+v", n, budget.Total(), left, budget.Holders())
	}
}

// What a worker wants only if it is free, as for what it keeps for later, makes no cache of the server give
// way. What it needs does.
func TestLeaseOfSpareMemory(t *testing.T) {
	const wanted = testMemory / 8
	type findings struct {
		spare, needed bool
		held          int64 // bytes of the cache when the worker has asked for spare memory
	}
	found := make(chan findings, 1)
	budget := memory.New(testMemory, quiet)
	var cache *memory.Account
	cache = budget.Open(memory.Options{Name: "cache", Reclaim: func(int64) int64 {
		n := cache.Held()
		cache.Give(n)
		return n
	}})
	s := &starter{t: t, serve: hostile(func(c *conn, _ *request) ([]byte, error) {
		l := &leaser{conn: c, wake: make(chan struct{}, 1)}
		l.budget = memory.NewLeased(testMemory, l.lacks, quiet)
		a := l.budget.Open(memory.Options{Name: "a"})
		cache.TakeFree(cache.Free() - wanted/2)
		a.TakeFree(wanted)
		l.grow(context.Background())
		f := findings{spare: a.TakeFree(wanted), held: cache.Held()}
		a.TryTake(wanted)
		l.grow(context.Background())
		f.needed = a.TryTake(wanted)
		found <- f
		return succeeded, nil
	})}
	if _, err := runIn(t, poolOf(t, s, Options{Memory: budget}), runtime.RunCall{}); err != nil {
		t.Fatal(err)
	}
	f := <-found
	if f.spare || f.held == 0 {
		t.Errorf("the worker has what is not free: %t; the cache has %d bytes", f.spare, f.held)
	}
	if !f.needed || cache.Held() != 0 {
		t.Errorf("the worker has what it needs: %t; the cache has %d bytes", f.needed, cache.Held())
	}
}
