package client

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Job is a job as the server tells it. Its JSON form is also what the --json of
// the command line prints, and what `fas jobs apply` takes: names and meanings of
// its fields stay.
type Job struct {
	Metadata JobMetadata `json:"metadata"`
	Spec     JobSpec     `json:"spec"`
	Status   string      `json:"status"`
}

// JobMetadata is what a job is called, and since when it is there.
type JobMetadata struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"displayName,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	CreatedAt   time.Time         `json:"createdAt"` // RFC 3339, in UTC
	UpdatedAt   time.Time         `json:"updatedAt"`
	CreatedBy   string            `json:"createdBy,omitempty"`
	UpdatedBy   string            `json:"updatedBy,omitempty"`
	Workspace   string            `json:"workspace"`
	URL         string            `json:"url"`
	RID         string            `json:"rid"`
}

// JobSpec is what a job runs and how.
type JobSpec struct {
	Enabled  bool       `json:"enabled"`
	Function string     `json:"function"`
	Runtime  JobRuntime `json:"runtime"`
	Triggers []Trigger  `json:"triggers"`
	Revision struct {
		Active string `json:"active"` // the number of the current revision
	} `json:"revision"`
}

// JobRuntime bounds the tasks of a job. What is zero is as the function has it.
type JobRuntime struct {
	Memory             float64  `json:"memory,omitempty"`  // MB
	Timeout            float64  `json:"timeout,omitempty"` // seconds
	MaxRetries         int      `json:"maxRetries"`
	MaxConcurrentTasks int      `json:"maxConcurrentTasks,omitempty"`
	Envs               []EnvVar `json:"envs"`
}

// EnvVar is an environment variable that tasks see. The value of a secret one is
// told as ***.
type EnvVar struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty"`
}

// Types of triggers.
const (
	TriggerHTTP      = "http"
	TriggerHTTPAsync = "http-async"
	TriggerCron      = "cron"
)

// Trigger starts executions of a job.
type Trigger struct {
	ID            string               `json:"id"`
	Type          string               `json:"type"`
	Enabled       bool                 `json:"enabled"`
	Configuration TriggerConfiguration `json:"configuration"`
}

// TriggerConfiguration says when a trigger does, and what is run then. A secret
// is told as ***, but by the answer to the request for which it was drawn.
type TriggerConfiguration struct {
	Path           string            `json:"path,omitempty"`
	Schedule       string            `json:"schedule,omitempty"`
	TimeZone       string            `json:"timezone,omitempty"`
	Missed         string            `json:"missed,omitempty"`
	CallbackURL    string            `json:"callbackUrl,omitempty"`
	CallbackSecret string            `json:"callbackSecret,omitempty"`
	Retry          *int              `json:"retry,omitempty"`
	Tasks          []json.RawMessage `json:"tasks,omitempty"`
	Timeout        float64           `json:"timeout,omitempty"` // seconds
}

// JobRevision is a revision of a job, in a form for which the same holds.
type JobRevision struct {
	ID             string    `json:"id"` // its number
	Active         bool      `json:"active"`
	PreviousActive bool      `json:"previousActive"`
	CreatedAt      time.Time `json:"createdAt"`
	CreatedBy      string    `json:"createdBy,omitempty"`
	Status         string    `json:"status"`
	TrafficPercent int       `json:"trafficPercent"`
}

// JobStatus says where an execution of a job stands, in the server's words.
type JobStatus string

// The statuses. Those from JobCancelled on stay.
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

// Done tells whether nothing more happens to the execution.
func (s JobStatus) Done() bool {
	switch s {
	case JobQueued, JobPending, JobRunning, JobCancelling:
		return false
	}
	return true
}

// JobExecution is an execution of a job, in a form for which the same holds.
type JobExecution struct {
	Metadata JobExecutionMetadata `json:"metadata"`
	Spec     JobExecutionSpec     `json:"spec"`
	Stats    JobStats             `json:"stats"`
	Status   JobStatus            `json:"status"`
	Tasks    []Task               `json:"tasks,omitempty"`   // the first 200; lists leave them out
	Results  []TaskResult         `json:"results,omitempty"` // of an answer to a trigger that waits
}

// JobExecutionMetadata is what an execution is called, and when it was what.
type JobExecutionMetadata struct {
	ID          string     `json:"id"` // its name, if it was given one, else UUID
	Job         string     `json:"job"`
	Workspace   string     `json:"workspace"`
	Cluster     string     `json:"cluster"`
	CreatedAt   time.Time  `json:"createdAt"`
	StartedAt   *time.Time `json:"startedAt,omitempty"`
	CompletedAt *time.Time `json:"completedAt,omitempty"`
	UpdatedAt   time.Time  `json:"updatedAt"`
	UUID        string     `json:"uuid"`
	RID         string     `json:"rid"` // of the job
	Revision    string     `json:"revision"`
	Trigger     string     `json:"trigger,omitempty"`
	TraceID     string     `json:"traceId"`
}

