package wire

// Encodings of the code and the context of a function.
const (
	EncodingPlain   = "plain"   // the text itself
	EncodingPercent = "percent" // percent-encoded, as Python's urllib.parse.quote writes it
)

// Function is a function in a list.
type Function[T any] struct {
	Name      string `json:"name"`
	RID       string `json:"rid"`
	RunnerURL string `json:"runner_url"`
	Version   uint64 `json:"version"`
	Created   T      `json:"created"`
	Updated   T      `json:"updated"`
	Paused    bool   `json:"paused"` // no background run begins
}

// FunctionDetail is one function with its code. Of its context it has only the names: the
// values are secrets.
type FunctionDetail[T any] struct {
	Function[T]
	Code        string   `json:"code"`
	Encoding    string   `json:"encoding"` // of Code
	Timeout     float64  `json:"timeout"`  // seconds
	Memory      float64  `json:"memory"`   // MB
	Retries     int      `json:"retries"`
	Allow       []string `json:"allow"`     // what runs may reach, as rules HOST:PORT
	KeepArgs    bool     `json:"keep_args"` // whether args of up to 64 KiB are stored with executions
	ContextKeys []string `json:"context_keys"`
	Bundle      *Bundle  `json:"bundle,omitempty"` // nil: Code is all there is
	// ImportsDuringRuns are the modules that the first runs of a bundle have imported.
	ImportsDuringRuns []string `json:"imports_during_runs,omitempty"`
}

// Bundle is the zip file of a function whose Code is its main.py.
type Bundle struct {
	SHA256 string `json:"sha256"` // of the zip file, in hexadecimal
	Bytes  int64  `json:"bytes"`  // of the zip file
}

// CreateFunctionRequest is a request for a new function. The server's defaults replace omitted
// fields.
type CreateFunctionRequest struct {
	Name     string    `json:"name"`
	Code     string    `json:"code"`
	Context  *string   `json:"context,omitempty"`   // key = "value" lines, or a JSON object
	Timeout  float64   `json:"timeout,omitempty"`   // seconds
	Memory   int64     `json:"memory,omitempty"`    // MB
	Retries  *int      `json:"retries,omitempty"`   // further attempts after failures of the function
	Allow    *[]string `json:"allow,omitempty"`     // what runs may reach; an empty list: nothing
	KeepArgs *bool     `json:"keep_args,omitempty"` // whether args are stored with executions
	Encoding string    `json:"encoding"`            // of Code and Context
}

// UpdateFunctionRequest is a request for changes to a function. Omitted fields stay as they are.
type UpdateFunctionRequest struct {
	Name     string    `json:"name,omitempty"` // new name
	Code     *string   `json:"code,omitempty"`
	Context  *string   `json:"context,omitempty"`
	Timeout  float64   `json:"timeout,omitempty"`   // seconds
	Memory   int64     `json:"memory,omitempty"`    // MB
	Retries  *int      `json:"retries,omitempty"`   // further attempts after failures of the function
	Allow    *[]string `json:"allow,omitempty"`     // what runs may reach; an empty list: nothing
	KeepArgs *bool     `json:"keep_args,omitempty"` // whether args are stored with executions
	Encoding string    `json:"encoding"`            // of Code and Context
}
