package ui

import (
	"io"

	"golang.org/x/term"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// Terminal is the three streams of a command. Each of them may be a file, a pipe or a real
// terminal.
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
	return Terminal{In: stdin, Out: stdout, Err: stderr, Dumb: dumb, NoColor: dumb || env["NO_COLOR"] != ""}
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// Painter colours words, if it is true.
type Painter bool

// Painter returns the painter for a stream. Only terminals get colours.
func (t *Terminal) Painter(stream io.Writer) Painter {
	return Painter(!t.NoColor && IsTerminal(stream))
}

func (p Painter) red(s string) string  { return p.wrap("31", s) }
func (p Painter) cyan(s string) string { return p.wrap("36", s) }

func (p Painter) wrap(colour, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}
