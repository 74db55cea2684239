package apitest

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

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"

	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Sandbox does what its args request: {"do": "fail"}, "long" with a long message, "sleep" until it is cancelled, "gate" until
// opened, "env"; anything else returns the args.
type Sandbox struct {
	Gate chan struct{}
	mu   sync.Mutex
	Env  []string
}

func (*Sandbox) Deploy(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
	if string(p.Source) == "fail" {
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no"}}, nil
	}
	return runtime.Outcome{}, nil
}

func (s *Sandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	s.mu.Lock()
	s.Env = append(s.Env, string(c.Env))
	s.mu.Unlock()
	var args struct{ Do string }
	_ = json.Unmarshal(c.Args, &args)
	failed := func(class runtime.Class, kind, message string) (runtime.Outcome, error) {
		return runtime.Outcome{Failure: &runtime.Failure{Class: class, Type: kind, Message: message}}, nil
	}
	switch args.Do {
	case "fail":
		return failed(runtime.ClassError, "ValueError", "as asked")
	case "long":
		return failed(runtime.ClassError, "ValueError", strings.Repeat("é", 100*runtime.KiB))
	case "timeout":
		return failed(runtime.ClassTimeout, "", "its time was up")
	case "gate":
		select {
		case <-s.Gate:
		case <-ctx.Done():
			return runtime.Outcome{}, ctx.Err()
		}
	case "large":
		return runtime.Outcome{Result: fmt.Appendf(nil, "%q", strings.Repeat("x", 2*runtime.ListedResult))}, nil
	}
	return runtime.Outcome{Result: c.Args}, nil
}

func (*Sandbox) Forget(string, uint64) {}

func (*Sandbox) RunImports(string, uint64) []string { return nil }

// JobServer is a server over a real engine and store, with a function "hello.py".
type JobServer struct {
	*Served
	Engine  *engine.Engine
	Store   *storage.Store
	Sandbox *Sandbox
	Access  *access.Keeper
	Keys    *keyset.Keyset // of the store, when it was opened
}

// noPoster delivers nothing.
type noPoster struct{}

func (noPoster) Post(context.Context, runtime.Post) (int, error) {
	return 0, runtime.Errorf(runtime.CodeUnavailable, "no response arrived in time")
}

// StartJobs starts a server over a real engine and store.
func StartJobs(t *testing.T, change func(*httpapi.Options)) *JobServer {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	keys, err := new(keyset.Keyset).WithNew()
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: quiet, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	k, err := access.Open(access.Options{Store: store, Log: quiet, Admin: httpapi.HashToken(Token), Stored: store.Stored})
	if err != nil {
		t.Fatal(err)
	}
	store.LimitTenants(func(tenant runtime.Tenant) runtime.TenantLimits { return k.Use(tenant).Limits() })
	box := &Sandbox{Gate: make(chan struct{})}
	e, err := engine.New(engine.Options{Store: store, Sandbox: box, Log: quiet, Memory: memory.New(512*runtime.MiB, nil), Uses: k.Use, Poster: noPoster{}, CallbackBody: blaxel.RenderExecution})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Close(ctx) // what a failed test left at its gate is stopped
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := e.CreateFunction(t.Context(), runtime.FunctionSpec{
		Tenant: runtime.DefaultTenant, Name: "hello.py", Source: []byte("def main(args, context): return args\n"),
		Limits: runtime.Limits{Tmp: runtime.MiB},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	k.SetEngine(e)
	ln, dial := ListenTCP(t) // logs may be followed, see TestFollow
	s := StartOn(t, ln, dial, &Fake{}, func(o *httpapi.Options) {
		o.Engine, o.Auth, o.Access, o.Audit, o.Disk, o.Maintenance = e, k, k, store, store.Disk, store
		o.Cursors = store.Sealer("cursors")
		if change != nil {
			change(o)
		}
	})
	return &JobServer{s, e, store, box, k, keys}
}

// Paged requests lists with cursors.
var Paged = Header{"Blaxel-Version": "2026-04-28"}

// Ask sends a request that must succeed, and reads the answer into v.
func (s *JobServer) Ask(t *testing.T, method, path, body string, h Header, v any) Answer {
	t.Helper()
	a := s.Do(t, method, path, body, h)
	if a.Status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(a.Body), v); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, a.Body)
		}
	}
	return a
}

// CreateJob creates a job whose spec has these members in addition to its function.
func (s *JobServer) CreateJob(t *testing.T, name, members string) {
	t.Helper()
	s.Ask(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"function":"hello.py"%s}}`, name, members), nil, nil)
}

// Start starts an execution and returns its id.
func (s *JobServer) Start(t *testing.T, job, body string) string {
	t.Helper()
	var created wire.StartJobResponse
	s.Ask(t, "POST", "/v0/jobs/"+job+"/executions", body, nil, &created)
	return created.ExecutionID
}

// AwaitEnd waits for the end of an execution.
func (s *JobServer) AwaitEnd(t *testing.T, job, id string) wire.JobExecution[string] {
	t.Helper()
	var x wire.JobExecution[string]
	s.Ask(t, "GET", "/v0/jobs/"+job+"/executions/"+id+"?wait=60", "", nil, &x)
	if !x.Status.Done() {
		t.Fatalf("%+v", x)
	}
	return x
}
