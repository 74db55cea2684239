package runtime

import (
	"strings"

	"github.com/google/uuid"
)

// Resource identifiers name functions and jobs for good, whatever they are called:
// "ri.SERVICE.INSTANCE.TYPE.UUID", as in Foundry.
const (
	functionRID = "ri.function-registry.main.function."
	jobRID      = "ri.jobs.main.job."
)

// FunctionRID is the resource identifier of the function with an id.
func FunctionRID(id string) string { return functionRID + id }

// JobRID is the resource identifier of the job with an id.
func JobRID(id string) string { return jobRID + id }

// RID is the function's resource identifier.
func (f Function) RID() string { return FunctionRID(f.ID) }

// RID is the job's resource identifier.
func (j Job) RID() string { return JobRID(j.ID) }

// ParseRID gives the id of the function or job that a resource identifier names.
func ParseRID(rid string) (id string, job, ok bool) {
	id, ok = strings.CutPrefix(rid, functionRID)
	if !ok {
		id, job = strings.CutPrefix(rid, jobRID)
		ok = job
	}
	parsed, err := uuid.Parse(id)
	return id, job, ok && err == nil && parsed.String() == id
}
