package storage

import (
	"errors"
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// eachOfTrace calls visit with executions of a trace. It finds them by the trace, done or not, and reads each of
// them.
func eachOfTrace(r kv.Reader, tenant runtime.Tenant, filter runtime.ExecutionFilter, lower, upper keys.ID, visit func(*runtime.Execution) (more bool)) (err error) {
	trace := search.NewTrace(r, tenant, filter.TraceID)
	for more := true; more && err == nil; {
		id, ok := trace.Before(upper)
		if !ok || id.Before(lower) {
			break
		}
		x, failed := readExecution(r, tenant, id.String(), false)
		switch {
		case errors.Is(failed, kv.ErrAbsent):
		case failed != nil:
			err = failed
		case x.Caller.TraceID == filter.TraceID &&
			(filter.Function == "" || x.Function == filter.Function) &&
			(len(filter.States) == 0 || slices.Contains(filter.States, x.State)):
			more = visit(&x)
		}
		upper = id
	}
	return errors.Join(err, trace.Close())
}
