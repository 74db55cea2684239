package clierror

import (
	"errors"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// Exit statuses, as `fas help exit-codes` and docs/cli.md promise them.
const (
	ExitOK           = 0
	ExitFailure      = 1
	ExitUsage        = 2
	ExitAuth         = 3
	ExitNotFound     = 4
	ExitUnavailable  = 5
	ExitStillRunning = 6
	ExitInterrupted  = 130
)

// exitOf maps error codes to exit statuses. Any other code, such as that of a failed run, is an
// ExitFailure.
var exitOf = map[runtime.Code]int{
	runtime.CodeInvalidArgument:  ExitUsage,
	runtime.CodeUnauthenticated:  ExitAuth,
	runtime.CodePermissionDenied: ExitAuth,
	runtime.CodeNotFound:         ExitNotFound,
	runtime.CodeTooBusy:          ExitUnavailable,
	runtime.CodeUnavailable:      ExitUnavailable,
	CodeStoppedWaiting:           ExitStillRunning,
}

// ExitStatus returns the exit status of a command that ends with err.
func ExitStatus(err error) int {
	if err == nil {
		return ExitOK
	}
	if i, ok := errors.AsType[Interrupted](err); ok {
		return i.exitStatus()
	}
	if answer, ok := errors.AsType[*client.Error](err); ok && answer.Status == 0 {
		return ExitFailure // the error of an execution, regardless of its code
	}
	if status, ok := exitOf[runtime.CodeOf(err)]; ok {
		return status
	}
	return ExitFailure
}
