package storage

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// observeBatch is how many executions are read before their postings are written.
const observeBatch = 10_000

// observeAll writes the postings of a store that has none, whose release did not
// know of them. It is done before anything else is, and if it is interrupted,
// once more from the beginning.
func (s *Store) observeAll() error {
	began, n := time.Now(), 0
	err := eachTenant(s.db, func(tenant runtime.Tenant) error {
		prefix := keys.OfKind(tenant, keys.KindPostings)
		if err := s.writeSoon(false, func(b *pebble.Batch) error { return b.DeleteRange(prefix, keys.PrefixEnd(prefix), nil) }); err != nil {
			return err
		}
		found, waiting := postings{}, 0
		put := func() error {
			err := s.writeSoon(false, found.put)
			found, waiting = postings{}, 0
			return err
		}
		add := func(do func()) error {
			do()
			n++
			if waiting++; waiting < observeBatch {
				return nil
			}
			return put()
		}
		var first keys.ID
		runs := newSource(s.db, keys.OfKind(tenant, keys.KindDone), first, keys.LastID)
		for runs.first(); runs.ok && runs.err == nil; runs.next() {
			x := decoded(runs, func(value []byte) (doneRecord, error) { return decodeDone(tenant, runs.id, value) })
			if runs.err == nil {
				runs.err = add(func() {
					found.run(&x.Execution, runs.id)
					found.trace(&x.Execution, runs.id)
				})
			}
		}
		jobs := newSource(s.db, keys.OfKind(tenant, keys.KindJobDone), first, keys.LastID)
		for jobs.first(); jobs.ok && jobs.err == nil; jobs.next() {
			x := decoded(jobs, func(value []byte) (runtime.JobExecution, error) { return decodeJobExecution(tenant, jobs.id, value) })
			if jobs.err == nil {
				jobs.err = add(func() { found.job(&x, jobs.id) })
			}
		}
		return errors.Join(runs.err, runs.close(), jobs.err, jobs.close(), put())
	})
	if err != nil {
		return err
	}
	s.log.Info("storage: executions of an earlier release can be searched now", "executions", n, "took", time.Since(began))
	return s.putFormat()
}
