package storage

import (
	"encoding/binary"

	"github.com/faaspot/faaspot/runtime"
)

// The byte behind a tenant, for jobs and their executions.
const (
	kindJobName         = 'N'
	kindJob             = 'J'
	kindRevision        = 'R'
	kindTick            = 'T'
	kindJobCount        = 'Q'
	kindJobAccepted     = 'E'
	kindJobProgress     = 'P'
	kindJobUndone       = 'H'
	kindJobDone         = 'D'
	kindJobDoneOf       = 'I'
	kindJobExecutionAka = 'M'
	kindDelivery        = 'Y'
)

func keyJobName(tenant runtime.Tenant, name string) []byte {
	return appendText(keyKind(tenant, kindJobName), name)
}

func keyJob(tenant runtime.Tenant, id string) []byte {
	return appendText(keyKind(tenant, kindJob), id)
}

func keyJobCount(tenant runtime.Tenant, id string) []byte {
	return appendText(keyKind(tenant, kindJobCount), id)
}

// keyRevisions is the prefix of all revisions of a job.
func keyRevisions(tenant runtime.Tenant, id string) []byte {
	return appendText(keyKind(tenant, kindRevision), id)
}

func keyRevision(tenant runtime.Tenant, id string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(keyRevisions(tenant, id), number)
}

// keyTicks is the prefix of the ticks of all triggers of a job.
func keyTicks(tenant runtime.Tenant, jobID string) []byte {
	return appendText(keyKind(tenant, kindTick), jobID)
}

func keyTick(tenant runtime.Tenant, jobID, trigger string) []byte {
	return appendText(keyTicks(tenant, jobID), trigger)
}

// keyJobsExecutions is the prefix under which executions of a job are found, of
// kindJobUndone or kindJobDoneOf.
func keyJobsExecutions(kind byte, tenant runtime.Tenant, jobID string) []byte {
	return appendText(keyKind(tenant, kind), jobID)
}

// keyAka is where an execution of a job is found by a name that is not its id.
func keyAka(tenant runtime.Tenant, jobID, name string) []byte {
	return appendText(appendText(keyKind(tenant, kindJobExecutionAka), jobID), name)
}
