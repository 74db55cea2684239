package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"

	"github.com/faaspot/faaspot/runtime/engine"
)

// taskSandbox runs what its args ask for: {"do": "fail"}, "sleep" until it is
// cancelled, "gate" until opened, "env"; anything else gives the args back.
type taskSandbox struct {
	gate chan struct{}
	mu   sync.Mutex
	env  []string
}

func (*taskSandbox) Deploy(context.Context, runtime.Program) (runtime.Outcome, error) {
	return runtime.Outcome{}, nil
}

func (s *taskSandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	s.mu.Lock()
	s.env = append(s.env, string(c.Env))
	s.mu.Unlock()
	var args struct{ Do string }
	_ = json.Unmarshal(c.Args, &args)
	failed := func(class runtime.Class, kind, message string) (runtime.Outcome, error) {
		return runtime.Outcome{Failure: &runtime.Failure{Class: class, Type: kind, Message: message}}, nil
	}
	switch args.Do {
	case "fail":
		return failed(runtime.ClassError, "ValueError", "as asked")
	case "timeout":
		return failed(runtime.ClassTimeout, "", "its time was up")
	case "gate":
		select {
		case <-s.gate:
		case <-ctx.Done():
			return runtime.Outcome{}, ctx.Err()
		}
	case "large":
		return runtime.Outcome{Result: fmt.Appendf(nil, "%q", strings.Repeat("x", 2*runtime.ListedResult))}, nil
	}
	return runtime.Outcome{Result: c.Args}, nil
}

func (*taskSandbox) Forget(string, uint64) {}

// jobServer is a server over a real engine and store, with a function "hello.py".
type jobServer struct {
	*testServer
	engine  *engine.Engine
	store   *storage.Store
	sandbox *taskSandbox
}

// noPoster reaches nobody.
type noPoster struct{}

func (noPoster) Post(context.Context, runtime.Post) (int, error) {
	return 0, runtime.Errorf(runtime.CodeUnavailable, "there was no answer in time")
}

func startJobs(t *testing.T, change func(*Options)) *jobServer {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	box := &taskSandbox{gate: make(chan struct{})}
	engine, err := engine.New(engine.Options{Store: store, Sandbox: box, Log: quiet, MemoryBudget: 512 * runtime.MiB, Poster: noPoster{}, CallbackBody: TellJobExecution})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = engine.Close(ctx) // what a failed test left at its gate is stopped
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := engine.CreateFunction(t.Context(), runtime.FunctionSpec{
		Tenant: runtime.DefaultTenant, Name: "hello.py", Source: []byte("def main(args, context): return args\n"),
		Limits: runtime.Limits{Tmp: runtime.MiB},
	}); err != nil {
		t.Fatal(err)
	}
	ln, dial := listenTCP(t) // logs may be followed, see TestFollow
	s := startOn(t, ln, dial, &fakeEngine{}, func(o *Options) {
		o.Engine = engine
		if change != nil {
			change(o)
		}
	})
	return &jobServer{s, engine, store, box}
}

// with asks for lists with cursors.
var paged = header{"Blaxel-Version": "2026-04-28"}

// ask sends a request that must succeed, and reads the answer into v.
func (s *jobServer) ask(t *testing.T, method, path, body string, h header, v any) answer {
	t.Helper()
	a := s.do(t, method, path, body, h)
	if a.status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(a.body), v); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
	return a
}

// createJob keeps a job whose spec has these members besides its function.
func (s *jobServer) createJob(t *testing.T, name, members string) {
	t.Helper()
	s.ask(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"function":"hello.py"%s}}`, name, members), nil, nil)
}

// run starts an execution and gives its id.
func (s *jobServer) run(t *testing.T, job, body string) string {
	t.Helper()
	var created createdExecution
	s.ask(t, "POST", "/v0/jobs/"+job+"/executions", body, nil, &created)
	return created.ExecutionID
}

// ended waits for the end of an execution.
func (s *jobServer) ended(t *testing.T, job, id string) toldJobExecution {
	t.Helper()
	var x toldJobExecution
	s.ask(t, "GET", "/v0/jobs/"+job+"/executions/"+id+"?wait=60", "", nil, &x)
	if !x.Status.Terminal() {
		t.Fatalf("%+v", x)
	}
	return x
}
