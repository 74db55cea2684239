package faaspot

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

var headerDuration = []byte("X-Duration-Ms")

// runQuery runs a function with the query as args and waits for the end of the run.
func (a *api) runQuery(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := queryArgs(ctx.URI().QueryString())
	if err != nil {
		return err
	}
	return a.run(ctx, tenant, args)
}

// runBody runs a function with the body as args and waits for the end of the run.
func (a *api) runBody(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := bodyArgs(ctx)
	if err != nil {
		return err
	}
	return a.run(ctx, tenant, args)
}

// run runs a function and waits for the end of the run. With an idempotency key, or with
// retries, it waits for a background run: only the store can find a run again, or repeat it.
func (a *api) run(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	if !runsAtOnce(ctx) {
		return a.runAccepted(ctx, tenant, args)
	}
	name, err := runnable(ctx)
	if err != nil {
		return err
	}
	x, err := a.engine().Run(a.Context(), runtime.RunRequest{Tenant: tenant, Function: name, Args: args, Caller: web.Caller(ctx)})
	if err != nil {
		return err
	}
	a.writeOutcome(ctx, x)
	return nil
}

// runsAtOnce reports whether a run that its caller waits for needs no background run.
func runsAtOnce(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	return h.Peek(web.HeaderIdempotencyKey) == nil && h.Peek(headerRetries) == nil
}

// runAccepted submits a background run and waits for its end. Once the run is accepted, the answer is
// neither 429 nor 503: these say that nothing was done.
func (a *api) runAccepted(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	request, err := submission(ctx, tenant, args)
	if err != nil {
		return err
	}
	waits, leave, err := a.Wait(ctx, tenant, web.FunctionGroup(request.Function), streamTime)
	if err != nil {
		return err
	}
	defer leave()
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	web.SetWriting(ctx)
	accepted, err := a.engine().Submit(a.Context(), request)
	if err != nil {
		return err
	}
	id := accepted.IDs[0]
	ctx.Response.Header.SetCanonical(web.HeaderExecutionID, []byte(id))
	writeAccepted(ctx, accepted, traceOfAccepted(request.Caller, id))
	web.DropBody(ctx) // the store has the args
	x, err := a.engine().AwaitExecution(waits, tenant, id)
	x.Tenant = tenant
	leave()
	if err == nil && x.State.Terminal() {
		err = a.withWhole(ctx, &x, false, func() error {
			a.writeOutcome(ctx, &x)
			return nil
		})
		if err == nil {
			return nil
		}
	}
	switch code := runtime.CodeOf(err); {
	case code == runtime.CodeTooBusy || code == runtime.CodeUnavailable, err == nil:
		a.writeUnfinished(ctx, id, x.State.Terminal())
		return nil
	}
	return err
}

// writeUnfinished answers that a run was accepted, and that its result is not part of the answer.
func (a *api) writeUnfinished(ctx *fasthttp.RequestCtx, id string, ended bool) {
	var report web.ErrorReport
	report.Code = string(web.CodeUnfinished)
	report.Message = "the run was accepted, but its result did not come in time"
	state := "the run continues"
	if ended {
		state = "the run has ended"
	}
	report.Hint = state + ": get /v1/executions/" + id + ", or send the request again with the same key"
	report.ExecutionID = id
	writeError(ctx, web.StatusOf[web.CodeUnfinished], report)
}

// writeOutcome answers with the outcome of a run.
func (a *api) writeOutcome(ctx *fasthttp.RequestCtx, x *runtime.Execution) {
	h := &ctx.Response.Header
	h.SetCanonical(web.HeaderExecutionID, []byte(x.ID))
	web.WriteTrace(ctx, x.Caller.TraceID, x.ID)
	var buf [24]byte
	h.SetCanonical(headerDuration, appendMillis(buf[:0], x.Usage.Duration))
	if x.State == runtime.StateSucceeded {
		web.WriteJSON(ctx, fasthttp.StatusOK, x.Result)
		return
	}
	a.writeFailure(ctx, x)
}

// writeFailure answers with the failure of a run.
func (a *api) writeFailure(ctx *fasthttp.RequestCtx, x *runtime.Execution) {
	var report web.ErrorReport
	if f := x.Failure; f == nil || web.IsInternal(f) {
		cause := fmt.Errorf("execution %s ended as %s without a failure that can be reported", x.ID, x.State)
		if f != nil {
			cause = fmt.Errorf("execution %s ended as %s: %s: %s", x.ID, x.State, f.Class, f.Message)
		}
		report = web.InternalError(uuid.NewString())
		a.LogInternal(ctx, report.ErrorID, cause)
	} else {
		report.Error = *web.RenderFailure(f)
		report.Hint = web.FailureHint(f)
	}
	report.ExecutionID = x.ID
	writeError(ctx, web.StatusOf[runtime.Code(report.Code)], report)
}

// appendMillis appends d in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	frac := us % 1000
	return append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}
