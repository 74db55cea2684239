package dev

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// Show shows what happens. Only one goroutine uses it.
type Show interface {
	Deployed(function string, version uint64, took time.Duration)
	Removed(function string)
	// Failed shows why a function was not deployed, or, without one, why something else failed.
	Failed(function string, err error)
	// Applied shows that a job was created, changed or deleted, or did not change.
	Applied(job, change string)
	// FailedJob shows why a job was not applied.
	FailedJob(job string, err error)
	Ran(o Outcome)
	Request(r Request)
	// Executed shows a run of another client, of a job or of a schedule that has ended.
	Executed(x Execution)
	Called(c Callback)
	// Fired shows that a job was started by a key.
	Fired(job, id string)
	Note(text string)
}

// Outcome is what a run of a function has returned.
type Outcome struct {
	Function string
	Args     json.RawMessage
	Duration time.Duration // of the run; 0: not known
	Since    time.Duration // since the change, or the key, that it follows
	Err      error         // nil: it has succeeded
	Result   json.RawMessage
	Log      []client.LogEntry
	// Before and Now are the result of the run before that succeeded, nil if there is none, and this one, indented.
	Before, Now []byte
}

const (
	// usualWidth is the width of a terminal whose width is not known, in columns.
	usualWidth = 80
	// leastArgs is the length to which args are cut at most, in characters, however narrow the terminal is.
	leastArgs = 20
	// maxShownDiff bounds the results that are compared, in bytes.
	maxShownDiff = 256 * runtime.KiB
	// maxShownBody bounds the body of a callback that is shown, in bytes.
	maxShownBody = 4 * runtime.KiB
)

// Text shows lines for people.
type Text struct {
	Out io.Writer // results
	Err io.Writer // everything else
	// Width returns the width of the terminal in columns, 0 if it is not known. Nil: it is not known.
	Width func() int
}

// Deployed implements [Show].
func (t *Text) Deployed(function string, version uint64, took time.Duration) {
	fmt.Fprintf(t.Err, "deployed %s, version %d, in %s\n", function, version, ui.DurationText(took))
}

// Removed implements [Show].
func (t *Text) Removed(function string) { fmt.Fprintln(t.Err, "deleted", function) }

// Failed implements [Show].
func (t *Text) Failed(function string, err error) {
	if function != "" {
		fmt.Fprintf(t.Err, "%s was not deployed; the version before goes on\n", function)
	}
	ui.WriteError(t.Err, err)
}

// Applied implements [Show].
func (t *Text) Applied(job, change string) { fmt.Fprintf(t.Err, "job %s: %s\n", job, change) }

// FailedJob implements [Show].
func (t *Text) FailedJob(job string, err error) {
	fmt.Fprintf(t.Err, "the job %s was not applied\n", job)
	ui.WriteError(t.Err, err)
}

// Executed implements [Show].
func (t *Text) Executed(x Execution) {
	if x.Dropped > 0 {
		fmt.Fprintf(t.Err, "%d runs were too many to be shown\n", x.Dropped)
	}
	took := ""
	if x.DurationMS != nil {
		took = " in " + ui.DurationText(time.Duration(*x.DurationMS*float64(time.Millisecond)))
	}
	end := fmt.Sprintf(": %s%s", x.Status, took)
	fmt.Fprintf(t.Err, "%s%s\n", t.call(x.Name, x.Args, len(end)), end)
	t.log(x.Log)
	if err := x.Err(); err != nil {
		ui.WriteError(t.Err, err)
	}
}

// Called implements [Show].
func (t *Text) Called(c Callback) {
	outcome := "kept back, because it is for another machine"
	switch {
	case c.Err != nil:
		outcome = "not sent: " + ui.OneLine(c.Err.Error())
	case c.Sent:
		outcome = fmt.Sprintf("answered with %d", c.Status)
	}
	fmt.Fprintf(t.Err, "callback to %s: %s\n", ui.OneLine(c.URL), outcome)
	body, err := ui.IndentJSON(json.RawMessage(c.Body), "")
	if err != nil {
		body = c.Body
	}
	if len(body) > maxShownBody {
		body = append(bytes.ToValidUTF8(body[:maxShownBody], nil), "\n..."...)
	}
	fmt.Fprintf(ui.LogWriter(t.Err), "%s\n", body)
}

// Fired implements [Show].
func (t *Text) Fired(job, id string) { fmt.Fprintf(t.Err, "started %s, execution %s\n", job, id) }

// call returns a call of a function on one line, whose args are cut so that rest bytes fit beside it.
func (t *Text) call(function string, args []byte, rest int) string {
	columns := 0
	if t.Width != nil {
		columns = t.Width()
	}
	room := max(leastArgs, cmp.Or(columns, usualWidth)-len(function)-len("()")-rest)
	text := []rune(ui.OneLine(string(bytes.ReplaceAll(args, []byte("\n"), []byte(" ")))))
	if len(text) > room {
		text = append(text[:room-len("...")], []rune("...")...)
	}
	return fmt.Sprintf("%s(%s)", function, string(text))
}

// log shows what a run has written.
func (t *Text) log(entries []client.LogEntry) {
	for _, entry := range entries {
		_, _ = io.WriteString(ui.LogWriter(t.Err), entry.Text)
	}
}

// Request implements [Show].
func (t *Text) Request(r Request) {
	fmt.Fprintf(t.Err, "%s %s: %d in %s\n", r.Method, ui.OneLine(r.Path), r.Status, ui.DurationText(r.Duration))
}

// Note implements [Show].
func (t *Text) Note(text string) { fmt.Fprintln(t.Err, text) }

// Ran implements [Show].
func (t *Text) Ran(o Outcome) {
	end := fmt.Sprintf(" in %s; %s after the change", ui.DurationText(o.Duration), ui.DurationText(o.Since))
	fmt.Fprintf(t.Err, "ran %s%s\n", t.call(o.Function, o.Args, len("ran ")+len(end)), end)
	t.log(o.Log)
	if o.Err != nil {
		ui.WriteError(t.Err, o.Err)
		return
	}
	fmt.Fprintf(t.Out, "%s\n", o.Now)
	if text := difference(o.Before, o.Now); text != "" {
		fmt.Fprintf(t.Err, "what has changed:\n%s", text)
	}
}

var newline = []byte{'\n'}

// difference returns what differs between two results, empty if there is nothing to compare, or too much.
func difference(before, now []byte) string {
	if before == nil || len(before) > maxShownDiff || len(now) > maxShownDiff {
		return ""
	}
	lines := strings.SplitAfter(string(diff.Diff("before", slices.Concat(before, newline), "now", slices.Concat(now, newline))), "\n")
	const header = 3 // lines that name the texts
	if len(lines) <= header {
		return ""
	}
	return strings.Join(lines[header:], "")
}
