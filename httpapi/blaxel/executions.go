package blaxel

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultExecutions = 20
	maxExecutions     = 100
	defaultTasks      = 50
	maxTasks          = 200
)

// startExecution starts an execution of a job.
func (a *api) startExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	key, err := web.IdempotencyKey(ctx)
	if err != nil {
		return err
	}
	body, err := parseStart(ctx.Request.Body())
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
		return runtime.Errorf(runtime.CodeInvalidArgument, "id and the header %s differ", web.HeaderIdempotencyKey).WithHint("send one of them")
	}
	r := body.JobStartRequest
	r.Tenant, r.Job, r.IdempotencyKey = tenant, name, cmp.Or(key, body.id)
	r.Caller = web.Caller(ctx)
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	accepted, err := a.engine().StartJob(a.Context(), r)
	if err != nil {
		return err
	}
	writeAccepted(ctx, &accepted)
	return writeStarted(ctx, &accepted, r.Tasks, r.IdempotencyKey)
}

// writeAccepted sets the headers of an answer to a request that was accepted now, with its
// trace, or earlier.
func writeAccepted(ctx *fasthttp.RequestCtx, a *runtime.JobAcceptance) {
	web.SetExecution(ctx, a.Execution.ID)
	web.WriteReplayed(ctx, a.Replayed)
	if !a.Replayed {
		web.WriteTrace(ctx, a.Execution.TraceID, a.Execution.ID)
	}
}

// writeStarted answers with an execution that was accepted. The id of a request without an
// idempotency key is the execution's.
func writeStarted(ctx *fasthttp.RequestCtx, a *runtime.JobAcceptance, tasks []json.RawMessage, key string) error {
	text, err := web.EncodeJSON(wire.StartJobResponse{
		ExecutionID: a.Execution.Name,
		ID:          cmp.Or(key, a.Execution.ID),
		JobID:       a.Execution.Job,
		Tasks:       []json.RawMessage{},
		WorkspaceID: string(a.Execution.Tenant),
	})
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	// The tasks may be most of a large body, so they are copied only once.
	before, after, _ := bytes.Cut(text, noTasks)
	size := len(text) + len(tasks)
	for _, task := range tasks {
		size += len(task)
	}
	out := append(make([]byte, 0, size), before...)
	out = append(out, noTasks[:len(noTasks)-1]...)
	for i, task := range tasks {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, task...)
	}
	out = append(append(out, ']'), after...)
	web.WriteJSON(ctx, fasthttp.StatusOK, out)
	return nil
}

// noTasks is a member without tasks. No other member can have it: strings have their quotes escaped.
var noTasks = []byte(`"tasks":[]`)

// listExecutions answers with a page of the executions of a job.
func (a *api) listExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	query := ctx.QueryArgs()
	limit, err := intParam(query, "limit", defaultExecutions, 1, maxExecutions)
	if err != nil {
		return err
	}
	collect := func(r runtime.PageRequest) (runtime.Page[executionResponse], error) {
		return web.Collect(a.Host, ctx, r, listedBytes, func(r runtime.PageRequest) (runtime.Page[listedExecution], error) {
			return a.listWithTasks(tenant, name, r)
		}, (*listedExecution).size, func(x *listedExecution) executionResponse { return x.render(ctx) })
	}
	if !isPaged(ctx) {
		offset, err := intParam(query, "offset", 0, 0, anyLimit)
		if err != nil {
			return err
		}
		page, err := collect(runtime.PageRequest{Limit: limit, Offset: offset})
		if err != nil {
			return err
		}
		return web.WriteValue(ctx, renderItems(page.Items, itself))
	}
	j, err := a.engine().GetJob(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	l := list{tenant: tenant, of: "executions", job: j.ID}
	request, err := l.parsePage(query, runtime.SortCreatedDesc, limit)
	if err != nil {
		return err
	}
	page, err := collect(request)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderPage(&l, page, itself))
}

// listedExecution is a job execution in a list, with its first tasks.
type listedExecution struct {
	runtime.JobExecution
	tasks []runtime.Execution
}

// listWithTasks reads a page of the executions of a job.
func (a *api) listWithTasks(tenant runtime.Tenant, job string, r runtime.PageRequest) (page runtime.Page[listedExecution], err error) {
	found, err := a.engine().ListJobExecutions(a.Context(), tenant, job, r)
	if err != nil {
		return page, err
	}
	page.Next, page.Total = found.Next, found.Total
	page.Items = make([]listedExecution, len(found.Items))
	for i, x := range found.Items {
		tasks, err := a.engine().FirstTasks(a.Context(), &x, listedTasks)
		if err != nil {
			return page, err
		}
		page.Items[i] = listedExecution{x, tasks}
	}
	return page, nil
}

// size returns the size of x in memory, in bytes, and of what an answer has of it.
func (x *listedExecution) size() (read, kept int) {
	read, kept = executionSize(&x.JobExecution)
	for i := range x.tasks {
		r, k := taskSize(&x.tasks[i])
		read += r
		kept += min(k, renderedBytes+2*listedMessage)
	}
	return read, kept
}

