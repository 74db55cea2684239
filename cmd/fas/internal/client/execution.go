package client

import (
	"bytes"
	"encoding/json"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Status is the state of an execution.
type Status = wire.Status

// The statuses. An execution that is Pending or Started will change; the others are final.
const (
	StatusPending   = wire.StatusPending
	StatusStarted   = wire.StatusStarted
	StatusSuccess   = wire.StatusSuccess
	StatusFailed    = wire.StatusFailed
	StatusCancelled = wire.StatusCancelled
	// StatusNotFound marks an id without an execution in an answer about many.
	StatusNotFound = wire.StatusNotFound
)

// ParseStatus returns the status that a word of any dialect means, such as succeeded or running.
func ParseStatus(word string) (Status, bool) { return wire.ParseStatus(word) }

// Execution is one execution of a function, or one change of a function. Its JSON form is the
// --json output of the command line: names and meanings of its fields stay. Unlike that of the
// server it has zero values in place of null, and times in RFC 3339.
type Execution struct {
	ID              string          `json:"uuid"`
	Name            string          `json:"name"` // of the function, when the execution was accepted
	Kind            string          `json:"kind"` // run, create, update or delete
	Version         uint64          `json:"version"`
	Status          Status          `json:"status"`
	Output          json.RawMessage `json:"output"`              // null unless Success, or if omitted
	OutputSize      int64           `json:"output_size"`         // bytes
	OutputOmitted   bool            `json:"output_omitted"`      // too large for an answer about many
	Args            json.RawMessage `json:"args,omitempty"`      // of one execution alone; absent if they are not kept
	ArgsSize        int64           `json:"args_size,omitempty"` // bytes; 0: unknown
	RerunOf         string          `json:"rerun_of,omitempty"`  // execution whose run this repeats
	Failure         *Failure        `json:"error"`
	Created         Moment          `json:"created"`
	Started         Moment          `json:"started"` // latest attempt
	Finished        Moment          `json:"finished"`
	DurationMS      *float64        `json:"duration_ms"` // latest attempt, without waiting
	Attempts        int             `json:"attempts"`
	Retries         int             `json:"retries"` // further attempts that were requested
	CancelRequested bool            `json:"cancel_requested"`
	LogsURL         string          `json:"logs_url"`
	Egress          []wire.Egress   `json:"egress,omitempty"` // what the latest attempt has sent and received, by destination
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

// Err returns the error of an execution, nil if its status is Success or not final.
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

// OneLine returns JSON without the white space between its parts. The server sends outputs and args as they are stored.
func OneLine(text json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if len(text) == 0 || json.Compact(&out, text) != nil {
		return text
	}
	return out.Bytes()
}

// newExecution returns the execution in an answer of the server.
func newExecution(w *wire.Execution[Moment]) (x Execution, err error) {
	x = Execution{
		ID:              w.UUID,
		Name:            orZero(w.Name),
		Kind:            orZero(w.Kind),
		Version:         orZero(w.Version),
		Status:          w.Status,
		Output:          OneLine(w.Output),
		OutputSize:      int64(orZero(w.OutputSize)),
		OutputOmitted:   w.OutputOmitted,
		Args:            OneLine(w.Args),
		ArgsSize:        int64(orZero(w.ArgsSize)),
		RerunOf:         orZero(w.RerunOf),
		Created:         w.Created,
		Started:         w.Started,
		Finished:        w.Finished,
		Attempts:        orZero(w.Attempts),
		Retries:         orZero(w.Retries),
		CancelRequested: orZero(w.CancelRequested),
		LogsURL:         orZero(w.LogsURL),
		Egress:          w.Egress,
	}
	if e := w.Error; e != nil {
		x.Failure = &Failure{
			Message: e.Message, Code: runtime.Code(e.Code), Hint: e.Hint, Traceback: e.ServerTraceback, Line: e.Line, Type: e.ErrorType,
		}
	}
	if w.DurationMS != nil {
		ms, err := w.DurationMS.Float64()
		if err != nil {
			return x, err
		}
		x.DurationMS = &ms
	}
	return x, nil
}

func newExecutions(list []wire.Execution[Moment]) ([]Execution, error) {
	all := make([]Execution, len(list))
	var err error
	for i := range list {
		if all[i], err = newExecution(&list[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// orZero returns what p points to, the zero value if p is nil.
func orZero[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}
