package worker

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// newLanePair returns both ends of a lane.
func newLanePair(t testing.TB) (server, worker *lane) {
	t.Helper()
	fd, err := newSharedMemory(laneSize)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if server, err = newLane(fd, 0, 0, true); err == nil {
		worker, err = newLane(fd, 0, 0, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.close()
		worker.close()
	})
	return server, worker
}

// randomBytes returns n bytes.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// A lane carries messages of any size to the server, and those of one piece to the worker.
func TestLaneCarriesMessages(t *testing.T) {
	server, worker := newLanePair(t)
	sizes := []int{0, 1, 300, laneBytes, pieceBytes - headerBytes, pieceBytes - headerBytes + 1, 3*pieceBytes + 7, runtime.MiB}
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			for id, size := range sizes {
				h, err := worker.in.next()
				if err != nil {
					return err
				}
				payload, _, err := worker.in.payload(h, true)
				if err != nil {
					return err
				}
				more := make([]byte, size-len(payload))
				if err := worker.send(header{kind: kindRun, flags: flagReply, id: uint64(id + 1)}, payload, more); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	for id, size := range sizes {
		sent := randomBytes(min(size, laneBytes))
		if err := server.send(header{kind: kindRun, flags: flagCall, id: uint64(id + 1)}, sent[:len(sent)/2], sent[len(sent)/2:]); err != nil {
			t.Fatal(err)
		}
		h, err := server.in.next()
		if err != nil || h.id != uint64(id+1) || h.size != size {
			t.Fatalf("%d bytes: %+v, %v", size, h, err)
		}
		got, _, err := server.in.payload(h, true)
		if err != nil || !bytes.Equal(got[:len(sent)], sent) {
			t.Fatalf("%d bytes: other ones arrived, %v", size, err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestHostileLane: whatever a worker writes into the memory of a lane, the server reads pieces in turn, of
// bytes that the memory has, or an error.
func TestHostileLane(t *testing.T) {
	run := header{kind: kindRun, flags: flagCall, id: 1}
	for name, c := range map[string]struct {
		worker func(d *direction) // from the worker's side of its replies
		err    error
	}{
		"two pieces at once":     {func(d *direction) { d.size.Store(100); d.written.Store(2) }, errLane},
		"a piece before":         {func(d *direction) { d.size.Store(100); d.written.Store(^uint32(0)) }, errLane},
		"an empty piece":         {func(d *direction) { d.written.Store(1) }, errLane},
		"a piece that is larger": {func(d *direction) { d.size.Store(pieceBytes + 1); d.written.Store(1) }, errLane},
		"the largest number":     {func(d *direction) { d.size.Store(^uint32(0)); d.written.Store(1) }, errLane},
		"no frame": {func(d *direction) {
			copy(d.data, strings.Repeat("x", 100))
			d.size.Store(100)
			d.written.Store(1)
		}, nil},
	} {
		server, worker := newLanePair(t)
		if err := server.send(run, nil, nil); err != nil {
			t.Fatal(err)
		}
		c.worker(&worker.to)
		if _, err := server.in.next(); err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A worker that has not read a run does not get the next one on top, and the server does not wait for it.
func TestLaneWorkerDoesNotRead(t *testing.T) {
	server, worker := newLanePair(t)
	run := header{kind: kindRun, flags: flagCall, id: 1}
	if err := server.send(run, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := worker.send(header{kind: kindRun, flags: flagReply, id: 1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := server.in.next(); err != nil {
		t.Fatal(err)
	}
	if err := server.send(run, nil, nil); !errors.Is(err, errLane) {
		t.Errorf("got %v", err)
	}
}

// The end of a lane wakes both sides, also a server whose worker undoes what it writes into the memory.
func TestLaneEnds(t *testing.T) {
	for _, hostile := range []bool{false, true} {
		server, worker := newLanePair(t)
		ended, stop := make(chan error), make(chan struct{})
		undone := make(chan struct{})
		go func() {
			defer close(undone)
			for hostile {
				select {
				case <-stop:
					return
				default:
					worker.to.written.Store(0)
				}
			}
		}()
		for _, l := range [...]*lane{server, worker} {
			go func() {
				_, err := l.Read(make([]byte, 1))
				ended <- err
			}()
		}
		time.Sleep(10 * time.Millisecond) // both wait, probably
		server.shutdown()
		worker.shutdown()
		for range 2 {
			if err := <-ended; !errors.Is(err, errEnded) && !hostile {
				t.Error(err)
			}
		}
		close(stop)
		<-undone
	}
}

// A worker cannot change the size of the memory: the server would end with SIGBUS.
func TestLaneKeepsItsSize(t *testing.T) {
	fd, err := newSharedMemory(laneSize)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, size := range []int64{0, laneSize / 2, 2 * laneSize} {
		if err := unix.Ftruncate(fd, size); !errors.Is(err, unix.EPERM) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A worker that does with a lane what no worker does is killed: the run ends as lost, and the server goes on.
func TestWorkerMisusesLane(t *testing.T) {
	reply := func(l *lane, h header) error {
		return l.send(header{kind: kindRun, flags: flagReply, id: h.id}, succeeded, nil)
	}
	for name, misuse := range map[string]func(l *lane, h header) error{
		"no frame":    func(l *lane, _ header) error { return l.write(randomBytes(pieceBytes)) },
		"another run": func(l *lane, h header) error { h.id++; return reply(l, h) },
		"another kind": func(l *lane, h header) error {
			return l.send(header{kind: kindDeploy, flags: flagReply, id: h.id}, succeeded, nil)
		},
		"half an outcome": func(l *lane, h header) error {
			return l.send(header{kind: kindRun, flags: flagReply, id: h.id}, succeeded[:3], nil)
		},
		"a reply too large": func(l *lane, h header) error {
			return l.send(header{kind: kindRun, flags: flagReply, id: h.id}, make([]byte, maxPayload), nil)
		},
		"a piece too large": func(l *lane, _ header) error {
			l.to.size.Store(pieceBytes + 1)
			l.to.written.Store(1)
			wake(&l.to.written)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var all []*lane
			onHello := func(_ context.Context, hello []byte, fds []int) (_ []byte, _ []int, err error) {
				defer closeFDs(fds)
				d := wire.Decode(hello)
				d.Size()
				for i := range d.Count(maxLanes) {
					l, err := newLane(fds[0], i, 0, false)
					if err != nil {
						return nil, nil, err
					}
					mu.Lock()
					all = append(all, l)
					mu.Unlock()
					go func() {
						defer l.close()
						if h, err := l.in.next(); err == nil {
							_, _, _ = l.in.payload(h, true)
							_ = misuse(l, h)
						}
					}()
				}
				return nil, nil, nil
			}
			s := &starter{t: t, serve: hostileWith(onHello, func(*conn, *request) ([]byte, error) { return succeeded, nil }, nil)}
			pool := poolOf(t, s, Options{})
			first := pool.shared[0].current()
			c := runtime.RunCall{Program: newProgram("", runtime.Limits{}), Args: runtime.EmptyObject, Context: runtime.EmptyObject}
			if _, err := pool.Run(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			_, err := pool.Run(t.Context(), c)
			if !errors.Is(err, runtime.ErrWorkerLost) && runtime.CodeOf(err) != runtime.CodeInternal {
				t.Errorf("the run ended with %v", err)
			}
			<-first.ended
			if outcome, err := pool.Run(t.Context(), c); err != nil || string(outcome.Result) != "1" {
				t.Errorf("the next worker: %q, %v", outcome.Result, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, l := range all {
				l.shutdown()
			}
		})
	}
}

// Short runs go through lanes, with results of any size, and long ones over the main connection.
func TestRunsThroughLanes(t *testing.T) {
	p, _ := newPool(t, Options{Workers: 1})
	w := p.shared[0].current()
	if len(w.lanes.all) == 0 {
		t.Fatal("there are no lanes")
	}
	source := deployed(t, p, "import time\ndef main(args, context):\n    time.sleep(args['s'])\n    return 'x' * args['n']\n", runtime.Limits{})
	known := func() *program { return w.programs.byKey[programKey{source.FunctionID, 1}] }
	result(t, p, source, `{"s": 0, "n": 1}`)
	for _, size := range []int{0, 1, laneBytes, 300_000} {
		w.programs.mu.Lock()
		known().settled, known().short = true, 1 // however busy the machine is
		w.programs.mu.Unlock()
		before := sentThrough(w)
		got := result(t, p, source, `{"s": 0, "n": `+strconv.Itoa(size)+`}`)
		if len(got) != size+2 {
			t.Errorf("%d bytes: %d", size, len(got))
		}
		if after := sentThrough(w); after != before+1 {
			t.Errorf("%d bytes: %d runs went through lanes", size, after-before)
		}
	}
	result(t, p, source, `{"s": 0.002, "n": 1}`)
	if w.programs.suits(known()) {
		t.Error("a long run is followed through a lane")
	}
	for range shortRuns - 1 {
		w.programs.took(known(), 0)
	}
	if w.programs.suits(known()) {
		t.Errorf("%d short runs after a long one", shortRuns-1)
	}
	if w.programs.took(known(), 0); !w.programs.suits(known()) {
		t.Errorf("no lane after %d short runs", shortRuns)
	}
}

// sentThrough returns the number of runs that went through the lanes of a worker.
func sentThrough(w *peer) (n uint32) {
	w.lanes.mu.Lock()
	defer w.lanes.mu.Unlock()
	for _, l := range w.lanes.all {
		n += l.to.count
	}
	return n
}
