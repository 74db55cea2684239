package clierror

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// Codes of errors that only the command line has.
const (
	// CodeStoppedWaiting means that the time of --wait-timeout was over. The execution continues.
	CodeStoppedWaiting runtime.Code = "stopped_waiting"
	// CodeInterrupted means that Ctrl-C ended a wait. The execution continues.
	CodeInterrupted runtime.Code = "interrupted"
	// CodeUnsuccessful means that some runs of a bulk or some tasks of a job did not succeed.
	CodeUnsuccessful runtime.Code = "unsuccessful"
)

// Usagef returns an error about the way a command was called.
func Usagef(hint, format string, args ...any) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, format, args...).WithHint(hint)
}

// Message returns the message of an error without hint and traceback.
func Message(err error) string {
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		return coded.Message
	}
	return err.Error()
}