// JobExecutionSpec is what was asked for.
type JobExecutionSpec struct {
	EnvOverride    string          `json:"envOverride,omitempty"`    // a JSON object as a text, its values masked
	MemoryOverride float64         `json:"memoryOverride,omitempty"` // MB
	Parallelism    int             `json:"parallelism"`
	Tasks          json.RawMessage `json:"tasks,omitempty"`
	Timeout        float64         `json:"timeout"` // seconds that a task may take
}

// JobStats counts tasks. What Cancelled, Failure, Running and Success leave of
// Total waits.
type JobStats struct {
	Cancelled int `json:"cancelled"`
	Failure   int `json:"failure"`
	Retried   int `json:"retried"`
	Running   int `json:"running"`
	Success   int `json:"success"`
	Total     int `json:"total"`
}

// Ended is how many tasks are done.
func (s JobStats) Ended() int { return s.Cancelled + s.Failure + s.Success }

// Waiting is how many tasks have not started, or wait for another attempt.
func (s JobStats) Waiting() int { return s.Total - s.Running - s.Ended() }

// Statuses of tasks.
const (
	TaskPending     = "pending"
	TaskReconciling = "reconciling" // it waits for another attempt
	TaskRunning     = "running"
	TaskSucceeded   = "succeeded"
	TaskFailed      = "failed"
	TaskCancelled   = "cancelled"
)

// TaskStatuses are all of them.
var TaskStatuses = []string{TaskPending, TaskReconciling, TaskRunning, TaskSucceeded, TaskFailed, TaskCancelled}

// Task is a task of an execution, in a form for which the same holds.
type Task struct {
	Conditions []Condition  `json:"conditions"`
	Metadata   TaskMetadata `json:"metadata"`
	Spec       struct {
		MaxRetries int    `json:"maxRetries"`
		Timeout    string `json:"timeout"`
	} `json:"spec"`
	Status    string `json:"status"`
	Execution string `json:"execution"` // the id of the run that it is
}

// TaskMetadata is what a task is called, and when it was what.
type TaskMetadata struct {
	Name        string     `json:"name"`
	CreatedAt   time.Time  `json:"createdAt"`
	ScheduledAt time.Time  `json:"scheduledAt"`
	StartedAt   *time.Time `json:"startedAt,omitempty"`
	CompletedAt *time.Time `json:"completedAt,omitempty"`
	UpdatedAt   time.Time  `json:"updatedAt"`
}

// Condition is a step in the story of a task.
type Condition struct {
	Type            string `json:"type"`
	State           string `json:"state"`
	Severity        string `json:"severity"`
	Reason          string `json:"reason"`
	ExecutionReason string `json:"executionReason,omitempty"`
	Message         string `json:"message"`
}

const taskPrefix = "task-"

// TaskName is what the task with an index is called.
func TaskName(index int) string { return taskPrefix + strconv.Itoa(index) }

// TaskIndex is the index in the name of a task, or one that is given as a number.
func TaskIndex(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(text, taskPrefix))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a task", text)
	}
	return n, nil
}

// Index is the task's place among those of its execution, from 0.
func (t Task) Index() int {
	n, _ := TaskIndex(t.Metadata.Name)
	return n
}

// Attempts is how many attempts the task has had, the present one included.
func (t Task) Attempts() int {
	n := 0
	for _, c := range t.Conditions {
		switch {
		case c.Type == "Retried":
			n++
		case c.Type == "Started" && t.Status != TaskReconciling:
			n++ // the latest, which none has followed
		}
	}
	return n
}

// Failure is the last word about a task that did not succeed: a code, and why.
// Both are empty of others.
func (t Task) Failure() (code, message string) {
	if t.Status != TaskFailed && t.Status != TaskCancelled || len(t.Conditions) == 0 {
		return "", ""
	}
	last := t.Conditions[len(t.Conditions)-1]
	return last.ExecutionReason, last.Message
}

// Duration is how long the latest attempt took, 0 if it is not done.
func (t Task) Duration() time.Duration {
	if t.Metadata.StartedAt == nil || t.Metadata.CompletedAt == nil {
		return 0
	}
	return t.Metadata.CompletedAt.Sub(*t.Metadata.StartedAt)
}

// TaskResult is how a task ended.
type TaskResult struct {
	Index         int             `json:"index"`
	Status        string          `json:"status"`
	Output        json.RawMessage `json:"output,omitempty"`
	OutputOmitted bool            `json:"output_omitted,omitempty"`
	Error         *Failure        `json:"error,omitempty"`
}
