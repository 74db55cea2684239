package wire

// OperationRequest is a request to repeat or cancel all executions that a filter selects.
type OperationRequest struct {
	Kind          string `json:"kind"`                     // rerun or cancel
	Function      string `json:"function,omitempty"`       // its name, when the executions were accepted; empty: any
	Status        string `json:"status,omitempty"`         // comma-separated; empty: Failed, or to cancel Pending and Started
	CreatedAfter  string `json:"created_after,omitempty"`  // accepted at this time (RFC 3339) or later
	CreatedBefore string `json:"created_before,omitempty"` // accepted before this time
	TraceID       string `json:"trace_id,omitempty"`       // the trace that they belong to; empty: any
	Where         string `json:"where,omitempty"`          // an expression that must hold; empty: none must
}

// Operation is a request that was accepted, and how far it is.
type Operation[T any] struct {
	UUID     string          `json:"uuid"`
	Kind     string          `json:"kind"`
	State    string          `json:"state"` // running, done, cancelled or failed
	Filter   OperationFilter `json:"filter"`
	Matched  int             `json:"matched"` // executions that the filter has selected so far
	Done     int             `json:"done"`    // of them repeated or cancelled
	Failed   int             `json:"failed"`  // of them refused
	Skipped  int             `json:"skipped"` // of them without kept args, or that had ended
	Error    *string         `json:"error"`   // why the last of Failed was refused, or the operation failed
	Created  T               `json:"created"`
	Finished T               `json:"finished"`
	TraceID  string          `json:"trace_id"` // of the executions that it starts
	UserID   *string         `json:"user_id"`
}

// OperationFilter is the filter of an operation. Null selects any.
type OperationFilter struct {
	Function      *string  `json:"function"`
	Status        []Status `json:"status"`
	CreatedAfter  *string  `json:"created_after"`
	CreatedBefore *string  `json:"created_before"`
	TraceID       *string  `json:"trace_id"`
	Where         *string  `json:"where"`
}
