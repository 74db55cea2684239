package httpapi

import (
	"errors"
	"log/slog"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// Codes of errors that only a request over HTTP can have.
const (
	codeMethodNotAllowed runtime.Code = "method_not_allowed"
	codeURITooLong       runtime.Code = "uri_too_long"
	codeHeaderTooLarge   runtime.Code = "header_too_large"
	codeBadRequest       runtime.Code = "bad_request"
	codeBadVersion       runtime.Code = "http_version"
	codeRequestTimeout   runtime.Code = "request_timeout"
	codeUnsupportedMedia runtime.Code = "unsupported_media_type"
)

// statusOf is the HTTP status of every code, those of failed runs included.
// A code that is not here is a mistake of the server: 500.
var statusOf = map[runtime.Code]int{
	runtime.CodeInvalidArgument:  fasthttp.StatusBadRequest,
	runtime.CodeDeployFailed:     fasthttp.StatusBadRequest,
	runtime.CodeUnauthenticated:  fasthttp.StatusUnauthorized,
	runtime.CodePermissionDenied: fasthttp.StatusForbidden,
	runtime.CodeNotFound:         fasthttp.StatusNotFound,
	runtime.CodeAlreadyExists:    fasthttp.StatusConflict,
	runtime.CodeConflict:         fasthttp.StatusConflict,
	runtime.CodeTooLarge:         fasthttp.StatusRequestEntityTooLarge,
	runtime.CodeTooBusy:          fasthttp.StatusTooManyRequests,
	runtime.CodeUnavailable:      fasthttp.StatusServiceUnavailable,
	runtime.CodeInternal:         fasthttp.StatusInternalServerError,

	runtime.ClassError.Code():          fasthttp.StatusInternalServerError,
	runtime.ClassTimeout.Code():        fasthttp.StatusGatewayTimeout,
	runtime.ClassCancelled.Code():      fasthttp.StatusInternalServerError,
	runtime.ClassMemory.Code():         fasthttp.StatusInternalServerError,
	runtime.ClassStack.Code():          fasthttp.StatusInternalServerError,
	runtime.ClassExited.Code():         fasthttp.StatusInternalServerError,
	runtime.ClassCrashed.Code():        fasthttp.StatusInternalServerError,
	runtime.ClassResultInvalid.Code():  fasthttp.StatusInternalServerError,
	runtime.ClassResultTooLarge.Code(): fasthttp.StatusInternalServerError,
	runtime.ClassRejected.Code():       fasthttp.StatusBadRequest,

	codeMethodNotAllowed: fasthttp.StatusMethodNotAllowed,
	codeURITooLong:       fasthttp.StatusRequestURITooLong,
	codeHeaderTooLarge:   fasthttp.StatusRequestHeaderFieldsTooLarge,
	codeBadRequest:       fasthttp.StatusBadRequest,
	codeBadVersion:       fasthttp.StatusHTTPVersionNotSupported,
	codeRequestTimeout:   fasthttp.StatusRequestTimeout,
	codeUnsupportedMedia: fasthttp.StatusUnsupportedMediaType,
}

// errorBody is what a caller gets of an error, in the FaaSpot dialect as it is,
// in others as they write it. The FaaSpot client reads message, error_code and
// server_traceback.
type errorBody struct {
	Message         string       `json:"message"`
	Code            runtime.Code `json:"error_code"`
	Hint            string       `json:"hint,omitempty"`
	ServerTraceback string       `json:"server_traceback,omitempty"`
	Line            int          `json:"line,omitempty"`
	ErrorType       string       `json:"error_type,omitempty"`
	ErrorID         string       `json:"error_id,omitempty"`
	ExecutionID     string       `json:"execution_id,omitempty"`

	name       string         // of a namedError
	parameters map[string]any // of a namedError
}

// writeError answers with err. What is not a *runtime.Error of a known code is
// our fault: the caller gets an id, the log gets the cause under the same id.
func (s *Server) writeError(ctx *fasthttp.RequestCtx, err error) {
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || statusOf[e.Code] == 0 {
		e = runtime.Internal("httpapi", err)
	}
	body := errorBody{
		Message:         e.Message,
		Code:            e.Code,
		Hint:            e.Hint,
		ServerTraceback: e.Traceback,
		Line:            e.Line,
	}
	if e.Code == runtime.CodeInternal {
		body.ErrorID = uuid.NewString()
		// The words of an internal error are for the log, whoever made it.
		body.Message, body.Hint = internalMessage.Message, internalMessage.Hint
		body.ServerTraceback, body.Line = "", 0
		s.logInternal(ctx, body.ErrorID, err)
	} else if named, ok := errors.AsType[namedError](err); ok {
		body.name, body.parameters = named.name, named.parameters
	}
	h := &ctx.Response.Header
	switch e.Code {
	case runtime.CodeTooBusy, runtime.CodeUnavailable:
		seconds := max(1, int(math.Ceil(e.RetryAfter.Seconds())))
		h.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(seconds))
	case runtime.CodeUnauthenticated:
		h.Set(fasthttp.HeaderWWWAuthenticate, `Token realm="faaspot"`)
		h.Add(fasthttp.HeaderWWWAuthenticate, `Bearer realm="faaspot"`)
	}
	writeErrorBody(ctx, body)
}

var internalMessage = runtime.Internal("", nil)

func (s *Server) logInternal(ctx *fasthttp.RequestCtx, id string, err error) {
	s.opts.Log.Error("internal error",
		slog.String("error_id", id),
		slog.String("method", string(ctx.Method())),
		slog.String("path", string(ctx.URI().PathOriginal())),
		slog.Any("err", err))
}

// writeErrorBody answers in the dialect of the request.
func writeErrorBody(ctx *fasthttp.RequestCtx, body errorBody) {
	dialectOf(ctx).write(ctx, statusOf[body.Code], body)
}

// writeJSON answers with text, which must not be used afterwards.
func writeJSON(ctx *fasthttp.RequestCtx, status int, text []byte) {
	ctx.Response.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	ctx.Response.Header.SetCanonical(headerNosniff, valueNosniff)
	ctx.Response.SetBodyRaw(text)
}

var (
	contentTypeJSON = []byte("application/json")
	headerNosniff   = []byte("X-Content-Type-Options")
	valueNosniff    = []byte("nosniff")
)
