package wire

import "encoding/json"

// Status is the state of an execution in the faaspot dialect.
type Status string

// The statuses. An execution that is Pending or Started will change; the others are final.
const (
	StatusPending   Status = "Pending"
	StatusStarted   Status = "Started"
	StatusSuccess   Status = "Success"
	StatusFailed    Status = "Failed"
	StatusCancelled Status = "Cancelled"
	// StatusNotFound marks an id without an execution in an answer about many.
	StatusNotFound Status = "NotFound"
)

// Done reports whether the status is final.
func (s Status) Done() bool { return s != StatusPending && s != StatusStarted }

// Execution is one execution of a function, or one change of a function. Fields that are
// nil for an id without an execution are pointers.
type Execution[T any] struct {
	UUID            string          `json:"uuid"`
	Name            *string         `json:"name"` // of the function, when the execution was accepted
	Kind            *string         `json:"kind"` // run, create, update or delete
	Version         *uint64         `json:"version"`
	Status          Status          `json:"status"`
	Output          json.RawMessage `json:"output"`
	OutputSize      *int            `json:"output_size"` // bytes
	OutputOmitted   bool            `json:"output_omitted,omitempty"`
	Args            json.RawMessage `json:"args,omitempty"`      // of one execution alone; absent if they are not kept
	ArgsSize        *int            `json:"args_size,omitempty"` // bytes; absent if it is not known
	RerunOf         *string         `json:"rerun_of,omitempty"`  // execution whose run this repeats
	Error           *Error          `json:"error"`
	Created         T               `json:"created"`
	Started         T               `json:"started"` // latest attempt
	Finished        T               `json:"finished"`
	DurationMS      *json.Number    `json:"duration_ms"` // latest attempt, three decimals
	Attempts        *int            `json:"attempts"`
	Retries         *int            `json:"retries"` // further attempts that were requested
	CancelRequested *bool           `json:"cancel_requested"`
	LogsURL         *string         `json:"logs_url"`
	TraceID         *string         `json:"trace_id"`
	UserID          *string         `json:"user_id"`
	Egress          []Egress        `json:"egress,omitempty"` // empty for an execution that has connected to nothing
}

// Egress is what the latest attempt of an execution has sent to one destination, and received from it.
type Egress struct {
	Network       string      `json:"network,omitempty"` // tcp or udp
	Host          string      `json:"host"`              // the name that was resolved, else the address; "(others)": the rest
	Port          uint16      `json:"port,omitempty"`
	Connections   int         `json:"connections"`
	BytesSent     int64       `json:"bytes_sent"`
	BytesReceived int64       `json:"bytes_received"`
	DurationMS    json.Number `json:"duration_ms"` // sum over the connections, three decimals
}

// Cancellation answers a request to cancel an execution.
type Cancellation[T any] struct {
	Execution[T]
	Changed bool   `json:"changed"` // whether this request made a difference
	Message string `json:"message"`
}

// Stream names one of the two streams that a run writes.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// LogEntry is a stretch of one stream, with U+FFFD for bytes that are not UTF-8. T is the type of times.
type LogEntry[T any] struct {
	Stream Stream `json:"stream"`
	Time   T      `json:"time,omitzero"` // when it was written, if the times were requested and are known
	Text   string `json:"text"`
}

// Logs is the output of the latest attempt of an execution. T is the type of times.
type Logs[T any] struct {
	UUID      string        `json:"uuid"`
	Status    Status        `json:"status"`
	Attempt   int           `json:"attempt"`
	Truncated bool          `json:"truncated"` // whether the run wrote more than the server stores
	Entries   []LogEntry[T] `json:"entries"`   // in the order in which the run wrote them
}

// AttemptEvent is the event of a log stream that announces another attempt.
type AttemptEvent struct {
	Attempt int `json:"attempt"`
}
