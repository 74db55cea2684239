package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/storage"
)

// greeter is a sandbox that runs one program only, without an interpreter.
type greeter struct{}

func (greeter) Deploy(context.Context, runtime.Program) (runtime.Outcome, error) {
	return runtime.Outcome{}, nil
}

func (greeter) Run(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	return runtime.Outcome{Result: fmt.Appendf(nil, `{"greeting":"hello","args":%s}`, c.Args)}, nil
}

func (greeter) Forget(string, uint64) {}

func (greeter) RunImports(string, uint64) []string { return nil }

func Example() {
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: log})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	e, err := engine.New(engine.Options{Store: store, Sandbox: greeter{}, Log: log})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close(ctx)

	d, err := e.CreateFunction(ctx, runtime.FunctionSpec{
		Tenant: runtime.DefaultTenant,
		Name:   "hello",
		Source: []byte("def main(args, context):\n    return {'greeting': 'hello', 'args': args}\n"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Function.Name, "has version", d.Function.Version)

	// A blocking run.
	x, err := e.Run(ctx, runtime.RunRequest{Tenant: runtime.DefaultTenant, Function: "hello", Args: []byte(`{"name":"you"}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(x.State, string(x.Result))

	// A run in the background: it is on disk when Submit returns.
	a, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: runtime.DefaultTenant, Function: "hello"})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := e.AwaitExecution(ctx, runtime.DefaultTenant, a.IDs[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.State, string(done.Result))

	// An execution of a job: many tasks, each an execution of the function.
	if _, err := e.CreateJob(ctx, runtime.Job{Tenant: runtime.DefaultTenant, Name: "greet-all", Spec: runtime.JobSpec{Function: "hello"}}); err != nil {
		fmt.Println(err)
		return
	}
	started, err := e.StartJob(ctx, runtime.JobStartRequest{
		Tenant: runtime.DefaultTenant, Job: "greet-all",
		Tasks: []json.RawMessage{[]byte(`{"name":"Ada"}`), []byte(`{"name":"Alan"}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := e.AwaitJobExecution(ctx, runtime.DefaultTenant, "greet-all", started.Execution.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.State, job.Stats.Succeeded, "of", job.Stats.Total, "tasks")
	// Output:
	// hello has version 1
	// succeeded {"greeting":"hello","args":{"name":"you"}}
	// succeeded {"greeting":"hello","args":{}}
	// succeeded 2 of 2 tasks
}
