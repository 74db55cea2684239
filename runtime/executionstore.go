package runtime

import (
	"errors"
	"slices"
	"time"
)

const (
	// IdempotencyPeriod is how long an idempotency key is remembered.
	IdempotencyPeriod = 24 * time.Hour
	// ListedResult is the size in bytes up to which a result is told in a list;
	// a page of large ones would not fit into memory.
	ListedResult = 1 * KiB
)

// ErrLease says that an attempt is not, or no more, the one that may change an
// execution: it was cancelled, has ended, or has been started anew.
var ErrLease = errors.New("the execution is not held by this attempt")

// ExecutionStore keeps executions: those to be done, and those done. Writes are
// one batch each, all or none, and durable when they return nil, but for those
// of Record. What reads tell of an execution that was accepted is durable, too.
// Methods are safe for concurrent use. Absent things, those of other tenants and
// malformed ids are CodeNotFound errors. Slices given in must not change before
// the call returns; slices returned belong to the caller.
type ExecutionStore interface {
	ExecutionQueue
	ExecutionHistory
}

// ExecutionQueue keeps what was accepted and is not done.
type ExecutionQueue interface {
	// Accept keeps queued executions of one tenant, which are no tasks, and gives
	// their ids in order.
	// Where a key is given that was seen before, within [IdempotencyPeriod], it
	// keeps nothing: replayed is true and the ids are those of then if the
	// request is the same, else the error is CodeConflict. Of those who come with
	// the same key at once one is first.
	Accept(batch []Accepted, key *IdempotencyKey) (ids []string, replayed bool, err error)
	// LookupKey gives the ids that a key stands for, none if it is new. One that
	// came with another request is a CodeConflict error.
	LookupKey(tenant Tenant, key IdempotencyKey) (ids []string, err error)
	// Start makes queued executions running. refused tells in order which may not
	// start, as ErrLease.
	Start(leases []Lease) (refused []error, err error)
	// Finish ends attempts. Each execution given is as it shall stand: in a
	// terminal state with its outcome, or queued again with NotBefore, the
	// failures counted so far and the logs of the attempt. It counts only if the execution runs and Attempt
	// is that of the lease. One that is to be queued again but was asked to cancel
	// is cancelled as of now, and so is a task of an execution of a job that was.
	Finish(ended []Execution, now time.Time) ([]FinishResult, error)
	// Cancel makes a queued execution cancelled as of now, and keeps of a running
	// one that it is to be. changed is false if it has ended or was asked to
	// before. The execution is as it stands afterwards, without its logs.
	Cancel(tenant Tenant, id string, now time.Time) (x Execution, changed bool, err error)
	// EachUnfinished calls visit with each execution that is queued or running, per
	// tenant in order of their ids, until visit fails, which must not
	// call the store.
	EachUnfinished(visit func(Execution) error) error
	// GetArgs gets the args of an execution that is not done.
	GetArgs(tenant Tenant, id string) ([]byte, error)
}

// ExecutionHistory keeps what is done, and finds executions.
type ExecutionHistory interface {
	// Record keeps executions in their terminal states that were never queued, all
	// or none. Those of KindRun may be lost with the process or the machine, if no
	// other is with them: who waited for them knows their results.
	Record(batch []Execution) error
	// GetExecution gets an execution with its result, without its logs.
	GetExecution(tenant Tenant, id string) (Execution, error)
	// GetExecutions gets executions in the order of ids, nil for those that are not
	// there, without logs and without results above [ListedResult].
	GetExecutions(tenant Tenant, ids []string) ([]*Execution, error)
	// GetLogs gets what the latest attempt of an execution wrote, nothing while it
	// runs, and the execution as it was at the same moment, without its result.
	GetLogs(tenant Tenant, id string) (Execution, Logs, error)
	// ListExecutions gives up to limit executions that pass a filter, newest first, those
	// accepted before the one with the id cursor, if it is not empty. They come
	// without logs and without results above [ListedResult]. The next page
	// begins at the last id given.
	ListExecutions(tenant Tenant, filter Filter, cursor string, limit int) ([]Execution, error)
	// SearchExecutions gives executions of a function or job that are done, those that
	// started last first, and those that started at once in the order of their IDs,
	// the greatest first. next is where the next page begins, nil if this is the
	// last. If there is no such function or job the error is CodeNotFound.
	SearchExecutions(tenant Tenant, o SearchScan) (found []ExecutionSummary, next *SearchPosition, err error)
	// Expire drops executions that are done and were accepted more than age ago,
	// and beyond the newest keep of the server, and idempotency keys whose period
	// is over. Age 0 is no bound, nor is a negative keep. Of many it keeps keep
	// within a few per cent.
	Expire(now time.Time, age time.Duration, keep int) error
}

// Accepted is an execution to be queued, with its args.
type Accepted struct {
	Execution Execution
	Args      []byte // JSON object
}

// IdempotencyKey marks requests of a tenant that are to be done once.
type IdempotencyKey struct {
	Key  string
	Hash [32]byte  // of all of the request that must be the same
	Now  time.Time // when the request came
}

// Lease is an attempt that starts.
type Lease struct {
	Tenant  Tenant
	ID      string
	Attempt int // one more than the execution's Attempt
	Started time.Time
	// JobExecution is of a task: the id of its execution of a job, if that has not
	// started yet as far as is known. It starts with the task. Empty else.
	JobExecution string
}

// FinishResult tells what became of an attempt's end: the execution as it stands now,
// without result and logs, or ErrLease if it did not count.
type FinishResult struct {
	Execution Execution
	Err       error
	// JobDone says that it was the last task of its execution of a job, which is
	// done with it.
	JobDone bool
}

// Filter chooses executions; its zero value chooses all. Times are those in the
// ids, to the millisecond.
type Filter struct {
	Function string    // its name at the time; empty: any
	States   []State   // empty: any
	After    time.Time // accepted at or after it; zero: any time
	Before   time.Time // accepted before it; zero: any time
	// TraceID is the trace that they belong to, see Caller; empty: any.
	TraceID string
}

// Matches tells whether an execution is one that the filter chooses.
func (f Filter) Matches(x *Execution) bool {
	return (f.Function == "" || f.Function == x.Function) &&
		(f.TraceID == "" || f.TraceID == x.Caller.TraceID) &&
		(len(f.States) == 0 || slices.Contains(f.States, x.State)) &&
		(f.After.IsZero() || !x.Created.Before(f.After)) &&
		(f.Before.IsZero() || x.Created.Before(f.Before))
}
