package storage

import (
	"errors"
	"strings"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"

	"github.com/faaspot/faaspot/storage/internal/record"
)

// GetJobExecution finds an execution of a job by its name or id.
func (s *Store) GetJobExecution(tenant runtime.Tenant, jobID, execution string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, err := findJobExecution(r, tenant, jobID, execution)
		if err == nil {
			x, err = readJobExecution(r, tenant, id)
		}
		if err == nil && x.JobID != jobID {
			err = kv.ErrAbsent
		}
		return orNoJobExecution(err, execution)
	})
	if err != nil {
		return runtime.JobExecution{}, fault("storage.jobexecution", err)
	}
	return x, nil
}

// findJobExecution gives the id of what has a name or is an id.
func findJobExecution(r kv.Reader, tenant runtime.Tenant, jobID, execution string) (id keys.ID, err error) {
	named, err := kv.Find(r, keys.JobExecutionName(tenant, jobID, execution), func(value []byte) (keys.ID, error) { return keys.DecodeID(nil, value) })
	switch {
	case err != nil:
		return id, err
	case named != nil:
		return *named, nil
	}
	id, ok := keys.ParseID(execution)
	if !ok {
		return id, kv.ErrAbsent
	}
	return id, nil
}

// GetJobExecutionByID finds an execution of whatever job.
func (s *Store) GetJobExecutionByID(tenant runtime.Tenant, text string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return orNoJobExecution(kv.ErrAbsent, text)
		}
		x, err = readJobExecution(r, tenant, id)
		return orNoJobExecution(err, text)
	})
	return x, fault("storage.jobexecution", err)
}

// ListJobExecutions gives a page of the executions of a job. In the order of their
// times it costs what it passes over and gives; in that of their names it reads
// the names of all.
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
				failed = kv.Damaged("execution %s of job %q is listed, but not there", id, jobID)
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

// sources are where the executions are found: each in one of them.
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

// name is that of the execution at which a source stands.
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
	return runtime.Errorf(runtime.CodeInvalidArgument, "the position %q is not one that a list has given", after).
		WithHint("begin at the first page")
}

// EachUnfinishedJobExecution visits the executions of jobs that are not done; see
// runtime.JobStore.
func (s *Store) EachUnfinishedJobExecution(visit func(x runtime.JobExecution, deleted bool) error) error {
	return fault("storage.pendingjobs", s.durably(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			prefix := keys.OfKind(tenant, keys.KindJobAccepted)
			return kv.EachKey(r, prefix, func(key, _ []byte) error {
				id, err := keys.DecodeID(prefix, key)
				if err != nil {
					return kv.Damaged("key %x: %v", key, err)
				}
				x, _, err := readUnfinishedJob(r, tenant, id)
				if err != nil {
					return err
				}
				_, err = readJobRecord(r, tenant, x.JobID)
				if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
					return err
				}
				return visit(x, err != nil)
			})
		})
	}))
}

func noJobExecution(execution string) error {
	return runtime.Errorf(runtime.CodeNotFound, "the job has no execution %q", execution).
		WithHint("executions are kept for a time only once they are done; list them to see which there are")
}

func orNoJobExecution(err error, execution string) error {
	if errors.Is(err, kv.ErrAbsent) {
		return noJobExecution(execution)
	}
	return err
}
