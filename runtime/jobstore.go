package runtime

import (
	"errors"
	"time"
)

// ErrTick says that a tick of a schedule, or a later one, has started its
// execution already.
var ErrTick = errors.New("the tick has started its execution already")

// Tick is one time of a schedule.
type Tick struct {
	JobID   string
	Trigger string // id
	At      time.Time
}

// JobStore keeps jobs and their executions. It is held to what [FunctionStore] and
// [ExecutionStore] are held to. Tasks are executions: they are started, ended and
// found by the methods for those, which keep the execution of their job up to
// date in the same batch.
type JobStore interface {
	// CreateJob keeps j and its first revision, number 1.
	CreateJob(j Job) error
	// UpdateJob replaces the job with j.ID by j. A Revision one more than what is
	// stored is a new one, and those beyond [KeptRevisions] are dropped; else the
	// two must be the same, and the spec stays.
	UpdateJob(j Job) error
	// DeleteJob removes a job, its revisions and its ticks.
	DeleteJob(tenant Tenant, id string) error
	GetJobByName(tenant Tenant, name string) (Job, error)
	GetJobByID(tenant Tenant, id string) (Job, error)
	ListJobs(tenant Tenant, l PageRequest) (Page[Job], error)
	// EachJob calls visit with each job of each tenant until it fails.
	EachJob(visit func(Job) error) error
	// ListJobRevisions lists the kept revisions, newest first.
	ListJobRevisions(tenant Tenant, id string) ([]JobRevision, error)

	// AcceptJob keeps an execution of a job with all its tasks, whose ids are those
	// of [TaskID], and gives its id. A key does what it does in
	// [ExecutionQueue.Accept], and stands for the execution. A name that another
	// execution of the job has is CodeAlreadyExists, a job that is gone
	// CodeNotFound. If the tick has been started, nothing is kept and the error is
	// ErrTick.
	AcceptJob(x JobExecution, tasks []Accepted, key *IdempotencyKey, tick *Tick) (id string, replayed bool, err error)
	// LastTick is the last tick of a trigger that has started an execution; zero: none
	// has.
	LastTick(tenant Tenant, jobID, trigger string) (time.Time, error)
	// GetJobExecution finds an execution of a job by its name or id. While it is not
	// done it is queued, running or cancelling, and its Running is 0.
	GetJobExecution(tenant Tenant, jobID, execution string) (JobExecution, error)
	// GetJobExecutionByID finds an execution of whatever job, also of one that is gone.
	GetJobExecutionByID(tenant Tenant, id string) (JobExecution, error)
	ListJobExecutions(tenant Tenant, jobID string, l PageRequest) (Page[JobExecution], error)
	// CancelJobExecution makes cancelled what of an execution is queued, and lets no task be
	// tried again. changed is false if it was done, or was cancelled before; what
	// a process before has left queued of it becomes cancelled in any case. ids are
	// those of the tasks that became cancelled.
	CancelJobExecution(tenant Tenant, id string, now time.Time) (x JobExecution, changed bool, ids []string, err error)
	// EachUnfinishedJobExecution calls visit with each execution of a job that is not done, per
	// tenant in order of their ids, until visit fails, which must not call the
	// store. deleted says that the job is gone.
	EachUnfinishedJobExecution(visit func(x JobExecution, deleted bool) error) error
}
