package client

import (
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// The JSON forms of jobs are those of the API, and with --json also the output of the command line:
// names and meanings of their fields never change.
type (
	// Job is a job.
	Job = wire.Job[time.Time]
	// Trigger starts executions of a job.
	Trigger = wire.Trigger
	// JobRevision is one revision of a job.
	JobRevision = wire.JobRevision[time.Time]
	// JobStatus is the state of a job execution.
	JobStatus = wire.JobStatus
	// JobExecution is one execution of a job.
	JobExecution = wire.JobExecution[time.Time]
	// JobStats counts the tasks of a job execution.
	JobStats = wire.JobStats
	// JobRun is a request for an execution of a job.
	JobRun = wire.StartJobRequest
	// Task is one task of a job execution.
	Task = wire.Task[time.Time]
	// Condition is one step in the history of a task.
	Condition = wire.Condition
)

// Types of triggers.
const (
	TriggerHTTP      = wire.TriggerHTTP
	TriggerHTTPAsync = wire.TriggerHTTPAsync
	TriggerCron      = wire.TriggerCron
)

// Statuses of job executions. Those from JobCancelled on are final.
const (
	JobQueued     = wire.JobQueued
	JobPending    = wire.JobPending
	JobRunning    = wire.JobRunning
	JobCancelling = wire.JobCancelling
	JobCancelled  = wire.JobCancelled
	JobFailed     = wire.JobFailed
	JobSucceeded  = wire.JobSucceeded
	JobTimeout    = wire.JobTimeout
)

// Statuses of tasks.
const (
	TaskPending     = wire.TaskPending
	TaskReconciling = wire.TaskReconciling
	TaskRunning     = wire.TaskRunning
	TaskSucceeded   = wire.TaskSucceeded
	TaskFailed      = wire.TaskFailed
	TaskCancelled   = wire.TaskCancelled
)

// TaskStatuses are the statuses of tasks.
var TaskStatuses = []string{TaskPending, TaskReconciling, TaskRunning, TaskSucceeded, TaskFailed, TaskCancelled}

// TaskName returns the name of the task with an index.
func TaskName(index int) string { return wire.TaskName(index) }

// TaskIndex parses the name of a task, or its index as a decimal number.
func TaskIndex(text string) (int, error) { return wire.TaskIndex(text) }
