package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const tenant runtime.Tenant = "a"

// fakeSandbox is a sandbox whose behaviour a test defines. It remembers which images it holds;
// like the real one, Run creates an image that is missing.
type fakeSandbox struct {
	deploy func(ctx context.Context, p runtime.Program) (runtime.Outcome, error) // nil: succeeds
	run    func(ctx context.Context, p runtime.Program, args, fnContext []byte) (runtime.Outcome, error)
	call   func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) // instead of run

	mu     sync.Mutex
	images map[string]bool
}

// counted returns a sandbox that echoes args and counts its runs.
func counted(runs *atomic.Int64) *fakeSandbox {
	return &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		runs.Add(1)
		return echo(ctx, p, args, c)
	}}
}

func image(functionID string, version uint64) string { return fmt.Sprint(functionID, " ", version) }

func (s *fakeSandbox) hold(p runtime.Program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.images == nil {
		s.images = map[string]bool{}
	}
	s.images[image(p.FunctionID, p.Version)] = true
}

func (s *fakeSandbox) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.images)
}

func (s *fakeSandbox) Deploy(ctx context.Context, p runtime.Program) (runtime.Outcome, error) {
	s.hold(p)
	if s.deploy != nil {
		return s.deploy(ctx, p)
	}
	return runtime.Outcome{Logs: runtime.Logs{Data: []byte("deployed")}}, nil
}

// Run returns the source as the result unless the test defines a run: tests write sources that
// are JSON.
func (s *fakeSandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	s.hold(c.Program)
	if s.call != nil {
		return s.call(ctx, c)
	}
	if s.run == nil {
		return runtime.Outcome{Result: c.Program.Source}, nil
	}
	o, err := s.run(ctx, c.Program, c.Args, c.Context)
	if c.Logs != nil {
		c.Logs.AppendAll(o.Logs)
	}
	return o, err
}

func (s *fakeSandbox) RunImports(string, uint64) []string { return []string{"lazy"} }

func (s *fakeSandbox) Forget(functionID string, version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.images, image(functionID, version))
}

func newStore(t testing.TB) *storage.Store {
	t.Helper()
	fs := vfs.NewMem()
	store, err := storage.Open(storage.Options{Dir: "store", FS: fs, Log: quiet, Replication: replication(fs)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// newEngine returns an engine over a real store in memory, unless o has another.
func newEngine(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	if o.Store == nil {
		o.Store = newStore(t)
	}
	if o.Sandbox == nil {
		o.Sandbox = &fakeSandbox{}
	}
	if o.Log == nil {
		o.Log = quiet
	}
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func spec(name, source string) runtime.FunctionSpec {
	return runtime.FunctionSpec{Tenant: tenant, Name: name, Source: []byte(source)}
}

func create(t testing.TB, e *engine.Engine, s runtime.FunctionSpec) runtime.Deployment {
	t.Helper()
	d, err := e.CreateFunction(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func remove(e *engine.Engine, name string) (runtime.Deployment, error) {
	return e.DeleteFunction(context.Background(), runtime.FunctionDeletion{Tenant: tenant, Name: name})
}

func run(e *engine.Engine, name, args string) (*runtime.Execution, error) {
	return e.Run(context.Background(), runtime.RunRequest{Tenant: tenant, Function: name, Args: []byte(args)})
}

func wantCode(t testing.TB, err error, code runtime.Code) *runtime.Error {
	t.Helper()
	if runtime.CodeOf(err) != code {
		t.Fatalf("got %v, want the code %q", err, code)
	}
	e, _ := runtime.AsError(err)
	return e
}

// gated is a run that reports its begin and ends when end is closed or gets an element.
type gated struct {
	began chan struct{}
	end   chan struct{}
}

func newGated() *gated { return &gated{began: make(chan struct{}, 100), end: make(chan struct{})} }

func (g *gated) run(ctx context.Context, p runtime.Program, _, _ []byte) (runtime.Outcome, error) {
	g.began <- struct{}{}
	select {
	case <-g.end:
		return runtime.Outcome{Result: p.Source}, nil
	case <-ctx.Done():
		return runtime.Outcome{}, ctx.Err()
	}
}

// listFunctions returns the functions of one page.
func listFunctions(ctx context.Context, e *engine.Engine, tenant runtime.Tenant, after string, limit int) ([]runtime.Function, error) {
	page, err := e.ListFunctions(ctx, tenant, runtime.PageRequest{After: after, Limit: limit})
	return page.Items, err
}

// listExecutions returns the executions of one page.
func listExecutions(ctx context.Context, e *engine.Engine, tenant runtime.Tenant, f runtime.ExecutionFilter, after string, limit int) ([]runtime.Execution, error) {
	page, err := e.ListExecutions(ctx, tenant, f, runtime.PageRequest{After: after, Limit: limit})
	return page.Items, err
}

// listDeadLetters returns the dead letters of one page.
func listDeadLetters(ctx context.Context, e *engine.Engine, tenant runtime.Tenant, after string, limit int) ([]runtime.Delivery, error) {
	page, err := e.ListDeadLetters(ctx, tenant, runtime.PageRequest{After: after, Limit: limit})
	return page.Items, err
}

// budgetFor returns a memory budget that n runs with default limits fit into, and what the engine
// holds for them.
func budgetFor(n int64) *memory.Budget {
	return memory.New((n*runtime.Limits{}.WithDefaults().Reservation()+runtime.MiB)*32/29, nil)
}
