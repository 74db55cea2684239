package ui

import "io"

// WriteLogLine prints a line of a log behind a prefix, which has a colour on a terminal: red if failed.
// The line has no line end. On a terminal it keeps its colours, which end with it.
func (t *Terminal) WriteLogLine(w io.Writer, prefix, line string, failed bool) error {
	c := cyan
	if failed {
		c = red
	}
	if err := paint(w, c, prefix); err != nil {
		return err
	}
	if _, err := io.WriteString(LogWriter(w), line+"\n"); err != nil {
		return err
	}
	if IsTerminal(w) {
		t.ResetColours()
	}
	return nil
}
