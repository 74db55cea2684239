package httpapi

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultJobExecutions = 20
	maxJobExecutions     = 100
	defaultTasks         = 50
	maxTasks             = 200
)

// createdExecution is the answer to a request that started an execution of a job.
type createdExecution struct {
	ExecutionID string            `json:"executionId"`
	ID          string            `json:"id"`
	JobID       string            `json:"jobId"`
	Tasks       []json.RawMessage `json:"tasks"`
	WorkspaceID runtime.Tenant    `json:"workspaceId"`
}

func (s *Server) createJobExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(ctx)
	if err != nil {
		return err
	}
	body, err := parseJobRun(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.job != "" && body.job != name {
		return runtime.Errorf(runtime.CodeInvalidArgument, "jobId is not the name in the path").WithHint("leave it out")
	}
	if err := checkWorkspace(tenant, body.workspace); err != nil {
		return err
	}
	if body.id != "" && key != "" && body.id != key {
		return runtime.Errorf(runtime.CodeInvalidArgument, "id and the header %s are two", headerIdempotencyKey).WithHint("send one of them")
	}
	if key == "" {
		key = body.id
	}
	r := body.JobStartRequest
	r.Tenant, r.Job, r.IdempotencyKey = tenant, name, key
	r.Caller = callerOf(ctx)
	accepted, err := s.engine().StartJob(s.runs, r)
	if err != nil {
		return err
	}
	if !accepted.Replayed {
		tellTrace(ctx, accepted.Execution.TraceID)
	}
	return writeCreated(ctx, &accepted, r.Tasks, key)
}

// writeCreated answers with an execution that was accepted. What calls itself
// nothing is called by the execution's id.
func writeCreated(ctx *fasthttp.RequestCtx, a *runtime.JobAcceptance, tasks []json.RawMessage, key string) error {
	tellReplay(ctx, a.Replayed)
	if key == "" {
		key = a.Execution.ID
	}
	return writeValue(ctx, createdExecution{a.Execution.Name, key, a.Execution.Job, tasks, a.Execution.Tenant})
}

// listJobExecutions answers a page of the executions of a job.
func (s *Server) listJobExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	query := ctx.QueryArgs()
	limit, err := numberIn(query, "limit", defaultJobExecutions, 1, maxJobExecutions)
	if err != nil {
		return err
	}
	if !isPaged(ctx) {
		offset, err := numberIn(query, "offset", 0, 0, manyJobs)
		if err != nil {
			return err
		}
		page, err := s.engine().ListJobExecutions(s.runs, tenant, name, runtime.PageRequest{Limit: limit, Offset: offset})
		if err != nil {
			return err
		}
		return writeValue(ctx, tellPage(nil, runtime.Page[runtime.JobExecution]{Items: page.Items}, tellJobExecution).Data)
	}
	j, err := s.engine().GetJob(s.runs, tenant, name)
	if err != nil {
		return err
	}
	list := jobList{tenant: tenant, of: "executions", job: j.ID}
	if err := list.order(query, runtime.SortCreatedDesc); err != nil {
		return err
	}
	asked, err := list.listing(query, limit)
	if err != nil {
		return err
	}
	page, err := s.engine().ListJobExecutions(s.runs, tenant, name, asked)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellPage(&list, page, tellJobExecution))
}

// getJobExecution answers an execution with the first of its tasks, if asked to
// once it is done.
func (s *Server) getJobExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	limit, err := waitFor(ctx.QueryArgs())
	if err != nil {
		return err
	}
	id := pathText(ctx, "executionId")
	var x runtime.JobExecution
	if limit <= 0 {
		x, err = s.engine().GetJobExecution(s.runs, tenant, name, id)
	} else {
		waiting, leave, full := s.wait(limit)
		if full != nil {
			return full
		}
		defer leave()
		x, err = s.engine().AwaitJobExecution(waiting, tenant, name, id)
	}
	if err != nil {
		return err
	}
	return s.writeJobExecution(ctx, &x)
}

// cancelJobExecution cancels an execution and answers how it stands then.
func (s *Server) cancelJobExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	x, _, err := s.engine().CancelJobExecution(s.runs, tenant, name, pathText(ctx, "executionId"))
	if err != nil {
		return err
	}
	return s.writeJobExecution(ctx, &x)
}

func (s *Server) writeJobExecution(ctx *fasthttp.RequestCtx, x *runtime.JobExecution) error {
	tasks, err := s.engine().ListTasks(s.runs, x.Tenant, x.Job, x.ID, runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: maxToldTasks})
	if err != nil {
		return err
	}
	return writeValue(ctx, tellJobExecution(x).withTasks(x, tasks.Items))
}

// listJobTasks answers a page of the tasks of an execution, in their own order
// unless another is asked for.
func (s *Server) listJobTasks(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	query := ctx.QueryArgs()
	limit, err := numberIn(query, "limit", defaultTasks, 1, manyJobs)
	if err != nil {
		return err
	}
	x, err := s.engine().GetJobExecution(s.runs, tenant, name, pathText(ctx, "executionId"))
	if err != nil {
		return err
	}
	list := jobList{tenant: tenant, of: "tasks", job: x.JobID, execution: x.ID}
	if err := list.order(query, runtime.SortCreatedAsc); err != nil {
		return err
	}
	asked, err := list.listing(query, min(limit, maxTasks))
	if err != nil {
		return err
	}
	page, err := s.engine().ListTasks(s.runs, tenant, name, x.ID, asked)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellPage(&list, page, func(task *runtime.Execution) toldTask { return tellTask(&x, task) }))
}
