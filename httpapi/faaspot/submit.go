package faaspot

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const headerRetries = "X-Retries"

// submitQuery accepts a background run with the query as args.
func (a *api) submitQuery(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := queryArgs(ctx.URI().QueryString())
	if err != nil {
		return err
	}
	return a.submit(ctx, tenant, args)
}

// submitBody accepts a background run with the body as args.
func (a *api) submitBody(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := bodyArgs(ctx)
	if err != nil {
		return err
	}
	return a.submit(ctx, tenant, args)
}

func (a *api) submit(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	request, err := submission(ctx, tenant, args)
	if err != nil {
		return err
	}
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	accepted, err := a.engine().Submit(a.Context(), request)
	if err != nil {
		return err
	}
	id := accepted.IDs[0]
	web.SetExecution(ctx, id)
	writeAccepted(ctx, accepted, traceOfAccepted(request.Caller, id))
	web.WriteJSON(ctx, fasthttp.StatusOK, web.AppendString(make([]byte, 0, 40), []byte(id)))
	return nil
}

// submitBulk accepts many background runs of a function.
func (a *api) submitBulk(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if err := refuseQuery(ctx); err != nil {
		return err
	}
	common, err := submission(ctx, tenant, nil)
	if err != nil {
		return err
	}
	args, err := argsIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	accepted, err := a.engine().SubmitBulk(a.Context(), runtime.BulkRequest{
		Tenant:         tenant,
		Function:       common.Function,
		Caller:         common.Caller,
		Args:           args,
		Retries:        common.Retries,
		IdempotencyKey: common.IdempotencyKey,
		KeyOwner:       common.KeyOwner,
	})
	if err != nil {
		return err
	}
	writeAccepted(ctx, accepted, common.Caller.TraceID)
	return web.WriteValue(ctx, accepted.IDs)
}

// submission reads the request for a background run, except for its args.
func submission(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) (r runtime.SubmitRequest, err error) {
	r.Tenant, r.Args, r.Caller, r.KeyOwner = tenant, args, web.Caller(ctx), web.Identity(ctx).KeyOwner()
	if r.Function, err = runnable(ctx); err != nil {
		return r, err
	}
	if r.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return r, err
	}
	r.Retries, err = retries(ctx)
	return r, err
}

// retries reads the number of further attempts that a request allows, nil if it sets none.
func retries(ctx *fasthttp.RequestCtx) (*int, error) {
	text := ctx.Request.Header.Peek(headerRetries)
	if text == nil {
		return nil, nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > runtime.MaxRetries {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the header %s must be a number from 0 to %d", headerRetries, runtime.MaxRetries).
			WithHint("leave the header out to use the retries of the function")
	}
	return &n, nil
}

// bodyArgs returns the args of a request that has them in the body or, without a body, in the
// query, as FaaSpot's documents write blocking runs by PUT.
func bodyArgs(ctx *fasthttp.RequestCtx) ([]byte, error) {
	query, body := ctx.URI().QueryString(), ctx.Request.Body()
	if len(query) > 0 && len(body) == 0 {
		return queryArgs(query)
	}
	return body, refuseQuery(ctx)
}

// refuseQuery refuses a query on a request that has its args in the body: the query would be
// lost.
func refuseQuery(ctx *fasthttp.RequestCtx) error {
	if len(ctx.URI().QueryString()) == 0 {
		return nil
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "the URL has a query, but the args are in the body").
		WithHint("put all args into the JSON body, or send none")
}

// writeAccepted sets the headers of an answer to a request that was accepted now, with its
// trace, or earlier.
func writeAccepted(ctx *fasthttp.RequestCtx, a runtime.Acceptance, trace string) {
	web.WriteReplayed(ctx, a.Replayed)
	if !a.Replayed {
		execution := ""
		if len(a.IDs) == 1 {
			execution = a.IDs[0]
		}
		web.WriteTrace(ctx, trace, execution)
	}
}

// traceOfAccepted returns the trace of an execution that was accepted alone: the caller's, else
// the execution's id.
func traceOfAccepted(c runtime.Caller, id string) string {
	if c.TraceID != "" {
		return c.TraceID
	}
	return strings.ReplaceAll(id, "-", "")
}
