package runtime

import (
	"errors"
	"slices"
	"time"
)

const (
	// IdempotencyPeriod is the time for which the store remembers an idempotency key.
	IdempotencyPeriod = 24 * time.Hour
	// ListedResult is the size in bytes of the largest result that lists contain. A page of large
	// results would not fit into memory.
	ListedResult = 1 * KiB
)

// ErrLease is the error for an attempt that does not hold the lease of its execution: the
// execution was cancelled, has ended, or has a later attempt.
var ErrLease = errors.New("the attempt does not hold the lease of the execution")

// ExecutionStore stores executions: those that are queued or running, and those that are done.
// Each write is one batch, applied as a whole or not at all, and durable when it returns nil;
// Record alone promises less. Reads return only durable states of accepted executions. Methods
// may be called concurrently. For ids that are unknown, malformed or of another tenant the error
// is CodeNotFound. Slices that are passed in must not change before the call returns; the caller
// owns the slices that are returned.
type ExecutionStore interface {
	ExecutionQueue
	ExecutionHistory
}

// ExecutionQueue stores executions that were accepted and are not done.
type ExecutionQueue interface {
	// Accept stores queued executions of one tenant that are no tasks, and returns their ids in
	// order. If key was used before, within [IdempotencyPeriod], nothing is stored: for the same
	// request replayed is true and the ids are those of the first one, for a different request
	// the error is CodeConflict. Of concurrent requests with the same key one is the first.
	Accept(batch []Accepted, key *IdempotencyKey) (ids []string, replayed bool, err error)
	// LookupKey returns the ids that a key refers to, none if the key is new. For a key that was
	// used with a different request the error is CodeConflict.
	LookupKey(tenant Tenant, key IdempotencyKey) (ids []string, err error)
	// Start changes queued executions to running. refused holds ErrLease, in order, for each
	// execution that must not start.
	Start(leases []Lease) (refused []error, err error)
	// Finish ends attempts. Each execution is passed in its new state: terminal with its outcome,
	// or queued again with NotBefore, the counts of failures so far and the logs of the attempt.
	// Its args stay stored if [Execution.KeepsArgs], as it was accepted.
	// It is stored only if the execution is running and Attempt is that of the lease. An
	// execution that would be queued again is cancelled as of now if its cancellation was
	// requested, or that of the execution of a job whose task it is.
	Finish(ended []Execution, now time.Time) ([]FinishResult, error)
	// SetSuspicion changes the Suspicion of executions that are not done: of a queued one if the
	// new Probation is none, else of a running one. It ignores executions in another state or at
	// another attempt.
	SetSuspicion(changes []SuspicionChange) error
	// Cancel changes a queued execution to cancelled as of now, and stores the request to cancel
	// a running one. changed is false if the execution has ended or its cancellation was
	// requested before. The returned execution is in its new state, without logs.
	Cancel(tenant Tenant, id string, now time.Time) (x Execution, changed bool, err error)
	// EachUnfinished calls visit with each execution that is queued or running, for each tenant
	// in the order of ids, until visit fails. visit must not call the store.
	EachUnfinished(visit func(Execution) error) error
	// GetArgs returns the args of an execution: nil if it is done and they were not kept, or if it
	// is a change of a function.
	GetArgs(tenant Tenant, id string) ([]byte, error)
}

// ExecutionHistory stores executions that are done, and finds executions.
type ExecutionHistory interface {
	// Record stores executions in their terminal states that were never queued, as a whole or not
	// at all, with their Args. A batch that holds only executions of KindRun may be lost with the
	// process or the machine: the callers that waited for them have their results.
	Record(batch []Execution) error
	// RecordOnce is Record without the executions that are recorded already. It returns those that were not. Of two
	// calls with the same executions, one must return before the other begins.
	RecordOnce(batch []Execution) (recorded []Execution, err error)
	// GetExecution returns an execution with its result, without its logs.
	GetExecution(tenant Tenant, id string) (Execution, error)
	// GetExecutions returns executions in the order of ids, nil for unknown ones, without logs
	// and without results larger than [ListedResult].
	GetExecutions(tenant Tenant, ids []string) ([]*Execution, error)
	// GetLogs returns a page of the output of the latest attempt of an execution, none while the
	// attempt runs, and the execution at the same moment, without its result.
	GetLogs(tenant Tenant, id string, from LogPosition) (Execution, LogPage, error)
	// ListExecutions returns up to limit executions that pass a filter, newest first, without
	// logs and without results larger than [ListedResult]. If cursor is not empty, it starts
	// after the execution with that id; so the last id of a page is the cursor of the next.
	ListExecutions(tenant Tenant, filter ExecutionFilter, cursor string, limit int) ([]Execution, error)
	// EachExecution calls visit with these executions, of one state of the store, until visit returns
	// false. visit must not call the store.
	EachExecution(tenant Tenant, filter ExecutionFilter, cursor string, visit func(*Execution) (more bool)) error
	// SearchExecutions returns executions of a function or job that are done, in descending order
	// of their start and then of their ids. next is the start of the next page, nil on the last
	// page. If there is no such function or job the error is CodeNotFound.
	SearchExecutions(tenant Tenant, o SearchScan) (found []ExecutionSummary, next *SearchPosition, err error)
	// EndedRuns returns the runs that have ended so far, of those that were accepted at or after a
	// time.
	EndedRuns(accepted time.Time) (EndedRuns, error)
	// Expire drops what has ended and is too old or too much, see [Retention], dead letters after
	// [DeadLetterAge], and idempotency keys whose period is over.
	Expire(now time.Time, r Retention) error
}

