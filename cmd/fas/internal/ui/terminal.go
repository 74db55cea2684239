package ui

import (
	"io"

	"golang.org/x/term"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// Terminal is the three streams of a command. Each of them may be a file, a pipe or a real
// terminal, which gets only text that cannot control it.
type Terminal struct {
	In        io.Reader
	Out, Err  io.Writer
	Verbosity int  // the number of -v; from 1 on a trace is written to Err
	NoColor   bool // by NO_COLOR (https://no-color.org) or because of Dumb
	Dumb      bool // understands no escape sequences
}

// NewTerminal returns a terminal with the settings of the environment.
func NewTerminal(stdin io.Reader, stdout, stderr io.Writer, env environ.Environment) Terminal {
	dumb := env["TERM"] == "dumb"
	noColor := dumb || env["NO_COLOR"] != ""
	return Terminal{
		In: stdin, Out: newScreen(stdout, dumb, noColor), Err: newScreen(stderr, dumb, noColor),
		Dumb: dumb, NoColor: noColor,
	}
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
