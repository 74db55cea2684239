package storage

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// maxJobsPage bounds the specs on a page of jobs, in bytes as they are stored. The last one may
// exceed it.
const maxJobsPage = 4 * runtime.MiB

// ListJobs returns a page of jobs, which may be shorter than requested because specs may be large.
// In the order of their times, its cost depends on the jobs that it skips and returns, and, unless
// the request is Uncounted, on the number of jobs; in the order of their names, on the number of
// jobs; and with a query, it reads all jobs without their specs.
func (s *Store) ListJobs(tenant runtime.Tenant, l runtime.PageRequest) (page runtime.Page[runtime.Job], err error) {
	err = s.snapshot(func(r kv.Reader) error {
		p := jobsPage{r: r, tenant: tenant, listing: l, query: strings.ToLower(l.Query)}
		var found []listedJob
		if byName(l.Sort) || p.query != "" {
			found, page.Next, err = p.all(&page.Total)
		} else {
			found, page.Next, err = p.byTime(&page.Total)
		}
		if err == nil {
			err = p.read(found, &page)
		}
		return err
	})
	if err != nil {
		return runtime.Page[runtime.Job]{}, fault("storage.jobs", err)
	}
	return page, nil
}

// jobsPage finds the jobs of a page.
type jobsPage struct {
	r       kv.Reader
	tenant  runtime.Tenant
	listing runtime.PageRequest
	query   string // in lower case
}

// listedJob is a job that a page may have.
type listedJob struct{ id, name string }

// position returns what the cursor of the page that ends with the job contains.
func (p jobsPage) position(j listedJob) string {
	if byName(p.listing.Sort) {
		return j.name
	}
	return j.id // a UUIDv7
}

// all finds the page among all jobs.
func (p jobsPage) all(total *int) (found []listedJob, next string, err error) {
	prefix := keys.OfKind(p.tenant, keys.KindJobName)
	err = kv.EachKey(p.r, prefix, func(key, value []byte) error {
		name, err := keys.DecodeText(prefix, key)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		id, err := record.DecodeRaw(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		*total++
		if p.query != "" {
			j, err := readJobRecord(p.r, p.tenant, string(id))
			if err != nil {
				return kv.Damaged("the name %q leads to job %q: %v", name, id, err)
			}
			if !matchesJob(j, p.query) {
				return nil
			}
		}
		found = append(found, listedJob{string(id), name})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	found, next = cutPage(found, p.listing, p.position)
	return found, next, nil
}

// byTime finds the page by the ids of jobs, whose order is that of their times.
func (p jobsPage) byTime(total *int) (found []listedJob, next string, err error) {
	prefix := keys.OfKind(p.tenant, keys.KindJob)
	if !p.listing.Uncounted {
		err = kv.EachKey(p.r, prefix, func(_, _ []byte) error { *total++; return nil })
		if err != nil {
			return nil, "", err
		}
	}
	back := descending(p.listing.Sort)
	bounds := pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)}
	skip := p.listing.Offset
	if after := p.listing.After; after != "" {
		skip = 0
		key := keys.Job(p.tenant, after)
		if back {
			bounds.UpperBound = key
		} else {
			bounds.LowerBound = append(key, 0)
		}
	}
	it, err := p.r.NewIter(&bounds)
	if err != nil {
		return nil, "", err
	}
	first, step := it.First, it.Next
	if back {
		first, step = it.Last, it.Prev
	}
	for ok := first(); ok; ok = step() {
		if skip > 0 {
			skip--
			continue
		}
		if len(found) == p.listing.Limit {
			next = found[len(found)-1].id
			break
		}
		id, failed := keys.DecodeText(prefix, it.Key())
		if failed != nil {
			err = kv.Damaged("key %x: %v", it.Key(), failed)
			break
		}
		found = append(found, listedJob{id: id})
	}
	return found, next, errors.Join(err, it.Error(), it.Close())
}

// read reads the jobs of a page, as far as it has room for their specs.
func (p jobsPage) read(found []listedJob, page *runtime.Page[runtime.Job]) error {
	room := maxJobsPage
	for i, listed := range found {
		if room <= 0 {
			page.Next = p.position(found[i-1])
			return nil
		}
		j, size, err := readSizedJob(p.r, p.tenant, listed.id)
		if err != nil {
			return err
		}
		room -= size
		page.Items = append(page.Items, j)
	}
	return nil
}
