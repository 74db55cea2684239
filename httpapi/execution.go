package httpapi

import (
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// status is what an execution's state is called in this API. Clients of old
// wait until it is one of the last three, so there is no other word for an end.
type status string

const (
	statusPending   status = "Pending"
	statusStarted   status = "Started"
	statusSuccess   status = "Success"
	statusFailed    status = "Failed"
	statusCancelled status = "Cancelled"
	// statusNotFound marks an id in an answer about many that stands for nothing.
	statusNotFound status = "NotFound"
)

// statesOf lists the states that a status stands for.
var statesOf = map[status][]runtime.State{
	statusPending:   {runtime.StateQueued},
	statusStarted:   {runtime.StateRunning, runtime.StateCancelling},
	statusSuccess:   {runtime.StateSucceeded},
	statusFailed:    {runtime.StateFailed, runtime.StateTimeout},
	statusCancelled: {runtime.StateCancelled},
}

var statusOfState = func() map[runtime.State]status {
	all := make(map[runtime.State]status)
	for status, states := range statesOf {
		for _, state := range states {
			all[state] = status
		}
	}
	return all
}()

// execution is an execution as it is told.
type execution struct {
	UUID            string          `json:"uuid"`
	Name            *string         `json:"name"`
	Kind            *runtime.Kind   `json:"kind"`
	Version         *uint64         `json:"version"`
	Status          status          `json:"status"`
	Output          json.RawMessage `json:"output"`
	OutputSize      *int            `json:"output_size"` // bytes
	OutputOmitted   bool            `json:"output_omitted,omitempty"`
	Error           *errorBody      `json:"error"`
	Created         *string         `json:"created"`
	Started         *string         `json:"started"`
	Finished        *string         `json:"finished"`
	DurationMS      *json.Number    `json:"duration_ms"`
	Attempts        *int            `json:"attempts"`
	Retries         *int            `json:"retries"`
	CancelRequested *bool           `json:"cancel_requested"`
	LogsURL         *string         `json:"logs_url"`
	TraceID         *string         `json:"trace_id"`
	UserID          *string         `json:"user_id"`
}

// tellExecution tells of x to a caller who reaches the server at base.
func tellExecution(base string, x *runtime.Execution) execution {
	cancelling := x.CancelRequested && !x.State.Terminal()
	logs := base + "/v1/executions/" + x.ID + "/logs"
	told := execution{
		UUID:            x.ID,
		Name:            &x.Function,
		Kind:            &x.Kind,
		Version:         &x.Version,
		Status:          statusOfState[x.State],
		Output:          x.Result,
		OutputSize:      &x.ResultSize,
		OutputOmitted:   x.ResultSize > 0 && len(x.Result) == 0,
		Created:         tellTime(x.Created),
		Started:         tellTime(x.Started),
		Finished:        tellTime(x.Finished),
		Attempts:        &x.Attempt,
		Retries:         &x.Retries,
		CancelRequested: &cancelling,
		LogsURL:         &logs,
		TraceID:         orNull(x.Caller.TraceID),
		UserID:          orNull(x.Caller.UserID),
	}
	if x.State.Terminal() && !x.Started.IsZero() {
		ms := json.Number(appendMillis(nil, x.Took()))
		told.DurationMS = &ms
	}
	if x.Failure != nil {
		told.Error = tellFailure(x.Failure)
	}
	return told
}

// tellFailure tells why an execution failed. What went wrong inside the server
// is in its log under the execution's id.
func tellFailure(f *runtime.Failure) *errorBody {
	if f.Class == runtime.ClassInternal || statusOf[f.Class.Code()] == 0 {
		return &errorBody{Message: internalMessage.Message, Code: runtime.CodeInternal, Hint: internalMessage.Hint}
	}
	return &errorBody{
		Message:         failureMessage(f),
		Code:            f.Class.Code(),
		ServerTraceback: f.Traceback,
		Line:            f.Line,
		ErrorType:       f.Type,
	}
}

// tellAbsent marks an id that stands for nothing.
func tellAbsent(id string) execution {
	return execution{
		UUID:   id,
		Status: statusNotFound,
		Error:  &errorBody{Message: "there is no execution with this id", Code: runtime.CodeNotFound},
	}
}

// orNull tells of an empty text as of nothing.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func tellTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(timeFormat)
	return &s
}
