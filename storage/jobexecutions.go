package storage

import (
	"errors"
	"strings"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// GetJobExecution finds an execution of a job by its name or id.
func (s *Store) GetJobExecution(tenant runtime.Tenant, jobID, execution string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r reader) error {
		id, err := findJobExecution(r, tenant, jobID, execution)
		if err == nil {
			x, err = readJobExecution(r, tenant, id)
		}
		if err == nil && x.JobID != jobID {
			err = errAbsent
		}
		return orNoJobExecution(err, execution)
	})
	if err != nil {
		return runtime.JobExecution{}, fault("storage.jobexecution", err)
	}
	return x, nil
}

// findJobExecution gives the id of what has a name or is an id.
func findJobExecution(r reader, tenant runtime.Tenant, jobID, execution string) (id keys.ID, err error) {
	named, err := optional(r, keys.JobExecutionName(tenant, jobID, execution), func(value []byte) (keys.ID, error) { return keys.DecodeID(nil, value) })
	switch {
	case err != nil:
		return id, err
	case named != nil:
		return *named, nil
	}
	id, ok := keys.ParseID(execution)
	if !ok {
		return id, errAbsent
	}
	return id, nil
}

// GetJobExecutionByID finds an execution of whatever job.
func (s *Store) GetJobExecutionByID(tenant runtime.Tenant, text string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return orNoJobExecution(errAbsent, text)
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
	err = s.durably(func(r reader) error {
		count, err := optional(r, keys.JobCount(tenant, jobID), decodeNumber)
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
			if errors.Is(failed, errAbsent) {
				failed = damaged("execution %s of job %q is listed, but not there", id, jobID)
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
	r       reader
	tenant  runtime.Tenant
	jobID   string
	listing runtime.PageRequest
	query   string // in lower case
}

// sources are where the executions are found: each in one of them.
func (p jobPage) sources(lower, upper keys.ID) []*source {
	var all []*source
	for _, kind := range []byte{keys.KindUnfinishedByJob, keys.KindDoneByJob} {
		s := newSource(p.r, keys.ExecutionsByJob(kind, p.tenant, p.jobID), lower, upper)
		s.wanted = func(s *source) bool { return p.query == "" || strings.Contains(strings.ToLower(p.name(s)), p.query) }
		all = append(all, s)
	}
	return all
}

// name is that of the execution at which a source stands.
func (p jobPage) name(s *source) string {
	return decoded(s, func(value []byte) (string, error) { return decodeAka(s.id, value) })
}

func (p jobPage) byTime() (ids []keys.ID, next string, err error) {
	var lower keys.ID
	upper := keys.LastID
	back := descending(p.listing.Sort)
	if p.listing.After != "" {
		after, ok := keys.ParseID(p.listing.After)
		if !ok {
			return nil, "", wrongPosition(p.listing.After)
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
			s.last()
		} else {
			s.first()
		}
	}
	skip := p.listing.Offset
	if p.listing.After != "" {
		skip = 0
	}
	for {
		s, failed := firstOf(sources, back)
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
			ids = append(ids, s.id)
		}
		s.next()
	}
	for _, s := range sources {
		err = errors.Join(err, s.close())
	}
	return ids, next, err
}

func (p jobPage) byName() (ids []keys.ID, next string, err error) {
	type named struct {
		name string
		id   keys.ID
	}
	var all []named
	var lower keys.ID
	for _, s := range p.sources(lower, keys.LastID) {
		for s.first(); s.ok; s.next() {
			all = append(all, named{p.name(s), s.id})
		}
		err = errors.Join(err, s.err, s.close())
	}
	page, next := cut(all, p.listing, func(n named) string { return n.name })
	for _, n := range page {
		ids = append(ids, n.id)
	}
	return ids, next, err
}

// firstOf gives the source that stands at the first id of all, nil if none
// stands anywhere.
func firstOf(sources []*source, back bool) (first *source, err error) {
	for _, s := range sources {
		if s.err != nil {
			return nil, s.err
		}
		if s.ok && (first == nil || first.id.Before(s.id) == back) {
			first = s
		}
	}
	return first, nil
}

func wrongPosition(after string) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "the position %q is not one that a list has given", after).
		WithHint("begin at the first page")
}

// EachUnfinishedJobExecution visits the executions of jobs that are not done; see
// runtime.JobStore.
func (s *Store) EachUnfinishedJobExecution(visit func(x runtime.JobExecution, deleted bool) error) error {
	return fault("storage.pendingjobs", s.durably(func(r reader) error {
		return eachTenant(r, func(tenant runtime.Tenant) error {
			prefix := keys.OfKind(tenant, keys.KindJobAccepted)
			return eachKey(r, prefix, func(key, _ []byte) error {
				id, err := keys.DecodeID(prefix, key)
				if err != nil {
					return damaged("key %x: %v", key, err)
				}
				x, _, err := readJobUndone(r, tenant, id)
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
	if errors.Is(err, errAbsent) {
		return noJobExecution(execution)
	}
	return err
}
