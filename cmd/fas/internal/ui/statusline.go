package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// statusDelay keeps the status line away from what is done at once.
	statusDelay = 300 * time.Millisecond
	// statusEvery is how often the status line is written anew: its times are
	// in seconds.
	statusEvery = 250 * time.Millisecond
	// statusWidth is how much of the line is shown on a terminal whose width is
	// not known.
	statusWidth = 79
)

// statusLine is a line at the foot of a terminal, or some lines, that say how it
// goes, for as long as it goes on. It is for people only: a nil *statusLine shows nothing.
type StatusLine struct {
	out   io.Writer
	width int
	shown int // lines that are on the terminal

	mu   sync.Mutex
	text func() string

	stop chan struct{}
	gone chan struct{}
}

// statusLine starts a status line on the standard error, or gives nil if nobody
// would see it as such. It must be cleared.
func (t *Terminal) StatusLine() *StatusLine {
	// What -v says would be written over it.
	if t.Verbosity > 0 || t.Dumb || !IsTerminal(t.Err) {
		return nil
	}
	width := statusWidth
	if f, ok := t.Err.(interface{ Fd() uintptr }); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			width = columns - 1 // a full line makes some terminals begin a new one
		}
	}
	return startStatusLine(t.Err, width)
}

func startStatusLine(out io.Writer, width int) *StatusLine {
	l := &StatusLine{out: out, width: width, stop: make(chan struct{}), gone: make(chan struct{})}
	go l.show()
	return l
}

// say sets what the lines say; text is called anew each time it is written, on
// another goroutine.
func (l *StatusLine) Set(text func() string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// clear takes the line away for good.
func (l *StatusLine) Clear() {
	if l == nil {
		return
	}
	close(l.stop)
	<-l.gone
}

func (l *StatusLine) show() {
	defer close(l.gone)
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

// draw writes lines in place of those that are shown.
func (l *StatusLine) draw(text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = cut(line, l.width) + "\x1b[K" // and nothing behind it (ECMA-48 EL)
	}
	fmt.Fprint(l.out, l.cursorHome()+strings.Join(lines, "\r\n")+l.clearBelow(len(lines)))
	l.shown = len(lines)
}

// home goes to where the lines begin.
func (l *StatusLine) cursorHome() string {
	if l.shown > 1 {
		return fmt.Sprintf("\x1b[%dA\r", l.shown-1)
	}
	return "\r"
}

// below takes away what was shown below so many lines.
func (l *StatusLine) clearBelow(lines int) string {
	if l.shown > lines {
		return "\x1b[J"
	}
	return ""
}

// cut is the beginning of a text that fits into so many columns.
func cut(text string, columns int) string {
	if runes := []rune(text); len(runes) > columns {
		return string(runes[:columns])
	}
	return text
}