// render renders x for a request. Long messages of failures are cut.
func (x *listedExecution) render(ctx *fasthttp.RequestCtx) executionResponse {
	response := renderExecution(&x.JobExecution)
	for i := range x.tasks {
		if f := x.tasks[i].Failure; f != nil {
			short := *f
			short.Message, short.Type = cutText(f.Message), cutText(f.Type)
			x.tasks[i].Failure = &short
		}
	}
	addTasks(&response, renderTasks(x.Timeout, x.tasks))
	conform(ctx, &response)
	return response
}

// cutText returns a copy of the beginning of a text of more than [listedMessage] bytes, and a
// shorter text as it is.
func cutText(text string) string {
	if len(text) <= listedMessage {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:listedMessage]), "") + "..."
}

// itself renders an item that was rendered before.
func itself[T any](item *T) T { return *item }

// executionBytes bounds an execution in memory, in bytes, and renderedBytes is about the size of one
// in an answer, without its variable parts, and of a task likewise.
const (
	executionBytes = 2*runtime.MaxEnv + 16*runtime.KiB
	renderedBytes  = 2 * runtime.KiB
	// listedBytes bounds an execution in a list, with its tasks.
	listedBytes = executionBytes + listedTasks*web.ListedBytes
)

// executionSize returns the size of an execution in memory, in bytes, and of what an answer has of it.
func executionSize(x *runtime.JobExecution) (read, kept int) {
	kept = renderedBytes
	for name, value := range x.EnvOverride {
		kept += len(name) + 16
		read += len(value)
	}
	for name, value := range x.Env {
		read += len(name) + len(value)
	}
	return read + kept, kept
}

// taskSize is executionSize for a task.
func taskSize(x *runtime.Execution) (read, kept int) {
	kept = renderedBytes
	read = len(x.Result)
	if x.Failure != nil {
		kept += len(x.Failure.Type) + len(x.Failure.Message)
		read += len(x.Failure.Traceback)
	}
	return read + kept, kept
}

// collectTasks reads and renders a page of the tasks of an execution.
func (a *api) collectTasks(ctx *fasthttp.RequestCtx, x *runtime.JobExecution, r runtime.PageRequest) (runtime.Page[taskResponse], error) {
	return web.Collect(a.Host, ctx, r, web.ListedBytes, func(r runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
		return a.engine().ListTasks(a.Context(), x.Tenant, x.Job, x.ID, r)
	}, taskSize, func(task *runtime.Execution) taskResponse { return renderTask(x.Timeout, task) })
}

// getExecution answers with an execution and its first tasks, once it is done if the caller
// asks to wait.
func (a *api) getExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	limit, err := web.WaitParam(ctx.QueryArgs())
	if err != nil {
		return err
	}
	id := pathText(ctx, "executionId")
	var x runtime.JobExecution
	if limit <= 0 {
		x, err = a.engine().GetJobExecution(a.Context(), tenant, name, id)
	} else {
		waiting, leave, full := a.Wait(ctx, tenant, web.JobGroup(name), limit)
		if full != nil {
			return full
		}
		defer leave()
		x, err = a.engine().AwaitJobExecution(waiting, tenant, name, id)
	}
	if err != nil {
		return err
	}
	return a.writeExecution(ctx, &x)
}

// cancelExecution cancels an execution and answers with its state.
func (a *api) cancelExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	x, _, err := a.engine().CancelJobExecution(a.Context(), tenant, name, pathText(ctx, "executionId"))
	if err != nil {
		return err
	}
	err = a.writeExecution(ctx, &x)
	if runtime.CodeOf(err) == runtime.CodeTooBusy {
		// This would say that nothing was done.
		response := renderExecution(&x)
		conform(ctx, &response)
		return web.WriteValue(ctx, response)
	}
	return err
}

// writeExecution answers with an execution and its first tasks.
func (a *api) writeExecution(ctx *fasthttp.RequestCtx, x *runtime.JobExecution) error {
	tasks, err := a.collectTasks(ctx, x, runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: renderedTasks})
	if err != nil {
		return err
	}
	response := renderExecution(x)
	addTasks(&response, tasks.Items)
	conform(ctx, &response)
	return web.WriteValue(ctx, response)
}

// listTasks answers with a page of the tasks of an execution, in the order of their indexes unless
// the request sets another order.
func (a *api) listTasks(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	query := ctx.QueryArgs()
	limit, err := intParam(query, "limit", defaultTasks, 1, anyLimit)
	if err != nil {
		return err
	}
	x, err := a.engine().GetJobExecution(a.Context(), tenant, name, pathText(ctx, "executionId"))
	if err != nil {
		return err
	}
	l := list{tenant: tenant, of: "tasks", job: x.JobID, execution: x.ID}
	request, err := l.parsePage(query, runtime.SortCreatedAsc, min(limit, maxTasks))
	if err != nil {
		return err
	}
	page, err := a.collectTasks(ctx, &x, request)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderPage(&l, page, itself))
}
