//go:build linux

package process

import (
	"bytes"
	"encoding/json"
)

// Statuses of executions.
const (
	Pending   = "Pending"
	Started   = "Started"
	Success   = "Success"
	Failed    = "Failed"
	Cancelled = "Cancelled"
	NotFound  = "NotFound"
)

// AbsentID is a well-formed id that no execution has.
const AbsentID = "01900000-0000-7000-8000-000000000000"

// Execution is an execution as the server renders it.
type Execution struct {
	ID              string          `json:"uuid"`
	Name            string          `json:"name"`
	Kind            string          `json:"kind"`
	Version         int             `json:"version"`
	Status          string          `json:"status"`
	Output          json.RawMessage `json:"output"`
	Args            json.RawMessage `json:"args"` // not in lists
	Error           *ExecutionError `json:"error"`
	Created         string          `json:"created"` // times sort as text
	Started         string          `json:"started"`
	Finished        string          `json:"finished"`
	Attempts        int             `json:"attempts"`
	Retries         int             `json:"retries"`
	CancelRequested bool            `json:"cancel_requested"`
	Changed         *bool           `json:"changed"` // only in the answer to a cancel
	Text            string          `json:"-"`       // the whole JSON text
}

// ExecutionError is the error of a failed execution.
type ExecutionError struct {
	Message string `json:"message"`
	Code    string `json:"error_code"`
}

// Done reports whether the execution has reached its final state.
func (x *Execution) Done() bool {
	return x.Status == Success || x.Status == Failed || x.Status == Cancelled
}

// UnmarshalJSON reads the fields and stores the text.
func (x *Execution) UnmarshalJSON(text []byte) error {
	type plain Execution
	if err := json.Unmarshal(text, (*plain)(x)); err != nil {
		return err
	}
	x.Text = string(bytes.TrimSpace(text))
	return nil
}
