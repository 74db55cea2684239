package storage

import (
	"errors"
	"strings"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// ListJobExecutions returns a page of a job's executions. In the order of their times, its cost
// depends on the executions that it skips and returns; in the order of their names, it reads the
// names of all.
func (s *Store) ListJobExecutions(tenant runtime.Tenant, jobID string, l runtime.PageRequest) (page runtime.Page[runtime.JobExecution], err error) {
	err = s.durably(func(r kv.Reader) error {
		count, err := kv.Find(r, keys.JobCount(tenant, jobID), record.DecodeNumber)
		if count == nil || err != nil {
			return err
		}
		page.Total = int(*count)
		p := jobPage{r: r, tenant: tenant, jobID: jobID, listing: l, query: strings.ToLower(l.Query)}
		var ids []keys.ID
		if byName(l.Sort) {
			ids, page.Next, err = p.byName()
		} else {
			ids, page.Next, err = p.byTime()
		}
		for _, id := range ids {
			x, failed := readJobExecution(r, tenant, id)
			if errors.Is(failed, kv.ErrAbsent) {
				failed = kv.Damaged("execution %s of job %q is listed, but does not exist", id, jobID)
			}
			err = errors.Join(err, failed)
			page.Items = append(page.Items, x)
		}
		return err
	})
	if err != nil {
		return runtime.Page[runtime.JobExecution]{}, fault("storage.jobexecutions", err)
	}
	return page, nil
}

// jobPage finds the executions of a page.
type jobPage struct {
	r       kv.Reader
	tenant  runtime.Tenant
	jobID   string
	listing runtime.PageRequest
	query   string // in lower case
}

// sources returns iterators over the executions. Each execution is in one of them.
func (p jobPage) sources(lower, upper keys.ID) []*kv.IDIterator {
	var all []*kv.IDIterator
	for _, kind := range []byte{keys.KindUnfinishedByJob, keys.KindDoneByJob} {
		s := kv.NewIDIterator(p.r, keys.ExecutionsByJob(kind, p.tenant, p.jobID), lower, upper)
		s.Wanted = func(s *kv.IDIterator) bool {
			return p.query == "" || strings.Contains(strings.ToLower(p.name(s)), p.query)
		}
		all = append(all, s)
	}
	return all
}

// name returns the name of the execution at an iterator.
func (p jobPage) name(s *kv.IDIterator) string {
	return kv.Decode(s, func(value []byte) (string, error) { return record.DecodeJobExecutionName(s.ID, value) })
}

func (p jobPage) byTime() (ids []keys.ID, next string, err error) {
	lower, upper := keys.ID{}, keys.LastID
	back := descending(p.listing.Sort)
	if p.listing.After != "" {
		after, ok := keys.ParseID(p.listing.After)
		if !ok {
			return nil, "", wrongCursor(p.listing.After)
		}
		if back {
			upper = after
		} else {
			lower = after.Next()
		}
	}
	sources := p.sources(lower, upper)
	for _, s := range sources {
		if back {
			s.Last()
		} else {
			s.First()
		}
	}
	skip := p.listing.Offset
	if p.listing.After != "" {
		skip = 0
	}
	for {
		s, failed := kv.First(sources, back)
		if err = failed; s == nil || err != nil {
			break
		}
		if len(ids) == p.listing.Limit {
			next = ids[len(ids)-1].String()
			break
		}
		if skip > 0 {
			skip--
		} else {
			ids = append(ids, s.ID)
		}
		s.Next()
	}
	for _, s := range sources {
		err = errors.Join(err, s.Close())
	}
	return ids, next, err
}

func (p jobPage) byName() (ids []keys.ID, next string, err error) {
	type named struct {
		name string
		id   keys.ID
	}
	var all []named
	for _, s := range p.sources(keys.ID{}, keys.LastID) {
		for s.First(); s.Valid; s.Next() {
			all = append(all, named{p.name(s), s.ID})
		}
		err = errors.Join(err, s.Err, s.Close())
	}
	page, next := cutPage(all, p.listing, func(n named) string { return n.name })
	for _, n := range page {
		ids = append(ids, n.id)
	}
	return ids, next, err
}

func wrongCursor(after string) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "the position %q does not come from a list", after).
		WithHint("start from the first page")
}
