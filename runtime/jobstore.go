package runtime

import (
	"errors"
	"time"
)

// ErrTick is the error for a tick of a schedule that has started its execution, or that lies
// before a tick that has.
var ErrTick = errors.New("the tick has already started its execution")

// Tick is one time of a schedule.
type Tick struct {
	JobID   string
	Trigger string // id
	At      time.Time
}

// JobStore stores jobs and their executions, with the guarantees of [FunctionStore] and
// [ExecutionStore]. Tasks are executions: the methods for executions start, end and find them,
// and update the execution of their job in the same batch.
type JobStore interface {
	// CreateJob stores j and its first revision, number 1.
	CreateJob(j Job) error
	// UpdateJob replaces the job with j.ID by j. If j.Revision is one more than the stored
	// revision it adds a revision and drops the oldest beyond [KeptRevisions]; else the two must
	// be the same, and the spec stays unchanged.
	UpdateJob(j Job) error
	// DeleteJob deletes a job, its revisions and its ticks.
	DeleteJob(tenant Tenant, id string) error
	// GetJobByName returns the job with a name.
	GetJobByName(tenant Tenant, name string) (Job, error)
	// GetJobByID returns the job with an id.
	GetJobByID(tenant Tenant, id string) (Job, error)
	// ListJobs returns a page of jobs. It may be shorter than requested, because specs may be large.
	ListJobs(tenant Tenant, l PageRequest) (Page[Job], error)
	// EachJob calls visit with each job of each tenant until visit fails.
	EachJob(visit func(Job) error) error
	// ListJobRevisions returns the stored revisions, newest first.
	ListJobRevisions(tenant Tenant, id string) ([]JobRevision, error)

	// AcceptJob stores an execution of a job with all its tasks, whose ids are those of [TaskID],
	// and returns its id. A key has the effect described for [ExecutionQueue.Accept] and refers
	// to the execution of the job. If another execution of the job has the name the error is
	// CodeAlreadyExists, if the job was deleted CodeNotFound. If the tick, or a later one, has
	// started its execution, nothing is stored and the error is [ErrTick].
	AcceptJob(x JobExecution, tasks []Accepted, key *IdempotencyKey, tick *Tick) (id string, replayed bool, err error)
	// LastTick returns the last tick of a trigger that has started an execution; zero: there is
	// none.
	LastTick(tenant Tenant, jobID, trigger string) (time.Time, error)
	// GetJobExecution returns the execution of a job with a name or id. Until it is done, its
	// state is queued, running or cancelling, and its Running is 0.
	GetJobExecution(tenant Tenant, jobID, execution string) (JobExecution, error)
	// GetJobExecutionByID returns an execution of any job, even of a deleted one.
	GetJobExecutionByID(tenant Tenant, id string) (JobExecution, error)
	// TaskStates returns the state of each of the n tasks of an execution of a job, in order: a byte
	// for each, see [TaskState].
	TaskStates(tenant Tenant, execution string, n int) ([]TaskState, error)
	// ListJobExecutions returns a page of the executions of a job.
	ListJobExecutions(tenant Tenant, jobID string, l PageRequest) (Page[JobExecution], error)
	// CancelJobExecution cancels the queued tasks of an execution, and lets no task be retried.
	// changed is false if the execution is done or its cancellation was requested before; queued
	// tasks that an earlier process left are cancelled in any case. ids are those of the tasks
	// that it cancelled.
	CancelJobExecution(tenant Tenant, id string, now time.Time) (x JobExecution, changed bool, ids []string, err error)
	// EachUnfinishedJobExecution calls visit with each execution of a job that is not done, for
	// each tenant in the order of ids, until visit fails. visit must not call the store. deleted
	// reports that the job was deleted.
	EachUnfinishedJobExecution(visit func(x JobExecution, deleted bool) error) error
}
