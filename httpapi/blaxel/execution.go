package blaxel

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// renderedTasks bounds the tasks that are part of a job execution.
	renderedTasks = 200
	// cluster is the cluster of every execution: there is one server.
	cluster = "local"
)

type (
	// executionResponse is a job execution in an answer.
	executionResponse = wire.JobExecution[string]
	// taskResponse is a task in an answer.
	taskResponse = wire.Task[string]
)

// RenderExecution renders a job execution for a callback: the JSON of
// GET /v0/jobs/JOB/executions/ID with up to 200 of its tasks, and the results of up to 1000.
func RenderExecution(x runtime.JobExecution, tasks []runtime.Execution) []byte {
	response := renderExecution(&x)
	addTasks(&response, renderTasks(&x, tasks))
	addResults(&response, tasks)
	text, err := web.EncodeJSON(response)
	if err != nil { // results are JSON, which the engine has checked: cannot happen
		text, _ = web.EncodeJSON(renderExecution(&x))
	}
	return text
}

// renderExecution renders a job execution without its tasks.
func renderExecution(x *runtime.JobExecution) executionResponse {
	return executionResponse{
		Metadata: wire.JobExecutionMetadata[string]{
			ID:          x.Name,
			Job:         x.Job,
			Workspace:   string(x.Tenant),
			Cluster:     cluster,
			CreatedAt:   formatTime(x.Created),
			StartedAt:   optionalTime(x.Started),
			CompletedAt: optionalTime(x.Finished),
			UpdatedAt:   formatTime(x.Updated),
			UUID:        x.ID,
			RID:         runtime.JobRID(x.JobID),
			Revision:    strconv.FormatUint(x.Revision, 10),
			Trigger:     x.Trigger,
			TraceID:     x.TraceID,
		},
		Spec: wire.JobExecutionSpec{
			EnvOverride:    maskedEnv(x.EnvOverride),
			MemoryOverride: renderMegabytes(x.MemoryOverride),
			Parallelism:    parallelism(x),
			Timeout:        x.Timeout.Seconds(),
		},
		Stats: wire.JobStats{
			Cancelled: x.Stats.Cancelled,
			Failure:   x.Stats.Failed,
			Retried:   x.Stats.Retried,
			Running:   x.Stats.Running,
			Success:   x.Stats.Succeeded,
			Total:     x.Stats.Total,
		},
		Status: wire.JobStatus(x.State),
	}
}

// addTasks adds the first tasks: their current state, and their spec in the request.
func addTasks(response *executionResponse, tasks []taskResponse) {
	for _, task := range tasks {
		spec := wire.TaskSpec{Spec: task.Spec}
		spec.Metadata.Name = task.Metadata.Name
		response.Tasks = append(response.Tasks, task)
		response.Spec.Tasks = append(response.Spec.Tasks, spec)
	}
}

// renderTasks renders the first of the tasks of x.
func renderTasks(x *runtime.JobExecution, tasks []runtime.Execution) []taskResponse {
	return renderItems(tasks[:min(len(tasks), renderedTasks)], func(task *runtime.Execution) taskResponse { return renderTask(x, task) })
}

// addResults adds the results of tasks, with at most [runtime.MaxJobResultBytes] of outputs and
// tracebacks.
func addResults(response *executionResponse, tasks []runtime.Execution) {
	left := runtime.MaxJobResultBytes
	for i := range tasks[:min(len(tasks), runtime.MaxJobResults)] {
		x := &tasks[i]
		r := wire.TaskResult{Status: taskStatus(x)}
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
			r.Error = web.RenderFailure(x.Failure)
			if size := len(r.Error.Message) + len(r.Error.ServerTraceback); size > left {
				r.Error.ServerTraceback = ""
			} else {
				left -= size
			}
		}
		response.Results = append(response.Results, r)
	}
}

// parallelism returns how many tasks of x may run at once.
func parallelism(x *runtime.JobExecution) int {
	if x.Parallelism == 0 {
		return x.Stats.Total
	}
	return min(x.Parallelism, x.Stats.Total)
}

// maskedEnv returns a JSON object with the names of variables and masked values, empty if there
// are none.
func maskedEnv(env map[string]string) string {
	if len(env) == 0 {
		return ""
	}
	text := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(env)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(web.AppendString(text, []byte(name)), `:"`+runtime.Masked+`"`...)
	}
	return string(append(text, '}'))
}

// renderTask renders a task of x.
func renderTask(x *runtime.JobExecution, task *runtime.Execution) taskResponse {
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
	name := ""
	if task.Task != nil {
		name = wire.TaskName(task.Task.Index)
	}
	return taskResponse{
		Conditions: renderConditions(task),
		Metadata: wire.TaskMetadata[string]{
			Name:        name,
			CreatedAt:   formatTime(task.Created),
			ScheduledAt: formatTime(scheduled),
			StartedAt:   optionalTime(task.Started),
			CompletedAt: optionalTime(task.Finished),
			UpdatedAt:   formatTime(updated),
		},
		Spec:      wire.TaskBounds{MaxRetries: task.Retries, Timeout: formatDuration(x.Timeout)},
		Status:    taskStatus(task),
		Execution: task.ID,
	}
}

// taskStatus returns the status of a task.
func taskStatus(x *runtime.Execution) string {
	switch x.State {
	case runtime.StateSucceeded:
		return wire.TaskSucceeded
	case runtime.StateFailed, runtime.StateTimeout:
		return wire.TaskFailed
	case runtime.StateCancelled:
		return wire.TaskCancelled
	case runtime.StateRunning, runtime.StateCancelling:
		return wire.TaskRunning
	}
	if x.Attempt > 0 {
		return wire.TaskReconciling
	}
	return wire.TaskPending
}

// formatDuration formats whole minutes as "30m", and anything else as "90s" or "0.5s".
func formatDuration(d time.Duration) string {
	if d > 0 && d%time.Minute == 0 {
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
