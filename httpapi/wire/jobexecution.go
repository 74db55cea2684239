package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// StartJobRequest is a request for an execution of a job. The job's values replace omitted fields.
type StartJobRequest struct {
	Tasks       []json.RawMessage `json:"tasks"`                 // objects, the args of each task
	Name        string            `json:"executionId,omitempty"` // unique within the job
	ID          string            `json:"id,omitempty"`          // idempotency key of the request
	Env         map[string]string `json:"env,omitempty"`
	Memory      int64             `json:"memory,omitempty"` // MB
	Parallelism int               `json:"parallelism,omitempty"`
	AllowQueue  *bool             `json:"allowQueue,omitempty"` // false: refuse what cannot start at once
}

// StartJobResponse answers a request that started an execution of a job.
type StartJobResponse struct {
	ExecutionID string            `json:"executionId"`
	ID          string            `json:"id"` // the request's own id, else the execution's
	JobID       string            `json:"jobId"`
	Tasks       []json.RawMessage `json:"tasks"`
	WorkspaceID string            `json:"workspaceId"`
}

// JobStatus is the state of a job execution.
type JobStatus string

// The statuses. Those from JobCancelled on are final.
const (
	JobQueued     JobStatus = "queued"
	JobPending    JobStatus = "pending"
	JobRunning    JobStatus = "running"
	JobCancelling JobStatus = "cancelling"
	JobCancelled  JobStatus = "cancelled"
	JobFailed     JobStatus = "failed"
	JobSucceeded  JobStatus = "succeeded"
	JobTimeout    JobStatus = "timeout"
)

// Done reports whether the status is final.
func (s JobStatus) Done() bool {
	switch s {
	case JobQueued, JobPending, JobRunning, JobCancelling:
		return false
	}
	return true
}

// JobExecution is one execution of a job.
type JobExecution[T any] struct {
	Metadata JobExecutionMetadata[T] `json:"metadata"`
	Spec     JobExecutionSpec[T]     `json:"spec"`
	Stats    JobStats                `json:"stats"`
	Status   JobStatus               `json:"status"`
	// StatusReason is [JobTimeout] if the execution failed because of time limits alone; empty
	// otherwise. The vendor's SDKs get [JobFailed] as the status of such an execution: they know
	// no other final status that fits. An extension.
	StatusReason JobStatus    `json:"statusReason,omitempty"`
	Tasks        []Task[T]    `json:"tasks"`             // the first 200; in lists the first 20
	Results      []TaskResult `json:"results,omitempty"` // in callbacks, and for a caller that waited
}

// JobExecutionMetadata names a job execution and dates it.
type JobExecutionMetadata[T any] struct {
	ID          string `json:"id"` // the name that the caller chose, else UUID
	Job         string `json:"job"`
	Workspace   string `json:"workspace"`
	Cluster     string `json:"cluster"`
	CreatedAt   T      `json:"createdAt"`
	StartedAt   *T     `json:"startedAt,omitempty"`
	CompletedAt *T     `json:"completedAt,omitempty"`
	UpdatedAt   T      `json:"updatedAt"`
	DeletedAt   *T     `json:"deletedAt,omitempty"` // the end of an execution that was cancelled
	ExpiredAt   *T     `json:"expiredAt,omitempty"` // when the server drops it at the latest, once it has ended
	// The following are extensions.
	UUID     string `json:"uuid"` // finds the execution when another one has its name
	RID      string `json:"rid"`  // of the job
	Revision string `json:"revision"`
	Trigger  string `json:"trigger,omitempty"` // id
	TraceID  string `json:"traceId"`
}

// JobExecutionSpec holds the settings of the request.
type JobExecutionSpec[T any] struct {
	// EnvOverride is an object whose values are masked: as JSON text, or itself for a client of
	// version 2026-09-22 or later.
	EnvOverride    any           `json:"envOverride,omitempty"`
	MemoryOverride int64         `json:"memoryOverride,omitempty"` // MB, rounded up
	Parallelism    int           `json:"parallelism"`
	TaskCount      int           `json:"taskCount"`
	Tasks          []TaskSpec[T] `json:"tasks"`   // of the same tasks as [JobExecution.Tasks]
	Timeout        int64         `json:"timeout"` // seconds for each task, rounded up
}

// JobStats counts tasks. The difference between Total and the sum of Cancelled, Failure,
// Running and Success is the number of tasks that wait.
type JobStats struct {
	Cancelled int `json:"cancelled"`
	Failure   int `json:"failure"`
	Retried   int `json:"retried"`
	Running   int `json:"running"`
	Success   int `json:"success"`
	Total     int `json:"total"`
}

// Ended returns the number of tasks in a final state.
func (s JobStats) Ended() int { return s.Cancelled + s.Failure + s.Success }

