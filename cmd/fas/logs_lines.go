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
	rest string        // the beginning of a line
	at   client.Moment // of rest
}

// add calls show with each line that an entry completes, and its time.
func (l *logLines) add(e client.LogEntry, show func(at client.Moment, line string) error) error {
	at := e.Time
	if l.rest != "" {
		at = l.at
	}
	text := l.rest + e.Text
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") && len(line) < longLogLine {
			l.rest, l.at = line, at
			return nil
		}
		if err := show(at, line); err != nil {
			return err
		}
		at = e.Time
	}
	l.rest = ""
	return nil
}

// end calls show with a line that was not completed.
func (l *logLines) end(show func(at client.Moment, line string) error) error {
	rest := l.rest
	l.rest = ""
	if rest == "" {
		return nil
	}
	return show(l.at, rest)
}

// logWriter writes the entries of the log of one execution as they are, with --timestamps each line behind
// its time.
type logWriter struct {
	*app
	times bool
	open  map[client.Stream]bool // the last line is not complete
}

func (a *app) newLogWriter(times bool) *logWriter {
	return &logWriter{app: a, times: times, open: make(map[client.Stream]bool)}
}

// entry writes an entry.
func (w *logWriter) entry(e client.LogEntry) error {
	text := e.Text
	if w.times {
		var b strings.Builder
		for line := range strings.Lines(e.Text) {
			if !w.open[e.Stream] {
				b.WriteString(lineTime(e.Time, w.people(e.Stream)) + " ")
			}
			b.WriteString(line)
			w.open[e.Stream] = !strings.HasSuffix(line, "\n")
		}
		text = b.String()
	}
	_, err := io.WriteString(w.logOf(e.Stream), text)
	return err
}

// people reports whether people read the output for a stream of a function.
func (a *app) people(s client.Stream) bool {
	if s == client.Stderr {
		return ui.IsTerminal(a.Err)
	}
	return ui.IsTerminal(a.Out)
}
