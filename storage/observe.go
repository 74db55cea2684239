package storage

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// maxSteps bounds what one page looks through, in keys passed, to some tenths of
// a second. A page that needs more is given short.
const maxSteps = 200_000

// loadCost is what reading a record costs, in steps.
const loadCost = 10

// SearchExecutions gives a page of the executions of a function or job that are done; see
// runtime.ExecutionHistory. What it costs depends on the page, on the values that
// its filter names or leaves out, and, for an "and", on what its parts have that
// the whole has not; not on how many executions there are.
func (s *Store) SearchExecutions(tenant runtime.Tenant, q runtime.SearchScan) (found []runtime.ExecutionSummary, next *runtime.SearchPosition, err error) {
	const op = "storage.observe"
	limit := keys.Position{Start: keys.StartOf(q.End) - 1, ID: keys.LastID}
	if q.From != nil {
		from, err := positionFrom(*q.From)
		if err != nil {
			return nil, nil, fault(op, err)
		}
		if from.Before(limit) {
			limit = from
		}
	}
	err = s.durably(func(r kv.Reader) error {
		o := &observer{r: r, tenant: tenant, resource: resourceOf(&q), maxSteps: s.observed.maxSteps}
		if err := o.exists(); err != nil {
			return err
		}
		found, next, err = o.page(&q, limit)
		return errors.Join(err, o.close())
	})
	if err != nil {
		return nil, nil, fault(op, err)
	}
	return found, next, nil
}

func positionFrom(p runtime.SearchPosition) (keys.Position, error) {
	raw, err := hex.DecodeString(p.ID)
	if err != nil || len(raw) != len(keys.ID{}) {
		return keys.Position{}, runtime.Errorf(runtime.CodeInvalidArgument, "the position %q is not one that a page has given", p.ID).
			WithHint("begin at the first page")
	}
	return keys.Position{Start: keys.StartOf(p.Start), ID: keys.ID(raw)}, nil
}

func searchPosition(p keys.Position) *runtime.SearchPosition {
	return &runtime.SearchPosition{Start: time.Unix(0, p.Start).UTC(), ID: hex.EncodeToString(p.ID[:])}
}

// observer looks for executions of a resource.
type observer struct {
	r        kv.Reader
	tenant   runtime.Tenant
	resource keys.Resource

	steps, maxSteps int
	streams         int
	iterators       []*pebble.Iterator
	err             error
}

// exhausted tells whether enough was looked through.
func (o *observer) exhausted() bool { return o.steps > o.maxSteps || o.err != nil }

func (o *observer) close() error {
	var errs []error
	for _, it := range o.iterators {
		errs = append(errs, it.Close())
	}
	return errors.Join(errs...)
}

// exists fails if there is no such resource.
func (o *observer) exists() error {
	key := keys.Function(o.tenant, o.resource.ID)
	if o.resource.Kind == keys.ResourceJob {
		key = keys.Job(o.tenant, o.resource.ID)
	}
	_, err := kv.Get(o.r, key, func([]byte) (struct{}, error) { return struct{}{}, nil })
	if errors.Is(err, kv.ErrAbsent) {
		return runtime.NoResourceError(o.resource.RID())
	}
	return err
}

// page reads the page that begins at limit. Of a next page it gives where that
// begins.
func (o *observer) page(q *runtime.SearchScan, limit keys.Position) (found []runtime.ExecutionSummary, next *runtime.SearchPosition, err error) {
	first := keys.StartOf(q.Start)
	if limit.Start < first {
		return nil, nil, nil
	}
	all := o.all
	if q.Where != nil {
		all = func() stream { return o.plan(q.Where, false) }
	}
	s, begin := all(), limit
	for o.steps = 0; o.err == nil; {
		s.seek(limit)
		at, ok := s.head()
		if !ok || at.Start < first {
			break
		}
		if o.exhausted() {
			if at != begin || o.err != nil {
				return found, searchPosition(at), o.err
			}
			o.maxSteps *= 2 // each page gets somewhere
			continue
		}
		x, err := o.load(at.ID)
		if err != nil {
			return nil, nil, err
		}
		if x != nil && (q.Where == nil || q.Where.Matches(x)) {
			if len(found) == q.Limit {
				return found, searchPosition(limit), nil
			}
			found = append(found, *x)
		} else {
			o.steps += loadCost
		}
		limit = at.Prev()
	}
	return found, nil, o.err
}

// load reads an execution of the resource; nil if there is none that is done.
func (o *observer) load(id keys.ID) (*runtime.ExecutionSummary, error) {
	var x runtime.ExecutionSummary
	if o.resource.Kind == keys.ResourceJob {
		j, err := readJobDone(o.r, o.tenant, id)
		if err != nil || j.JobID != o.resource.ID {
			return nil, orNothing(err)
		}
		x = j.Summary()
		return &x, nil
	}
	done, err := readDoneRecord(o.r, o.tenant, id)
	if err != nil || done.Kind != runtime.KindRun || done.FunctionID != o.resource.ID {
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

func resourceOf(o *runtime.SearchScan) keys.Resource {
	if o.Job {
		return keys.Resource{Kind: keys.ResourceJob, ID: o.ID}
	}
	return keys.Resource{Kind: keys.ResourceFunction, ID: o.ID}
}
