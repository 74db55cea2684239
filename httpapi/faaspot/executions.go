package faaspot

import (
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxOutputs bounds the outputs, in bytes, in an answer about many executions. Outputs of
	// up to [runtime.ListedResult] are always part of it.
	maxOutputs = 32 * runtime.MiB
	// cancelPatience bounds how long the answer to a cancellation waits for the run to stop.
	cancelPatience = time.Second
)

// await returns an execution once it is done, or after limit in its current state.
func (a *api) await(tenant runtime.Tenant, id string, limit time.Duration) (runtime.Execution, error) {
	if limit <= 0 {
		return a.engine().GetExecution(a.Context(), tenant, id)
	}
	ctx, leave, err := a.Wait(limit)
	if err != nil {
		return runtime.Execution{}, err
	}
	defer leave()
	return a.engine().AwaitExecution(ctx, tenant, id)
}

// getExecution answers with an execution, once it is done if the caller asks to wait.
func (a *api) getExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	limit, err := web.WaitParam(ctx.QueryArgs())
	if err != nil {
		return err
	}
	x, err := a.await(tenant, pathID(ctx), limit)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderExecution(a.URL(ctx), &x))
}

// getExecutions answers with executions in the order of the ids in the body.
func (a *api) getExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	ids, err := idsIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	executions, err := a.engine().GetExecutions(a.Context(), tenant, ids)
	if err != nil {
		return err
	}
	base := a.URL(ctx)
	response := make([]executionResponse, len(ids))
	left := maxOutputs
	for i, x := range executions {
		if x == nil {
			response[i] = renderAbsent(ids[i])
			continue
		}
		if x.ResultSize > len(x.Result) && x.ResultSize <= left {
			// If it has expired since, the answer has it without its output.
			if whole, err := a.engine().GetExecution(a.Context(), tenant, x.ID); err == nil {
				x = &whole
			}
		}
		left -= len(x.Result)
		response[i] = renderExecution(base, x)
	}
	return web.WriteValue(ctx, response)
}

// cancelExecution cancels an execution and answers with its state.
func (a *api) cancelExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	x, changed, err := a.engine().CancelExecution(a.Context(), tenant, pathID(ctx))
	if err != nil {
		return err
	}
	if !x.State.Terminal() {
		// Without room to wait, the answer says that the execution is being stopped.
		if now, err := a.await(tenant, x.ID, cancelPatience); err == nil {
			x = now
		}
	}
	return web.WriteValue(ctx, wire.Cancellation[*string]{
		Execution: renderExecution(a.URL(ctx), &x),
		Changed:   changed,
		Message:   cancelMessage(&x, changed),
	})
}

func cancelMessage(x *runtime.Execution, changed bool) string {
	switch {
	case !x.State.Terminal():
		return "the execution is being stopped"
	case x.State != runtime.StateCancelled && changed:
		return "the execution ended by itself before it could be stopped"
	case x.State != runtime.StateCancelled:
		return "the execution had already ended; nothing was changed"
	case !changed:
		return "the execution was cancelled before; nothing was changed"
	case x.Started.IsZero():
		return "the execution was cancelled before it started"
	}
	return "the execution was cancelled while it ran"
}
