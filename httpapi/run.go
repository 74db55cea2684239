package httpapi

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// runQuery runs a function with the query as args and waits for its end.
func (s *Server) runQuery(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, err := queryArgs(ctx.URI().QueryString())
	if err != nil {
		return err
	}
	return s.run(ctx, tenant, args)
}

// runBody runs a function with the body as args and waits for its end.
func (s *Server) runBody(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if err := refuseQuery(ctx); err != nil {
		return err
	}
	return s.run(ctx, tenant, bytes.Clone(ctx.Request.Body()))
}

// runAccepted runs a function in the background and waits for its end.
func (s *Server) runAccepted(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	request, err := submission(ctx, tenant, args)
	if err != nil {
		return err
	}
	ctx.SetUserValue(keyWriting, true)
	accepted, err := s.engine().Submit(s.runs, request)
	if err != nil {
		return err
	}
	tellReplay(ctx, accepted.Replayed)
	id := accepted.IDs[0]
	ctx.Response.Header.SetCanonical(headerExecutionID, []byte(id))
	if !accepted.Replayed {
		tellTrace(ctx, traceOfAccepted(request.Caller, id))
	}
	x, err := s.await(tenant, id, streamTime)
	if err != nil {
		return err
	}
	if !x.State.Terminal() {
		e := runtime.Errorf(runtime.CodeUnavailable, "the run was accepted and is not done yet").
			WithHint("it goes on: get /v1/executions/" + id + ", or send the request again with the same key")
		e.RetryAfter = waitingRetry
		return e
	}
	s.writeOutcome(ctx, &x)
	return nil
}

// run runs a function and waits for its end. With an idempotency key, or retries,
// it is a run in the background that is waited for: only such a run can be found
// again, and tried again.
func (s *Server) run(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	if h := &ctx.Request.Header; h.Peek(headerIdempotencyKey) != nil || h.Peek(headerRetries) != nil {
		return s.runAccepted(ctx, tenant, args)
	}
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	exec, err := s.engine().Run(s.runs, runtime.RunRequest{Tenant: tenant, Function: name, Args: args, Caller: callerOf(ctx)})
	if err != nil {
		return err
	}
	s.writeOutcome(ctx, exec)
	return nil
}

// writeOutcome answers with how a run ended.
func (s *Server) writeOutcome(ctx *fasthttp.RequestCtx, exec *runtime.Execution) {
	h := &ctx.Response.Header
	h.SetCanonical(headerExecutionID, []byte(exec.ID))
	tellTrace(ctx, exec.Caller.TraceID)
	var buf [24]byte
	h.SetCanonical(headerDuration, appendMillis(buf[:0], exec.Usage.Duration))
	if exec.State == runtime.StateSucceeded {
		writeJSON(ctx, fasthttp.StatusOK, exec.Result)
		return
	}
	s.writeFailure(ctx, exec)
}

var (
	headerExecutionID = []byte("X-Execution-Id")
	headerDuration    = []byte("X-Duration-Ms")
)

// appendMillis writes d in milliseconds with three digits behind the point.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	frac := us % 1000
	return append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}

// writeFailure answers with how a run failed.
func (s *Server) writeFailure(ctx *fasthttp.RequestCtx, exec *runtime.Execution) {
	f := exec.Failure
	if f == nil || f.Class == runtime.ClassInternal || statusOf[f.Class.Code()] == 0 {
		id := uuid.NewString()
		cause := fmt.Errorf("execution %s ended as %s without a failure that can be told", exec.ID, exec.State)
		if f != nil {
			cause = fmt.Errorf("execution %s ended as %s: %s: %s", exec.ID, exec.State, f.Class, f.Message)
		}
		s.logInternal(ctx, id, cause)
		writeErrorBody(ctx, errorBody{
			Message:     internalMessage.Message,
			Code:        runtime.CodeInternal,
			Hint:        internalMessage.Hint,
			ErrorID:     id,
			ExecutionID: exec.ID,
		})
		return
	}
	writeErrorBody(ctx, errorBody{
		Message:         failureMessage(f),
		Code:            f.Class.Code(),
		ServerTraceback: f.Traceback,
		Line:            f.Line,
		ErrorType:       f.Type,
		ExecutionID:     exec.ID,
	})
}

// failureMessage is how Python ends a traceback: the exception's type and its
// words.
func failureMessage(f *runtime.Failure) string {
	switch {
	case f.Type == "" || strings.HasPrefix(f.Message, f.Type):
		return f.Message
	case f.Message == "":
		return f.Type
	}
	return f.Type + ": " + f.Message
}
