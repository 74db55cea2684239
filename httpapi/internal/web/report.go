package web

import (
	"errors"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Report prepares the answer to err: it sets the status-dependent headers and returns the
// status and the report, which the dialect of the request writes. An error that is not a
// *runtime.Error of a known code is internal: the cause goes to the log, and the caller gets
// its id.
func (h *Host) Report(ctx *fasthttp.RequestCtx, err error) (status int, report ErrorReport) {
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || StatusOf[e.Code] == 0 {
		e = runtime.Internal("httpapi", err)
	}
	if e.Code == runtime.CodeInternal {
		report = InternalError(uuid.NewString())
		h.LogInternal(ctx, report.ErrorID, err)
	} else {
		report.Error = wire.Error{
			Message: e.Message, Code: string(e.Code), Hint: e.Hint, ServerTraceback: e.Traceback, Line: e.Line,
		}
		if len(e.More) > 0 {
			for _, one := range append([]*runtime.Error{e}, e.More...) {
				report.Errors = append(report.Errors, wire.Mistake{Path: one.Path, Message: one.Message, Hint: one.Hint})
			}
		}
		if named, ok := errors.AsType[namedError](err); ok {
			report.Name, report.Parameters = named.name, named.parameters
		}
	}
	header := &ctx.Response.Header
	switch e.Code {
	case runtime.CodeTooBusy, runtime.CodeUnavailable:
		seconds := max(1, int(math.Ceil(e.RetryAfter.Seconds())))
		header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(seconds))
	case runtime.CodeUnauthenticated:
		header.Set(fasthttp.HeaderWWWAuthenticate, `Token realm="faaspot"`)
		header.Add(fasthttp.HeaderWWWAuthenticate, `Bearer realm="faaspot"`)
	}
	return StatusOf[e.Code], report
}
