package engine_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker"
	"github.com/faaspot/faaspot/test/guestcache"
)

// interpreters opens the sandboxes that tests with a real interpreter use: one in this process, and workers.
var interpreters = map[string]func(t *testing.T) runtime.Sandbox{
	"in the server": func(t *testing.T) runtime.Sandbox {
		box, err := sandbox.Open(context.Background(), sandbox.Options{Log: quiet, Processors: 1, CacheDir: guestDir(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		})
		return box
	},
	"in workers": func(t *testing.T) runtime.Sandbox {
		pool, _ := openWorkers(t)
		return pool
	},
}

// guestDir returns a folder with the compiled guest.
func guestDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "guest")
	guestcache.Fetch(dir)
	return dir
}

// openWorkers opens a pool with one worker, in this process. kill ends the worker that was started last.
func openWorkers(t *testing.T) (pool *worker.Pool, kill func()) {
	dir := guestDir(t)
	var last atomic.Pointer[localWorker]
	pool, err := worker.New(worker.Options{Log: quiet, Start: func(ctx context.Context) (worker.Process, error) {
		w, err := startWorker(dir)
		last.Store(w)
		return w, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool, func() { last.Load().Kill() }
}

// localWorker is a worker in the process of the test.
type localWorker struct {
	server, socket *net.UnixConn
	ended          chan error
}

func (w *localWorker) Conn() *net.UnixConn { return w.server }
func (w *localWorker) Wait() error         { return <-w.ended }
func (w *localWorker) Kill() error         { return w.socket.Close() }

func startWorker(dir string) (*localWorker, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		ends[i] = c.(*net.UnixConn)
	}
	w := &localWorker{ends[0], ends[1], make(chan error, 1)}
	go func() {
		w.ended <- worker.Serve(context.Background(), w.socket, worker.ServeOptions{CacheDir: dir, Processors: 1, Log: quiet})
	}()
	return w, nil
}

// TestOutputIsVisibleDuringTheRun runs a real interpreter: clients see its output while it runs,
// and followers continue with the next attempt.
func TestOutputIsVisibleDuringTheRun(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling the guest takes long")
	}
	for name, open := range interpreters {
		t.Run(name, func(t *testing.T) { testOutputDuringTheRun(t, open(t)) })
	}
}

func testOutputDuringTheRun(t *testing.T, box runtime.Sandbox) {
	e := newEngine(t, engine.Options{Sandbox: box})
	const first = "import sys\ndef main(args, context):\n    print('one')\n    print('oh', file=sys.stderr)\n    raise ValueError\n"
	const second = "import time\ndef main(args, context):\n    print('two')\n    time.sleep(600)\n"
	s := spec("hello", first)
	s.Limits.Timeout = runtime.MaxTimeout
	create(t, e, s)
	id := submit(t, e, runtime.SubmitRequest{Retries: ptr(runtime.MaxRetries)})
	ctx := context.Background()
	seen := followed{}
	var p runtime.LogPage
	followUntil := func(text string) {
		for string(seen[p.Attempt]) != text {
			var err error
			if p, err = e.FollowLogs(ctx, tenant, id, p.Next); err != nil || p.State.Terminal() {
				t.Fatalf("it ended before its output was seen: %+v, %v; seen so far: %v", p, err, seen)
			}
			seen[p.Attempt] = append(seen[p.Attempt], p.Logs.Data...)
		}
	}
	followUntil("one\noh\n")
	// The next attempt runs the new version.
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte(second)}); err != nil {
		t.Fatal(err)
	}
	followUntil("two\n")
	if x := getExecution(t, e, id); x.State != runtime.StateRunning || x.Attempt != p.Attempt || x.Attempt < 2 {
		t.Errorf("while it runs: %+v", x)
	}
	for attempt := 1; attempt < p.Attempt; attempt++ {
		// An attempt may begin and end unseen during the update.
		if text := string(seen[attempt]); text != "" && text != "one\noh\n" {
			t.Errorf("attempt %d wrote %q", attempt, seen[attempt])
		}
	}
	cancelled(t, e, id)
	if x := await(t, e, id); x.State != runtime.StateCancelled {
		t.Errorf("got %+v", x)
	}
	if p := logsOf(t, e, id, at(0, 0)); string(p.Logs.Data) != "two\n" || len(p.Logs.Marks) != 1 || p.Logs.Marks[0].Stream != 1 {
		t.Errorf("the stored logs are %+v", p)
	}
	// Blocking runs have logs too, once they are done.
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte(first)}); err != nil {
		t.Fatal(err)
	}
	x, err := run(e, "hello", "")
	if err != nil {
		t.Fatal(err)
	}
	if p := logsOf(t, e, x.ID, at(0, 0)); string(p.Logs.Data) != "one\noh\n" || len(p.Logs.Marks) != 2 {
		t.Errorf("the stored logs of a blocking run are %+v", p)
	}
}

// A worker that dies costs the attempts of the runs in it: runs in the background are tried again, and
// callers get CodeUnavailable.
func TestDeathOfAWorker(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling the guest takes long")
	}
	pool, kill := openWorkers(t)
	e := newEngine(t, engine.Options{Sandbox: pool})
	s := spec("hello", "import time\ndef main(args, context):\n    print('begun')\n    time.sleep(args['s'])\n    return 1\n")
	create(t, e, s)
	id := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"s":1}`)})
	for p := (runtime.LogPage{}); string(p.Logs.Data) != "begun\n"; {
		var err error
		if p, err = e.FollowLogs(t.Context(), tenant, id, runtime.LogPosition{Attempt: 1}); err != nil || p.State.Terminal() {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
	failed := make(chan error, 1)
	go func() {
		_, err := run(e, "hello", `{"s":1000}`)
		failed <- err
	}()
	for pool.Status()[0].Runs < 2 {
		goruntime.Gosched()
	}
	kill()
	if err := <-failed; runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("the caller got %v", err)
	}
	if x := await(t, e, id); x.State != runtime.StateSucceeded || x.Attempt != 2 || x.LostAttempts != 1 {
		t.Errorf("got %+v, %+v", x, x.Failure)
	}
	if x, err := run(e, "hello", `{"s":0}`); err != nil || x.State != runtime.StateSucceeded {
		t.Errorf("afterwards: %+v, %v", x, err)
	}
}
