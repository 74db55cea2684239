package blaxel

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// renderedTasks bounds the tasks that are part of a job execution, and listedTasks those of
	// each job execution in a list.
	renderedTasks = 200
	listedTasks   = 20
	// listedMessage is the size in bytes of the longest message of a failure in a list.
	listedMessage = 1 * runtime.KiB
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
	addTasks(&response, renderTasks(x.Timeout, tasks[:min(len(tasks), renderedTasks)]))
	text, _ := encodeWithResults(&response, tasks) // texts and numbers: there is no error
	return text
}

// renderExecution renders a job execution without its tasks.
func renderExecution(x *runtime.JobExecution) executionResponse {
	response := executionResponse{
		Metadata: wire.JobExecutionMetadata[string]{
			ID:          x.Name,
			Job:         x.Job,
			Workspace:   string(x.Tenant),
			Cluster:     cluster,
			CreatedAt:   formatTime(x.Created),
			StartedAt:   optionalTime(x.Started),
			CompletedAt: optionalTime(x.Finished),
			UpdatedAt:   formatTime(x.Updated),
			ExpiredAt:   optionalTime(x.Expires),
			UUID:        x.ID,
			RID:         runtime.JobRID(x.JobID),
			Revision:    strconv.FormatUint(x.Revision, 10),
			Trigger:     x.Trigger,
			TraceID:     x.TraceID,
		},
		Spec: wire.JobExecutionSpec[string]{
			MemoryOverride: roundUp(x.MemoryOverride, runtime.MiB),
			Parallelism:    parallelism(x),
			TaskCount:      x.Stats.Total,
			Tasks:          []wire.TaskSpec[string]{},
			Timeout:        roundUp(int64(x.Timeout), int64(time.Second)),
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
		Tasks:  []taskResponse{},
	}
	if len(x.EnvOverride) > 0 {
		response.Spec.EnvOverride = maskedEnv(x.EnvOverride)
	}
	if x.CancelRequested {
		response.Metadata.DeletedAt = response.Metadata.CompletedAt
	}
	if x.State == runtime.StateTimeout {
		response.StatusReason = wire.JobTimeout
	}
	return response
}

// conform adapts a job execution to the client that sent a request.
func conform(ctx *fasthttp.RequestCtx, response *executionResponse) {
	if text, ok := response.Spec.EnvOverride.(string); ok && apiVersion(ctx) >= envObjectSince {
		response.Spec.EnvOverride = json.RawMessage(text)
	}
	// All versions of the vendor's SDKs wait for succeeded, failed or cancelled alone, and would
	// poll an execution that is timeout until their patience ends.
	if response.Status == wire.JobTimeout && bytes.HasPrefix(ctx.Request.Header.UserAgent(), vendorSDK) {
		response.Status = wire.JobFailed
	}
}

// vendorSDK begins the User-Agent of the vendor's SDKs for TypeScript and Python.
var vendorSDK = []byte("blaxel/sdk/")

// roundUp returns n in whole units, rounded up.
func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit }

// addTasks adds the first tasks: their current state, and what was requested of them.
func addTasks(response *executionResponse, tasks []taskResponse) {
	for _, task := range tasks {
		response.Tasks = append(response.Tasks, task)
		response.Spec.Tasks = append(response.Spec.Tasks, wire.TaskSpec[string]{
			Conditions: []wire.Condition{}, Metadata: task.Metadata, Spec: task.Spec, Status: wire.TaskUnspecified,
		})
	}
}

// renderTasks renders tasks of an execution whose tasks have the timeout.
func renderTasks(timeout time.Duration, tasks []runtime.Execution) []taskResponse {
	return renderItems(tasks, func(task *runtime.Execution) taskResponse { return renderTask(timeout, task) })
}

// parallelism returns how many tasks of x may run at once.
func parallelism(x *runtime.JobExecution) int {
	if x.Parallelism == 0 {
		return x.Stats.Total
	}
	return min(x.Parallelism, x.Stats.Total)
}

// maskedEnv returns a JSON object with the names of variables and masked values.
func maskedEnv(env map[string]string) string {
	text := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(env)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(web.AppendString(text, []byte(name)), `:"`+runtime.Masked+`"`...)
	}
	return string(append(text, '}'))
}

// renderTask renders a task of an execution whose tasks have the timeout.
func renderTask(timeout time.Duration, task *runtime.Execution) taskResponse {
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
		Spec:      wire.TaskBounds{MaxRetries: task.Retries, Timeout: formatDuration(timeout)},
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
	case runtime.StateQueued:
		if x.Attempt > 0 {
			return wire.TaskReconciling
		}
		return wire.TaskPending
	}
	return wire.TaskUnspecified
}

// formatDuration formats whole minutes as "30m", and anything else as "90s" or "0.5s".
func formatDuration(d time.Duration) string {
	if d > 0 && d%time.Minute == 0 {
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
