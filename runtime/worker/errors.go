package worker

import (
	"errors"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// remoteError is the cause of an error, as its text, in the process that has received it.
type remoteError string

func (e remoteError) Error() string { return string(e) }

// appendError appends an error that crosses the connection: of its chain, the first [runtime.Error], the
// first syscall.Errno, and the text of the cause.
func appendError(b []byte, err error) []byte {
	coded, ok := runtime.AsError(err)
	if !ok {
		coded = runtime.Internal("worker", err)
	}
	b = wire.AppendBytes(b, string(coded.Code))
	b = wire.AppendBytes(b, cut(coded.Op, maxName))
	b = wire.AppendBytes(b, cut(coded.Message, maxText))
	b = wire.AppendBytes(b, cut(coded.Hint, maxText))
	b = wire.AppendUint(b, uint64(max(coded.RetryAfter, 0)))
	var number syscall.Errno
	errors.As(err, &number)
	b = wire.AppendUint(b, uint64(number))
	cause := ""
	if coded.Err != nil {
		cause = cut(coded.Err.Error(), maxText)
	}
	return wire.AppendBytes(b, cause)
}

func cut(s string, limit int) string { return s[:min(len(s), limit)] }

// decodeError returns the error of a reply. An error that a server would not send to a client as it is
// becomes an internal one.
func decodeError(message []byte) error {
	d := wire.Decode(message)
	e := &runtime.Error{
		Code: runtime.Code(d.String(maxName)), Op: d.String(maxName), Message: d.String(maxText), Hint: d.String(maxText),
		RetryAfter: time.Duration(d.Size()),
	}
	number, cause := syscall.Errno(d.Count(1<<12)), d.String(maxText)
	if err := d.Err(); err != nil {
		return runtime.Internal("worker", err)
	}
	var causes []error
	if cause != "" {
		causes = append(causes, remoteError(cause))
	}
	if number != 0 {
		causes = append(causes, number)
	}
	e.Err = errors.Join(causes...)
	switch e.Code {
	case runtime.CodeInvalidArgument, runtime.CodePermissionDenied, runtime.CodeNotFound, runtime.CodeTooLarge, runtime.CodeTooBusy, runtime.CodeUnavailable:
		return e
	}
	return runtime.Internal(e.Op, e.Err)
}
