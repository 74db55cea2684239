package ui

import (
	"fmt"
	"strings"

	"golang.org/x/term"
)

// unknownHeight is the number of lines of a terminal whose height is not known.
const unknownHeight = 24

// Redraw shows a text of several lines on a terminal, in place of the text before.
type Redraw struct {
	tty  file
	line StatusLine
}

// Redraw returns a Redraw on the standard output. It returns nil if that is no terminal that can do so,
// or if -v shows a trace.
func (t *Terminal) Redraw() *Redraw {
	s, ok := t.Out.(*screen)
	if !ok || t.Dumb || t.Verbosity > 0 {
		return nil
	}
	return &Redraw{tty: s.tty, line: StatusLine{out: s.tty}}
}

// Show replaces the text. What does not fit on the terminal is left out.
func (r *Redraw) Show(text string) {
	columns, height, err := term.GetSize(int(r.tty.Fd()))
	if err != nil || columns < 2 || height < 2 {
		columns, height = statusWidth+1, unknownHeight
	}
	lines := strings.Split(text, "\n")
	if len(lines) > height-1 {
		lines = lines[:height-1]
	}
	r.line.width = columns - 1 // some terminals wrap a full line
	if r.line.shown > height {
		r.line.shown = height // the terminal was made smaller
	}
	r.line.draw(strings.Join(lines, "\n"))
}

// End leaves the text on the terminal, with the cursor below it.
func (r *Redraw) End() {
	if r.line.shown > 0 {
		fmt.Fprint(r.tty, "\r\n")
	}
}
