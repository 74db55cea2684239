package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// report tells the person at the terminal what went wrong, why and what to do,
// and gives the exit status.
func (a *app) report(err error) int {
	if err != nil {
		writeError(a.stderr, err, a.paint(a.stderr))
	}
	return exitStatus(err)
}

// writeError renders an error as `error:` and `hint:` lines with the user's
// traceback between them.
func writeError(w io.Writer, err error, p painter) {
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

// usagef is an error in how a command was called.
func usagef(hint, format string, args ...any) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, format, args...).WithHint(hint)
}

// painter colours words, or does not.
type painter bool

// paint gives a painter for a stream: colours are for terminals, and for people
// who did not ask for none (https://no-color.org).
func (a *app) paint(w io.Writer) painter {
	return painter(a.env["NO_COLOR"] == "" && a.env["TERM"] != "dumb" && isTerminal(w))
}

func (p painter) red(s string) string  { return p.wrap("31", s) }
func (p painter) cyan(s string) string { return p.wrap("36", s) }

func (p painter) wrap(colour, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// problem is an error in one line.
func problem(err error) string {
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		return coded.Message
	}
	return err.Error()
}
