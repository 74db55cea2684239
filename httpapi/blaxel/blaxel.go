package blaxel

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Engine is what this dialect needs of the engine. All methods may be called concurrently.
type Engine interface {
	// GetFunction returns the function with a name.
	GetFunction(ctx context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error)
	// CreateJob stores a new job. The engine sets ID, Revision, Created and Updated of j, and
	// the ids and secrets of triggers that have none.
	CreateJob(ctx context.Context, j runtime.Job) (runtime.Job, error)
	// UpdateJob replaces the names, labels and spec of the job with j's name. Another spec
	// is a new revision. CreatedBy and Created stay, and so do secrets that are
	// [runtime.Masked].
	UpdateJob(ctx context.Context, j runtime.Job) (runtime.Job, error)
	// RollbackJob makes the spec of a stored revision the current one, as a new revision.
	RollbackJob(ctx context.Context, tenant runtime.Tenant, name string, revision uint64, userID string) (runtime.Job, error)
	// DeleteJob removes a job and cancels its unfinished executions. Executions expire as
	// elsewhere.
	DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error)
	GetJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error)
	ListJobs(ctx context.Context, tenant runtime.Tenant, l runtime.PageRequest) (runtime.Page[runtime.Job], error)
	// ListJobRevisions lists the stored revisions, newest first.
	ListJobRevisions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.JobRevision, error)

	StartJob(ctx context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error)
	// TriggerJob starts an execution by the HTTP trigger with the path.
	TriggerJob(ctx context.Context, r runtime.JobStartRequest, path string) (runtime.JobAcceptance, runtime.Trigger, error)
	// GetJobExecution finds an execution by its Name within the job, or by its ID.
	GetJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error)
	ListJobExecutions(ctx context.Context, tenant runtime.Tenant, job string, l runtime.PageRequest) (runtime.Page[runtime.JobExecution], error)
	// ListTasks lists the tasks that have not expired. They are named "task-0" and so on.
	ListTasks(ctx context.Context, tenant runtime.Tenant, job, execution string, l runtime.PageRequest) (runtime.Page[runtime.Execution], error)
	// TaskStates returns the state of each task, in order.
	TaskStates(ctx context.Context, tenant runtime.Tenant, job, execution string) ([]runtime.TaskState, error)
	// RerunJob repeats tasks of an execution as a new one.
	RerunJob(ctx context.Context, r runtime.RerunJobRequest) (runtime.JobAcceptance, error)
	// FirstTasks returns the tasks of x with an index below n that have not expired.
	FirstTasks(ctx context.Context, x *runtime.JobExecution, n int) ([]runtime.Execution, error)
	// GetTaskResults returns the tasks whose results are reported with an execution.
	GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error)
	// CancelJobExecution lets running tasks end and starts no others. changed is false if the
	// execution was done or cancelled before.
	CancelJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, changed bool, err error)
	// AwaitJobExecution waits until the execution is done. If ctx ends before, it returns the
	// execution in its current state and no error.
	AwaitJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error)
}

// api holds what the handlers of this dialect use.
type api struct {
	*web.Host
	engine func() Engine // not called before there is an engine
}

const (
	headerWorkspace = "X-Blaxel-Workspace"
	headerVersion   = "Blaxel-Version"

	jobsPath = "/v0/jobs/"

	// keyVersion is the user value of a request with the version of the API that it names.
	keyVersion = "version"
	// pagedSince is the first version of the vendor's API whose lists are objects with cursors.
	pagedSince = "2026-04-28"
	// envObjectSince is the first version whose clients read the environment of a job execution
	// as an object. It is a JSON text before.
	envObjectSince = "2026-09-22"

	// maxJobBody leaves room for the tasks of triggers, for an environment with every byte
	// written as \uXXXX, and for the other members.
	maxJobBody = runtime.MaxTriggerTasks + 6*runtime.MaxEnv + 512*runtime.KiB
)

// What the bodies of requests must be, for errors.
const (
	jobIs    = `a JSON object, such as {"metadata": {"name": "nightly"}, "spec": {"function": "hello"}}`
	tasksAre = `a JSON object, such as {"tasks": [{"n": 1}, {"n": 2}]}`
)

