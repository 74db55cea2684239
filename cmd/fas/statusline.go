package main

import (
	"fmt"
	"io"
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

// statusLine is a line at the foot of a terminal that says how it goes, for as
// long as it goes on. It is for people only: a nil *statusLine shows nothing.
type statusLine struct {
	out   io.Writer
	width int

	mu   sync.Mutex
	text func() string

	stop chan struct{}
	gone chan struct{}
}

// statusLine starts a status line on the standard error, or gives nil if nobody
// would see it as such. It must be cleared.
func (a *app) statusLine() *statusLine {
	// What -v says would be written over it.
	if a.verbosity > 0 || a.env["TERM"] == "dumb" || !isTerminal(a.stderr) {
		return nil
	}
	width := statusWidth
	if f, ok := a.stderr.(interface{ Fd() uintptr }); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			width = columns - 1 // a full line makes some terminals begin a new one
		}
	}
	return startStatusLine(a.stderr, width)
}

func startStatusLine(out io.Writer, width int) *statusLine {
	l := &statusLine{out: out, width: width, stop: make(chan struct{}), gone: make(chan struct{})}
	go l.show()
	return l
}

// say sets what the line says; text is called anew each time it is written, on
// another goroutine.
func (l *statusLine) say(text func() string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

// clear takes the line away for good.
func (l *statusLine) clear() {
	if l == nil {
		return
	}
	close(l.stop)
	<-l.gone
}

func (l *statusLine) show() {
	defer close(l.gone)
	ticks := time.NewTimer(statusDelay)
	defer ticks.Stop()
	shown := false
	for {
		select {
		case <-ticks.C:
			l.mu.Lock()
			text := l.text
			l.mu.Unlock()
			if text != nil {
				// To the line's begin, the text, and nothing behind it (ECMA-48 EL).
				fmt.Fprintf(l.out, "\r%s\x1b[K", cut(text(), l.width))
				shown = true
			}
			ticks.Reset(statusEvery)
		case <-l.stop:
			if shown {
				fmt.Fprint(l.out, "\r\x1b[K")
			}
			return
		}
	}
}

// cut is the beginning of a text that fits into so many columns.
func cut(text string, columns int) string {
	if runes := []rune(text); len(runes) > columns {
		return string(runes[:columns])
	}
	return text
}

// secondsText shows for how long something has gone on, in whole seconds.
func secondsText(d time.Duration) string { return d.Truncate(time.Second).String() }
