package clierror

import (
	"os"
	"syscall"
)

// interrupted is why the context of a command ends early.
type Interrupted struct{ Signal os.Signal }

func (i Interrupted) Error() string { return "interrupted" }

// exit is what a shell would give for a process that the signal had ended.
func (i Interrupted) exit() int {
	if s, ok := i.Signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return ExitInterrupted
}
