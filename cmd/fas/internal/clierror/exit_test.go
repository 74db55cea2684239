package clierror

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

func TestExitStatus(t *testing.T) {
	coded := func(c runtime.Code) error { return runtime.Errorf(c, "x") }
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{coded(runtime.CodeDeployFailed), 1},
		{coded(runtime.CodeAlreadyExists), 1},
		{coded(runtime.CodeTooLarge), 1},
		{coded(runtime.CodeInternal), 1},
		{coded(runtime.ClassError.Code()), 1},
		{coded(runtime.ClassTimeout.Code()), 1},
		{coded(runtime.ClassMemory.Code()), 1},
		{coded("a_code_of_the_future"), 1},
		{coded(runtime.CodeInvalidArgument), 2},
		{coded(runtime.CodeUnauthenticated), 3},
		{coded(runtime.CodePermissionDenied), 3},
		{coded(runtime.CodeNotFound), 4},
		{coded(runtime.CodeTooBusy), 5},
		{coded(runtime.CodeUnavailable), 5},
		{coded(CodeStoppedWaiting), 6},
		{coded(CodeUnsuccessful), 1},
		{coded(runtime.CodeConflict), 1},
		{coded(runtime.ClassCancelled.Code()), 1},
		{Resumable(Interrupted{os.Interrupt}, "x"), 130},
		{Resumable(Interrupted{syscall.SIGTERM}, "x"), 143},
		{Resumable(coded(CodeStoppedWaiting), "x"), 6},
		{Resumable(coded(runtime.CodeNotFound), "x"), 4},
		{Interrupted{os.Interrupt}, 130},
		{Interrupted{syscall.SIGTERM}, 143},
		{fmt.Errorf("around: %w", coded(runtime.CodeNotFound)), 4},
		{client.Execution{Status: client.StatusFailed, Failure: &client.Failure{Code: runtime.CodeNotFound}}.Err(), 1},
		{client.Execution{Status: client.StatusCancelled, Failure: &client.Failure{Code: runtime.CodeUnavailable}}.Err(), 1},
		{&client.Error{Err: runtime.Errorf(runtime.CodeUnauthenticated, "x"), Status: 401}, 3},
		{fmt.Errorf("around: %w", Interrupted{os.Interrupt}), 130},
	} {
		if got := ExitStatus(tc.err); got != tc.want {
			t.Errorf("exitStatus(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}
