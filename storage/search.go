package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// SearchExecutions returns a page of the executions of a function or job that are done; see
// runtime.ExecutionHistory. Its cost depends on the page, on the values that its filter names or
// excludes, and, for an "and", on the executions that match only a part; not on the number of
// executions.
func (s *Store) SearchExecutions(tenant runtime.Tenant, q runtime.SearchScan) (found []runtime.ExecutionSummary, next *runtime.SearchPosition, err error) {
	const op = "storage.search"
	limit, err := search.PageStart(&q)
	if err != nil {
		return nil, nil, fault(op, err)
	}
	err = s.durably(func(r kv.Reader) error {
		found, next, err = search.ReadPage(r, tenant, &q, limit, s.searchSteps, loadSummary)
		return err
	})
	if err != nil {
		return nil, nil, fault(op, err)
	}
	return found, next, nil
}

// loadSummary reads an execution of the resource. It returns nil if there is no such execution that
// is done.
func loadSummary(r kv.Reader, tenant runtime.Tenant, of keys.Resource, id keys.ID) (*runtime.ExecutionSummary, error) {
	var x runtime.ExecutionSummary
	if of.Kind == keys.ResourceJob {
		j, err := readJobDone(r, tenant, id)
		if err != nil || j.JobID != of.ID {
			return nil, orNothing(err)
		}
		x = j.Summary()
		return &x, nil
	}
	done, err := readDoneRecord(r, tenant, id)
	if err != nil || done.Kind != runtime.KindRun || done.FunctionID != of.ID {
		return nil, orNothing(err)
	}
	x = done.Summary()
	return &x, nil
}

func orNothing(err error) error {
	if errors.Is(err, kv.ErrAbsent) {
		return nil
	}
	return err
}
