package main

import (
	"errors"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// Exit statuses, as `fas help exit-codes` and docs/cli.md promise them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitAuth        = 3
	exitNotFound    = 4
	exitUnavailable = 5
	exitGoesOn      = 6
	exitInterrupted = 130
)

// exitOf is the one table from error codes to exit statuses. A code that is not
// in it, such as those of failed runs, is a failure.
var exitOf = map[runtime.Code]int{
	runtime.CodeInvalidArgument: exitUsage,
	runtime.CodeUnauthenticated: exitAuth,
	runtime.CodeNotFound:        exitNotFound,
	runtime.CodeTooBusy:         exitUnavailable,
	runtime.CodeUnavailable:     exitUnavailable,
	codeStoppedWaiting:          exitGoesOn,
}

// exitStatus is the status of a process whose command ended with err.
func exitStatus(err error) int {
	if err == nil {
		return exitOK
	}
	if i, ok := errors.AsType[interrupted](err); ok {
		return i.exit()
	}
	if answer, ok := errors.AsType[*client.Error](err); ok && answer.Status == 0 {
		return exitFailure // the end of an execution, whatever its code
	}
	if status, ok := exitOf[runtime.CodeOf(err)]; ok {
		return status
	}
	return exitFailure
}
