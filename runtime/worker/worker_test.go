package worker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/test/guestcache"
)

// cacheDir stores the compiled guest for all workers of a test process.
var cacheDir string

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		os.Exit(serveProcess(dir))
	}
	dir, err := os.MkdirTemp("", "faaspot-worker-test-")
	if err != nil {
		panic(err)
	}
	cacheDir = filepath.Join(dir, "guest")
	publish := guestcache.Fetch(cacheDir)
	box, err := sandbox.Open(context.Background(), sandbox.Options{CacheDir: cacheDir, Log: quiet}) // compiles the guest
	if err != nil {
		panic(err)
	}
	box.Close()
	publish()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// serveProcess is a worker process that serves the socket which it has as descriptor 3.
func serveProcess(dir string) int {
	f := os.NewFile(3, "socket")
	c, err := net.FileConn(f)
	f.Close()
	if err == nil {
		places := goruntime.GOMAXPROCS(0)
		goruntime.GOMAXPROCS(2*places + 1)
		debug.SetGCPercent(sandbox.GCPercent)
		err = Serve(context.Background(), c.(*net.UnixConn), ServeOptions{CacheDir: dir, Processors: places, Log: quiet})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serveVariable names the variable that makes a process of this test a worker.
const serveVariable = "FAASPOT_WORKER_TEST_CACHE"

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// testMemory is the memory budget of a pool, in bytes.
const testMemory = 2 * runtime.GiB

// sockets returns the two ends of a connection.
func sockets(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1]
}

// localProcess is a worker in the process of the test. Its death is the end of its connection.
type localProcess struct {
	server, worker *net.UnixConn
	ended          chan error
}

func (p *localProcess) Conn() *net.UnixConn { return p.server }
func (p *localProcess) Wait() error         { return <-p.ended }
func (p *localProcess) Kill() error {
	p.worker.Close()
	return nil
}

// starter starts local workers, and remembers them.
type starter struct {
	t     testing.TB
	serve func(socket *net.UnixConn) error // nil: Serve
	last  atomic.Pointer[localProcess]
	count atomic.Int32
}

func (s *starter) start(context.Context) (Process, error) {
	p := &localProcess{ended: make(chan error, 1)}
	p.server, p.worker = sockets(s.t)
	serve := s.serve
	if serve == nil {
		serve = func(socket *net.UnixConn) error {
			return Serve(context.Background(), socket, ServeOptions{CacheDir: cacheDir, Processors: 2, Log: quiet})
		}
	}
	go func() { p.ended <- serve(p.worker) }()
	s.last.Store(p)
	s.count.Add(1)
	return p, nil
}

// newPool returns a pool of local workers.
func newPool(t testing.TB, o Options) (*Pool, *starter) {
	t.Helper()
	s := &starter{t: t}
	return poolOf(t, s, o), s
}

// poolOf returns a pool whose workers a starter starts.
func poolOf(t testing.TB, s *starter, o Options) *Pool {
	t.Helper()
	o.Start = s.start
	if o.Memory == nil {
		o.Memory = memory.New(testMemory, quiet)
	}
	if o.Log == nil {
		o.Log = quiet
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if used := o.Memory.Used(); used != 0 {
			t.Errorf("%d bytes of memory are in use after the end: %+v", used, o.Memory.Holders())
		}
	})
	return p
}

var programCount atomic.Int64

func newProgram(source string, limits runtime.Limits) runtime.Program {
	n := programCount.Add(1)
	return runtime.Program{
		Tenant: "t", FunctionID: fmt.Sprintf("f%d", n), Version: 1, Name: "f", Source: []byte(source), Limits: limits.WithDefaults(),
	}
}

// deployed deploys a program, which must succeed.
func deployed(t testing.TB, box runtime.Sandbox, source string, limits runtime.Limits) runtime.Program {
	t.Helper()
	p := newProgram(source, limits)
	patient := p
	patient.Limits.Timeout = max(patient.Limits.Timeout, time.Minute)
	outcome, err := box.Deploy(t.Context(), patient)
	if err != nil || outcome.Failure != nil {
		t.Fatalf("does not deploy: %+v, %v\n%s", outcome.Failure, err, outcome.Logs.Data)
	}
	return p
}

// result runs a program, which must succeed, and returns its result.
func result(t testing.TB, box runtime.Sandbox, p runtime.Program, args string) string {
	t.Helper()
	outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(args), Context: runtime.EmptyObject})
	if err != nil || outcome.Failure != nil {
		t.Fatalf("failed: %+v, %v\n%s", outcome.Failure, err, outcome.Logs.Data)
	}
	return string(outcome.Result)
}
