package clierror

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// Resumable adds to the end of a wait by Ctrl-C or --wait-timeout what to do
// next. Other errors are as they were.
func Resumable(err error, hint string) error {
	if _, ok := errors.AsType[Interrupted](err); ok {
		return &runtime.Error{Code: CodeInterrupted, Message: "interrupted; it goes on", Hint: hint, Err: err}
	}
	if runtime.CodeOf(err) == CodeStoppedWaiting {
		return runtime.Errorf(CodeStoppedWaiting, "%s", Message(err)).WithHint(hint)
	}
	return err
}
