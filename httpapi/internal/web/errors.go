package web

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Codes of errors that only an HTTP request can have.
const (
	CodeMethodNotAllowed runtime.Code = "method_not_allowed"
	CodeURITooLong       runtime.Code = "uri_too_long"
	CodeHeaderTooLarge   runtime.Code = "header_too_large"
	CodeBadRequest       runtime.Code = "bad_request"
	CodeBadVersion       runtime.Code = "http_version"
	CodeRequestTimeout   runtime.Code = "request_timeout"
	CodeUnsupportedMedia runtime.Code = "unsupported_media_type"
	// CodeUnfinished is for a run that was accepted, and whose result is not part of the answer.
	CodeUnfinished runtime.Code = "unfinished"
)

// StatusOf is the HTTP status of every code, those of failed runs included. It is the same in
// all dialects. A code that is not here is a mistake of the server: 500.
var StatusOf = map[runtime.Code]int{
	runtime.CodeInvalidArgument:  fasthttp.StatusBadRequest,
	runtime.CodeDeployFailed:     fasthttp.StatusBadRequest,
	runtime.CodeUnauthenticated:  fasthttp.StatusUnauthorized,
	runtime.CodePermissionDenied: fasthttp.StatusForbidden,
	runtime.CodeNotFound:         fasthttp.StatusNotFound,
	runtime.CodeAlreadyExists:    fasthttp.StatusConflict,
	runtime.CodeConflict:         fasthttp.StatusConflict,
	runtime.CodePrecondition:     fasthttp.StatusPreconditionFailed,
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

	CodeMethodNotAllowed: fasthttp.StatusMethodNotAllowed,
	CodeURITooLong:       fasthttp.StatusRequestURITooLong,
	CodeHeaderTooLarge:   fasthttp.StatusRequestHeaderFieldsTooLarge,
	CodeBadRequest:       fasthttp.StatusBadRequest,
	CodeBadVersion:       fasthttp.StatusHTTPVersionNotSupported,
	CodeRequestTimeout:   fasthttp.StatusRequestTimeout,
	CodeUnsupportedMedia: fasthttp.StatusUnsupportedMediaType,
	CodeUnfinished:       fasthttp.StatusGatewayTimeout,
}

// ErrorReport is the part of an error that the caller may see. Each dialect renders it in its own
// form.
type ErrorReport struct {
	wire.Error
	Errors     []wire.Mistake // all errors of a request that has several
	Name       string         // of a named error, else empty
	Parameters map[string]any // of a named error
}

// namedError is an error that has a name in a dialect.
type namedError struct {
	error
	name       string
	parameters map[string]any
}

func (e namedError) Unwrap() error { return e.error }

// Named returns err with the name and the parameters that a dialect has for it.
func Named(err error, name string, parameters map[string]any) error {
	return namedError{err, name, parameters}
}

// internalError is what a caller gets in place of every internal error: its own message is
// for the log only.
var internalError = runtime.Internal("", nil)

// InternalError returns the report of an internal error that is logged under id.
func InternalError(id string) ErrorReport {
	return ErrorReport{Error: wire.Error{
		Message: internalError.Message, Code: string(runtime.CodeInternal), Hint: internalError.Hint, ErrorID: id,
	}}
}

// RenderFailure renders why an execution failed. The message of an internal failure is in the
// log, under the id of the execution.
func RenderFailure(f *runtime.Failure) *wire.Error {
	if IsInternal(f) {
		e := InternalError("").Error
		return &e
	}
	return &wire.Error{
		Message:         FailureMessage(f),
		Code:            string(f.Class.Code()),
		ServerTraceback: f.Traceback,
		Line:            f.Line,
		ErrorType:       f.Type,
	}
}

// FailureHint returns what the owner of a function can do about a run that has reached a limit, empty
// for other failures.
func FailureHint(f *runtime.Failure) string {
	switch f.Class {
	case runtime.ClassTimeout:
		return fmt.Sprintf("make the function faster, run it in the background if it takes more than %.0f seconds, or give it a longer timeout, at most %.0f seconds",
			runtime.MaxBlocking.Seconds(), runtime.MaxTimeout.Seconds())
	case runtime.ClassMemory:
		return fmt.Sprintf("let the function use less memory, or give it more, at most %d MB", runtime.MaxMemory/runtime.MiB)
	case runtime.ClassStack:
		return "turn recursion into a loop"
	case runtime.ClassResultTooLarge:
		return "return less, or split the work over several runs"
	case runtime.ClassError:
		// The texts are those of strerror in the guest.
		_, text, _ := strings.Cut(f.Message, "] ")
		switch {
		case f.Type != "OSError":
		case strings.HasPrefix(text, "No space left on device"):
			return fmt.Sprintf("/tmp holds at most %d MB and 10,000 files: remove files that are not needed any more", runtime.DefaultTmp/runtime.MiB)
		case strings.HasPrefix(text, "No file descriptors available"), strings.HasPrefix(text, "Too many open files"):
			return fmt.Sprintf("at most %d files may be open at once: close files, best by a with statement", runtime.DefaultOpenFiles)
		}
	}
	return ""
}

// IsInternal reports whether a failure is the server's own, or of an unknown class.
func IsInternal(f *runtime.Failure) bool {
	return f.Class == runtime.ClassInternal || StatusOf[f.Class.Code()] == 0
}

// FailureMessage returns the last line of a Python traceback: the type of the exception and
// its message.
func FailureMessage(f *runtime.Failure) string {
	switch {
	case f.Type == "" || strings.HasPrefix(f.Message, f.Type):
		return f.Message
	case f.Message == "":
		return f.Type
	}
	return f.Type + ": " + f.Message
}
