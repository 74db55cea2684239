package keys

import (
	"encoding/binary"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The bytes behind a tenant for the order in which executions are dropped.
const (
	KindKept      = 'q'
	KindKeptTasks = 'p'
)

// Kept returns the prefix of what is kept of a function, in the order in which it ended.
func Kept(tenant runtime.Tenant, functionID string) []byte {
	return AppendText(OfKind(tenant, KindKept), functionID)
}

// KeptAt returns the key of executions of a function, the first of which has an id. They ended at
// end or a little before.
func KeptAt(tenant runtime.Tenant, functionID string, end time.Time, id ID) []byte {
	key := binary.BigEndian.AppendUint64(Kept(tenant, functionID), uint64(StartOf(end)))
	return append(key, id[:]...)
}

// ParseKept returns the function and the time of a key of KeptAt.
func ParseKept(tenant runtime.Tenant, key []byte) (functionID string, end time.Time, err error) {
	prefix := OfKind(tenant, KindKept)
	if len(key) < len(prefix) {
		return "", end, ErrKey
	}
	functionID, rest, err := CutText(key[len(prefix):])
	if err != nil || len(rest) != PositionSize {
		return "", end, ErrKey
	}
	return functionID, time.Unix(0, ParsePosition(rest).Start), nil
}

// KeptTasks returns the prefix of the tasks of a job's execution that are done.
func KeptTasks(tenant runtime.Tenant, job ID) []byte {
	return Execution(KindKeptTasks, tenant, job)
}

// KeptTasksAt returns the key of tasks of a job's execution that ran a function, the first of which
// has an id.
func KeptTasksAt(tenant runtime.Tenant, job ID, functionID string, id ID) []byte {
	return append(AppendText(KeptTasks(tenant, job), functionID), id[:]...)
}

// ParseKeptTasks returns the job's execution and the function of a key of KeptTasksAt.
func ParseKeptTasks(tenant runtime.Tenant, key []byte) (job ID, functionID string, err error) {
	prefix := OfKind(tenant, KindKeptTasks)
	if len(key) < len(prefix)+len(job) {
		return job, "", ErrKey
	}
	copy(job[:], key[len(prefix):])
	functionID, rest, err := CutText(key[len(prefix)+len(job):])
	if err != nil || len(rest) != len(job) {
		return job, "", ErrKey
	}
	return job, functionID, nil
}
