package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestBlockingRunsHaveABound checks that a run whose caller waits takes at most MaxBlocking, that a
// run in the background has all of its function's timeout, and that the failure says which it was.
func TestBlockingRunsHaveABound(t *testing.T) {
	calls := make(chan runtime.RunCall, 1)
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		calls <- c
		return failure(runtime.ClassTimeout), nil
	}}})
	for i, c := range []struct{ timeout, blocking time.Duration }{
		{0, runtime.DefaultTimeout},
		{time.Second, time.Second},
		{runtime.MaxBlocking, runtime.MaxBlocking},
		{runtime.MaxBlocking + time.Second, runtime.MaxBlocking},
		{runtime.MaxTimeout, runtime.MaxBlocking},
	} {
		s := spec(fmt.Sprint("f", i), "[]")
		s.Limits.Timeout = c.timeout
		create(t, e, s)
		background := s.Limits.WithDefaults().Timeout

		x, err := e.Run(context.Background(), runtime.RunRequest{Tenant: tenant, Function: s.Name})
		if err != nil || x.State != runtime.StateTimeout {
			t.Fatalf("got %+v, %v", x, err)
		}
		if got := (<-calls).Limits.Timeout; got != c.blocking {
			t.Errorf("a blocking run with the timeout %v got %v", c.timeout, got)
		}
		says := strings.Contains(x.Failure.Message, "the 900 seconds that a run may take while its caller waits; run it in the background")
		if bounded := background > c.blocking; says != bounded {
			t.Errorf("with the timeout %v the message is %q", c.timeout, x.Failure.Message)
		}

		y := await(t, e, submit(t, e, runtime.SubmitRequest{Function: s.Name}))
		call := <-calls
		if call.Limits != (runtime.Limits{}) || call.Program.Limits.Timeout != background {
			t.Errorf("a background run with the timeout %v got %+v, %+v", c.timeout, call.Limits, call.Program.Limits)
		}
		if strings.Contains(y.Failure.Message, "caller") {
			t.Errorf("in the background: %q", y.Failure.Message)
		}
	}
}

// TestDeploymentsHaveABound checks that code outside of functions takes at most MaxBlocking, because
// the caller waits.
func TestDeploymentsHaveABound(t *testing.T) {
	var got []time.Duration
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
		got = append(got, p.Limits.Timeout)
		return failure(runtime.ClassTimeout), nil
	}}})
	for timeout, want := range map[time.Duration]string{
		time.Second:        "within the timeout of 1 seconds",
		runtime.MaxTimeout: "within the 900 seconds that a deployment may take",
	} {
		s := spec("hello", "[]")
		s.Limits.Timeout = timeout
		_, err := e.CreateFunction(context.Background(), s)
		failed := wantCode(t, err, runtime.CodeDeployFailed)
		if !strings.Contains(failed.Message, want) || got[len(got)-1] != min(timeout, runtime.MaxBlocking) {
			t.Errorf("with the timeout %v it got %v: %v", timeout, got[len(got)-1], err)
		}
	}
}

// TestMemoryBeyondTheBudgetIsRefused checks that a function that can never run is refused when it is
// created or updated, with both figures, and one that fits is not.
func TestMemoryBeyondTheBudgetIsRefused(t *testing.T) {
	e := newEngine(t, engine.Options{Memory: memory.New(2*runtime.GiB, quiet)})
	create(t, e, spec("hello", "[]"))
	s := spec("large", "[]")
	s.Limits.Memory = runtime.MaxMemory
	_, err := e.CreateFunction(context.Background(), s)
	refused := wantCode(t, err, runtime.CodeInvalidArgument)
	if !strings.Contains(refused.Message, "may use 3138 MB") || !strings.Contains(refused.Message, "that this server has") || refused.Hint == "" {
		t.Errorf("got %+v", refused)
	}
	memory := s.Limits.Memory
	_, err = e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Memory: &memory})
	wantCode(t, err, runtime.CodeInvalidArgument)
	s.Limits.Memory = 1500 * runtime.MiB
	create(t, e, s)

	// A task may have more memory than its function: the execution is refused when it is started.
	j := job(runtime.JobSpec{Function: "hello", Memory: runtime.MaxMemory})
	if _, err := e.CreateJob(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	_, err = e.StartJob(context.Background(), runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1)})
	if refused := wantCode(t, err, runtime.CodeInvalidArgument); !strings.Contains(refused.Message, "may use 3138 MB") {
		t.Errorf("got %+v", refused)
	}
}

// TestShortMemoryAfterALongRun checks that the time for which a run is queued again for want of
// memory begins when memory is short, and not when the run was accepted hours ago.
func TestShortMemoryAfterALongRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts, busy int
		var until time.Time
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if attempts++; attempts == 1 {
				time.Sleep(5 * time.Hour)
				until = time.Now().Add(10 * time.Minute)
				return failure(runtime.ClassError), nil
			}
			if time.Now().Before(until) {
				busy++
				code := runtime.CodeTooBusy // before it has begun
				if busy%2 == 0 {
					code = runtime.CodeUnavailable // after it has waited for something
				}
				err := runtime.Errorf(code, "no memory")
				err.RetryAfter = runtime.BusyRetry
				return runtime.Outcome{}, err
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		}}})
		defer e.Close(context.Background())
		s := spec("hello", "[]")
		s.Limits.Timeout = runtime.MaxTimeout
		create(t, e, s)
		x := await(t, e, submit(t, e, runtime.SubmitRequest{Retries: ptr(1)}))
		if x.State != runtime.StateSucceeded || x.PlatformFailures != 0 || x.FunctionFailures != 1 || busy < 20 {
			t.Errorf("after %d attempts without memory: %+v", busy, x)
		}
	})
}