// Accepted is an execution to be queued, with its args.
type Accepted struct {
	Execution Execution
	Args      []byte // JSON object
}

// IdempotencyKey identifies requests of a tenant that must have an effect only once.
type IdempotencyKey struct {
	Key  string
	Hash [32]byte  // of all that must be the same in a repeated request
	Now  time.Time // time of the request
}

// Lease is an attempt that starts.
type Lease struct {
	Tenant  Tenant
	ID      string
	Attempt int // one more than the execution's Attempt
	Started time.Time
	// Probation is the state in which the attempt starts: none, or a probation.
	Probation Probation
	// JobExecution is set only for a task: the id of its execution of a job, unless that is known
	// to have started. That execution starts together with the task.
	JobExecution string
}

// FinishResult is the result of Finish for one attempt: the execution in its new state, without
// result and logs, or ErrLease if the end was not stored.
type FinishResult struct {
	Execution Execution
	Err       error
	// JobDone reports that the task was the last of its execution of a job, which has therefore
	// ended.
	JobDone bool
}

// ExecutionFilter selects executions; its zero value selects all. It compares the times in the ids,
// which have a precision of a millisecond. A store ignores Where.
type ExecutionFilter struct {
	Function string    // its name at the time of acceptance; empty: any
	States   []State   // empty: any
	After    time.Time // accepted at or after this time; zero: any time
	Before   time.Time // accepted before this time; zero: any time
	// TraceID is the trace that the executions belong to, see [Caller]. Empty: any.
	TraceID string
	// Where selects further, see [ExecutionFilter.Selects]. Nil: it does not.
	Where *SearchFilter
}

// ExecutionScan is a request for executions that a filter selects, which looks at each execution for which
// the filter without Where holds, newest first.
type ExecutionScan struct {
	After string // the Next of the previous page; empty: the first page
	// Sees reports whether an execution may be part of the page. It must not call the engine. Nil: it may.
	Sees func(*Execution) bool
	// The page ends after as many executions, after as many bytes of them, or once as many were looked at.
	Limit, Bytes, Looks int
}

// lookBytes is the memory of an execution that counts as one more look, in bytes.
const lookBytes = 16 * KiB

// LooksOf returns how many looks of a scan an execution is: a large one takes as long as several.
func LooksOf(x *Execution) int { return 1 + int(x.Weight()/lookBytes) }

// Selects reports whether the filter selects an execution at a time, Where included. For it, an execution
// that is not done has neither status nor reason, and its duration is the time since its latest attempt
// began.
func (f ExecutionFilter) Selects(x *Execution, now time.Time) bool {
	return f.Matches(x) && f.holds(x, now)
}

// holds reports whether Where selects an execution.
func (f ExecutionFilter) holds(x *Execution, now time.Time) bool {
	if f.Where == nil {
		return true
	}
	s := x.Summary()
	if !x.State.Terminal() {
		s.Status, s.Reason, s.Duration = "", "", 0
		if !x.Started.IsZero() {
			s.Duration = max(0, now.Sub(x.Started))
		}
	}
	return f.Where.Matches(&s)
}

// Matches reports whether the filter selects an execution, except for Where.
func (f ExecutionFilter) Matches(x *Execution) bool {
	return (f.Function == "" || f.Function == x.Function) &&
		(f.TraceID == "" || f.TraceID == x.Caller.TraceID) &&
		(len(f.States) == 0 || slices.Contains(f.States, x.State)) &&
		(f.After.IsZero() || !x.Created.Before(f.After)) &&
		(f.Before.IsZero() || x.Created.Before(f.Before))
}
