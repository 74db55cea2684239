package clierror

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// usagef is an error in how a command was called.
func Usagef(hint, format string, args ...any) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, format, args...).WithHint(hint)
}

// problem is an error in one line.
func Message(err error) string {
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		return coded.Message
	}
	return err.Error()
}
