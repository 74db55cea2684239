package clierror

import (
	"errors"
	"os"
	"syscall"

	"github.com/faaspot/faaspot/runtime"
)

// Interrupted is the cause with which a signal ends the context of a command.
type Interrupted struct{ Signal os.Signal }

func (i Interrupted) Error() string { return "interrupted" }

// exitStatus returns what a shell reports for a process that the signal has ended.
func (i Interrupted) exitStatus() int {
	if s, ok := i.Signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return ExitInterrupted
}

// Resumable adds a hint about how to wait again to an error by Ctrl-C or --wait-timeout. It returns
// any other error unchanged.
func Resumable(err error, hint string) error {
	if _, ok := errors.AsType[Interrupted](err); ok {
		return &runtime.Error{Code: CodeInterrupted, Message: "interrupted; the work continues on the server", Hint: hint, Err: err}
	}
	if runtime.CodeOf(err) == CodeStoppedWaiting {
		return runtime.Errorf(CodeStoppedWaiting, "%s", Message(err)).WithHint(hint)
	}
	return err
}