// New returns the dialect. engine is called for each request of a route that is not open.
func New(host *web.Host, engine func() Engine) web.Dialect {
	a := &api{host, engine}
	routes := []web.Route{
		{Method: "GET", Path: "/v0/jobs", Handle: a.listJobs, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "POST", Path: "/v0/jobs", Handle: a.createJob, Scope: runtime.ScopeDeploy, Writes: true, Change: "job.create", MaxBody: maxJobBody, Body: jobIs},
		{Method: "GET", Path: "/v0/jobs/{jobId}", Handle: a.getJob, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "PUT", Path: "/v0/jobs/{jobId}", Handle: a.updateJob, Scope: runtime.ScopeDeploy, Writes: true, Change: "job.update", MaxBody: maxJobBody, Body: jobIs},
		{Method: "DELETE", Path: "/v0/jobs/{jobId}", Handle: a.deleteJob, Scope: runtime.ScopeDeploy, Writes: true, Change: "job.delete", MaxBody: web.NoBody},
		{Method: "GET", Path: "/v0/jobs/{jobId}/revisions", Handle: a.listRevisions, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "GET", Path: "/v0/jobs/{jobId}/executions", Handle: a.listExecutions, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "POST", Path: "/v0/jobs/{jobId}/executions", Handle: a.startExecution, Scope: runtime.ScopeInvoke, Writes: true, Runs: true, MaxBody: web.MaxBulkBody, Body: tasksAre},
		{Method: "GET", Path: "/v0/jobs/{jobId}/executions/{executionId}", Handle: a.getExecution, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "DELETE", Path: "/v0/jobs/{jobId}/executions/{executionId}", Handle: a.cancelExecution, Scope: runtime.ScopeInvoke, Writes: true, Change: "job_execution.cancel", MaxBody: web.NoBody},
		{Method: "GET", Path: "/v0/jobs/{jobId}/executions/{executionId}/tasks", Handle: a.listTasks, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "GET", Path: "/v0/jobs/{jobId}/executions/{executionId}/taskmap", Handle: a.getTaskMap, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "POST", Path: "/v0/jobs/{jobId}/executions/{executionId}/rerun", Handle: a.rerunExecution, Scope: runtime.ScopeInvoke, Writes: true, Runs: true, MaxBody: 4 * runtime.KiB, Body: rerunIs},
		{Method: "POST", Path: web.RunURL, Handle: a.startExecution, Scope: runtime.ScopeInvoke, Writes: true, Runs: true, MaxBody: web.MaxBulkBody, Body: tasksAre},
		{Method: "POST", Path: "/v0/jobs/{jobId}/triggers/{path:*}", Handle: a.trigger, Scope: runtime.ScopeInvoke, Writes: true, Runs: true, MaxBody: web.MaxBulkBody, Body: tasksAre},
	}
	for i := range routes {
		routes[i].Handle = checked(routes[i].Handle)
	}
	return web.Dialect{Name: "blaxel", Prefix: "/v0", Owns: isRunURL, Routes: routes, WriteError: writeError, LargeBody: tasksBody}
}

// tasksBody returns the size of the largest body for a path if it may have tasks, else 0. The path may
// be a URL with a host.
func tasksBody(path []byte) (size int, spools bool) {
	_, rest, found := bytes.Cut(path, []byte("/jobs/"))
	_, below, _ := bytes.Cut(rest, []byte("/"))
	if found && (string(below) == "executions" || bytes.HasPrefix(below, []byte("triggers/"))) {
		return web.MaxBulkBody, false
	}
	return 0, false
}

// isRunURL reports whether a path, without a slash at the end, is a run URL: /WORKSPACE/jobs/JOB
// and below.
func isRunURL(path string) bool {
	_, below, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return strings.HasPrefix(below, "jobs/")
}

// checked returns a handler that checks the workspace and the version of the API that any
// request of this dialect may name. Run URLs have the workspace in the path.
func checked(handle web.Handler) web.Handler {
	return func(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
		h := &ctx.Request.Header
		for _, name := range []string{string(h.Peek(headerWorkspace)), string(ctx.QueryArgs().Peek("workspace")), pathText(ctx, "workspace")} {
			if err := checkWorkspace(tenant, name); err != nil {
				return err
			}
		}
		if version := h.Peek(headerVersion); version != nil {
			// Dates in this layout sort as texts.
			if _, err := time.Parse(time.DateOnly, string(version)); err != nil {
				return runtime.Errorf(runtime.CodeInvalidArgument, "the header %s is not a date", headerVersion).
					WithHint("write it like " + pagedSince + ", or leave it out")
			}
			ctx.SetUserValue(keyVersion, string(version))
		}
		return handle(ctx, tenant)
	}
}

// checkWorkspace refuses a workspace other than the tenant's own. The error does not depend on
// whether the workspace exists.
func checkWorkspace(tenant runtime.Tenant, name string) error {
	if name == "" || name == string(tenant) {
		return nil
	}
	return runtime.Errorf(runtime.CodeNotFound, "there is no workspace %.100q", name).
		WithHint("leave it out: the token determines the workspace")
}

// apiVersion returns the version of the API that a request names, a date; empty if it names none.
func apiVersion(ctx *fasthttp.RequestCtx) string {
	version, _ := ctx.UserValue(keyVersion).(string)
	return version
}

// isPaged reports whether the lists of a request are objects with cursors.
func isPaged(ctx *fasthttp.RequestCtx) bool { return apiVersion(ctx) >= pagedSince }

// writeError answers with an error in the form of this dialect.
func writeError(ctx *fasthttp.RequestCtx, status int, e web.ErrorReport) {
	text, err := web.EncodeJSON(wire.BlaxelError{
		Error: e.Code, Code: status, Message: e.Message, Hint: e.Hint, Line: e.Line, ErrorID: e.ErrorID, Errors: e.Errors,
	})
	if err != nil { // strings and numbers: cannot happen
		text = []byte(`{"error":"internal","code":500,"message":"something went wrong inside the server"}`)
	}
	web.WriteJSON(ctx, status, text)
}

// pathText returns a parameter of the path, decoded if its percent-encoding is valid. No job,
// execution or trigger has a name with a percent sign.
func pathText(ctx *fasthttp.RequestCtx, name string) string {
	text, _ := web.PathParam(ctx, name)
	return text
}

// jobName returns the job name in the path.
func jobName(ctx *fasthttp.RequestCtx) (string, error) {
	name := pathText(ctx, "jobId")
	return name, runtime.ValidateJobName(name)
}

// intParam is [web.IntParam] with an empty value counted as absent.
func intParam(query *fasthttp.Args, name string, fallback, low, high int) (int, error) {
	if len(query.Peek(name)) == 0 {
		return fallback, nil
	}
	return web.IntParam(query, name, fallback, low, high)
}
