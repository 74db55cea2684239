package storage

import (
	"errors"
	"math"
	"slices"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// listTrace lists executions of a trace. They are found by it whether they are
// done or not, and looked at one by one.
func listTrace(r kv.Reader, tenant runtime.Tenant, filter runtime.Filter, lower, upper keys.ID, limit int) (all []runtime.Execution, err error) {
	o := &observer{r: r, tenant: tenant, resource: keys.Resource{Kind: keys.ResourceTenant}, maxSteps: math.MaxInt}
	found := []stream{o.stream(runtime.FieldTrace, filter.TraceID, nil)}
	if id, ok := keys.ParseOwnTrace(filter.TraceID); ok {
		found = append(found, &single{standing{at: acceptedAt(id)}})
	}
	s := union(found)
	for next := acceptedAt(upper).Prev(); len(all) < limit; {
		s.seek(next)
		at, ok := s.head()
		if !ok || at.ID.Before(lower) || o.err != nil {
			break
		}
		x, failed := readExecution(r, tenant, at.ID.String(), false)
		switch {
		case errors.Is(failed, kv.ErrAbsent):
		case failed != nil:
			return nil, errors.Join(failed, o.close())
		case x.Caller.TraceID == filter.TraceID &&
			(filter.Function == "" || x.Function == filter.Function) &&
			(len(filter.States) == 0 || slices.Contains(filter.States, x.State)):
			all = append(all, x)
		}
		next = at.Prev()
	}
	return all, errors.Join(o.err, o.close())
}
