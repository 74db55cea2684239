package runtime

import (
	"time"
	"unsafe"
)

// State is where an execution stands. Exactly one terminal state is reached,
// once.
type State string

// The states. Cancelling is on the way from running to cancelled; the last
// four are terminal.
const (
	StateQueued     State = "queued"
	StateRunning    State = "running"
	StateCancelling State = "cancelling"
	StateSucceeded  State = "succeeded"
	StateFailed     State = "failed"
	StateTimeout    State = "timeout"
	StateCancelled  State = "cancelled"
)

// Class says in which way a run failed.
type Class string

// The classes. ClassRejected is a run that never started; ClassInternal is a
// failure of the platform, not of the function.
const (
	ClassError          Class = "error"            // the function raised
	ClassTimeout        Class = "timeout"          // its time was up
	ClassCancelled      Class = "cancelled"        // somebody stopped it
	ClassMemory         Class = "memory"           // it needed more than its memory limit
	ClassStack          Class = "stack"            // it recursed too deep for the machine
	ClassExited         Class = "exited"           // sys.exit, os._exit
	ClassCrashed        Class = "crashed"          // the interpreter itself broke (abort, crafted bytecode)
	ClassResultInvalid  Class = "result_invalid"   // what it returned is not JSON
	ClassResultTooLarge Class = "result_too_large" // what it returned is over MaxResult
	ClassRejected       Class = "rejected"
	ClassInternal       Class = "internal"
)

// Terminal tells whether s is one of the four states that nothing follows.
func (s State) Terminal() bool {
	switch s {
	case StateSucceeded, StateFailed, StateTimeout, StateCancelled:
		return true
	}
	return false
}

// Code is the error code under which a failure of this class is told to a
// caller: "function_error" for ClassError, else the class's own word.
func (c Class) Code() Code {
	if c == ClassError {
		return "function_error"
	}
	return Code(c)
}

// State is the terminal state that a run of this class ends in.
func (c Class) State() State {
	switch c {
	case ClassTimeout:
		return StateTimeout
	case ClassCancelled:
		return StateCancelled
	}
	return StateFailed
}

// Failure tells why a run did not succeed, in words for the function's owner.
type Failure struct {
	Class     Class
	Type      string // the exception's type, such as "ValueError", for ClassError
	Message   string
	Traceback string // the user's own frames
	Line      int    // innermost line in the user's code, 0 if unknown
	ExitCode  int    // for ClassExited
}

// Usage is what a run took.
type Usage struct {
	Duration time.Duration // from taking a slot to the end of the call
	Memory   int64         // bytes of linear memory at the end, its high-water mark
	Pages    int           // 4 KiB pages written, restored afterwards
}

// Logs is what a run wrote to stdout and stderr, in order.
type Logs struct {
	Data      []byte    // both streams as they were written
	Marks     []LogMark // where each stream's stretch begins in Data
	Truncated bool      // the limit was reached; Data ends with a line that says so
}

// LogMark says that from Offset on, Data is of Stream (1 stdout, 2 stderr).
type LogMark struct {
	Offset int
	Stream uint8
}

// Outcome is how a call into the sandbox ended: with Result, or with Failure.
type Outcome struct {
	Result  []byte // JSON; nil if Failure is set
	Failure *Failure
	Logs    Logs
	Usage   Usage
}

// Kind says what an execution does.
type Kind string

// The kinds: a run of a function, and the three changes of one.
const (
	KindRun    Kind = "run"
	KindCreate Kind = "create"
	KindUpdate Kind = "update"
	KindDelete Kind = "delete"
)

// Execution is one run of a function, or one change of it.
type Execution struct {
	ID         string // UUIDv7; its time is when the execution was accepted
	Tenant     Tenant
	Kind       Kind
	FunctionID string
	Function   string // name at the time of the run
	Version    uint64
	State      State
	Created    time.Time
	Started    time.Time // start of the latest attempt; zero while queued
	Finished   time.Time

	// Attempt is the number of the latest start, 0 until the first. Each start
	// has a number of its own, so that a late result of an earlier one is known
	// as such; what counts against a bound are the failures below.
	Attempt          int
	Retries          int // how many further attempts the caller asked for after failures of the function
	FunctionFailures int // attempts that ended in a failure of the function and were followed by another
	PlatformFailures int // attempts that the platform failed otherwise than by the loss of its process
	LostAttempts     int // attempts that were lost with their process
	// NotBefore is when a queued execution may start at the earliest: the
	// back-off of a retry. Zero: at once.
	NotBefore time.Time
	// CancelRequested says that somebody wants it cancelled while it runs.
	CancelRequested bool

	// Caller is who asked for it. Its TraceID is never empty in what the Engine
	// gives: an execution without a trace begins one, whose id is its own without
	// dashes.
	Caller Caller
	// Task says which task of which execution of a job it is, nil if it is none.
	Task *TaskOf

	// ResultSize is the size of the result in bytes, as the store tells it: lists
	// leave out results above [ListedResult].
	ResultSize int
	Outcome
}

// Took is how long an execution that is done ran, zero if it never started.
func (x *Execution) Took() time.Duration {
	switch {
	case x.Started.IsZero():
		return 0
	case x.Usage.Duration != 0:
		return x.Usage.Duration
	}
	// A change of a function that called nothing, or a run that was stopped before
	// its call.
	return x.Finished.Sub(x.Started)
}

// CancelledWhileRunning says why a run ended that was cancelled after it had begun.
const CancelledWhileRunning = "it was cancelled while it ran"

// Cancelled is x as it stands when it is cancelled before its end.
func (x Execution) Cancelled(now time.Time) Execution {
	message := "it was cancelled before it started"
	if !x.Started.IsZero() {
		message = CancelledWhileRunning
	}
	x.State = StateCancelled
	x.Finished = now
	x.NotBefore = time.Time{}
	x.Result, x.ResultSize = nil, 0
	x.Failure = &Failure{Class: ClassCancelled, Message: message}
	return x
}

// executionOverhead is what an execution takes in memory beside what weight
// counts, in bytes.
const executionOverhead = 1 * KiB

// Weight is what an execution takes in memory, in bytes.
func (x *Execution) Weight() int64 {
	n := len(x.Result) + len(x.Logs.Data) + len(x.Logs.Marks)*int(unsafe.Sizeof(LogMark{})) + executionOverhead
	if x.Failure != nil {
		n += len(x.Failure.Message) + len(x.Failure.Traceback)
	}
	return int64(n)
}

// RunRequest asks for a blocking run.
type RunRequest struct {
	Tenant   Tenant
	Function string // name
	Args     []byte // JSON object; empty means {}
	Caller   Caller
}

func (l Limits) Reservation() int64 { return l.Memory + l.Tmp }

// AfterChange is the execution of a change as it stands after it.
func (x Execution) AfterChange(f Function, o Outcome, now time.Time) Execution {
	x.Tenant, x.FunctionID, x.Function, x.Version = f.Tenant, f.ID, f.Name, f.Version
	x.Outcome = o
	x.Result = nil
	x.State = StateSucceeded
	if o.Failure != nil {
		x.State = o.Failure.Class.State()
	}
	x.Finished = now
	return x
}
