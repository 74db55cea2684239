package dev

import (
	"encoding/json"
	"io"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// JSON shows a line with a JSON object for each event.
type JSON struct{ Out io.Writer }

// event is a line. Its names and meanings are a promise of --json.
type event struct {
	Event      string          `json:"event"` // deploy, delete, job, run, execution, callback, request or error
	Function   string          `json:"function,omitempty"`
	Version    uint64          `json:"version,omitempty"`
	DurationMS float64         `json:"duration_ms,omitempty"`
	SinceMS    float64         `json:"since_ms,omitempty"` // since the change
	Args       json.RawMessage `json:"args,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	Error      *eventError     `json:"error,omitempty"`

	Entries []client.LogEntry `json:"entries,omitempty"`

	Job    string `json:"job,omitempty"`
	Change string `json:"change,omitempty"` // created, changed, unchanged or deleted
	ID     string `json:"uuid,omitempty"`   // of an execution
	State  string `json:"state,omitempty"`  // of an execution: Success, Failed or Cancelled

	URL  string          `json:"url,omitempty"`
	Body json.RawMessage `json:"body,omitempty"`
	Sent *bool           `json:"sent,omitempty"`

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

// Applied implements [Show].
func (j *JSON) Applied(job, change string) { j.write(event{Event: "job", Job: job, Change: change}) }

// FailedJob implements [Show].
func (j *JSON) FailedJob(job string, err error) {
	j.write(event{Event: "job", Job: job, Error: newEventError(err)})
}

// Executed implements [Show].
func (j *JSON) Executed(x Execution) {
	e := event{
		Event: "execution", Function: x.Name, ID: x.ID, State: string(x.Status), Version: x.Version, Args: x.Args, Output: x.Output, Entries: x.Log,
	}
	if x.DurationMS != nil {
		e.DurationMS = *x.DurationMS
	}
	if err := x.Err(); err != nil {
		e.Error = newEventError(err)
	}
	j.write(e)
}

// Called implements [Show].
func (j *JSON) Called(c Callback) {
	e := event{Event: "callback", URL: c.URL, Body: c.Body, Sent: &c.Sent, Status: c.Status}
	if c.Err != nil {
		e.Error = newEventError(c.Err)
	}
	j.write(e)
}

// Fired implements [Show]. It follows a key, which there is on a terminal only.
func (j *JSON) Fired(string, string) {}

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
