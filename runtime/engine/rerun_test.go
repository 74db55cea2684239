package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// argsOf returns args of a size in bytes.
func argsOf(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }

func getArgs(t testing.TB, e *engine.Engine, id string) string {
	t.Helper()
	args, err := e.GetArgs(ctx, tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return string(args)
}

func rerun(t testing.TB, e *engine.Engine, r runtime.RerunRequest) runtime.Execution {
	t.Helper()
	r.Tenant = tenant
	a, err := e.Rerun(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	x := await(t, e, a.IDs[0])
	if x.RerunOf != r.ID {
		t.Errorf("the rerun of %s names %s", r.ID, x.RerunOf)
	}
	return x
}

func refuseRerun(t testing.TB, e *engine.Engine, r runtime.RerunRequest, code runtime.Code) {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = tenant
	}
	_, err := e.Rerun(ctx, r)
	wantCode(t, err, code)
}

// TestArgsAreKept checks that args are found with blocking and background runs, while they run and
// after, up to a size, if the function and the server keep them.
func TestArgsAreKept(t *testing.T) {
	keep, drop := true, false
	for _, test := range []struct {
		server   bool // drops
		function *bool
		keeps    bool
	}{{false, nil, true}, {false, &drop, false}, {true, nil, false}, {true, &keep, true}} {
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}, DropArgs: test.server})
		s := spec("hello", "[]")
		s.KeepArgs = test.function
		create(t, e, s)
		if d, err := e.GetFunction(ctx, tenant, "hello"); err != nil || d.KeepsArgs != test.keeps {
			t.Errorf("%+v: the function says %v, %v", test, d.KeepsArgs, err)
		}
		for _, size := range []int{20, 5_000, runtime.MaxKeptArgs, runtime.MaxKeptArgs + 1} {
			args, want := argsOf(size), ""
			if test.keeps && size <= runtime.MaxKeptArgs {
				want = args
			}
			x, err := run(e, "hello", args)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{x.ID, await(t, e, submit(t, e, runtime.SubmitRequest{Args: []byte(args)})).ID} {
				if got := getArgs(t, e, id); got != want {
					t.Errorf("%+v: of %d bytes %d are kept", test, size, len(got))
				}
				if x := getExecution(t, e, id); x.ArgsSize != size || x.KeepsArgs() != (want != "") {
					t.Errorf("%+v: of %d bytes it says %d, kept %v", test, size, x.ArgsSize, x.KeepsArgs())
				}
			}
		}
	}
}

