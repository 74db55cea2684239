package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

const (
	// longLogLine is the length in bytes from which a line of a log is printed in parts.
	longLogLine = 64 << 10
	// shortID is the number of digits of an id that people see: the last ones, as the first ones are
	// the time.
	shortID = 8
	// streamOfFailure is the stream of lines that say why an execution failed.
	streamOfFailure client.Stream = "error"
)

// logLine is a line of the log of an execution. Its JSON form is a promise of --json.
type logLine struct {
	ID       string         `json:"uuid"`
	Function string         `json:"function"`
	Started  client.Moment  `json:"started"` // the execution
	Stream   client.Stream  `json:"stream"`
	Time     *client.Moment `json:"time,omitempty"` // the line, with --timestamps
	Text     string         `json:"text"`
}

// logPrinter prints the logs of executions, line by line. Executions may be printed concurrently.
type logPrinter struct {
	*app
	client *client.Client
	flags  *logFlags
	people bool

	mu sync.Mutex // held while a line is printed
}

// executionLog is the log of one execution, whose entries need not be whole lines.
type executionLog struct {
	*logPrinter
	execution      client.Execution
	stdout, stderr logLines
}

func (p *logPrinter) newLog(x client.Execution) *executionLog {
	return &executionLog{logPrinter: p, execution: x}
}

// printLog prints entries of an execution, and why it failed if it has.
func (p *logPrinter) printLog(x client.Execution, entries []client.LogEntry) error {
	l := p.newLog(x)
	for _, e := range entries {
		if err := l.entry(e); err != nil {
			return err
		}
	}
	return l.end(x)
}

// entry prints the lines that an entry completes.
func (l *executionLog) entry(e client.LogEntry) error {
	lines := &l.stdout
	if e.Stream == client.Stderr {
		lines = &l.stderr
	}
	return lines.add(e, l.printTo(e.Stream))
}

// printTo returns what prints a line of a stream.
func (l *executionLog) printTo(stream client.Stream) func(at client.Moment, line string) error {
	return func(at client.Moment, line string) error { return l.print(stream, at, line) }
}

// endLines prints lines that were not completed.
func (l *executionLog) endLines() error {
	if err := l.stdout.end(l.printTo(client.Stdout)); err != nil {
		return err
	}
	return l.stderr.end(l.printTo(client.Stderr))
}

// end prints lines that were not completed, and why the execution failed if it has.
func (l *executionLog) end(x client.Execution) error {
	if err := l.endLines(); err != nil {
		return err
	}
	if x.Failure == nil || l.flags.stream != "" {
		return nil
	}
	text := "error: " + x.Failure.Message + "\n" + x.Failure.Traceback
	for line := range strings.Lines(text) {
		if err := l.print(streamOfFailure, x.Finished, line); err != nil {
			return err
		}
	}
	return nil
}

// print prints a line if it is one of those that --search selects.
func (l *executionLog) print(stream client.Stream, at client.Moment, text string) error {
	text = strings.TrimSuffix(text, "\n")
	if !strings.Contains(text, l.flags.search) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.execution
	if l.flags.asJSON {
		line := logLine{x.ID, x.Name, x.Started, stream, nil, text}
		if l.flags.times {
			line.Time = &at
		}
		return l.writeJSONLine(line)
	}
	w := l.Out
	if stream != client.Stdout {
		w = l.Err
	}
	when := ui.Timestamp(x.Started.Time, l.people)
	if l.flags.times {
		when = lineTime(at, l.people)
	}
	return l.WriteLogLine(w, logPrefix(x, when, l.people), text, stream == streamOfFailure)
}

// logPrefix returns what stands before a line of an execution; at is its time.
func logPrefix(x client.Execution, at string, people bool) string {
	name := ui.OneLine(x.Name)
	if people {
		return fmt.Sprintf("%s %s %s ", at, name, x.ID[max(0, len(x.ID)-shortID):])
	}
	return fmt.Sprintf("%s\t%s\t%s\t", at, x.ID, name)
}

// writeJSONLine prints v as JSON on one line.
func (a *app) writeJSONLine(v any) error {
	data, err := ui.MarshalJSON(v)
	if err == nil {
		_, err = io.WriteString(a.Out, string(data)+"\n")
	}
	return err
}
