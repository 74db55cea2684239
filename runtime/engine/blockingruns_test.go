package engine_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// running starts a blocking run. It returns the run as listed, and a channel with its end.
func running(t *testing.T, e *engine.Engine, g *gated) (runtime.Execution, <-chan *runtime.Execution) {
	t.Helper()
	ended := make(chan *runtime.Execution, 1)
	go func() {
		x, err := e.Run(context.Background(), runtime.RunRequest{Tenant: tenant, Function: "hello"})
		if err != nil {
			t.Error(err)
		}
		ended <- x
	}()
	<-g.began
	listed, err := listExecutions(context.Background(), e, tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, "", 0)
	if err != nil || len(listed) != 1 {
		t.Fatalf("%d runs are listed: %v", len(listed), err)
	}
	return listed[0], ended
}

// TestBlockingRunsAreVisible checks that every method that reads executions finds a blocking run
// while it runs, for its own tenant only.
func TestBlockingRunsAreVisible(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
	create(t, e, spec("hello", "[]"))
	ctx := context.Background()
	x, ended := running(t, e, g)
	if x.State != runtime.StateRunning || x.Function != "hello" || x.Attempt != 1 || x.Started.IsZero() {
		t.Errorf("it is listed as %+v", x)
	}
	for _, id := range []string{x.ID, strings.ToUpper(x.ID)} {
		if got, err := e.GetExecution(ctx, tenant, id); err != nil || got.ID != x.ID || got.State != runtime.StateRunning {
			t.Errorf("%+v, %v", got, err)
		}
	}
	many, err := e.GetExecutions(ctx, tenant, []string{x.ID, "x", x.ID})
	if err != nil || many[0] == nil || many[0].ID != x.ID || many[1] != nil || many[2] == nil {
		t.Errorf("%v, %v", many, err)
	}
	if p, err := e.GetLogs(ctx, tenant, x.ID, runtime.LogPosition{}); err != nil || p.State != runtime.StateRunning {
		t.Errorf("%+v, %v", p, err)
	}
	for name, f := range map[string]runtime.ExecutionFilter{
		"function": {Function: "other"}, "state": {States: []runtime.State{runtime.StateQueued}},
		"before": {Before: x.Created}, "after": {After: x.Created.AddDate(1, 0, 0)},
	} {
		if all, err := listExecutions(ctx, e, tenant, f, "", 0); err != nil || hasID(all, x.ID) {
			t.Errorf("filter %s: %+v, %v", name, all, err)
		}
	}
	if _, err := e.GetExecution(ctx, "b", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another tenant: %v", err)
	}
	if _, _, err := e.CancelExecution(ctx, "b", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another tenant: %v", err)
	}
	if all, err := listExecutions(ctx, e, "b", runtime.ExecutionFilter{}, "", 0); err != nil || len(all) != 0 {
		t.Errorf("another tenant: %v, %v", all, err)
	}

	if n := loadOf(t, e, "hello"); n.Running != 1 {
		t.Errorf("statistics have %d of it running", n.Running)
	}

	awaited := make(chan runtime.Execution, 2)
	for range cap(awaited) {
		go func() {
			got, err := e.AwaitExecution(ctx, tenant, x.ID)
			if err != nil {
				t.Error(err)
			}
			awaited <- got
		}()
	}
	close(g.end)
	<-ended
	for range cap(awaited) {
		if got := <-awaited; got.State != runtime.StateSucceeded {
			t.Errorf("AwaitExecution returned %+v", got)
		}
	}
	if all, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{Function: "hello"}, "", 0); err != nil || countID(all, x.ID) != 1 {
		t.Errorf("it is listed %d times: %v", countID(all, x.ID), err)
	}
	if n := loadOf(t, e, "hello"); n.Running != 0 {
		t.Errorf("statistics have %d of it running after its end", n.Running)
	}
}

func TestCancelBlockingRun(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
	create(t, e, spec("hello", "[]"))
	x, ended := running(t, e, g)
	if got, changed := cancelled(t, e, x.ID); !changed || got.State.Terminal() && got.State != runtime.StateCancelled {
		t.Errorf("%+v, changed %v", got, changed)
	}
	got := <-ended
	if got.State != runtime.StateCancelled || got.Failure == nil || got.Failure.Message != "it was cancelled while it ran" {
		t.Errorf("its caller got %+v", got)
	}
	if n := loadOf(t, e, "hello"); n.Running != 0 {
		t.Errorf("statistics have %d of it running after its end", n.Running)
	}
	again, changed := cancelled(t, e, x.ID)
	if changed || again.State != runtime.StateCancelled {
		t.Errorf("%+v, changed %v", again, changed)
	}
}

// TestRunsAreAlwaysVisible checks that there is no moment between the begin of a run and its
// record at which it cannot be found.
func TestRunsAreAlwaysVisible(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}})
	create(t, e, spec("hello", "[]"))
	ctx := context.Background()
	var group sync.WaitGroup
	const callers, runs = 4, 500
	for range callers {
		group.Go(func() {
			for range runs {
				if _, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() {
		group.Wait()
		close(over)
	}()
	seen := make(map[string]bool)
	for last := false; !last; {
		select {
		case <-over:
			last = true
		default:
		}
		all, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{}, "", 20)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range all {
			if i > 0 && all[i-1].ID <= x.ID {
				t.Fatalf("%s is listed before %s", all[i-1].ID, x.ID)
			}
			seen[x.ID] = true
			if got, err := e.GetExecution(ctx, tenant, x.ID); err != nil || x.State.Terminal() && got.State != x.State {
				t.Fatalf("%s was listed as %s, then %s: %v", x.ID, x.State, got.State, err)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d runs were seen", len(seen))
	}
}

func hasID(all []runtime.Execution, id string) bool { return countID(all, id) > 0 }

func countID(all []runtime.Execution, id string) int {
	n := 0
	for _, x := range all {
		if x.ID == id {
			n++
		}
	}
	return n
}
