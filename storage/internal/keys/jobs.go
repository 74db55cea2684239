package keys

import (
	"encoding/binary"

	"github.com/faaspot/faaspot/runtime"
)

// The bytes behind a tenant for jobs and their executions.
const (
	KindJobName          = 'N'
	KindJob              = 'J'
	KindRevision         = 'R'
	KindTick             = 'T'
	KindJobCount         = 'Q'
	KindJobAccepted      = 'E'
	KindJobProgress      = 'P'
	KindUnfinishedByJob  = 'H'
	KindJobDone          = 'D'
	KindDoneByJob        = 'I'
	KindJobExecutionName = 'M'
	KindDelivery         = 'Y'
	KindDeadLetter       = 'Z'
	KindCallbackBody     = 'B'
)

// JobName returns the key by which a job is found by its name.
func JobName(tenant runtime.Tenant, name string) []byte {
	return AppendText(OfKind(tenant, KindJobName), name)
}

// Job returns the key of a job.
func Job(tenant runtime.Tenant, id string) []byte {
	return AppendText(OfKind(tenant, KindJob), id)
}

// JobCount returns the key of the number of a job's executions.
func JobCount(tenant runtime.Tenant, id string) []byte {
	return AppendText(OfKind(tenant, KindJobCount), id)
}

// Revisions returns the prefix of all revisions of a job.
func Revisions(tenant runtime.Tenant, id string) []byte {
	return AppendText(OfKind(tenant, KindRevision), id)
}

// Revision returns the key of a revision of a job.
func Revision(tenant runtime.Tenant, id string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(Revisions(tenant, id), number)
}

// Ticks returns the prefix of the ticks of all triggers of a job.
func Ticks(tenant runtime.Tenant, jobID string) []byte {
	return AppendText(OfKind(tenant, KindTick), jobID)
}

// Tick returns the key of the last tick of a trigger.
func Tick(tenant runtime.Tenant, jobID, trigger string) []byte {
	return AppendText(Ticks(tenant, jobID), trigger)
}

// ExecutionsByJob returns the prefix under which a job's executions are found. kind is
// KindUnfinishedByJob or KindDoneByJob.
func ExecutionsByJob(kind byte, tenant runtime.Tenant, jobID string) []byte {
	return AppendText(OfKind(tenant, kind), jobID)
}

// JobExecutionName returns the key by which a job's execution is found by a name that is not its
// id.
func JobExecutionName(tenant runtime.Tenant, jobID, name string) []byte {
	return AppendText(AppendText(OfKind(tenant, KindJobExecutionName), jobID), name)
}
