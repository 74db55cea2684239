package storage

import (
	"errors"
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// listTrace lists executions of a trace. It finds them by the trace, done or not, and reads each of
// them.
func listTrace(r kv.Reader, tenant runtime.Tenant, filter runtime.ExecutionFilter, lower, upper keys.ID, limit int) (all []runtime.Execution, err error) {
	trace := search.NewTrace(r, tenant, filter.TraceID)
	for len(all) < limit {
		id, ok := trace.Before(upper)
		if !ok || id.Before(lower) {
			break
		}
		x, failed := readExecution(r, tenant, id.String(), false)
		switch {
		case errors.Is(failed, kv.ErrAbsent):
		case failed != nil:
			return nil, errors.Join(failed, trace.Close())
		case x.Caller.TraceID == filter.TraceID &&
			(filter.Function == "" || x.Function == filter.Function) &&
			(len(filter.States) == 0 || slices.Contains(filter.States, x.State)):
			all = append(all, x)
		}
		upper = id
	}
	return all, trace.Close()
}
