package storage

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// indexBatch is the number of executions that are read before their postings are written.
const indexBatch = 10_000

// indexAll writes the postings of a store of an earlier release, which had none. It runs before
// anything else, and starts again from the beginning if it was interrupted.
func (s *Store) indexAll() error {
	began, n := time.Now(), 0
	err := kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		prefix := keys.OfKind(tenant, keys.KindPostings)
		if err := s.commits.WriteSoon(commit.Outcome, func(b *pebble.Batch) error { return b.DeleteRange(prefix, keys.PrefixEnd(prefix), nil) }); err != nil {
			return err
		}
		found, waiting := search.Postings{}, 0
		put := func() error {
			err := s.commits.WriteSoon(commit.Outcome, found.Put)
			found, waiting = search.Postings{}, 0
			return err
		}
		add := func(do func()) error {
			do()
			n++
			if waiting++; waiting < indexBatch {
				return nil
			}
			return put()
		}
		var first keys.ID
		runs := kv.NewIDIterator(s.db, keys.OfKind(tenant, keys.KindDone), first, keys.LastID)
		for runs.First(); runs.Valid && runs.Err == nil; runs.Next() {
			x := kv.Decode(runs, func(value []byte) (record.Done, error) { return record.DecodeDone(tenant, runs.ID, value) })
			if runs.Err == nil {
				runs.Err = add(func() {
					found.AddRun(&x.Execution, runs.ID)
					found.AddTrace(&x.Execution, runs.ID)
				})
			}
		}
		jobs := kv.NewIDIterator(s.db, keys.OfKind(tenant, keys.KindJobDone), first, keys.LastID)
		for jobs.First(); jobs.Valid && jobs.Err == nil; jobs.Next() {
			x := kv.Decode(jobs, func(value []byte) (runtime.JobExecution, error) {
				return record.DecodeJobExecution(tenant, jobs.ID, value)
			})
			if jobs.Err == nil {
				jobs.Err = add(func() { found.AddJob(&x, jobs.ID) })
			}
		}
		return errors.Join(runs.Err, runs.Close(), jobs.Err, jobs.Close(), put())
	})
	if err != nil {
		return err
	}
	s.log.Info("storage: executions of an earlier release can be searched now", "executions", n, "took", time.Since(began))
	return s.putFormat()
}

// checkFormat checks the format of the records. In a store without records it writes the format
// into a table of its own, so that a store that has lost its log is not mistaken for a new one.
func (s *Store) checkFormat() error {
	format, err := kv.Get(s.db, keys.Format(), record.DecodeNumber)
	if err == nil && format == formatVersion {
		return nil
	}
	if err == nil && format == formatUnindexed {
		return s.indexAll()
	}
	if err == nil {
		return fmt.Errorf("%w: its format is %d, this release reads %d", errNewer, format, formatVersion)
	}
	if !errors.Is(err, kv.ErrAbsent) {
		return err
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	empty := !it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("%w: it has records, but no record of their format; or it is damaged", errForeign)
	}
	return errors.Join(s.putFormat(), s.flush())
}

func (s *Store) putFormat() error {
	b := s.db.NewBatch()
	return errors.Join(b.Set(keys.Format(), record.EncodeNumber(formatVersion), nil), s.commits.Commit(b, commit.Outcome), b.Close())
}
