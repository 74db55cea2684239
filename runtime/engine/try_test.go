package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func trialOf(source, args string) runtime.TryRequest {
	return runtime.TryRequest{Function: spec("main.py", source), Args: []byte(args)}
}

// nothingIsStored checks that a trial has left nothing.
func nothingIsStored(t testing.TB, e *engine.Engine, box *fakeSandbox) {
	t.Helper()
	functions, err := listFunctions(context.Background(), e, tenant, "", 10)
	if err != nil || len(functions) > 0 {
		t.Errorf("functions are stored: %v, %v", functions, err)
	}
	executions, err := listExecutions(context.Background(), e, tenant, runtime.ExecutionFilter{}, "", 10)
	if err != nil || len(executions) > 0 {
		t.Errorf("executions are stored: %+v, %v", executions, err)
	}
	if n := box.held(); n != 0 {
		t.Errorf("%d images are left", n)
	}
	if n := e.MemoryOf(tenant); n != 0 {
		t.Errorf("%d bytes are reserved", n)
	}
}

// TestTry runs code that is never stored, and checks that it gets what a run of a function gets.
func TestTry(t *testing.T) {
	networks := &fakeNetworks{}
	box := &fakeSandbox{}
	box.call = func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		if c.Network == nil || c.Program.Limits.Memory != 64*runtime.MiB || c.Limits.Timeout != 5*time.Second || c.Room == nil || c.Info.Execution == "" {
			t.Errorf("the call is %+v", c)
		}
		c.Logs.Append(1, []byte("ran "))
		return runtime.Outcome{Result: []byte(`[` + string(c.Args) + `,` + string(c.Context) + `]`), Logs: c.Logs.End()}, nil
	}
	e := newEngine(t, engine.Options{Sandbox: box, Networks: networks})
	r := trialOf("x = 1", `{"a":1}`)
	r.Function.Context, r.Function.Allow = []byte(`{"s":"secret"}`), []string{"a.test:1"}
	r.Function.Limits = runtime.Limits{Timeout: 5 * time.Second, Memory: 64 * runtime.MiB}
	got, err := e.Try(context.Background(), r)
	if err != nil || got.State != runtime.StateSucceeded || string(got.Result) != `[{"a":1},{"s":"secret"}]` || len(got.Egress) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if log := string(got.Logs.Data); !strings.Contains(log, "ran ") {
		t.Errorf("the log is %q", log)
	}
	networks.take(t)
	nothingIsStored(t, e, box)
}

// TestTryBundle runs a bundle, which is in the store as long as it runs only.
func TestTryBundle(t *testing.T) {
	box := &fakeSandbox{}
	e := newEngine(t, engine.Options{Sandbox: box})
	zip := zipOf(t, `"main"`, "x")
	box.call = func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		wantStored(t, e, zip, true)
		return runtime.Outcome{Result: c.Program.Source}, nil
	}
	r := runtime.TryRequest{Function: runtime.FunctionSpec{Tenant: tenant, Name: "main.py"}, Upload: upload(zip)}
	got, err := e.Try(context.Background(), r)
	if err != nil || string(got.Result) != `"main"` {
		t.Fatalf("%+v, %v", got, err)
	}
	wantStored(t, e, zip, false)
	nothingIsStored(t, e, box)
}

