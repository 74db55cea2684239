package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerRetries        = "X-Retries"
	headerReplayed       = "Idempotency-Replayed"
)

// idempotencyKey gets the key that a request carries, empty if none.
func idempotencyKey(ctx *fasthttp.RequestCtx) (string, error) {
	switch fields := ctx.Request.Header.PeekAll(headerIdempotencyKey); {
	case len(fields) == 0:
		return "", nil
	case len(fields) > 1:
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the request has more than one %s header", headerIdempotencyKey).WithHint("send one")
	case len(fields[0]) == 0:
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the %s header is empty", headerIdempotencyKey).
			WithHint("send 1 to 255 printable ASCII characters, such as a UUID, or no such header")
	default:
		return string(fields[0]), nil
	}
}

// retries gets how many further attempts a request asks for, nil if it does not
// say.
func retries(ctx *fasthttp.RequestCtx) (*int, error) {
	text := ctx.Request.Header.Peek(headerRetries)
	if text == nil {
		return nil, nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > runtime.MaxRetries {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the header %s must be a number from 0 to %d", headerRetries, runtime.MaxRetries)
	}
	return &n, nil
}

// submitQuery accepts a run in the background with the query as args.
func (s *Server) submitQuery(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := queryArgs(ctx.URI().QueryString())
	if err != nil {
		return err
	}
	return s.submit(ctx, tenant, args)
}

// submitBody accepts a run in the background with the body as args.
func (s *Server) submitBody(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if err := refuseQuery(ctx); err != nil {
		return err
	}
	return s.submit(ctx, tenant, bytes.Clone(ctx.Request.Body()))
}

func (s *Server) submit(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	request, err := submission(ctx, tenant, args)
	if err != nil {
		return err
	}
	accepted, err := s.engine().Submit(s.runs, request)
	if err != nil {
		return err
	}
	tellReplay(ctx, accepted.Replayed)
	if !accepted.Replayed {
		tellTrace(ctx, traceOfAccepted(request.Caller, accepted.IDs[0]))
	}
	writeJSON(ctx, fasthttp.StatusOK, appendJSONString(make([]byte, 0, 40), []byte(accepted.IDs[0])))
	return nil
}

// submission is what a request asks to be run in the background.
func submission(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) (r runtime.SubmitRequest, err error) {
	r.Tenant, r.Args, r.Caller = tenant, args, callerOf(ctx)
	if r.Function, err = functionName(ctx); err != nil {
		return r, err
	}
	if r.IdempotencyKey, err = idempotencyKey(ctx); err != nil {
		return r, err
	}
	r.Retries, err = retries(ctx)
	return r, err
}

// submitBulk accepts many runs of a function in the background.
func (s *Server) submitBulk(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
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
	accepted, err := s.engine().SubmitBulk(s.runs, runtime.BulkRequest{
		Tenant:         tenant,
		Function:       common.Function,
		Caller:         common.Caller,
		Args:           args,
		Retries:        common.Retries,
		IdempotencyKey: common.IdempotencyKey,
	})
	if err != nil {
		return err
	}
	tellReplay(ctx, accepted.Replayed)
	if !accepted.Replayed {
		tellTrace(ctx, common.Caller.TraceID)
	}
	return writeValue(ctx, accepted.IDs)
}

// argsIn splits a JSON array of args, or, as older clients send it, an object
// with that array as a text in its member values. Whether each of the elements
// is an object is for the engine to say.
func argsIn(body []byte) ([][]byte, error) {
	const hint = "send an array of objects, one for each run"
	body, err := arrayIn(body, "values", hint)
	if err != nil {
		return nil, err
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(body, &elements); err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a JSON array: %v", err).WithHint(hint)
	}
	args := make([][]byte, len(elements))
	for i, element := range elements {
		args[i] = element
	}
	return args, nil
}

// refuseQuery refuses a query on a request that takes the args from its body:
// they would be lost.
func refuseQuery(ctx *fasthttp.RequestCtx) error {
	if len(ctx.URI().QueryString()) == 0 {
		return nil
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "the URL has a query, but %s takes the args from the body", ctx.Method()).
		WithHint("put the args into the JSON body, or use GET")
}

func tellReplay(ctx *fasthttp.RequestCtx, replayed bool) {
	if replayed {
		ctx.Response.Header.Set(headerReplayed, "true")
	}
}
