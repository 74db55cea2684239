package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// timestampsHelp is about --timestamps, in the help of commands that print logs.
const timestampsHelp = `With -t each line begins with the time at which the function began to write it. A run that
writes for long has times that may be a little too early, and - is the time of lines that an
earlier version of the server has stored.`

// timestampsFlag adds --timestamps.
func timestampsFlag(cmd *cobra.Command, times *bool) {
	cmd.Flags().BoolVarP(times, "timestamps", "t", false, "print the time at which each line was written")
}

// lineTime renders the time of a line of a log.
func lineTime(at client.Moment, people bool) string {
	if at.IsZero() {
		return "-"
	}
	return ui.LineTimestamp(at.Time, people)
}

// logLines joins entries of one stream, which need not be whole lines.
type logLines struct {
	open bool          // the last line is not complete
	rest string        // what was not shown of it
	at   client.Moment // its time
}

// add calls show with each line that an entry completes, or each part of a long one, and its time.
func (l *logLines) add(e client.LogEntry, show func(at client.Moment, line string) error) error {
	text := l.rest + e.Text
	l.rest = ""
	for line := range strings.Lines(text) {
		if !l.open {
			l.at = e.Time
		}
		l.open = !strings.HasSuffix(line, "\n")
		if l.open && len(line) < longLogLine {
			l.rest = line
			return nil
		}
		if err := show(l.at, line); err != nil {
			return err
		}
	}
	return nil
}

// end calls show with a line that was not completed.
func (l *logLines) end(show func(at client.Moment, line string) error) error {
	rest := l.rest
	l.open, l.rest = false, ""
	if rest == "" {
		return nil
	}
	return show(l.at, rest)
}

// logWriter writes the entries of the log of one execution as they are, or each line behind a prefix, and with
// --timestamps behind its time.
type logWriter struct {
	*app
	prefix string
	times  bool
	open   map[client.Stream]bool // the last line is not complete, and lines have a beginning
}

func (a *app) newLogWriter(prefix string, times bool) *logWriter {
	return &logWriter{app: a, prefix: prefix, times: times, open: make(map[client.Stream]bool)}
}

// entry writes an entry.
func (w *logWriter) entry(e client.LogEntry) error {
	text := e.Text
	if w.times || w.prefix != "" {
		start := w.prefix
		if w.times {
			start += lineTime(e.Time, w.people(e.Stream)) + " "
		}
		var b strings.Builder
		for line := range strings.Lines(e.Text) {
			if !w.open[e.Stream] {
				b.WriteString(start)
			}
			b.WriteString(line)
			w.open[e.Stream] = !strings.HasSuffix(line, "\n")
		}
		text = b.String()
	}
	_, err := io.WriteString(w.logOf(e.Stream), text)
	return err
}

// end completes lines whose beginning was written: another attempt, or another log, follows.
func (w *logWriter) end() error {
	for _, stream := range []client.Stream{client.Stdout, client.Stderr} {
		if !w.open[stream] {
			continue
		}
		w.open[stream] = false
		if _, err := io.WriteString(w.logOf(stream), "\n"); err != nil {
			return err
		}
	}
	return nil
}

// people reports whether people read the output for a stream of a function.
func (a *app) people(s client.Stream) bool {
	if s == client.Stderr {
		return ui.IsTerminal(a.Err)
	}
	return ui.IsTerminal(a.Out)
}
