package wire

// Error is an error in the faaspot dialect, and the failure of an execution in every
// dialect.
type Error struct {
	Message         string `json:"message"`
	Code            string `json:"error_code"`
	Hint            string `json:"hint,omitempty"`
	ServerTraceback string `json:"server_traceback,omitempty"` // the function's own frames
	Line            int    `json:"line,omitempty"`             // of the caller's text, from 1
	ErrorType       string `json:"error_type,omitempty"`       // of the Python exception
	ErrorID         string `json:"error_id,omitempty"`         // under which the server logged the cause
	ExecutionID     string `json:"execution_id,omitempty"`     // of the run that failed
}

// Mistake is one of several errors of a request.
type Mistake struct {
	Path    string `json:"path,omitempty"` // of the member that is wrong, such as spec.function
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// BlaxelError is an error in the Blaxel dialect. Hint, Line, ErrorID and Errors are extensions. Errors
// are all errors of a request that has several; Message and Hint are those of the first.
type BlaxelError struct {
	Error   string `json:"error"` // error code
	Code    int    `json:"code"`  // HTTP status
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Line    int    `json:"line,omitempty"`
	ErrorID string `json:"error_id,omitempty"`

	Errors []Mistake `json:"errors,omitempty"`
}

// FoundryError is an error in the Foundry dialect. ErrorDescription is the message; Message repeats
// it for clients of the other dialects, an extension.
type FoundryError struct {
	ErrorCode        string         `json:"errorCode"` // class of errors, such as INVALID_ARGUMENT
	ErrorName        string         `json:"errorName"`
	ErrorDescription string         `json:"errorDescription"`
	ErrorInstanceID  string         `json:"errorInstanceId"`
	Parameters       map[string]any `json:"parameters"`
	Message          string         `json:"message"`
}
