package faaspot

import (
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// statesOf lists the states of each status.
var statesOf = map[wire.Status][]runtime.State{
	wire.StatusPending:   {runtime.StateQueued},
	wire.StatusStarted:   {runtime.StateRunning, runtime.StateCancelling},
	wire.StatusSuccess:   {runtime.StateSucceeded},
	wire.StatusFailed:    {runtime.StateFailed, runtime.StateTimeout},
	wire.StatusCancelled: {runtime.StateCancelled},
}

var statusOfState = func() map[runtime.State]wire.Status {
	all := make(map[runtime.State]wire.Status)
	for status, states := range statesOf {
		for _, state := range states {
			all[state] = status
		}
	}
	return all
}()

// executionResponse is an execution with null for a time that has not come.
type executionResponse = wire.Execution[*string]

// renderExecution renders x for a caller who reaches the server at base.
func renderExecution(base string, x *runtime.Execution) executionResponse {
	cancelling := x.CancelRequested && !x.State.Terminal()
	logs := base + "/v1/executions/" + x.ID + "/logs"
	response := executionResponse{
		UUID:            x.ID,
		Name:            &x.Function,
		Kind:            (*string)(&x.Kind),
		Version:         &x.Version,
		Status:          statusOfState[x.State],
		Output:          x.Result,
		OutputSize:      &x.ResultSize,
		Args:            x.Args,
		OutputOmitted:   x.ResultSize > 0 && len(x.Result) == 0,
		Created:         renderTime(x.Created),
		Started:         renderTime(x.Started),
		Finished:        renderTime(x.Finished),
		Attempts:        &x.Attempt,
		Retries:         &x.Retries,
		CancelRequested: &cancelling,
		LogsURL:         &logs,
		TraceID:         orNull(x.Caller.TraceID),
		UserID:          orNull(x.Caller.UserID),
	}
	if x.ArgsSize > 0 {
		response.ArgsSize = &x.ArgsSize
	}
	response.RerunOf = orNull(x.RerunOf)
	if x.State.Terminal() && !x.Started.IsZero() {
		ms := json.Number(appendMillis(nil, x.Duration()))
		response.DurationMS = &ms
	}
	for _, e := range x.Egress {
		response.Egress = append(response.Egress, wire.Egress{
			Network: e.Network, Host: e.Host, Port: e.Port, Connections: e.Connections,
			BytesSent: e.Sent, BytesReceived: e.Received, DurationMS: json.Number(appendMillis(nil, e.Duration)),
		})
	}
	if x.Failure != nil {
		response.Error = web.RenderFailure(x.Failure)
		if x.Kind != runtime.KindRun && !web.IsInternal(x.Failure) {
			response.Error.Code = string(runtime.CodeDeployFailed) // as the response to the change has it
		}
	}
	return response
}

// renderAbsent renders an id without an execution.
func renderAbsent(id string) executionResponse {
	return executionResponse{
		UUID:   id,
		Status: wire.StatusNotFound,
		Error:  &wire.Error{Message: "there is no execution with this id", Code: string(runtime.CodeNotFound)},
	}
}

// orNull returns nil for an empty text.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// renderTime renders a time, nil for the zero time.
func renderTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := formatTime(t)
	return &text
}
