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
	ID       string        `json:"uuid"`
	Function string        `json:"function"`
	Started  client.Moment `json:"started"` // the execution
	Stream   client.Stream `json:"stream"`
	Text     string        `json:"text"`
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
	execution client.Execution
	rest      map[client.Stream]string // beginning of a line
}

func (p *logPrinter) newLog(x client.Execution) *executionLog {
	return &executionLog{logPrinter: p, execution: x, rest: make(map[client.Stream]string)}
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
	text := l.rest[e.Stream] + e.Text
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") && len(line) < longLogLine {
			l.rest[e.Stream] = line
			return nil
		}
		if err := l.print(e.Stream, line); err != nil {
			return err
		}
	}
	l.rest[e.Stream] = ""
	return nil
}

// end prints lines that were not completed, and why the execution failed if it has.
func (l *executionLog) end(x client.Execution) error {
	for _, stream := range []client.Stream{client.Stdout, client.Stderr} {
		if rest := l.rest[stream]; rest != "" {
			if err := l.print(stream, rest); err != nil {
				return err
			}
		}
	}
	clear(l.rest)
	if x.Failure == nil || l.flags.stream != "" {
		return nil
	}
	text := "error: " + x.Failure.Message + "\n" + x.Failure.Traceback
	for line := range strings.Lines(text) {
		if err := l.print(streamOfFailure, line); err != nil {
			return err
		}
	}
	return nil
}

// print prints a line if it is one of those that --search selects.
func (l *executionLog) print(stream client.Stream, text string) error {
	text = strings.TrimSuffix(text, "\n")
	if !strings.Contains(text, l.flags.search) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.execution
	if l.flags.asJSON {
		return l.writeJSONLine(logLine{x.ID, x.Name, x.Started, stream, text})
	}
	w := l.Out
	if stream != client.Stdout {
		w = l.Err
	}
	return l.WriteLogLine(w, logPrefix(x, l.people), text, stream == streamOfFailure)
}

// logPrefix returns what stands before each line of an execution.
func logPrefix(x client.Execution, people bool) string {
	at := ui.Timestamp(x.Started.Time, people)
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
