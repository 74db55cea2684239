package client

import (
	"encoding/json"

	"github.com/faaspot/faaspot/runtime"
)

// Status says where an execution stands, in the server's words.
type Status string

// The statuses. The first two pass; the others stay.
const (
	StatusPending   Status = "Pending"
	StatusStarted   Status = "Started"
	StatusSuccess   Status = "Success"
	StatusFailed    Status = "Failed"
	StatusCancelled Status = "Cancelled"
	// StatusNotFound marks an id in an answer about many that stands for nothing.
	StatusNotFound Status = "NotFound"
)

// Done tells whether nothing more happens to an execution.
func (s Status) Done() bool { return s != StatusPending && s != StatusStarted }

// Execution is a run of a function, or a change of one. Its JSON form is also
// what the --json of the command line prints: names and meanings of its fields
// stay.
type Execution struct {
	ID              string          `json:"uuid"`
	Name            string          `json:"name"` // of the function, when it was accepted
	Kind            string          `json:"kind"` // run, create, update or delete
	Version         uint64          `json:"version"`
	Status          Status          `json:"status"`
	Output          json.RawMessage `json:"output"`         // null unless Success, or if it was left out
	OutputSize      int64           `json:"output_size"`    // bytes
	OutputOmitted   bool            `json:"output_omitted"` // left out of an answer about many, for its size
	Failure         *Failure        `json:"error"`
	Created         Moment          `json:"created"`
	Started         Moment          `json:"started"` // of the latest attempt
	Finished        Moment          `json:"finished"`
	DurationMS      *float64        `json:"duration_ms"` // of the latest attempt, without waiting
	Attempts        int             `json:"attempts"`
	Retries         int             `json:"retries"` // further attempts that were asked for
	CancelRequested bool            `json:"cancel_requested"`
	LogsURL         string          `json:"logs_url"`
}

// Failure says why an execution is Failed, Cancelled or NotFound.
type Failure struct {
	Message   string       `json:"message"`
	Code      runtime.Code `json:"error_code"`
	Hint      string       `json:"hint,omitempty"`
	Traceback string       `json:"server_traceback,omitempty"` // the function's own frames
	Line      int          `json:"line,omitempty"`             // of the function's code, from 1
	Type      string       `json:"error_type,omitempty"`       // of the exception
}

// Err is the error that an execution has ended with, nil if it is Success or
// goes on.
func (x Execution) Err() error {
	f := x.Failure
	switch {
	case x.Status == StatusSuccess || !x.Status.Done():
		return nil
	case f == nil:
		f = &Failure{Message: "the execution is " + string(x.Status), Code: runtime.CodeInternal}
	}
	return &Error{ExecutionID: x.ID, Err: &runtime.Error{
		Code: f.Code, Message: f.Message, Hint: f.Hint, Traceback: f.Traceback, Line: f.Line,
	}}
}

// wireExecution is an execution as the server writes it: times in its own
// form, and null for whatever is not there.
type wireExecution struct {
	Execution
	Created  wireTime `json:"created"`
	Started  wireTime `json:"started"`
	Finished wireTime `json:"finished"`
}

func (w wireExecution) execution() Execution {
	x := w.Execution
	x.Created, x.Started, x.Finished = Moment(w.Created), Moment(w.Started), Moment(w.Finished)
	return x
}

func executions(list []wireExecution) []Execution {
	all := make([]Execution, len(list))
	for i, w := range list {
		all[i] = w.execution()
	}
	return all
}
