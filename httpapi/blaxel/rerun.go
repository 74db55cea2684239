package blaxel

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// rerunIs is what the body of a rerun must be, for errors.
const rerunIs = `a JSON object, such as {"tasks": "failed"}`

// getTaskMap answers with the states of all tasks of an execution, a letter for each.
func (a *api) getTaskMap(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	states, err := a.engine().TaskStates(a.Context(), tenant, name, pathText(ctx, "executionId"))
	if err != nil {
		return err
	}
	text := make([]byte, len(states))
	for i, s := range states {
		text[i] = byte(s)
	}
	return web.WriteValue(ctx, wire.TaskMap{Tasks: string(text)})
}

// rerunExecution repeats tasks of an execution as a new execution.
func (a *api) rerunExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	r := runtime.RerunJobRequest{
		Tenant: tenant, Caller: web.Caller(ctx), Job: name, Execution: pathText(ctx, "executionId"), Tasks: runtime.RerunFailed,
		Reserve: func(bytes int64) error {
			// The store has a copy of the args until they are on disk.
			return web.MemoryOf(ctx).Reserve(a.Context(), 2*bytes)
		},
	}
	if r.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return err
	}
	if body := ctx.Request.Body(); len(bytes.TrimSpace(body)) > 0 {
		f, err := web.ReadFields(body)
		if err != nil {
			return err
		}
		if f.Has("tasks") {
			r.Tasks = runtime.RerunTasks(f.Text("tasks"))
		}
		if r.Tasks != runtime.RerunFailed && r.Tasks != runtime.RerunUnsuccessful {
			f.FailHint("use failed or unsuccessful", "tasks", "of %.40q is not known", string(r.Tasks))
		}
		if err := f.End(); err != nil {
			return err
		}
	}
	accepted, err := a.engine().RerunJob(a.Context(), r)
	if err != nil {
		return err
	}
	writeAccepted(ctx, &accepted)
	return writeStarted(ctx, &accepted, nil, r.IdempotencyKey)
}