// TestArgsOfARunningRun checks that the args of a blocking run are found while it runs, and are a copy.
func TestArgsOfARunningRun(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
	create(t, e, spec("hello", "[]"))
	done := make(chan error)
	args := []byte(`{"a":1}`)
	go func() {
		_, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello", Args: args})
		done <- err
	}()
	<-g.began
	list, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	got, err := e.GetArgs(ctx, tenant, list[0].ID)
	if err != nil || string(got) != `{"a":1}` {
		t.Fatalf("the args are %s, %v", got, err)
	}
	got[2] = 'b'
	if _, err := e.GetArgs(ctx, "b", list[0].ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another tenant gets %v", err)
	}
	close(g.end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	copy(args, `{"c":2}`) // the caller's again
	if got := getArgs(t, e, list[0].ID); got != `{"a":1}` {
		t.Errorf("the args are %s", got)
	}
}

// TestRerun repeats runs: with their args and with others, after the function was updated, renamed, and
// deleted and created again, and once for a key.
func TestRerun(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}})
	d := create(t, e, spec("hello", "[]"))
	first, err := run(e, "hello", `{"n":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if x := rerun(t, e, runtime.RerunRequest{ID: first.ID}); string(x.Result) != `{"n":1}` || x.Version != 1 || getArgs(t, e, x.ID) != `{"n":1}` {
		t.Errorf("the rerun is %+v", x)
	} else if again := rerun(t, e, runtime.RerunRequest{ID: x.ID, Args: []byte(`{"n":2}`)}); string(again.Result) != `{"n":2}` {
		t.Errorf("the rerun of the rerun is %+v", again)
	}
	name := "hi"
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: &name, Source: []byte("[2]")}); err != nil {
		t.Fatal(err)
	}
	if x := rerun(t, e, runtime.RerunRequest{ID: first.ID}); x.Function != "hi" || x.Version != 2 {
		t.Errorf("after the function was renamed, the rerun is of %s, version %d", x.Function, x.Version)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: first.ID, MayRun: func(name string) bool { return name == "hello" }}, runtime.CodeNotFound)
	_, err = e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first.ID, MayRun: func(name string) bool { return name == "hello" }})
	if strings.Contains(err.Error(), `"hi"`) {
		t.Errorf("a sender that may run the function under its old name learns the new one: %v", err)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: first.ID, Tenant: "b"}, runtime.CodeNotFound)
	refuseRerun(t, e, runtime.RerunRequest{ID: d.ExecutionID}, runtime.CodeInvalidArgument)
	refuseRerun(t, e, runtime.RerunRequest{ID: first.ID, Args: []byte(`[]`)}, runtime.CodeInvalidArgument)

	a, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first.ID, IdempotencyKey: "k"})
	if err != nil || a.Replayed {
		t.Fatal(a, err)
	}
	if b, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first.ID, IdempotencyKey: "k"}); err != nil || !b.Replayed || b.IDs[0] != a.IDs[0] {
		t.Errorf("the repeated request returned %+v, %v", b, err)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: a.IDs[0], IdempotencyKey: "k"}, runtime.CodeConflict)
	await(t, e, a.IDs[0])

	if _, err := remove(e, "hi"); err != nil {
		t.Fatal(err)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: first.ID}, runtime.CodeNotFound)
	drop := spec("hello", "[3]")
	drop.KeepArgs = new(bool)
	create(t, e, drop)
	x := rerun(t, e, runtime.RerunRequest{ID: first.ID})
	if x.Function != "hello" || x.Version != 1 || x.KeepsArgs() {
		t.Errorf("after the function was created again, the rerun is %+v", x)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: x.ID}, runtime.CodeConflict)
}

// TestRerunOfAVersion runs an earlier version, also after a crash, and keeps no image of it.
func TestRerunOfAVersion(t *testing.T) {
	g := newGated()
	var gate atomic.Bool
	box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if gate.Load() {
			return g.run(ctx, p, args, c)
		}
		return runtime.Outcome{Result: p.Source}, nil
	}}
	d := openDisk(t, vfs.NewCrashableMem())
	e := engineOn(t, d.store, engine.Options{Sandbox: box})
	create(t, e, spec("hello", "1"))
	first, err := run(e, "hello", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n < 5; n++ {
		if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte(fmt.Sprint(n))}); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint64(1); n < 5; n++ {
		x := rerun(t, e, runtime.RerunRequest{ID: first.ID, Version: n})
		if string(x.Result) != fmt.Sprint(n) || x.Version != n {
			t.Errorf("version %d returned %s as version %d", n, x.Result, x.Version)
		}
	}
	if n := box.held(); n != 1 {
		t.Errorf("%d images are held", n)
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: first.ID, Version: 5}, runtime.CodeNotFound)
	gate.Store(true)
	a, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first.ID, Version: 2})
	if err != nil {
		t.Fatal(err)
	}
	<-g.began
	after := d.crash(t)
	gate.Store(false)
	close(g.end)
	abandon(t, e, d)
	e = engineOn(t, after.store, engine.Options{Sandbox: box})
	defer closeAll(t, e, after)
	if x := await(t, e, a.IDs[0]); string(x.Result) != "2" || x.Version != 2 || x.RerunOf != first.ID {
		t.Errorf("after the crash it ended as %+v", x)
	}
}

// TestRunsOfAVersionShareIt checks that runs of an earlier version have its code in memory once.
func TestRunsOfAVersionShareIt(t *testing.T) {
	const runs = 4
	var together sync.WaitGroup
	var mu sync.Mutex
	copies := map[*byte]bool{}
	var gate atomic.Bool
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(_ context.Context, p runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		if gate.Load() {
			mu.Lock()
			copies[&p.Source[0]] = true
			mu.Unlock()
			together.Done()
			together.Wait()
		}
		return runtime.Outcome{Result: args}, nil
	}}})
	create(t, e, spec("hello", "1"))
	first, err := run(e, "hello", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	update(t, e, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("2")})
	gate.Store(true)
	together.Add(runs)
	var ids []string
	for range runs {
		a, err := e.Rerun(ctx, runtime.RerunRequest{Tenant: tenant, ID: first.ID, Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.IDs...)
	}
	for _, id := range ids {
		await(t, e, id)
	}
	if len(copies) != 1 {
		t.Errorf("%d runs had %d copies of the code", runs, len(copies))
	}
}

// TestRerunJob repeats the failed tasks of an execution of a job, with what was requested for it.
func TestRerunJob(t *testing.T) {
	var fixed atomic.Bool
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		var a struct{ N int }
		if err := json.Unmarshal(args, &a); err != nil {
			return runtime.Outcome{}, err
		}
		switch {
		case fixed.Load() || a.N%3 == 0:
			return runtime.Outcome{Result: args}, nil
		case a.N%3 == 1:
			return failure(runtime.ClassError), nil
		}
		return failure(runtime.ClassTimeout), nil
	}}}, runtime.JobSpec{MaxConcurrentTasks: 5})
	x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(40), Env: map[string]string{"A": "b"}, Parallelism: 4}))
	states, err := e.TaskStates(ctx, tenant, x.Job, x.Name)
	if want := strings.Repeat("sft", 13) + "s"; err != nil || string(states) != want {
		t.Fatalf("the tasks are %s, %v", states, err)
	}
	fixed.Store(true)
	var reserved int64
	request := runtime.RerunJobRequest{Tenant: tenant, Job: x.Job, Execution: x.ID, Tasks: runtime.RerunFailed, Reserve: func(n int64) error {
		reserved = n
		return nil
	}}
	a, err := e.RerunJob(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	y := awaitJob(t, e, a.Execution)
	if want := (runtime.TaskCounts{Total: 26, Succeeded: 26}); y.Stats != want || y.EnvOverride["A"] != "b" || y.Parallelism != 4 || reserved == 0 {
		t.Errorf("the rerun ended as %+v, with %d bytes reserved", y, reserved)
	}
	page, err := e.ListTasks(ctx, tenant, y.Job, y.ID, runtime.PageRequest{Sort: runtime.SortCreatedAsc})
	if err != nil {
		t.Fatal(err)
	}
	for i, task := range page.Items {
		of := 3*(i/2) + 1 + i%2
		if task.RerunOf != runtime.TaskID(x.ID, of) || string(task.Result) != fmt.Sprintf(`{"n":%d}`, of) {
			t.Errorf("task %d repeats %s, with the result %s", i, task.RerunOf, task.Result)
		}
	}
	refuseRerun(t, e, runtime.RerunRequest{ID: page.Items[0].ID}, runtime.CodeInvalidArgument)
	request.Execution = y.ID
	_, err = e.RerunJob(ctx, request)
	wantCode(t, err, runtime.CodeConflict)
	request.Execution = "none"
	_, err = e.RerunJob(ctx, request)
	wantCode(t, err, runtime.CodeNotFound)
	request.Tenant, request.Execution = "b", x.ID
	_, err = e.RerunJob(ctx, request)
	wantCode(t, err, runtime.CodeNotFound)
}

// TestRerunJobNeedsItsArgs checks that a rerun repeats all failed tasks or none.
func TestRerunJobNeedsItsArgs(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		return failure(runtime.ClassError), nil
	}}}, runtime.JobSpec{})
	large := json.RawMessage(argsOf(runtime.MaxKeptArgs + 1))
	x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: append(tasks(3), large)}))
	_, err := e.RerunJob(ctx, runtime.RerunJobRequest{Tenant: tenant, Job: j.Name, Execution: x.ID, Tasks: runtime.RerunFailed})
	if known := wantCode(t, err, runtime.CodeConflict); !strings.Contains(known.Message, "1 of 4 tasks") {
		t.Errorf("the error is %v", err)
	}
}
