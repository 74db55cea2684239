package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxToldTasks bounds the tasks that an execution of a job is told with.
	maxToldTasks = 200
	// toldCluster is where every execution is: there is one server.
	toldCluster = "local"
)

// toldJobExecution is an execution of a job as it is told. Lists leave out tasks.
type toldJobExecution struct {
	Metadata toldJobExecutionMetadata `json:"metadata"`
	Spec     toldJobExecutionSpec     `json:"spec"`
	Stats    toldJobStats             `json:"stats"`
	Status   runtime.State            `json:"status"`
	Tasks    []toldTask               `json:"tasks,omitempty"`
	// Results are of its tasks, for who waited for them.
	Results []toldResult `json:"results,omitempty"`
}

type toldJobExecutionMetadata struct {
	ID          string         `json:"id"`
	Job         string         `json:"job"`
	Workspace   runtime.Tenant `json:"workspace"`
	Cluster     string         `json:"cluster"`
	CreatedAt   string         `json:"createdAt"`
	StartedAt   string         `json:"startedAt,omitempty"`
	CompletedAt string         `json:"completedAt,omitempty"`
	UpdatedAt   string         `json:"updatedAt"`
	// Of ours: what finds it when another one has its name, and what it belongs to.
	UUID     string `json:"uuid"`
	RID      string `json:"rid"`
	Revision string `json:"revision"`
	Trigger  string `json:"trigger,omitempty"`
	TraceID  string `json:"traceId"`
}

type toldJobExecutionSpec struct {
	EnvOverride    string         `json:"envOverride,omitempty"`    // a JSON object as a text, its values masked
	MemoryOverride float64        `json:"memoryOverride,omitempty"` // MB
	Parallelism    int            `json:"parallelism"`
	Tasks          []toldTaskSpec `json:"tasks,omitempty"` // as they were asked for
	Timeout        float64        `json:"timeout"`         // seconds that a task may take
}

type toldJobStats struct {
	Cancelled int `json:"cancelled"`
	Failure   int `json:"failure"`
	Retried   int `json:"retried"`
	Running   int `json:"running"`
	Success   int `json:"success"`
	Total     int `json:"total"`
}

// taskStatus is what a task's state is called.
type taskStatus string

const (
	taskPending     taskStatus = "pending"
	taskReconciling taskStatus = "reconciling" // it waits for another attempt
	taskRunning     taskStatus = "running"
	taskSucceeded   taskStatus = "succeeded"
	taskFailed      taskStatus = "failed"
	taskCancelled   taskStatus = "cancelled"
)

// statusOfTask tells how a task stands.
func statusOfTask(x *runtime.Execution) taskStatus {
	switch x.State {
	case runtime.StateSucceeded:
		return taskSucceeded
	case runtime.StateFailed, runtime.StateTimeout:
		return taskFailed
	case runtime.StateCancelled:
		return taskCancelled
	case runtime.StateRunning, runtime.StateCancelling:
		return taskRunning
	}
	if x.Attempt > 0 {
		return taskReconciling
	}
	return taskPending
}

// toldTask is a task as it is told. Execution is ours: the id under which
// /v1/executions/ has its output and its logs.
type toldTask struct {
	Conditions []toldCondition  `json:"conditions"`
	Metadata   toldTaskMetadata `json:"metadata"`
	Spec       toldTaskBounds   `json:"spec"`
	Status     taskStatus       `json:"status"`
	Execution  string           `json:"execution"`
}

type toldTaskMetadata struct {
	Name        string `json:"name"`
	CreatedAt   string `json:"createdAt"`
	ScheduledAt string `json:"scheduledAt"`
	StartedAt   string `json:"startedAt,omitempty"`
	CompletedAt string `json:"completedAt,omitempty"`
	UpdatedAt   string `json:"updatedAt"`
}

type toldTaskBounds struct {
	MaxRetries int    `json:"maxRetries"`
	Timeout    string `json:"timeout"` // such as "30m" or "90s"
}

type toldTaskSpec struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec toldTaskBounds `json:"spec"`
}

func tellJobExecution(x *runtime.JobExecution) toldJobExecution {
	return toldJobExecution{
		Metadata: toldJobExecutionMetadata{
			ID:          x.Name,
			Job:         x.Job,
			Workspace:   x.Tenant,
			Cluster:     toldCluster,
			CreatedAt:   jobTime(x.Created),
			StartedAt:   jobTime(x.Started),
			CompletedAt: jobTime(x.Finished),
			UpdatedAt:   jobTime(x.Updated),
			UUID:        x.ID,
			RID:         runtime.JobRID(x.JobID),
			Revision:    strconv.FormatUint(x.Revision, 10),
			Trigger:     x.Trigger,
			TraceID:     x.TraceID,
		},
		Spec: toldJobExecutionSpec{
			EnvOverride:    maskedEnv(x.EnvOverride),
			MemoryOverride: toldMegabytes(x.MemoryOverride),
			Parallelism:    parallelism(x),
			Timeout:        x.Timeout.Seconds(),
		},
		Stats: toldJobStats{
			Cancelled: x.Stats.Cancelled,
			Failure:   x.Stats.Failed,
			Retried:   x.Stats.Retried,
			Running:   x.Stats.Running,
			Success:   x.Stats.Succeeded,
			Total:     x.Stats.Total,
		},
		Status: x.State,
	}
}

