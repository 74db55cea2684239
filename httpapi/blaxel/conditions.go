package blaxel

import (
	"fmt"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// States and severities of conditions.
const (
	conditionSucceeded = "CONDITION_SUCCEEDED"
	conditionFailed    = "CONDITION_FAILED"
	conditionPending   = "CONDITION_PENDING"

	severityInfo    = "INFO"
	severityWarning = "WARNING"
	severityError   = "ERROR"
)

// renderConditions renders the history of a task.
func renderConditions(x *runtime.Execution) []wire.Condition {
	history := []wire.Condition{{
		Type: wire.ConditionScheduled, State: conditionSucceeded, Severity: severityInfo, Reason: "Accepted",
		Message: "it was accepted, and waits for its turn",
	}}
	if x.Attempt > 0 {
		history = append(history, wire.Condition{
			Type: wire.ConditionStarted, State: conditionSucceeded, Severity: severityInfo, Reason: "Started",
			Message: "attempt " + strconv.Itoa(x.Attempt) + " is the latest that was started",
		})
	}
	history = append(history, renderRetries(x)...)
	return append(history, renderLast(x))
}

// renderRetries renders the attempts that another attempt followed. The store has only their
// number for each cause.
func renderRetries(x *runtime.Execution) (all []wire.Condition) {
	most := x.Attempt // no attempt follows the latest one, unless the task waits for it
	if x.State != runtime.StateQueued {
		most--
	}
	for _, cause := range []struct {
		count                 int
		reason, code, message string
	}{
		{x.LostAttempts, "AttemptLost", "internal", "the server ended while it ran"},
		{x.PlatformFailures, "PlatformFailed", "internal", "the server failed to run it"},
		{x.FunctionFailures, "FunctionFailed", "function_error", fmt.Sprintf("the function failed; up to %d retries were requested", x.Retries)},
	} {
		for range min(cause.count, most-len(all)) {
			all = append(all, wire.Condition{
				Type: wire.ConditionRetried, State: conditionFailed, Severity: severityWarning,
				Reason: cause.reason, ExecutionReason: cause.code, Message: cause.message,
			})
		}
	}
	return all
}

// renderLast renders the last condition, which has the current state.
func renderLast(x *runtime.Execution) wire.Condition {
	c := wire.Condition{Type: wire.ConditionCompleted}
	if x.Failure != nil {
		failure := web.RenderFailure(x.Failure)
		c.ExecutionReason, c.Message = failure.Code, failure.Message
	}
	switch x.State {
	case runtime.StateSucceeded:
		c.State, c.Severity, c.Reason, c.Message = conditionSucceeded, severityInfo, "Succeeded", "the function returned"
	case runtime.StateTimeout:
		c.State, c.Severity, c.Reason = conditionFailed, severityError, "TimedOut"
	case runtime.StateFailed:
		c.State, c.Severity, c.Reason = conditionFailed, severityError, "Failed"
	case runtime.StateCancelled:
		c.Type, c.State, c.Severity, c.Reason = wire.ConditionCancelled, conditionSucceeded, severityWarning, "Cancelled"
	case runtime.StateRunning, runtime.StateCancelling:
		c.State, c.Severity, c.Reason, c.Message = conditionPending, severityInfo, "Running", "it runs"
	default:
		c.State, c.Severity, c.Reason, c.Message = conditionPending, severityInfo, "Waiting", "it waits for its turn"
		if x.Attempt > 0 {
			c.Reason, c.Message = "Retrying", "it waits for a retry"
			if !x.NotBefore.IsZero() {
				c.Message += ", not before " + formatTime(x.NotBefore)
			}
		}
	}
	return c
}
