package ui

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// writeError renders an error as `error:` and `hint:` lines with the user's
// traceback between them.
func WriteError(w io.Writer, err error, p Painter) {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		fmt.Fprintf(w, "%s %s\n", p.red("error:"), err)
		return
	}
	message := coded.Message
	if coded.Code == runtime.CodeDeployFailed && coded.Line > 0 && !strings.Contains(message, "line ") {
		message += fmt.Sprintf(" (line %d)", coded.Line)
	}
	if answer, ok := errors.AsType[*client.Error](err); ok && answer.ErrorID != "" {
		message += " (error id " + answer.ErrorID + ")"
	}
	fmt.Fprintf(w, "%s %s\n", p.red("error:"), message)
	if coded.Traceback != "" {
		fmt.Fprintln(w, coded.Traceback)
	}
	if coded.Hint != "" {
		fmt.Fprintf(w, "%s %s\n", p.cyan("hint:"), coded.Hint)
	}
}

// painter colours words, or does not.
type Painter bool

// paint gives a painter for a stream: colours are for terminals, and for people
// who did not ask for none (https://no-color.org).
func (t *Terminal) Paint(w io.Writer) Painter {
	return Painter(!t.NoColor && IsTerminal(w))
}

func (p Painter) red(s string) string  { return p.wrap("31", s) }
func (p Painter) cyan(s string) string { return p.wrap("36", s) }

func (p Painter) wrap(colour, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}
