package record

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// operationRecord is the record of a runtime.Operation, without what its key says. Field names are part
// of the format.
type operationRecord struct {
	Kind     string    `json:"kind"`
	State    string    `json:"state"`
	Created  time.Time `json:"created"`
	Finished time.Time `json:"finished,omitzero"`
	Cursor   string    `json:"cursor,omitempty"`
	User     string    `json:"user,omitempty"`
	Trace    string    `json:"trace,omitempty"`

	Function    string          `json:"function,omitempty"` // this and the next are the filter
	States      []runtime.State `json:"states,omitempty"`
	After       time.Time       `json:"after,omitzero"`
	Before      time.Time       `json:"before,omitzero"`
	FilterTrace string          `json:"filter_trace,omitempty"`

	Resumed int                   `json:"resumed,omitempty"`
	Where   *runtime.SearchFilter `json:"where,omitempty"` // of the filter

	Matched int    `json:"matched"`
	Done    int    `json:"done"`
	Failed  int    `json:"failed,omitempty"`
	Skipped int    `json:"skipped,omitempty"`
	Error   string `json:"error,omitempty"`
}

// EncodeOperation returns the value of an operation.
func EncodeOperation(o runtime.Operation) ([]byte, error) {
	f, p := o.Filter, o.OperationProgress
	return encodeJSON(EncodingJSON, operationRecord{
		Kind: string(o.Kind), State: string(o.State), Created: o.Created, Finished: o.Finished, Cursor: o.Cursor, Resumed: o.Resumed, User: o.Caller.UserID, Trace: o.Caller.TraceID,
		Function: f.Function, States: f.States, After: f.After, Before: f.Before, FilterTrace: f.TraceID, Where: f.Where,
		Matched: p.Matched, Done: p.Done, Failed: p.Failed, Skipped: p.Skipped, Error: p.Error,
	})
}

// DecodeOperation decodes what EncodeOperation returns.
func DecodeOperation(tenant runtime.Tenant, id string, value []byte) (runtime.Operation, error) {
	var r operationRecord
	err := decodeJSON(value, &r, EncodingJSON)
	return runtime.Operation{
		ID: id, Tenant: tenant, Kind: runtime.OperationKind(r.Kind), State: runtime.OperationState(r.State), Created: r.Created, Finished: r.Finished, Cursor: r.Cursor, Resumed: r.Resumed,
		Caller:            runtime.Caller{UserID: r.User, TraceID: r.Trace},
		Filter:            runtime.ExecutionFilter{Function: r.Function, States: r.States, After: r.After, Before: r.Before, TraceID: r.FilterTrace, Where: r.Where},
		OperationProgress: runtime.OperationProgress{Matched: r.Matched, Done: r.Done, Failed: r.Failed, Skipped: r.Skipped, Error: r.Error},
	}, err
}
