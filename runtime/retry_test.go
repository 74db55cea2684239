package runtime_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
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
		e := newEngine(t, runtime.Options{Sandbox: box})
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
			x := await(t, e, submit(t, e, runtime.SubmitRequest{Retries: test.retries}))
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

func TestFaultsOfThePlatformAreTriedAgain(t *testing.T) {
	broken := errors.New("broken")
	for name, fault := range map[string]func() (runtime.Outcome, error){
		"error":    func() (runtime.Outcome, error) { return runtime.Outcome{}, broken },
		"panic":    func() (runtime.Outcome, error) { panic(broken) },
		"internal": func() (runtime.Outcome, error) { return failure(runtime.ClassInternal), nil },
		"coded": func() (runtime.Outcome, error) {
			return runtime.Outcome{}, runtime.Errorf(runtime.CodeUnavailable, "no slot")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs, faults := 0, 4
				box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
					if runs++; runs <= faults {
						return fault()
					}
					return echo(ctx, p, args, c)
				}}
				e := newEngine(t, runtime.Options{Sandbox: box, MaxRuns: 1})
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
				runs, faults = 0, 1000
				x = await(t, e, submit(t, e, runtime.SubmitRequest{}))
				if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassInternal || x.Attempt != 10 || x.PlatformFailures != 10 {
					t.Errorf("got %+v, failure %+v", x, x.Failure)
				}
				if strings.Contains(x.Failure.Message, "broken") {
					t.Errorf("the caller is shown %q", x.Failure.Message)
				}
			})
		})
	}
}
