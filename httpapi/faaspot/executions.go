package faaspot

import (
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxOutputs bounds the outputs and failures, in bytes, in an answer about many executions.
	// Outputs of up to [runtime.ListedResult] and short failures are always part of it.
	maxOutputs = 32 * runtime.MiB
	// cancelPatience bounds how long the answer to a cancellation waits for the run to stop.
	cancelPatience = time.Second
	// largeRead is the size of a result and args, in bytes, from which on they are read in turns.
	largeRead = 64 * runtime.KiB
)

// find returns an execution without a result larger than [runtime.ListedResult].
func (a *api) find(tenant runtime.Tenant, id string) (runtime.Execution, error) {
	found, err := a.engine().GetExecutions(a.Context(), tenant, []string{id})
	if err != nil {
		return runtime.Execution{}, err
	}
	if len(found) == 0 || found[0] == nil {
		return a.engine().GetExecution(a.Context(), tenant, id) // it has the error
	}
	return *found[0], nil
}

// checkSeen returns an error, that of an unknown id, if the sender of a request is limited to other
// executions.
func (a *api) checkSeen(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, id string) error {
	who := web.Identity(ctx)
	if !who.Limited() {
		return nil
	}
	x, err := a.find(tenant, id)
	if err == nil && !who.Sees(&x) {
		err = runtime.NoExecutionError(id)
	}
	return err
}

// await returns an execution as find does, once it is done, or after limit in its current state.
func (a *api) await(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, id string, limit time.Duration) (runtime.Execution, error) {
	x, err := a.find(tenant, id)
	if err != nil || x.State.Terminal() || limit <= 0 {
		return x, err
	}
	waits, leave, err := a.Wait(ctx, tenant, web.FunctionGroup(x.Function), limit)
	if err != nil {
		return runtime.Execution{}, err
	}
	defer leave()
	return a.engine().AwaitExecution(waits, tenant, id)
}

// withWhole calls write with all of an execution: it adds a large result, and the args if they are wanted and kept, once
// there is memory for an answer that has them, and it is the turn of the request if they are large. write must render
// them and not wait.
func (a *api) withWhole(ctx *fasthttp.RequestCtx, x *runtime.Execution, wantsArgs bool, write func() error) error {
	wantsResult, wantsArgs, size := x.ResultSize > len(x.Result), wantsArgs && x.KeepsArgs(), 0
	if wantsResult {
		size += x.ResultSize
	}
	if wantsArgs {
		size += x.ArgsSize
	}
	read := func() (err error) {
		if wantsArgs {
			if x.Args, err = a.engine().GetArgs(a.Context(), x.Tenant, x.ID); err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
				return err // else retention has dropped the execution since
			}
		}
		if wantsResult {
			whole, err := a.engine().GetExecution(a.Context(), x.Tenant, x.ID)
			if err != nil {
				return err
			}
			x.Result = whole.Result
		}
		return write()
	}
	bytes := int64(0)
	if size > runtime.ListedResult { // they are in memory twice while the answer is rendered
		bytes = 2*int64(size) + web.FreeBytes
	}
	return a.inTurn(x.Tenant, web.MemoryOf(ctx), size, bytes, read)
}

// inTurn is [web.Host.InTurn] for something of a size, in bytes. What is small needs no turn.
func (a *api) inTurn(tenant runtime.Tenant, m *web.Memory, size int, bytes int64, do func() error) error {
	if size >= largeRead {
		return a.InTurn(tenant, m, bytes, do)
	}
	if err := m.Reserve(a.Context(), bytes); err != nil {
		return err
	}
	return do()
}

// getExecution answers with an execution, once it is done if the caller asks to wait.
func (a *api) getExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	limit, err := web.WaitParam(ctx.QueryArgs())
	if err != nil {
		return err
	}
	if err := a.checkSeen(ctx, tenant, pathID(ctx)); err != nil {
		return err
	}
	x, err := a.await(ctx, tenant, pathID(ctx), limit)
	if err != nil {
		return err
	}
	x.Tenant = tenant
	return a.withWhole(ctx, &x, true, func() error {
		text, err := appendExecution(nil, a.URL(ctx), &x)
		if err != nil {
			return err
		}
		web.WriteJSON(ctx, fasthttp.StatusOK, text)
		return nil
	})
}

// appendExecution appends the JSON form of an execution, with its result and args as they are stored: each is
// copied once.
func appendExecution(dst []byte, base string, x *runtime.Execution) ([]byte, error) {
	head, err := encodeHead(base, x)
	if err != nil {
		return dst, err
	}
	return appendHead(slices.Grow(dst, headSize(head, x)), head, x), nil
}

// encodeHead returns the JSON form of an execution without its result and args.
func encodeHead(base string, x *runtime.Execution) ([]byte, error) {
	response := renderExecution(base, x)
	if response.Output = nil; len(x.Args) > 0 {
		response.Args = web.Null
	}
	head, err := web.EncodeJSON(response)
	if err != nil {
		return nil, runtime.Internal("httpapi.encode", err)
	}
	return head, nil
}

// headSize returns the number of bytes that appendHead appends, or a few more.
func headSize(head []byte, x *runtime.Execution) int { return len(head) + len(x.Result) + len(x.Args) }

// appendHead appends what encodeHead has returned for an execution, with its result and args.
func appendHead(dst, head []byte, x *runtime.Execution) []byte {
	dst, rest := web.Splice(dst, head, "output", x.Result)
	dst, rest = web.Splice(dst, rest, "args", x.Args)
	return append(dst, rest...)
}

// renderedBytes is about the size, in bytes, of an execution in memory and in an answer, without its
// result and with a short failure.
const renderedBytes = 2 * runtime.KiB

// getExecutions answers with executions in the order of the ids in the body.
func (a *api) getExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	ids, err := idsIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	l := newLookup(a, ctx, tenant, ids)
	if err := l.run(ids); err != nil {
		return err
	}
	web.WriteJSON(ctx, fasthttp.StatusOK, append(l.response, ']'))
	return nil
}

// cancelExecution cancels an execution and answers with its state.
func (a *api) cancelExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if err := a.checkSeen(ctx, tenant, pathID(ctx)); err != nil {
		return err
	}
	x, changed, err := a.engine().CancelExecution(a.Context(), tenant, pathID(ctx))
	if err != nil {
		return err
	}
	late := false
	if !x.State.Terminal() {
		// Without room to wait, the answer says that the execution is being stopped.
		if now, err := a.await(ctx, tenant, x.ID, cancelPatience); err == nil {
			x = now
		}
		late = !x.State.Terminal() && a.engine().EndsLate(tenant, x.ID)
	}
	return web.WriteValue(ctx, wire.Cancellation[*string]{
		Execution: renderExecution(a.URL(ctx), &x),
		Changed:   changed,
		Message:   cancelMessage(&x, changed, late),
	})
}

// cancelMessage says what a cancellation has done. late says that the run has ended, and its end is not stored yet.
func cancelMessage(x *runtime.Execution, changed, late bool) string {
	switch {
	case late && x.State == runtime.StateCancelling:
		return "the execution was stopped; its end is not stored yet"
	case late:
		return "the execution has ended by itself, and its end is not stored yet; nothing was changed"
	case !changed && (x.State == runtime.StateRunning || x.State == runtime.StateQueued):
		return "the attempt of the execution has ended, and that is not stored yet; nothing was changed: repeat the request"
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
