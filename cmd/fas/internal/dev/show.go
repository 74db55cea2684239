package dev

import (
	"bytes"
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
	Ran(o Outcome)
	Request(r Request)
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

// maxShownArgs is the length to which the args of a call are cut, in bytes.
const maxShownArgs = 60

// maxShownDiff bounds the results that are compared, in bytes.
const maxShownDiff = 256 * runtime.KiB

// Text shows lines for people.
type Text struct {
	Out io.Writer // results
	Err io.Writer // everything else
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

// Request implements [Show].
func (t *Text) Request(r Request) {
	fmt.Fprintf(t.Err, "%s %s: %d in %s\n", r.Method, ui.OneLine(r.Path), r.Status, ui.DurationText(r.Duration))
}

// Note implements [Show].
func (t *Text) Note(text string) { fmt.Fprintln(t.Err, text) }

// Ran implements [Show].
func (t *Text) Ran(o Outcome) {
	args := ui.OneLine(string(bytes.ReplaceAll(o.Args, []byte("\n"), []byte(" "))))
	if len(args) > maxShownArgs {
		args = strings.ToValidUTF8(args[:maxShownArgs], "") + "..."
	}
	fmt.Fprintf(t.Err, "ran %s(%s) in %s; %s after the change\n", o.Function, args, ui.DurationText(o.Duration), ui.DurationText(o.Since))
	for _, entry := range o.Log {
		_, _ = io.WriteString(ui.LogWriter(t.Err), entry.Text)
	}
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

// JSON shows a line with a JSON object for each event.
type JSON struct{ Out io.Writer }

// event is a line. Its names and meanings are a promise of --json.
type event struct {
	Event      string          `json:"event"` // deploy, delete, run, request or error
	Function   string          `json:"function,omitempty"`
	Version    uint64          `json:"version,omitempty"`
	DurationMS float64         `json:"duration_ms,omitempty"`
	SinceMS    float64         `json:"since_ms,omitempty"` // since the change
	Args       json.RawMessage `json:"args,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	Error      *eventError     `json:"error,omitempty"`

	Entries []client.LogEntry `json:"entries,omitempty"`

	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Status int    `json:"status,omitempty"`
}

type eventError struct {
	Message   string       `json:"message"`
	Code      runtime.Code `json:"error_code"`
	Hint      string       `json:"hint,omitempty"`
	Traceback string       `json:"server_traceback,omitempty"`
	Line      int          `json:"line,omitempty"`
}

func (j *JSON) write(e event) {
	encoder := json.NewEncoder(j.Out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(e) // a reader that is gone ends the command by a signal
}

// Deployed implements [Show].
func (j *JSON) Deployed(function string, version uint64, took time.Duration) {
	j.write(event{Event: "deploy", Function: function, Version: version, DurationMS: millis(took)})
}

// Removed implements [Show].
func (j *JSON) Removed(function string) { j.write(event{Event: "delete", Function: function}) }

// Failed implements [Show].
func (j *JSON) Failed(function string, err error) {
	kind := "error"
	if function != "" {
		kind = "deploy"
	}
	j.write(event{Event: kind, Function: function, Error: newEventError(err)})
}

// Request implements [Show].
func (j *JSON) Request(r Request) {
	j.write(event{Event: "request", Method: r.Method, Path: r.Path, Status: r.Status, DurationMS: millis(r.Duration)})
}

// Note implements [Show]. Notes are for people.
func (j *JSON) Note(string) {}

// Ran implements [Show].
func (j *JSON) Ran(o Outcome) {
	e := event{
		Event: "run", Function: o.Function, Args: o.Args, Output: o.Result, Entries: o.Log, DurationMS: millis(o.Duration), SinceMS: millis(o.Since),
	}
	if o.Err != nil {
		e.Error = newEventError(o.Err)
	}
	j.write(e)
}

func newEventError(err error) *eventError {
	e := &eventError{Message: err.Error(), Code: runtime.CodeOf(err)}
	if coded, ok := runtime.AsError(err); ok {
		e.Message, e.Hint, e.Traceback, e.Line = coded.Message, coded.Hint, coded.Traceback, coded.Line
	}
	return e
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
