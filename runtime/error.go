package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code is the kind of an error. The engine, the logs and every API dialect (as error_code) use
// the same word. One table in httpapi maps it to an HTTP status, one in cmd/fas to an exit
// status.
type Code string

// The codes. A failed execution has a code that follows from its [Class], see [Class.Code].
const (
	CodeInvalidArgument  Code = "invalid_argument"    // the request is not valid
	CodeDeployFailed     Code = "deploy_failed"       // the code cannot be deployed; Traceback and Line show the place
	CodeUnauthenticated  Code = "unauthenticated"     // the token is missing or wrong
	CodePermissionDenied Code = "permission_denied"   // the token is valid but does not permit this
	CodeNotFound         Code = "not_found"           // does not exist, or is not visible to this tenant
	CodeAlreadyExists    Code = "already_exists"      // the name is taken
	CodeConflict         Code = "conflict"            // contradicts an earlier request: the idempotency key was used for a different one
	CodePrecondition     Code = "precondition_failed" // the function is not what If-Match or If-None-Match says
	CodeTooLarge         Code = "too_large"           // exceeds a documented size limit
	CodeTooBusy          Code = "too_busy"            // retry after RetryAfter
	CodeUnavailable      Code = "unavailable"         // the server is starting, shutting down or out of a resource
	CodeInternal         Code = "internal"            // a fault of the server; the log has the details under the same id
)

// Error is the one error type that crosses package borders. Message and Hint are written for the
// client and never contain internals; Err is for the log only.
type Error struct {
	Code       Code
	Op         string        // the operation that failed, for the log: "engine.create"
	Message    string        // what failed and why
	Hint       string        // how to fix it; may be empty
	Traceback  string        // frames of the user's own Python code, for a failed deploy
	Line       int           // line in the user's code, from 1; 0 if unknown
	RetryAfter time.Duration // for CodeTooBusy and CodeUnavailable
	Path       string        // member of the request that is wrong, such as "spec.function"; empty if unknown
	More       []*Error      // what else is wrong with the request, see [Errors]
	Err        error         // cause; never shown to a client
}

// Error returns all fields that identify the failure, for logs.
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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a code and a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

// Internal wraps an unexpected error. The client sees only that the server failed; err is for the
// log.
func Internal(op string, err error) *Error {
	return &Error{
		Code:    CodeInternal,
		Op:      op,
		Message: "something went wrong inside the server",
		Hint:    "try again; if the error persists, report its id to the operator of the server",
		Err:     err,
	}
}

// FunctionNameTakenError returns the error for a function name that is in use.
func FunctionNameTakenError(name string) *Error {
	return Errorf(CodeAlreadyExists, "a function named %q already exists", name).
		WithHint("PUT /v1/functions/NAME creates or updates a function, `fas functions apply` does; or choose another name")
}

// NoFunctionError returns the error for a function name that is not in use.
func NoFunctionError(name string) *Error {
	return Errorf(CodeNotFound, "there is no function named %q", name).
		WithHint("list the functions to see their names")
}

// NoVersionError returns the error for a number of no stored version of a function.
func NoVersionError(name string, number uint64) *Error {
	return Errorf(CodeNotFound, "the function %q has no version %d", name, number).
		WithHint(fmt.Sprintf("list its versions: the last %d are stored", KeptVersions))
}

// NoExecutionError returns the error for an id of no execution.
func NoExecutionError(id string) *Error {
	return Errorf(CodeNotFound, "there is no execution with id %q", id).
		WithHint("finished executions are stored for a limited time; list the executions to see which exist")
}

// CodeOf returns the code of the *Error in the chain of err, or CodeInternal if there is none. It
// is empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := AsError(err); ok {
		return e.Code
	}
	return CodeInternal
}

// AsError returns the first *Error in the chain of err.
func AsError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// ShuttingDownError returns the error for a request that arrives while the server shuts down.
func ShuttingDownError() error {
	err := Errorf(CodeUnavailable, "the server is shutting down").WithHint("try again in a moment")
	err.RetryAfter = time.Second
	return err
}

// AbandonedError returns the error for a run whose caller's context ended, for cause, before the
// run began.
func AbandonedError(cause error) error {
	var err *Error
	if errors.Is(cause, context.DeadlineExceeded) {
		err = Errorf(CodeTooBusy, "the server is busy: the run could not start before the deadline of its caller").
			WithHint("try again in a moment")
		err.RetryAfter = BusyRetry
	} else {
		err = Errorf(CodeUnavailable, "the run was cancelled before it started")
	}
	err.Err = cause
	return err
}

// ErrBegan is in the chain of the error of a run that had perhaps begun: what it has done is not known.
var ErrBegan = errors.New("the run may have begun")

// ErrUnknownOutcome is in the chain of the error of a write of which it is not known whether it is, or will be, stored.
var ErrUnknownOutcome = errors.New("the outcome is not known")

// ErrWorkerLost is in the chain of the error of a run whose process ended before the run did.
var ErrWorkerLost = errors.New("the worker process has ended")

// WorkerLostError returns the error of a run whose process ended before the run did. What the run has
// done is not known.
func WorkerLostError() error {
	err := Errorf(CodeUnavailable, "the process that ran the function has ended, perhaps because of another run").
		WithHint("try again, if the function may run twice")
	err.RetryAfter, err.Err = BusyRetry, ErrWorkerLost
	return err
}

// BusyRetry is the RetryAfter of CodeTooBusy errors.
const BusyRetry = time.Second

// NoJobError returns the error for a job name that is not in use.
func NoJobError(name string) error {
	return Errorf(CodeNotFound, "there is no job named %q", name).
		WithHint("check the name; list the jobs to see their names")
}

// JobNameTakenError returns the error for a job name that is in use.
func JobNameTakenError(name string) error {
	return Errorf(CodeAlreadyExists, "a job named %q already exists", name).
		WithHint("choose another name, or update that job")
}

// NoFunctionOfJobError returns the error for a job whose function does not exist.
func NoFunctionOfJobError(name string) error {
	return Errorf(CodeInvalidArgument, "the job's function %q does not exist", name).
		WithHint("create the function if there is none, and store the job again; or name another function in the job")
}

// DeletedFunctionOfJobError returns the error for a job whose function was deleted. A function that
// has its name now is another function.
func DeletedFunctionOfJobError(name string) error {
	return Errorf(CodeInvalidArgument, "the job's function %q was deleted", name).
		WithHint("update the job with the name of an existing function")
}