// Waiting returns the number of tasks that have not started, or wait for another attempt.
func (s JobStats) Waiting() int { return s.Total - s.Running - s.Ended() }

// Statuses of tasks.
const (
	TaskUnspecified = "unspecified" // of the request for a task, which has no state
	TaskPending     = "pending"
	TaskReconciling = "reconciling" // waits for another attempt
	TaskRunning     = "running"
	TaskSucceeded   = "succeeded"
	TaskFailed      = "failed"
	TaskCancelled   = "cancelled"
)

// Task is one task of a job execution.
type Task[T any] struct {
	Conditions []Condition     `json:"conditions"` // in the order in which they were reached
	Metadata   TaskMetadata[T] `json:"metadata"`
	Spec       TaskBounds      `json:"spec"`
	Status     string          `json:"status"`
	Execution  string          `json:"execution"` // id below /v1/executions/, an extension
}

// TaskMetadata names a task and dates it.
type TaskMetadata[T any] struct {
	Name        string `json:"name"`
	CreatedAt   T      `json:"createdAt"`
	ScheduledAt T      `json:"scheduledAt"`
	StartedAt   *T     `json:"startedAt,omitempty"`
	CompletedAt *T     `json:"completedAt,omitempty"`
	UpdatedAt   T      `json:"updatedAt"`
}

// TaskBounds bounds the attempts of a task.
type TaskBounds struct {
	MaxRetries int    `json:"maxRetries"`
	Timeout    string `json:"timeout"` // such as "30m" or "90s"
}

// TaskSpec is a task as it was requested, in the form of a [Task]: it has no conditions, and its
// status is [TaskUnspecified].
type TaskSpec[T any] struct {
	Conditions []Condition     `json:"conditions"`
	Metadata   TaskMetadata[T] `json:"metadata"`
	Spec       TaskBounds      `json:"spec"`
	Status     string          `json:"status"`
}

// Types of conditions. Completed or Cancelled is always the last of a task.
const (
	ConditionScheduled = "Scheduled"
	ConditionStarted   = "Started"
	ConditionRetried   = "Retried"
	ConditionCompleted = "Completed"
	ConditionCancelled = "Cancelled"
)

// Condition is one step in the history of a task.
type Condition struct {
	Type            string `json:"type"`
	State           string `json:"state"`    // CONDITION_SUCCEEDED, CONDITION_FAILED or CONDITION_PENDING
	Severity        string `json:"severity"` // INFO, WARNING or ERROR
	Reason          string `json:"reason"`
	ExecutionReason string `json:"executionReason,omitempty"` // error code
	Message         string `json:"message"`
}

// TaskResult is the outcome of a task.
type TaskResult struct {
	Index         int             `json:"index"` // from 0
	Status        string          `json:"status"`
	Output        json.RawMessage `json:"output,omitempty"`
	OutputOmitted bool            `json:"output_omitted,omitempty"` // too large: the task's execution has it
	Error         *Error          `json:"error,omitempty"`
}

const taskPrefix = "task-"

// TaskName returns the name of the task with an index.
func TaskName(index int) string { return taskPrefix + strconv.Itoa(index) }

// TaskIndex parses the name of a task, or its index as a decimal number.
func TaskIndex(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(text, taskPrefix))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a task", text)
	}
	return n, nil
}

// Index returns the task's place among those of its execution, from 0.
func (t Task[T]) Index() int {
	n, _ := TaskIndex(t.Metadata.Name)
	return n
}

// Attempts returns the number of attempts, the current one included.
func (t Task[T]) Attempts() int {
	n := 0
	for _, c := range t.Conditions {
		switch {
		case c.Type == ConditionRetried:
			n++
		case c.Type == ConditionStarted && t.Status != TaskReconciling:
			n++ // the latest attempt, which no Retried condition counts
		}
	}
	return n
}

// Failure returns the error code and message of a task that failed or was cancelled, empty
// for others.
func (t Task[T]) Failure() (code, message string) {
	if t.Status != TaskFailed && t.Status != TaskCancelled || len(t.Conditions) == 0 {
		return "", ""
	}
	last := t.Conditions[len(t.Conditions)-1]
	return last.ExecutionReason, last.Message
}

// Duration returns how long the latest attempt took: 0 if it is not done, or if the times of
// the task are not of type [time.Time].
func (t Task[T]) Duration() time.Duration {
	started, _ := any(t.Metadata.StartedAt).(*time.Time)
	completed, _ := any(t.Metadata.CompletedAt).(*time.Time)
	if started == nil || completed == nil {
		return 0
	}
	return completed.Sub(*started)
}

// TaskMap has the states of all tasks of an execution, in order: a letter for each, see
// [runtime.TaskState].
type TaskMap struct {
	Tasks string `json:"tasks"`
}
