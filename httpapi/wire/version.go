package wire

import "encoding/json"

// FunctionVersion is one stored version of a function in a list.
type FunctionVersion[T any] struct {
	Version   uint64   `json:"version"`
	Current   bool     `json:"current"`
	Created   T        `json:"created"`
	UserID    *string  `json:"user_id"`    // who deployed it; nil: not recorded
	Name      string   `json:"name"`       // of the function when it was deployed
	Timeout   float64  `json:"timeout"`    // seconds
	Memory    float64  `json:"memory"`     // MB
	Retries   int      `json:"retries"`    // further attempts after failures of the function
	Allow     []string `json:"allow"`      // what runs may reach, as rules HOST:PORT
	CodeBytes int      `json:"code_bytes"` // size of the code
	Bundle    *Bundle  `json:"bundle,omitempty"`
}

// FunctionVersionDetail is one version with its code. Of its context it has only the names.
type FunctionVersionDetail[T any] struct {
	FunctionVersion[T]
	Code        string   `json:"code"`
	Encoding    string   `json:"encoding"` // of Code
	ContextKeys []string `json:"context_keys"`
}

// VersionDiff is what differs between two versions of a function.
type VersionDiff struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	// Code is the difference of the code as a unified diff; of bundles, that of main.py. Empty: none.
	Code     string          `json:"code"`
	Settings []SettingChange `json:"settings"`
	Context  []ContextChange `json:"context"`
}

// SettingChange is a setting that differs: timeout, memory, retries, allow, or bundle, whose values are
// the SHA-256 of the zip files, or null.
type SettingChange struct {
	Name string          `json:"name"`
	From json.RawMessage `json:"from"`
	To   json.RawMessage `json:"to"`
}

// ContextChange is a name in the context whose value differs. The values are secrets.
type ContextChange struct {
	Name   string `json:"name"`
	Change string `json:"change"` // added, removed or changed
}

// FunctionRollback is a request to restore a version.
type FunctionRollback struct {
	Version     uint64 `json:"version"`
	KeepContext bool   `json:"keep_context,omitempty"` // keep the context of the current version
}

// TryRequest is a request to run code once, without storing it. The server's defaults replace omitted
// fields.
type TryRequest struct {
	Name     string          `json:"name,omitempty"` // in tracebacks
	Code     string          `json:"code"`
	Args     json.RawMessage `json:"args,omitempty"`
	Context  *string         `json:"context,omitempty"` // key = "value" lines, or a JSON object
	Timeout  float64         `json:"timeout,omitempty"` // seconds
	Memory   int64           `json:"memory,omitempty"`  // MB
	Allow    *[]string       `json:"allow,omitempty"`   // what the run may reach
	Encoding string          `json:"encoding"`          // of Code and Context
}

// Trial is the outcome of code that ran once. T is the type of times.
type Trial[T any] struct {
	Status     Status          `json:"status"` // Success, Failed or Cancelled
	Output     json.RawMessage `json:"output"`
	Error      *Error          `json:"error"`
	DeployMS   json.Number     `json:"deploy_ms"`   // of the deployment, three decimals
	DurationMS json.Number     `json:"duration_ms"` // of the run, three decimals
	Memory     int64           `json:"memory"`      // bytes that the run used
	Egress     []Egress        `json:"egress,omitempty"`
	Truncated  bool            `json:"truncated"` // whether more was written than the server keeps
	Logs       []LogEntry[T]   `json:"entries"`   // of the deployment and the run
}

// NextTicks are the next times at which a schedule starts a job.
type NextTicks[T any] struct {
	Schedule string `json:"schedule"`
	TimeZone string `json:"timezone"`
	Next     []T    `json:"next"`
}