// TestTryThatFails checks each way in which a trial can fail. None leaves anything.
func TestTryThatFails(t *testing.T) {
	failure := func(f runtime.Failure) func(context.Context, runtime.Program) (runtime.Outcome, error) {
		return func(context.Context, runtime.Program) (runtime.Outcome, error) {
			return runtime.Outcome{Failure: &f}, nil
		}
	}
	limited := runtime.NewTenantUse(runtime.TenantLimits{Runs: 1})
	for what, c := range map[string]struct {
		box   *fakeSandbox
		alter func(*runtime.TryRequest)
		uses  *runtime.TenantUse
		code  runtime.Code
		line  int
		state runtime.State // of a trial that is not an error
	}{
		"the code":    {box: &fakeSandbox{deploy: failure(runtime.Failure{Class: runtime.ClassError, Type: "SyntaxError", Message: "invalid", Line: 3})}, code: runtime.CodeDeployFailed, line: 3},
		"no code":     {box: &fakeSandbox{}, alter: func(r *runtime.TryRequest) { r.Function.Source = nil }, code: runtime.CodeInvalidArgument},
		"the args":    {box: &fakeSandbox{}, alter: func(r *runtime.TryRequest) { r.Args = []byte("[]") }, code: runtime.CodeInvalidArgument},
		"the context": {box: &fakeSandbox{}, alter: func(r *runtime.TryRequest) { r.Function.Context = []byte("[]") }, code: runtime.CodeInvalidArgument},
		"the limits":  {box: &fakeSandbox{}, alter: func(r *runtime.TryRequest) { r.Function.Limits.Memory = 1 }, code: runtime.CodeInvalidArgument},
		"the platform": {box: &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			return runtime.Outcome{}, errors.New("broken")
		}}, code: runtime.CodeInternal},
		"a panic":           {box: &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) { panic("hostile") }}, code: runtime.CodeInternal},
		"the tenant's runs": {box: &fakeSandbox{}, uses: limited, code: runtime.CodeTooBusy},
		"the function": {box: &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Line: 2}}, nil
		}}, state: runtime.StateFailed},
		"the time": {box: &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassTimeout}}, nil
		}}, state: runtime.StateTimeout},
		"the result": {box: &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			return runtime.Outcome{Result: []byte("not JSON")}, nil
		}}, state: runtime.StateFailed},
	} {
		t.Run(what, func(t *testing.T) {
			o := engine.Options{Sandbox: c.box}
			if c.uses != nil {
				if err := c.uses.BeginRun(); err != nil {
					t.Fatal(err)
				}
				o.Uses = func(runtime.Tenant) *runtime.TenantUse { return c.uses }
			}
			e := newEngine(t, o)
			r := trialOf("x = 1", "{}")
			if c.alter != nil {
				c.alter(&r)
			}
			got, err := e.Try(context.Background(), r)
			if runtime.CodeOf(err) != c.code || got.State != c.state {
				t.Fatalf("%+v, %v", got, err)
			}
			if failed, ok := runtime.AsError(err); ok && failed.Line != c.line {
				t.Errorf("the line is %d", failed.Line)
			}
			nothingIsStored(t, e, c.box)
		})
	}
}

// TestTryHasALimitOfRuns checks that a trial counts as a run of its tenant while it runs, and not after.
func TestTryHasALimitOfRuns(t *testing.T) {
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 1})
	began, end := make(chan struct{}), make(chan struct{})
	box := &fakeSandbox{call: func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
		began <- struct{}{}
		<-end
		return runtime.Outcome{Result: []byte("1")}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box, Uses: func(runtime.Tenant) *runtime.TenantUse { return use }})
	first := make(chan error)
	go func() {
		_, err := e.Try(context.Background(), trialOf("1", "{}"))
		first <- err
	}()
	<-began
	wantCode(t, errOf(e.Try(context.Background(), trialOf("1", "{}"))), runtime.CodeTooBusy)
	close(end)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	go func() { <-began }()
	if _, err := e.Try(context.Background(), trialOf("1", "{}")); err != nil {
		t.Error(err)
	}
}

// TestTrialsTakeTheTurnsOfOneFunction holds the only run, lets trials queue, and then a function: it waits for
// one of them at most, deployments included.
func TestTrialsTakeTheTurnsOfOneFunction(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, name)
	}
	began, end := make(chan struct{}), make(chan struct{})
	box := &fakeSandbox{
		deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
			note(string(p.Source))
			return runtime.Outcome{}, nil
		},
		run: func(_ context.Context, p runtime.Program, args, _ []byte) (runtime.Outcome, error) {
			note(string(p.Source))
			if string(args) == `{"hold":1}` {
				close(began)
				<-end
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		},
	}
	e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1})
	create(t, e, spec("busy", "2"))
	create(t, e, spec("waits", "3"))
	var group sync.WaitGroup
	start := func(do func() error) {
		waiting := e.Figures().BlockedCallers
		group.Go(func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
		for deadline := time.Now().Add(30 * time.Second); e.Figures().BlockedCallers == waiting; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("nothing waits")
				return
			}
		}
	}
	group.Go(func() {
		if _, err := run(e, "busy", `{"hold":1}`); err != nil {
			t.Error(err)
		}
	})
	<-began
	for range 6 {
		start(func() error { return errOf(e.Try(context.Background(), trialOf("1", "{}"))) })
	}
	start(func() error { _, err := run(e, "waits", "{}"); return err })
	mu.Lock()
	order = nil
	mu.Unlock()
	close(end)
	group.Wait()
	if at := slices.Index(order, "3"); at < 0 || at > 1 || len(order) != 13 {
		t.Errorf("the order is %v", order)
	}
}
