package runtime

import (
	"time"
	"unsafe"
)

// State is the state of an execution. Each execution reaches exactly one terminal state.
type State string

// The states. Cancelling lies between running and cancelled; the last four are terminal.
const (
	StateQueued     State = "queued"
	StateRunning    State = "running"
	StateCancelling State = "cancelling"
	StateSucceeded  State = "succeeded"
	StateFailed     State = "failed"
	StateTimeout    State = "timeout"
	StateCancelled  State = "cancelled"
)

// Terminal reports whether s is one of the four states that never change.
func (s State) Terminal() bool {
	switch s {
	case StateSucceeded, StateFailed, StateTimeout, StateCancelled:
		return true
	}
	return false
}

// Kind is what an execution does.
type Kind string

// The kinds: a run of a function, and the three changes of a function.
const (
	KindRun    Kind = "run"
	KindCreate Kind = "create"
	KindUpdate Kind = "update"
	KindDelete Kind = "delete"
)

// Execution is one run of a function, or one change of a function.
type Execution struct {
	ID         string // UUIDv7; its time is the time of acceptance
	Tenant     Tenant
	Kind       Kind
	FunctionID string
	Function   string // name at the time of acceptance
	Version    uint64
	State      State
	Created    time.Time
	Started    time.Time // start of the latest attempt; zero while queued
	Finished   time.Time

	// Attempt is the number of the latest attempt, 0 before the first. Each attempt has its own
	// number, so a late result of an earlier attempt is recognised. The counts of failures below,
	// not Attempt, are compared with the bounds.
	Attempt          int
	Retries          int // further attempts that the caller allows after failures of the function
	FunctionFailures int // attempts that failed in the function and were followed by another one
	PlatformFailures int // attempts that failed in the platform, lost attempts excluded
	LostAttempts     int // attempts that ended with the server process, or with a worker process
	// Suspicion is what those lost attempts say against an execution that is not done.
	Suspicion Suspicion
	// NotBefore is the earliest time at which a queued execution may start: the backoff of a
	// retry. Zero: at once.
	NotBefore time.Time
	// CancelRequested reports that a cancellation was requested while it runs.
	CancelRequested bool

	// Caller is the user or resource that requested it. The TraceID of every execution that the
	// Engine returns is set: an execution without a trace starts one, see [TraceOf].
	Caller Caller
	// Task identifies the task of an execution of a job that this is; nil if it is none.
	Task *TaskRef

	// ResultSize is the size of the result in bytes, also where Result is left out: lists leave
	// out results larger than [ListedResult].
	ResultSize int
	// ArgsSize is the size of the args of a run in bytes; 0: an earlier release stored it.
	ArgsSize int
	// DropArgs reports that the args are not stored after the end, or are too large for that; see
	// [KeepsArgs].
	DropArgs bool
	// Args are the args of a run that is recorded and was never queued, if they are kept. Reads
	// leave them out.
	Args []byte
	// RerunOf is the id of the execution whose run this repeats; empty: none.
	RerunOf string
	// Pinned reports that a queued run uses Version, whichever is current when it starts.
	Pinned bool
	Outcome
}

// MaxKeptArgs is the size of the largest args, in bytes, that are stored after the end of a run.
const MaxKeptArgs = 64 * KiB

// KeepsArgs reports whether args of a size, in bytes, are stored after the end of a run.
func KeepsArgs(size int, drop bool) bool { return !drop && size > 0 && size <= MaxKeptArgs }

// KeepsArgs reports whether the args are stored, also after the end.
func (x *Execution) KeepsArgs() bool { return KeepsArgs(x.ArgsSize, x.DropArgs) }

// EndArgs sets DropArgs at the end of an execution: its args may be too large to be kept.
func (x *Execution) EndArgs() { x.DropArgs = x.ArgsSize > 0 && !x.KeepsArgs() }

// Duration returns how long an execution that is done has run, zero if it never started.
func (x *Execution) Duration() time.Duration {
	switch {
	case x.Started.IsZero():
		return 0
	case x.Usage.Duration != 0:
		return x.Usage.Duration
	}
	// A change that needs no call into the sandbox, or a run that was stopped before its call.
	return x.Finished.Sub(x.Started)
}

// CancelledWhileRunning is the failure message of a run that was cancelled after it had begun.
const CancelledWhileRunning = "it was cancelled while it ran"

// Cancelled returns x after a cancellation at now, before its end.
func (x Execution) Cancelled(now time.Time) Execution {
	message := "it was cancelled before it started"
	if !x.Started.IsZero() {
		message = CancelledWhileRunning
	}
	x.State = StateCancelled
	x.end(now)
	x.NotBefore = time.Time{}
	x.Suspicion = Suspicion{}
	x.Result, x.ResultSize = nil, 0
	x.Failure = &Failure{Class: ClassCancelled, Message: message}
	return x
}

// executionOverhead is the memory of an execution in bytes, excluding what Weight counts by
// length.
const executionOverhead = 1 * KiB

// Weight returns the approximate memory of an execution in bytes.
func (x *Execution) Weight() int64 {
	n := len(x.Result) + len(x.Args) + len(x.Logs.Data) + len(x.Logs.Marks)*int(unsafe.Sizeof(LogMark{})) + x.Timeline.weight() + executionOverhead
	if x.Failure != nil {
		n += len(x.Failure.Message) + len(x.Failure.Traceback)
	}
	for i := range x.Egress {
		n += len(x.Egress[i].Host) + int(unsafe.Sizeof(x.Egress[i]))
	}
	return int64(n)
}

// AfterChange returns the execution of a change in its terminal state, where f is the function
// after the change and o the outcome of its deploy.
func (x Execution) AfterChange(f Function, o Outcome, now time.Time) Execution {
	x.Tenant, x.FunctionID, x.Function, x.Version = f.Tenant, f.ID, f.Name, f.Version
	x.Outcome = o
	x.Result = nil
	x.State = StateSucceeded
	if o.Failure != nil {
		x.State = o.Failure.Class.State()
	}
	x.end(now)
	return x
}

// end sets the end of an execution, and keeps its times in order.
func (x *Execution) end(now time.Time) {
	x.Finished = now
	x.EndArgs()
	x.InOrder()
}

// InOrder keeps the times of an execution in order, if the clock was set back between two of them:
// it does not start before its acceptance, and does not end before it has run for its duration.
func (x *Execution) InOrder() {
	first := x.Created
	if !x.Started.IsZero() {
		x.Started = Later(x.Started, first)
		first = x.Started
	}
	if !x.Finished.IsZero() && x.Finished.Round(0).Before(first.Round(0)) {
		x.Finished = first.Add(x.Usage.Duration)
	}
}

// Later returns the later of two times of day.
func Later(a, b time.Time) time.Time {
	if a.Round(0).Before(b.Round(0)) { // a monotonic reading does not say what the time of day was
		return b
	}
	return a
}
