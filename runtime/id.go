package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// NewID returns a new UUIDv7 of the machine's time. A server takes its ids from a [Clock], which
// gives them the time that it reports. NewID panics if the system has no random numbers, as
// crypto/rand does.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// IDTime returns the time in a UUIDv7, to the millisecond; zero if id is none.
func IDTime(id string) time.Time {
	if len(id) < len("01935f9e-7d5c") {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// TaskID returns the id of a task, a UUIDv7. It follows from the id of the execution of a job and
// the number of the task, so the tasks of an execution need not be stored anywhere else. It has
// the time of the execution, and ids of tasks sort in the order of their numbers. For an
// execution that is no UUID, and for a number out of bounds, it is empty.
func TaskID(execution string, index int) string {
	x, err := uuid.Parse(execution)
	if err != nil || index < 0 || index >= MaxTasks {
		return ""
	}
	// 48 bits of time, 4 for version 7, 12 of the number, 2 for variant 2, 2 of the number,
	// 60 of a hash that is unique to the execution.
	rest := sha256.Sum256(binary.BigEndian.AppendUint16(x[:], uint16(index)))
	id := uuid.UUID(rest[:16])
	copy(id[:6], x[:6])
	id[6] = 0x70 | byte(index>>10)&0x0F
	id[7] = byte(index >> 2)
	id[8] = 0x80 | byte(index&3)<<4 | id[8]&0x0F
	return id.String()
}

// TaskIndex returns the number of the task with the bytes of an id that [TaskID] returns.
func TaskIndex(id [16]byte) int {
	return int(id[6]&0x0F)<<10 | int(id[7])<<2 | int(id[8]>>4&3)
}

// Resource identifiers name functions and jobs for life, independent of their names:
// "ri.SERVICE.INSTANCE.TYPE.UUID", as in Foundry.
const (
	functionRIDPrefix = "ri.function-registry.main.function."
	jobRIDPrefix      = "ri.jobs.main.job."
)

// FunctionRID returns the resource identifier of the function with an id.
func FunctionRID(id string) string { return functionRIDPrefix + id }

// JobRID returns the resource identifier of the job with an id.
func JobRID(id string) string { return jobRIDPrefix + id }

// RID returns the resource identifier of the function.
func (f Function) RID() string { return FunctionRID(f.ID) }

// RID returns the resource identifier of the job.
func (j Job) RID() string { return JobRID(j.ID) }

// ParseRID returns the id of the function or job that a resource identifier names.
func ParseRID(rid string) (id string, job, ok bool) {
	id, ok = strings.CutPrefix(rid, functionRIDPrefix)
	if !ok {
		id, job = strings.CutPrefix(rid, jobRIDPrefix)
		ok = job
	}
	parsed, err := uuid.Parse(id)
	return id, job, ok && err == nil && parsed.String() == id
}
