package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
)

// lockedLog is a log that goroutines write and a test reads.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSecretsAreNotLogged lets the platform fail with errors and panics that have the secrets of what it
// runs: contexts, environments and secrets of callbacks. The log has the errors, without the secrets. Once
// nothing has the secrets any more, the registry does not either.
func TestSecretsAreNotLogged(t *testing.T) {
	var log lockedLog
	secrets, b := redact.New(), memory.New(1<<30, nil)
	account := b.Open(memory.Options{Name: "secrets"})
	secrets.Count(account)
	box := &fakeSandbox{
		call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if strings.Contains(string(c.Args), "panic") {
				panic(fmt.Sprintf("%s %q", c.Context, c.Env))
			}
			return runtime.Outcome{}, fmt.Errorf("it failed near %s and %s", c.Context, c.Env)
		},
		deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
			if strings.Contains(string(p.Source), "fails") {
				return runtime.Outcome{}, fmt.Errorf("it cannot be deployed: %s", p.Source)
			}
			return runtime.Outcome{}, nil
		},
	}
	poster := &fakePoster{answer: func(context.Context, runtime.Post) (int, error) { return 500, nil }}
	e := newEngine(t, engine.Options{
		Sandbox: box, Log: slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil), secrets)), Secrets: secrets,
		Poster: poster, CallbackBody: plainBody, Memory: memory.New(1<<30, nil),
	})
	s := spec("f", "{}")
	s.Context = []byte(`{"key":"canary of the context","deep":[{"number":1234567890}]}`)
	create(t, e, s)
	j := runtime.Job{Tenant: tenant, Name: "sums", Spec: callbackJob(0)}
	j.Spec.Function = "f"
	j.Spec.Triggers[0].CallbackSecret = "canary of the callback"
	j.Spec.Env = []runtime.EnvVar{{Name: "KEY", Value: "canary of the job", Secret: true}}
	if _, err := e.CreateJob(ctx, j); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{`{}`, `{"do":"panic"}`} {
		if _, err := run(e, "f", args); err == nil {
			t.Error("a run that should fail did not")
		} else {
			e := wantCode(t, err, runtime.CodeInternal)
			slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil), secrets)).Error("of the caller", "err", e)
		}
		if _, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: tenant, Function: "f", Args: []byte(args)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(2), Env: map[string]string{"MORE": "canary of the execution"}}); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); strings.Count(log.String(), "failed in the platform") < 4; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("the log: %s", log.String())
		}
	}
	text := log.String()
	for _, secret := range []string{"canary", "1234567890"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log: %s", secret, text)
		}
	}
	if !strings.Contains(text, "it failed near") || !strings.Contains(text, "the sandbox panicked") || !strings.Contains(text, redact.Mask) {
		t.Errorf("the log: %s", text)
	}
	if b.Used() == 0 {
		t.Error("the memory of the registry is not counted")
	}

	if _, err := e.DeleteJob(ctx, tenant, "sums"); err != nil {
		t.Fatal(err)
	}
	if _, err := remove(e, "f"); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); b.Used() > 0; time.Sleep(time.Millisecond) {
		goruntime.GC()
		if time.Since(began) > time.Minute {
			t.Fatalf("secrets that nothing has take %d bytes", b.Used())
		}
	}
}
