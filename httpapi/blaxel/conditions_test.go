package blaxel

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestConditionsShowEachAttempt renders the history of tasks that were lost, failed, and were
// retried.
func TestConditionsShowEachAttempt(t *testing.T) {
	t.Parallel()
	steps := func(x runtime.Execution) (all []string) {
		for _, c := range renderConditions(&x) {
			if c.Message == "" || c.Reason == "" {
				t.Errorf("%+v", c)
			}
			all = append(all, fmt.Sprintf("%s %s %s %s", c.Type, c.State, c.Severity, c.Reason))
		}
		return all
	}
	const scheduled, started = "Scheduled CONDITION_SUCCEEDED INFO Accepted", "Started CONDITION_SUCCEEDED INFO Started"
	const retried = "Retried CONDITION_FAILED WARNING "
	failure := &runtime.Failure{Class: runtime.ClassMemory, Message: "too much"}
	for _, c := range []struct {
		x      runtime.Execution
		status string
		want   []string
	}{
		{runtime.Execution{State: runtime.StateQueued}, wire.TaskPending, []string{scheduled, "Completed CONDITION_PENDING INFO Waiting"}},
		{runtime.Execution{State: runtime.StateRunning, Attempt: 1}, wire.TaskRunning, []string{scheduled, started, "Completed CONDITION_PENDING INFO Running"}},
		{
			runtime.Execution{State: runtime.StateQueued, Attempt: 3, FunctionFailures: 1, PlatformFailures: 1, LostAttempts: 1, NotBefore: time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)},
			wire.TaskReconciling,
			[]string{scheduled, started, retried + "AttemptLost", retried + "PlatformFailed", retried + "FunctionFailed", "Completed CONDITION_PENDING INFO Retrying"},
		},
		{
			runtime.Execution{State: runtime.StateFailed, Attempt: 3, FunctionFailures: 2, Outcome: runtime.Outcome{Failure: failure}},
			wire.TaskFailed,
			[]string{scheduled, started, retried + "FunctionFailed", retried + "FunctionFailed", "Completed CONDITION_FAILED ERROR Failed"},
		},
		{ // the third loss was followed by no other attempt
			runtime.Execution{State: runtime.StateFailed, Attempt: 3, LostAttempts: 3, Outcome: runtime.Outcome{Failure: failure}},
			wire.TaskFailed,
			[]string{scheduled, started, retried + "AttemptLost", retried + "AttemptLost", "Completed CONDITION_FAILED ERROR Failed"},
		},
		{
			runtime.Execution{State: runtime.StateTimeout, Attempt: 1, Outcome: runtime.Outcome{Failure: failure}},
			wire.TaskFailed,
			[]string{scheduled, started, "Completed CONDITION_FAILED ERROR TimedOut"},
		},
		{
			runtime.Execution{State: runtime.StateCancelled, Outcome: runtime.Outcome{Failure: failure}},
			wire.TaskCancelled,
			[]string{scheduled, "Cancelled CONDITION_SUCCEEDED WARNING Cancelled"},
		},
		{runtime.Execution{State: runtime.StateSucceeded, Attempt: 1}, wire.TaskSucceeded, []string{scheduled, started, "Completed CONDITION_SUCCEEDED INFO Succeeded"}},
	} {
		if got := steps(c.x); !slices.Equal(got, c.want) || taskStatus(&c.x) != c.status {
			t.Errorf("%s: %q, want %q", taskStatus(&c.x), got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{30 * time.Minute: "30m", 90 * time.Second: "90s", time.Second / 2: "0.5s", time.Minute: "1m", 0: "0s"} {
		if got := formatDuration(d); got != want {
			t.Errorf("%s is written %s", d, got)
		}
	}
}
