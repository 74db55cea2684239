package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// failingSandbox fails all runs with an error.
type failingSandbox struct {
	runtime.Sandbox
	err error
}

func (f failingSandbox) Run(context.Context, runtime.RunCall) (runtime.Outcome, error) {
	return runtime.Outcome{}, f.err
}

// TestClassOfAttemptWithoutOutcome tests that the timeline of an attempt says why it has no outcome: not each is a
// fault of the server.
func TestClassOfAttemptWithoutOutcome(t *testing.T) {
	for want, test := range map[runtime.Class]struct {
		err   error
		ended bool
	}{
		runtime.ClassCrashed:   {runtime.WorkerLostError(), false},
		runtime.ClassCancelled: {context.Canceled, true},
		runtime.ClassRejected:  {runtime.Errorf(runtime.CodeTooBusy, "no memory"), false},
		runtime.ClassInternal:  {errors.New("broken"), false},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if test.ended {
			cancel()
		}
		o, err := guardedSandbox{Sandbox: failingSandbox{err: test.err}, now: time.Now}.Run(ctx, runtime.RunCall{})
		cancel()
		if !errors.Is(err, test.err) || o.Timeline.Failure == nil || o.Timeline.Failure.Class != want {
			t.Errorf("%v: the timeline is %+v, not of the class %s", err, o.Timeline, want)
		}
	}
}
