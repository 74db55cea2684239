package httpapi

import (
	"fmt"
	"strconv"

	"github.com/faaspot/faaspot/runtime"
)

// toldCondition is a step in the story of a task, in the order in which they
// happened.
type toldCondition struct {
	Type            string `json:"type"`     // Scheduled, Started, Retried; Completed or Cancelled is the last
	State           string `json:"state"`    // CONDITION_SUCCEEDED, CONDITION_FAILED or CONDITION_PENDING
	Severity        string `json:"severity"` // INFO, WARNING or ERROR
	Reason          string `json:"reason"`
	ExecutionReason string `json:"executionReason,omitempty"` // a code: see the table of errors
	Message         string `json:"message"`
}

const (
	conditionSucceeded = "CONDITION_SUCCEEDED"
	conditionFailed    = "CONDITION_FAILED"
	conditionPending   = "CONDITION_PENDING"

	severityInfo    = "INFO"
	severityWarning = "WARNING"
	severityError   = "ERROR"
)

// tellConditions tells the story of a task.
func tellConditions(x *runtime.Execution) []toldCondition {
	story := []toldCondition{{
		Type: "Scheduled", State: conditionSucceeded, Severity: severityInfo, Reason: "Accepted",
		Message: "it was accepted, and waits for its turn",
	}}
	if x.Attempt > 0 {
		story = append(story, toldCondition{
			Type: "Started", State: conditionSucceeded, Severity: severityInfo, Reason: "Started",
			Message: "attempt " + strconv.Itoa(x.Attempt) + " is the latest that was started",
		})
	}
	story = append(story, retriesOf(x)...)
	return append(story, lastCondition(x))
}

// retriesOf tells of the attempts that were followed by another. What is kept of
// them is how many ended in which way.
func retriesOf(x *runtime.Execution) (all []toldCondition) {
	most := x.Attempt // of which the latest was followed by none, unless it waits
	if x.State != runtime.StateQueued {
		most--
	}
	for _, cause := range []struct {
		count                 int
		reason, code, message string
	}{
		{x.LostAttempts, "AttemptLost", "internal", "the server ended while it ran"},
		{x.PlatformFailures, "PlatformFailed", "internal", "the server failed to run it"},
		{x.FunctionFailures, "FunctionFailed", "function_error", fmt.Sprintf("the function failed; up to %d retries were asked for", x.Retries)},
	} {
		for range min(cause.count, most-len(all)) {
			all = append(all, toldCondition{
				Type: "Retried", State: conditionFailed, Severity: severityWarning,
				Reason: cause.reason, ExecutionReason: cause.code, Message: cause.message,
			})
		}
	}
	return all
}

func lastCondition(x *runtime.Execution) toldCondition {
	c := toldCondition{Type: "Completed"}
	if x.Failure != nil {
		told := tellFailure(x.Failure)
		c.ExecutionReason, c.Message = string(told.Code), told.Message
	}
	switch x.State {
	case runtime.StateSucceeded:
		c.State, c.Severity, c.Reason, c.Message = conditionSucceeded, severityInfo, "Succeeded", "the function returned"
	case runtime.StateTimeout:
		c.State, c.Severity, c.Reason = conditionFailed, severityError, "TimedOut"
	case runtime.StateFailed:
		c.State, c.Severity, c.Reason = conditionFailed, severityError, "Failed"
	case runtime.StateCancelled:
		c.Type, c.State, c.Severity, c.Reason = "Cancelled", conditionSucceeded, severityWarning, "Cancelled"
	case runtime.StateRunning, runtime.StateCancelling:
		c.State, c.Severity, c.Reason, c.Message = conditionPending, severityInfo, "Running", "it runs"
	default:
		c.State, c.Severity, c.Reason, c.Message = conditionPending, severityInfo, "Waiting", "it waits for its turn"
		if x.Attempt > 0 {
			c.Reason, c.Message = "Retrying", "it is to be tried again"
			if !x.NotBefore.IsZero() {
				c.Message += ", not before " + jobTime(x.NotBefore)
			}
		}
	}
	return c
}
