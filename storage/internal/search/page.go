package search

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// MaxSteps is the number of keys that one page may pass: some tenths of a second of work. A page
// that needs more ends early.
const MaxSteps = 200_000

// loadCost is the cost of reading a record, in steps.
const loadCost = 10

// PageStart returns the position at which the page of a query begins.
func PageStart(q *runtime.SearchScan) (keys.Position, error) {
	limit := keys.Position{Start: keys.StartOf(q.End) - 1, ID: keys.LastID}
	if q.From == nil {
		return limit, nil
	}
	from, err := positionFrom(*q.From)
	if err == nil && from.Before(limit) {
		limit = from
	}
	return limit, err
}

// Load reads an execution of a resource. It returns nil if there is no such execution that is done.
type Load func(r kv.Reader, tenant runtime.Tenant, of keys.Resource, id keys.ID) (*runtime.ExecutionSummary, error)

// ReadPage returns the page of a query that begins at limit. next is the position at which the next
// page begins, nil at the last page.
func ReadPage(r kv.Reader, tenant runtime.Tenant, q *runtime.SearchScan, limit keys.Position, steps int, load Load) (found []runtime.ExecutionSummary, next *runtime.SearchPosition, err error) {
	o := &searcher{r: r, tenant: tenant, resource: resourceOf(q), maxSteps: steps, loadFunc: load}
	if err := o.exists(); err != nil {
		return nil, nil, err
	}
	found, next, err = o.page(q, limit)
	return found, next, errors.Join(err, o.close())
}

func positionFrom(p runtime.SearchPosition) (keys.Position, error) {
	raw, err := hex.DecodeString(p.ID)
	if err != nil || len(raw) != len(keys.ID{}) {
		return keys.Position{}, runtime.Errorf(runtime.CodeInvalidArgument, "the position %q does not come from a page", p.ID).
			WithHint("start from the first page")
	}
	return keys.Position{Start: keys.StartOf(p.Start), ID: keys.ID(raw)}, nil
}

func searchPosition(p keys.Position) *runtime.SearchPosition {
	return &runtime.SearchPosition{Start: time.Unix(0, p.Start).UTC(), ID: hex.EncodeToString(p.ID[:])}
}

// searcher finds executions of a resource.
type searcher struct {
	r        kv.Reader
	tenant   runtime.Tenant
	resource keys.Resource
	loadFunc Load

	steps, maxSteps int
	streams         int
	iterators       []*pebble.Iterator
	err             error
}

// exhausted reports whether the search must end: it has passed enough keys, or has failed.
func (o *searcher) exhausted() bool { return o.steps > o.maxSteps || o.err != nil }

func (o *searcher) close() error {
	var errs []error
	for _, it := range o.iterators {
		errs = append(errs, it.Close())
	}
	return errors.Join(errs...)
}

// exists fails if there is no such resource.
func (o *searcher) exists() error {
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

// page returns the page that begins at limit, and where the next page begins.
func (o *searcher) page(q *runtime.SearchScan, limit keys.Position) (found []runtime.ExecutionSummary, next *runtime.SearchPosition, err error) {
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
			o.maxSteps *= 2 // each page gets further
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

func resourceOf(o *runtime.SearchScan) keys.Resource {
	if o.Job {
		return keys.Resource{Kind: keys.ResourceJob, ID: o.ID}
	}
	return keys.Resource{Kind: keys.ResourceFunction, ID: o.ID}
}

func (o *searcher) load(id keys.ID) (*runtime.ExecutionSummary, error) {
	return o.loadFunc(o.r, o.tenant, o.resource, id)
}