// withTasks adds tasks, and what was asked for them.
func (t toldJobExecution) withTasks(x *runtime.JobExecution, tasks []runtime.Execution) toldJobExecution {
	for i := range tasks[:min(len(tasks), maxToldTasks)] {
		task := tellTask(x, &tasks[i])
		spec := toldTaskSpec{Spec: task.Spec}
		spec.Metadata.Name = task.Metadata.Name
		t.Tasks = append(t.Tasks, task)
		t.Spec.Tasks = append(t.Spec.Tasks, spec)
	}
	return t
}

// parallelism is how many tasks may run at once.
func parallelism(x *runtime.JobExecution) int {
	if x.Parallelism == 0 {
		return x.Stats.Total
	}
	return min(x.Parallelism, x.Stats.Total)
}

// maskedEnv is a JSON object with the names of variables, as a text; nothing if
// there are none.
func maskedEnv(env map[string]string) string {
	if len(env) == 0 {
		return ""
	}
	text := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(env)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendJSONString(text, []byte(name)), `:"`+runtime.Masked+`"`...)
	}
	return string(append(text, '}'))
}

// tellTask tells of a task of x.
func tellTask(x *runtime.JobExecution, task *runtime.Execution) toldTask {
	scheduled := task.Created
	if task.NotBefore.After(scheduled) {
		scheduled = task.NotBefore
	}
	updated := task.Created
	for _, t := range []time.Time{task.Started, task.Finished} {
		if t.After(updated) {
			updated = t
		}
	}
	return toldTask{
		Conditions: tellConditions(task),
		Metadata: toldTaskMetadata{
			Name:        taskName(task),
			CreatedAt:   jobTime(task.Created),
			ScheduledAt: jobTime(scheduled),
			StartedAt:   jobTime(task.Started),
			CompletedAt: jobTime(task.Finished),
			UpdatedAt:   jobTime(updated),
		},
		Spec:      toldTaskBounds{MaxRetries: task.Retries, Timeout: durationText(x.Timeout)},
		Status:    statusOfTask(task),
		Execution: task.ID,
	}
}

func taskName(task *runtime.Execution) string {
	if task.Task == nil {
		return ""
	}
	return "task-" + strconv.Itoa(task.Task.Index)
}

// durationText writes whole minutes as "30m", anything else as "90s" or "0.5s".
func durationText(d time.Duration) string {
	if d > 0 && d%time.Minute == 0 {
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// toldResult is how a task ended.
type toldResult struct {
	Index         int             `json:"index"`
	Status        taskStatus      `json:"status"`
	Output        json.RawMessage `json:"output,omitempty"`
	OutputOmitted bool            `json:"output_omitted,omitempty"` // get the execution of the task
	Error         *errorBody      `json:"error,omitempty"`
}

// withResults adds the results of tasks: their outputs and tracebacks have no more
// than [runtime.MaxJobResultBytes].
func (t toldJobExecution) withResults(tasks []runtime.Execution) toldJobExecution {
	left := runtime.MaxJobResultBytes
	for i := range tasks[:min(len(tasks), runtime.MaxJobResults)] {
		x := &tasks[i]
		r := toldResult{Status: statusOfTask(x)}
		if x.Task != nil {
			r.Index = x.Task.Index
		}
		switch {
		case x.State == runtime.StateSucceeded && len(x.Result) > 0 && len(x.Result) <= left:
			r.Output = x.Result
			left -= len(x.Result)
		case x.State == runtime.StateSucceeded && x.ResultSize > 0:
			r.OutputOmitted = true
		case x.Failure != nil:
			r.Error = tellFailure(x.Failure)
			if size := len(r.Error.Message) + len(r.Error.ServerTraceback); size > left {
				r.Error.ServerTraceback = ""
			} else {
				left -= size
			}
		}
		t.Results = append(t.Results, r)
	}
	return t
}

// TellJobExecution is the JSON with which the end of an execution of a job is
// told elsewhere: the execution as GET /v0/jobs/JOB/executions/ID tells it, with
// up to 200 of its tasks, and results of up to 1000 of them.
func TellJobExecution(x runtime.JobExecution, tasks []runtime.Execution) []byte {
	text, err := encodeJSON(tellJobExecution(&x).withTasks(&x, tasks).withResults(tasks))
	if err != nil { // results are JSON, checked when they came: cannot happen
		text, _ = encodeJSON(tellJobExecution(&x))
	}
	return text
}
