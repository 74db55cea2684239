package storage

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// expireRest drops idempotency keys, and postings that lead to nothing. What is damaged of one
// tenant does not keep the rest of others.
func (s *Store) expireRest(now time.Time, r runtime.Retention) error {
	bound := keys.FirstIDAt(now.Add(-r.MinAge))
	var errs []error
	err := s.fence.drop(bound, func() error {
		// It looks at all tenants, and drops nothing that has secrets.
		return s.commits.WriteBeside(commit.Relief, func(b *pebble.Batch) error {
			it, err := s.db.NewIter(nil)
			if err != nil {
				return err
			}
			rest := restDropper{
				s: s, batch: b, it: it, now: now, bound: bound,
				day: keys.DayOf(now.Add(-r.Ahead)),
			}
			err = kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
				if err := rest.dropTenant(tenant); err != nil && len(errs) < maxExpireErrors {
					errs = append(errs, err)
				}
				return nil
			})
			return errors.Join(err, it.Close())
		})
	})
	err = errors.Join(append(errs, err)...)
	s.postings.nextPass(err == nil)
	return err
}

// restDropper adds to a batch the deletion of what is left of executions that are dropped. It writes
// no range without a key.
type restDropper struct {
	s     *Store
	batch *pebble.Batch
	it    *pebble.Iterator
	now   time.Time
	bound keys.ID // no execution before it ends meanwhile
	day   uint64
}

func (d *restDropper) dropTenant(tenant runtime.Tenant) error {
	err := d.dropPostings(tenant)
	// A key is valid into the day after its own.
	if d.day == 0 {
		return err
	}
	return errors.Join(err, d.dropRange(keys.OfKind(tenant, keys.KindIdempotency), keys.IdempotencyDay(tenant, d.day-1)))
}

// dropRange drops the keys from one on, before another, if there are any.
func (d *restDropper) dropRange(from, to []byte) error {
	if d.it.SeekGE(from) && bytes.Compare(d.it.Key(), to) < 0 {
		return d.batch.DeleteRange(from, to, nil)
	}
	return d.it.Error()
}

// dropPostings drops the postings of a tenant that are older than all executions of their function
// or job.
func (d *restDropper) dropPostings(tenant runtime.Tenant) error {
	all := keys.OfKind(tenant, keys.KindPostings)
	end := keys.PrefixEnd(all)
	for ok := d.it.SeekGE(all); ok && bytes.Compare(d.it.Key(), end) < 0; {
		stream, _, err := keys.ParsePostings(tenant, d.it.Key())
		if err != nil {
			return kv.Damaged("key %x: %v", d.it.Key(), err)
		}
		oldest, err := d.oldestOf(tenant, stream.Resource)
		if err != nil {
			return err
		}
		if d.s.postings.due(tenant, stream.Resource, oldest, d.now) {
			if err := search.Drop(d.batch, d.it, tenant, stream.Resource, oldest); err != nil {
				return err
			}
		}
		ok = d.it.SeekGE(keys.PrefixEnd(keys.PostingsOfResource(tenant, stream.Resource)))
	}
	return d.it.Error()
}

// oldestOf returns an id that is not newer than any execution of a resource that is done, or ends
// meanwhile.
func (d *restDropper) oldestOf(tenant runtime.Tenant, r keys.Resource) (keys.ID, error) {
	oldest := d.bound
	look := func(prefix []byte) error {
		if !d.it.SeekGE(prefix) || !bytes.HasPrefix(d.it.Key(), prefix) {
			return d.it.Error()
		}
		id, err := keys.DecodeID(prefix, d.it.Key())
		if err != nil {
			return kv.Damaged("key %x: %v", d.it.Key(), err)
		}
		oldest = older(oldest, id)
		return nil
	}
	var errs []error
	switch r.Kind {
	case keys.ResourceFunction:
		for _, name := range d.s.usage.names(tenant, r.ID) {
			for state := 1; state < len(record.States); state++ {
				errs = append(errs, look(keys.DoneByFunction(tenant, name, byte(state))))
			}
		}
	case keys.ResourceJob:
		errs = append(errs, look(keys.ExecutionsByJob(keys.KindDoneByJob, tenant, r.ID)))
	default: // traces also lead to executions that are not done
		errs = append(errs, look(keys.OfKind(tenant, keys.KindDone)), look(keys.OfKind(tenant, keys.KindAccepted)))
	}
	return oldest, errors.Join(errs...)
}

// postingsExpiry decides when postings are dropped, which costs a walk over all streams of a
// resource.
type postingsExpiry struct {
	mu      sync.Mutex
	dropped map[resourceOfTenant]droppedPostings
	pass    uint64 // number of the present pass over all resources that have postings
}

// droppedPostings is what is known of a resource.
type droppedPostings struct {
	upTo time.Time // start up to which postings were dropped last
	pass uint64    // the last in which it had postings
}

// nextPass begins the next pass. If the present one has seen all resources, it forgets those that
// had no postings.
func (e *postingsExpiry) nextPass(complete bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for of, d := range e.dropped {
		if complete && d.pass != e.pass {
			delete(e.dropped, of)
		}
	}
	e.pass++
}

type resourceOfTenant struct {
	tenant runtime.Tenant
	keys.Resource
}

// droppedParts divides the time for which executions are stored: postings are dropped when they
// cover more than one part. Fewer are not worth a walk over all streams. Until then they lead to
// nothing and are skipped.
const droppedParts = 64

// due reports whether to drop the postings of a resource before an execution. The caller then drops
// them.
func (e *postingsExpiry) due(tenant runtime.Tenant, r keys.Resource, oldest keys.ID, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := oldest.Time()
	if at.After(now) {
		at = now
	}
	of := resourceOfTenant{tenant, r}
	if last, known := e.dropped[of]; known && at.Sub(last.upTo) <= now.Sub(at)/droppedParts {
		e.dropped[of] = droppedPostings{last.upTo, e.pass}
		return false
	}
	if e.dropped == nil {
		e.dropped = make(map[resourceOfTenant]droppedPostings)
	}
	e.dropped[of] = droppedPostings{at, e.pass}
	return true
}
