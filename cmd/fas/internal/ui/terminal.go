package ui

import (
	"io"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"golang.org/x/term"
)

// terminal is where a command reads and writes. Any of the streams may be something else than a
// terminal.
type Terminal struct {
	In        io.Reader
	Out, Err  io.Writer
	Verbosity int  // how many -v: with any, the trace is on the standard error
	NoColor   bool // the user asked for none
	Dumb      bool // a terminal that knows no escape sequences
}

func NewTerminal(stdin io.Reader, stdout, stderr io.Writer, env environ.Environment) Terminal {
	dumb := env["TERM"] == "dumb"
	return Terminal{In: stdin, Out: stdout, Err: stderr, Dumb: dumb, NoColor: dumb || env["NO_COLOR"] != ""}
}

// isTerminal tells whether a person is at the other end of a stream.
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
