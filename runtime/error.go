package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code says what kind of error happened. It is the same word in the engine, in
// logs and in every API dialect (as error_code). One table in httpapi maps it
// to an HTTP status, one in cmd/fas to an exit status.
type Code string

// The codes. A failed execution has the code of its [Class] instead, see
// [Class.Code].
const (
	CodeInvalidArgument  Code = "invalid_argument"  // the request is wrong as it stands
	CodeDeployFailed     Code = "deploy_failed"     // the code does not deploy; Traceback and Line say where
	CodeUnauthenticated  Code = "unauthenticated"   // no token, or a wrong one
	CodePermissionDenied Code = "permission_denied" // the token is valid, but not for this
	CodeNotFound         Code = "not_found"         // no such thing, or not visible to this tenant
	CodeAlreadyExists    Code = "already_exists"    // the name is taken
	CodeConflict         Code = "conflict"          // it contradicts an earlier request: an idempotency key seen with another one
	CodeTooLarge         Code = "too_large"         // over a documented size limit
	CodeTooBusy          Code = "too_busy"          // try again after RetryAfter
	CodeUnavailable      Code = "unavailable"       // starting, draining or out of a resource
	CodeInternal         Code = "internal"          // our fault; the log has the details under the same id
)

// Error is the one error type that crosses package borders. Message and Hint
// are written for the caller and never hold anything internal; Err is for the
// log only.
type Error struct {
	Code       Code
	Op         string        // what was being done, for the log: "engine.create"
	Message    string        // what went wrong and why
	Hint       string        // what to do about it; may be empty
	Traceback  string        // the user's own Python frames, for deploy failures
	Line       int           // line in the user's code, 1-based; 0 if unknown
	RetryAfter time.Duration // for CodeTooBusy and CodeUnavailable
	Err        error         // the cause; never shown to a client
}

// Error gives the whole story, for logs.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a code with a message for the caller.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds what to do about it and returns e.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

// Internal wraps an unexpected error. The caller sees only that something went
// wrong here; err is for the log.
func Internal(op string, err error) *Error {
	return &Error{
		Code:    CodeInternal,
		Op:      op,
		Message: "something went wrong inside the server",
		Hint:    "try again; if it persists, give the error id to whoever operates the server",
		Err:     err,
	}
}

// FunctionNameTakenError is the error for a function name that is in use.
func FunctionNameTakenError(name string) *Error {
	return Errorf(CodeAlreadyExists, "a function named %q exists already", name).
		WithHint("update that function, or take another name")
}

// NoFunctionError is the error for a function name that is not in use.
func NoFunctionError(name string) *Error {
	return Errorf(CodeNotFound, "there is no function named %q", name).
		WithHint("list the functions to see which there are")
}

// CodeOf tells the code of err: that of the *Error in its chain, else
// CodeInternal. It is empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := AsError(err); ok {
		return e.Code
	}
	return CodeInternal
}

func AsError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

func ShuttingDownError() error {
	err := Errorf(CodeUnavailable, "the server is shutting down").WithHint("try again in a moment")
	err.RetryAfter = time.Second
	return err
}

// AbandonedError is the error of a caller whose patience ended before the run began.
func AbandonedError(cause error) error {
	var err *Error
	if errors.Is(cause, context.DeadlineExceeded) {
		err = Errorf(CodeTooBusy, "the server is busy: the run did not get a place in the time that its caller gave it").
			WithHint("try again in a moment")
		err.RetryAfter = BusyRetry
	} else {
		err = Errorf(CodeUnavailable, "the run was called off before it began")
	}
	err.Err = cause
	return err
}

// BusyRetry is the RetryAfter of CodeTooBusy errors.
const BusyRetry = time.Second
