package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// Keys of user values of a request.
const (
	keyIdentity  = "identity"  // of the sender, a *runtime.Identity
	keyExecution = "execution" // id of the execution that the request started
	keyUpload    = "upload"    // body that is on disk
	keyWriting   = "writing"   // set once a request may write to the store though its route does not
	keyRecorded  = "recorded"  // set once the change of a request is in the audit log
)

// Names of headers.
const (
	HeaderIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// maxWait bounds how long a request may ask to wait for the end of an execution. Many proxies
// give up after five minutes.
const maxWait = 280 * time.Second

// SetIdentity records the sender of a request.
func SetIdentity(ctx *fasthttp.RequestCtx, i *runtime.Identity) { ctx.SetUserValue(keyIdentity, i) }

// nobody sends requests of routes that need no token. It may do nothing.
var nobody runtime.Identity

// Identity returns the sender of a request. It must not be changed.
func Identity(ctx *fasthttp.RequestCtx) *runtime.Identity {
	if i, ok := ctx.UserValue(keyIdentity).(*runtime.Identity); ok {
		return i
	}
	return &nobody
}

// UserID returns the id of the user who sent a request.
func UserID(ctx *fasthttp.RequestCtx) string { return Identity(ctx).UserID }

// HeaderExecutionID has the id of a run in the answers that have its outcome.
var HeaderExecutionID = []byte("X-Execution-Id")

// SetExecution records the execution that a request has started, for the access log.
func SetExecution(ctx *fasthttp.RequestCtx, id string) { ctx.SetUserValue(keyExecution, id) }

// Execution returns the id of the execution that a request has started, empty if there is none.
func Execution(ctx *fasthttp.RequestCtx) string {
	if id, ok := ctx.UserValue(keyExecution).(string); ok {
		return id
	}
	return string(ctx.Response.Header.PeekBytes(HeaderExecutionID))
}

// SetWriting marks a request that may write to the store though its route as such does not.
func SetWriting(ctx *fasthttp.RequestCtx) { ctx.SetUserValue(keyWriting, true) }

// IsWriting reports whether [SetWriting] was called.
func IsWriting(ctx *fasthttp.RequestCtx) bool { return ctx.UserValue(keyWriting) != nil }

// SetRecorded marks a request whose change is in the audit log.
func SetRecorded(ctx *fasthttp.RequestCtx) { ctx.SetUserValue(keyRecorded, true) }

// IsRecorded reports whether [SetRecorded] was called.
func IsRecorded(ctx *fasthttp.RequestCtx) bool { return ctx.UserValue(keyRecorded) != nil }

// Caller returns the user and the trace of a request.
func Caller(ctx *fasthttp.RequestCtx) runtime.Caller {
	t := traceOf(&ctx.Request.Header)
	return runtime.Caller{UserID: UserID(ctx), TraceID: t.id, ParentSpan: t.span, Sampled: t.sampled}
}

// PathParam returns a parameter of the path, with %XX decoded once. ok is false, and the text
// undecoded, if a % is not followed by two hexadecimal digits.
func PathParam(ctx *fasthttp.RequestCtx, name string) (text string, ok bool) {
	raw, _ := ctx.UserValue(name).(string)
	text, err := url.PathUnescape(raw)
	if err != nil {
		return strings.Clone(raw), false
	}
	return strings.Clone(text), true
}

// IntParam reads a whole number from low to high in a query, or returns fallback if the query
// does not have it.
func IntParam(query *fasthttp.Args, name string, fallback, low, high int) (int, error) {
	text := query.Peek(name)
	if text == nil {
		return fallback, nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < low || n > high {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// BoolParam reads True, true, 1 or their opposites in a query. Absent means false.
func BoolParam(query *fasthttp.Args, name string) (bool, error) {
	switch strings.ToLower(string(query.Peek(name))) {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, runtime.Errorf(runtime.CodeInvalidArgument, "%s must be True or False", name)
}

// WaitParam reads ?wait=, in seconds. Zero: do not wait.
func WaitParam(query *fasthttp.Args) (time.Duration, error) {
	text := query.Peek("wait")
	if text == nil {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(string(text), 64)
	// The negation also refuses NaN.
	if err != nil || !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "wait must be a number of seconds from 0 to %g", maxWait.Seconds()).
			WithHint("wait for less, and send the request again if the execution is not done by then")
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// IdempotencyKey returns the idempotency key of a request, empty if it has none.
func IdempotencyKey(ctx *fasthttp.RequestCtx) (string, error) {
	switch fields := ctx.Request.Header.PeekAll(HeaderIdempotencyKey); {
	case len(fields) == 0:
		return "", nil
	case len(fields) > 1:
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the request has more than one %s header", HeaderIdempotencyKey).WithHint("send one")
	case len(fields[0]) == 0:
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the %s header is empty", HeaderIdempotencyKey).
			WithHint("send 1 to 255 printable ASCII characters, such as a UUID, or leave the header out")
	default:
		return string(fields[0]), nil
	}
}

// WriteReplayed sets the header which says that an earlier request with the same key did the work.
func WriteReplayed(ctx *fasthttp.RequestCtx, replayed bool) {
	if replayed {
		ctx.Response.Header.Set(headerReplayed, "true")
	}
}

// IsReplayed reports whether [WriteReplayed] has set the header.
func IsReplayed(ctx *fasthttp.RequestCtx) bool {
	return len(ctx.Response.Header.Peek(headerReplayed)) > 0
}
