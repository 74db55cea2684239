package engine_test

import (
	"context"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

// TestOutputIsVisibleDuringTheRun runs a real interpreter: clients see its output while it runs,
// and followers continue with the next attempt.
func TestOutputIsVisibleDuringTheRun(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling the guest takes long")
	}
	box, err := sandbox.Open(context.Background(), sandbox.Options{Log: quiet, Processors: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
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
