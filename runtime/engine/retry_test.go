package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func TestRetriesOfTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			if runs.Add(1) <= 3 {
				return failure(runtime.ClassError), nil
			}
			return echo(ctx, p, args, c)
		}}
		e := newEngine(t, engine.Options{Sandbox: box})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		for _, test := range []struct {
			retries, attempts int
			state             runtime.State
			least             time.Duration
		}{
			{0, 1, runtime.StateFailed, 0},
			{2, 3, runtime.StateFailed, 3 * time.Second},
			{3, 4, runtime.StateSucceeded, 7 * time.Second},
			{9, 4, runtime.StateSucceeded, 7 * time.Second},
		} {
			runs.Store(0)
			x := await(t, e, submit(t, e, runtime.SubmitRequest{Retries: ptr(test.retries)}))
			took := x.Finished.Sub(x.Created)
			if x.State != test.state || x.Attempt != test.attempts || x.FunctionFailures != min(test.retries, 3) {
				t.Errorf("with %d retries: %+v", test.retries, x)
			}
			if took < test.least || took > test.least+test.least/4+time.Millisecond {
				t.Errorf("with %d retries it took %v", test.retries, took)
			}
		}
	})
}

func TestPlatformFailuresAreRetried(t *testing.T) {
	broken := errors.New("broken")
	for name, fail := range map[string]func() (runtime.Outcome, error){
		"error":    func() (runtime.Outcome, error) { return runtime.Outcome{}, broken },
		"panic":    func() (runtime.Outcome, error) { panic(broken) },
		"internal": func() (runtime.Outcome, error) { return failure(runtime.ClassInternal), nil },
		"coded": func() (runtime.Outcome, error) {
			return runtime.Outcome{}, runtime.Errorf(runtime.CodeUnavailable, "no slot")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs, failures := 0, 4
				box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
					if runs++; runs <= failures {
						return fail()
					}
					return echo(ctx, p, args, c)
				}}
				e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1})
				defer e.Close(context.Background())
				create(t, e, spec("hello", "[]"))
				x := await(t, e, submit(t, e, runtime.SubmitRequest{}))
				took := x.Finished.Sub(x.Created)
				if x.State != runtime.StateSucceeded || x.Attempt != 5 || x.PlatformFailures != 4 || x.FunctionFailures != 0 {
					t.Errorf("got %+v", x)
				}
				if least := 15 * time.Second; took < least || took > least*5/4+time.Millisecond {
					t.Errorf("it took %v", took)
				}
				runs, failures = 0, 1000
				x = await(t, e, submit(t, e, runtime.SubmitRequest{}))
				if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassInternal || x.Attempt != 10 || x.PlatformFailures != 10 {
					t.Errorf("got %+v, failure %+v", x, x.Failure)
				}
				if strings.Contains(x.Failure.Message, "broken") {
					t.Errorf("the caller sees %q", x.Failure.Message)
				}
			})
		})
	}
}

// An attempt that ends with its worker process is lost: the run is tried again, at most four times. It
// counts neither as a failure of the function nor as one of the platform.
func TestLostWorkers(t *testing.T) {
	for _, losses := range []int{1, 4, 5, 100} {
		synctest.Test(t, func(t *testing.T) {
			runs := 0
			box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				if runs++; runs <= losses {
					return runtime.Outcome{}, runtime.WorkerLostError()
				}
				return echo(ctx, p, args, c)
			}}
			e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1})
			defer e.Close(context.Background())
			create(t, e, spec("hello", "[]"))
			x := await(t, e, submit(t, e, runtime.SubmitRequest{}))
			if x.LostAttempts != min(losses, 5) || x.Attempt != min(losses+1, 5) || x.PlatformFailures+x.FunctionFailures != 0 {
				t.Errorf("after %d losses: %+v", losses, x)
			}
			switch {
			case losses < 5 && x.State != runtime.StateSucceeded:
				t.Errorf("after %d losses: %+v", losses, x.Failure)
			case losses >= 5 && (x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassCrashed):
				t.Errorf("after %d losses: %s, %+v", losses, x.State, x.Failure)
			}
			runs = 0
			if _, err := e.Run(t.Context(), runtime.RunRequest{Tenant: tenant, Function: "hello"}); runtime.CodeOf(err) != runtime.CodeUnavailable {
				t.Errorf("a caller got %v", err)
			}
		})
	}
}

// TestDefaultRetries checks that a run without a number of retries has that of its function at
// the time of acceptance.
func TestDefaultRetries(t *testing.T) {
	e := newEngine(t, engine.Options{})
	ctx := context.Background()
	s := spec("hello", "[1]")
	s.Retries = 3
	create(t, e, s)
	retries := func(r runtime.SubmitRequest) int { return getExecution(t, e, submit(t, e, r)).Retries }
	if n := retries(runtime.SubmitRequest{}); n != 3 {
		t.Errorf("those of the function: %d", n)
	}
	if n := retries(runtime.SubmitRequest{Retries: ptr(0)}); n != 0 {
		t.Errorf("none: %d", n)
	}
	if n := retries(runtime.SubmitRequest{Retries: ptr(runtime.MaxRetries)}); n != runtime.MaxRetries {
		t.Errorf("the most: %d", n)
	}
	before := submit(t, e, runtime.SubmitRequest{})
	d, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Retries: ptr(0)})
	if err != nil || d.Function.Version != 2 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if n := retries(runtime.SubmitRequest{}); n != 0 {
		t.Errorf("after the update: %d", n)
	}
	if x := getExecution(t, e, before); x.Retries != 3 {
		t.Errorf("a run that was accepted before the update is %+v", x)
	}
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Retries: ptr(runtime.MaxRetries), Source: []byte("[2]")}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[3]")}); err != nil {
		t.Fatal(err)
	}
	a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(2)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range a.IDs {
		if x := getExecution(t, e, id); x.Retries != runtime.MaxRetries {
			t.Errorf("in bulk: %+v", x)
		}
	}
	if detail, err := e.GetFunction(ctx, tenant, "hello"); err != nil || detail.Version.Retries != runtime.MaxRetries || detail.Version.Number != 4 {
		t.Errorf("the function is %+v, %v", detail, err)
	}
	for _, n := range []int{-1, runtime.MaxRetries + 1} {
		s := spec("other", "[1]")
		s.Retries = n
		_, err := e.CreateFunction(ctx, s)
		wantCode(t, err, runtime.CodeInvalidArgument)
		_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Retries: &n})
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
}

// TestFailureCountsSurviveARestart checks that the next process continues the count of platform
// failures.
func TestFailureCountsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDisk(t, vfs.NewCrashableMem())
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{
			run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
				return runtime.Outcome{}, errors.New("broken")
			},
		}})
		create(t, e, spec("hello", "[1]"))
		id := submit(t, e, runtime.SubmitRequest{})
		synctest.Wait()
		after := d.crash(t)
		abandon(t, e, d)
		e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{}})
		if x := await(t, e, id); x.State != runtime.StateSucceeded || x.PlatformFailures != 1 || x.LostAttempts != 0 || x.Attempt != 2 {
			t.Errorf("got %+v", x)
		}
		closeAll(t, e, after)
	})
}
