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
	if len(ctx.URI().QueryString()) > 0 {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the URL has a query, but %s takes the args from the body", ctx.Method()).
			WithHint("put the args into the JSON body, or use GET")
	}
	return s.run(ctx, tenant, bytes.Clone(ctx.Request.Body()))
}

func (s *Server) run(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, args []byte) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	exec, err := s.opts.Functions.Run(s.runs, runtime.RunRequest{Tenant: tenant, Function: name, Args: args})
	if err != nil {
		return err
	}
	h := &ctx.Response.Header
	h.SetCanonical(headerExecutionID, []byte(exec.ID))
	var buf [24]byte
	h.SetCanonical(headerDuration, appendMillis(buf[:0], exec.Usage.Duration))
	if exec.State == runtime.StateSucceeded {
		writeJSON(ctx, fasthttp.StatusOK, exec.Result)
		return nil
	}
	s.writeFailure(ctx, exec)
	return nil
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
