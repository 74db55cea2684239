package runtime

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// Outcome is the end of a call into the sandbox: it has either a Result or a Failure.
type Outcome struct {
	Result  []byte // JSON; nil if Failure is set
	Failure *Failure
	Logs    Logs
	Usage   Usage
	Egress  []Egress // what a run has sent and received, in the order of the first connections
	// Timeline says when the parts of a run happened. Nil unless traces are exported; not stored.
	Timeline *Timeline
}

// Failure is the reason why a run did not succeed, as text for the owner of the function.
type Failure struct {
	Class     Class
	Type      string // type of the exception, such as "ValueError"; for ClassError
	Message   string
	Advises   bool   // Message says what to do; not stored
	Traceback string // frames of the user's own code
	Line      int    // innermost line in the user's code, from 1; 0 if unknown
	ExitCode  int    // for ClassExited
}

// Class is the kind of a run's failure.
type Class string

// The classes. ClassRejected is a run that never started; ClassInternal is a failure of the
// platform, not of the function.
const (
	ClassError          Class = "error"            // the function raised an exception
	ClassTimeout        Class = "timeout"          // it exceeded its timeout
	ClassCancelled      Class = "cancelled"        // a client or the server cancelled it
	ClassMemory         Class = "memory"           // it exceeded its memory limit
	ClassStack          Class = "stack"            // it recursed deeper than the stack allows
	ClassExited         Class = "exited"           // it called sys.exit or os._exit
	ClassCrashed        Class = "crashed"          // the interpreter itself failed (abort, crafted bytecode)
	ClassResultInvalid  Class = "result_invalid"   // the returned value is not JSON
	ClassResultTooLarge Class = "result_too_large" // the returned value is larger than MaxResult
	ClassRejected       Class = "rejected"
	ClassInternal       Class = "internal"
)

// Code returns the error code that reports a failure of this class: "function_error" for
// ClassError, else the class itself.
func (c Class) Code() Code {
	if c == ClassError {
		return "function_error"
	}
	return Code(c)
}

// State returns the terminal state of a run of this class.
func (c Class) State() State {
	switch c {
	case ClassTimeout:
		return StateTimeout
	case ClassCancelled:
		return StateCancelled
	}
	return StateFailed
}

// Usage is what a run consumed.
type Usage struct {
	Duration time.Duration // from getting a processor until its slot is ready for another run; with the building of a missing image
	Memory   int64         // bytes of linear memory at the end, which is its maximum
	Pages    int           // 4 KiB pages that were written, and restored afterwards
	// Start is the time from the call of the sandbox until main was called, 0 if it never was; Built says
	// that the image was made meanwhile. They are not stored.
	Start time.Duration
	Built bool
}

// Finish moves an execution to its terminal state. No other code does that after a run. It checks
// that the result is JSON within bounds, because the sandbox is not trusted with that promise.
func (x *Execution) Finish(o Outcome, now time.Time) {
	if o.Failure == nil {
		o.Failure = checkResult(o.Result)
	}
	x.Outcome = o
	x.end(now)
	if o.Failure == nil {
		x.State = StateSucceeded
		return
	}
	x.Result = nil
	if o.Failure.Class == "" {
		failure := *o.Failure
		failure.Class = ClassInternal
		x.Failure = &failure
	}
	x.State = x.Failure.Class.State()
}

// checkResult returns the failure of a result that is too large or not JSON, else nil.
func checkResult(result []byte) *Failure {
	if len(result) > MaxResult {
		return &Failure{
			Class:   ClassResultTooLarge,
			Message: fmt.Sprintf("the result has %d bytes as JSON, at most %s are allowed", len(result), SizeText(MaxResult)),
		}
	}
	if err := strictjson.Check(result, strictjson.Options{}); err != nil {
		return &Failure{Class: ClassResultInvalid, Message: "the result is not valid JSON: " + err.Error()}
	}
	return nil
}
