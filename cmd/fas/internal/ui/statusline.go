package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// statusDelay is the age at which a status line appears: a command that is done sooner shows
	// none.
	statusDelay = 300 * time.Millisecond
	// statusEvery is the interval at which a status line is redrawn. Its times are in seconds.
	statusEvery = 250 * time.Millisecond
	// statusWidth is the width in columns on a terminal whose width is not known.
	statusWidth = 79
)

// StatusLine shows the progress of a command on the last line or lines of a terminal while the
// command runs. A nil *StatusLine shows nothing.
type StatusLine struct {
	out   io.Writer
	width int
	shown int // number of lines on the terminal

	mu   sync.Mutex
	text func() string

	stop chan struct{}
	done chan struct{}
}

// StatusLine starts a status line on the standard error. It returns nil if that is no terminal, or
// shows the trace of -v. The caller clears the line in the end.
func (t *Terminal) StatusLine() *StatusLine {
	// The trace of -v would overwrite it.
	if t.Verbosity > 0 || t.Dumb || !IsTerminal(t.Err) {
		return nil
	}
	columns := statusWidth
	if w := width(t.Err); w > 1 {
		columns = w - 1 // some terminals wrap a full line
	}
	out := t.Err
	if s, ok := out.(*screen); ok {
		out = s.tty // draw shows the text only, and moves the cursor
	}
	return startStatusLine(out, columns)
}

func startStatusLine(out io.Writer, width int) *StatusLine {
	l := &StatusLine{out: out, width: width, stop: make(chan struct{}), done: make(chan struct{})}
	go l.show()
	return l
}

// Set sets the text. The status line calls text whenever it draws, on another goroutine.
func (l *StatusLine) Set(text func() string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// Clear erases the line and stops drawing.
func (l *StatusLine) Clear() {
	if l == nil {
		return
	}
	close(l.stop)
	<-l.done
}

func (l *StatusLine) show() {
	defer close(l.done)
	ticks := time.NewTimer(statusDelay)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			l.mu.Lock()
			text := l.text
			l.mu.Unlock()
			if text != nil {
				l.draw(text())
			}
			ticks.Reset(statusEvery)
		case <-l.stop:
			if l.shown > 0 {
				fmt.Fprint(l.out, l.cursorHome()+"\x1b[K"+l.clearBelow(1))
			}
			return
		}
	}
}

// draw replaces the lines on the terminal.
func (l *StatusLine) draw(text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = cut(OneLine(line), l.width) + "\x1b[K" // erases the rest of the line (ECMA-48 EL)
	}
	fmt.Fprint(l.out, l.cursorHome()+strings.Join(lines, "\r\n")+l.clearBelow(len(lines)))
	l.shown = len(lines)
}

// cursorHome returns the escape sequence that moves the cursor to the first line.
func (l *StatusLine) cursorHome() string {
	if l.shown > 1 {
		return fmt.Sprintf("\x1b[%dA\r", l.shown-1)
	}
	return "\r"
}

// clearBelow returns the escape sequence that erases the shown lines behind the given number.
func (l *StatusLine) clearBelow(lines int) string {
	if l.shown > lines {
		return "\x1b[J"
	}
	return ""
}

// cut returns the beginning of a text that fits into a number of columns.
func cut(text string, columns int) string {
	if runes := []rune(text); len(runes) > columns {
		return string(runes[:columns])
	}
	return text
}
