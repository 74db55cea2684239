package storage

import (
	"bytes"
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

// spaceSample is the first byte of keys of an earlier release.
const spaceSample = 'c'

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
		accepted := kv.NewIDIterator(s.db, keys.OfKind(tenant, keys.KindAccepted), first, keys.LastID)
		for accepted.First(); accepted.Valid && accepted.Err == nil; accepted.Next() {
			a := kv.Decode(accepted, record.DecodeAccepted)
			if accepted.Err == nil {
				x := a.Execution(tenant, accepted.ID, record.Attempt{})
				accepted.Err = add(func() { found.AddTrace(&x, accepted.ID) })
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
		return errors.Join(runs.Err, runs.Close(), accepted.Err, accepted.Close(), jobs.Err, jobs.Close(), put())
	})
	if err != nil {
		return err
	}
	s.log.Info("storage: executions of an earlier release can be searched now", "executions", n, "took", time.Since(began))
	return nil
}

// keepAll writes the order in which executions are dropped for a store of an earlier release, which
// dropped them by their ids. It runs before anything else, and starts again from the beginning if
// it was interrupted.
func (s *Store) keepAll() error {
	began, n := time.Now(), 0
	wipe := func(prefix []byte) error {
		return s.commits.WriteSoon(commit.Outcome, func(b *pebble.Batch) error { return b.DeleteRange(prefix, keys.PrefixEnd(prefix), nil) })
	}
	err := errors.Join(wipe([]byte{spaceSample}), kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		err := errors.Join(wipe(keys.OfKind(tenant, keys.KindKept)), wipe(keys.OfKind(tenant, keys.KindKeptTasks)))
		if err != nil {
			return err
		}
		e, waiting := newEnds(), 0
		put := func() error {
			err := s.commits.WriteSoon(commit.Outcome, e.put)
			e, waiting = newEnds(), 0
			return err
		}
		added := func(err error) error {
			n++
			if waiting++; waiting < indexBatch || err != nil {
				return err
			}
			return put()
		}
		jobs := map[string]bool{} // whether a job's execution exists
		runs := keys.OfKind(tenant, keys.KindDone)
		err = kv.EachKey(s.db, runs, func(key, value []byte) error {
			id, err := keys.DecodeID(runs, key)
			if err != nil {
				return kv.Damaged("key %x: %v", key, err)
			}
			r, err := record.DecodeDone(tenant, id, value)
			if err != nil {
				return err
			}
			x := &r.Execution
			if x.Task != nil {
				there, known := jobs[x.Task.JobExecution]
				if !known {
					if there, err = s.hasJobExecution(tenant, x.Task.JobExecution); err != nil {
						return err
					}
					jobs[x.Task.JobExecution] = there
				}
				if !there {
					x.Task = nil
				}
			}
			one := record.KeptEntry{
				Result: r.ResultBytes > record.InlineSize, Logs: r.LogsBytes > record.InlineSize,
				Size: uint64(len(value)) + keptOverhead,
			}
			if one.Result {
				one.Size += r.ResultBytes
			}
			if one.Logs {
				one.Size += r.LogsBytes
			}
			return added(e.keepRun(x, id, one))
		})
		if err != nil {
			return err
		}
		done := keys.OfKind(tenant, keys.KindJobDone)
		return errors.Join(kv.EachKey(s.db, done, func(key, value []byte) error {
			id, err := keys.DecodeID(done, key)
			if err != nil {
				return kv.Damaged("key %x: %v", key, err)
			}
			x, err := record.DecodeJobExecution(tenant, id, value)
			if err != nil {
				return err
			}
			e.keepJob(&x, id, len(value))
			return added(nil)
		}), put())
	}))
	if err != nil {
		return err
	}
	s.log.Info("storage: executions of an earlier release are counted now", "executions", n, "took", time.Since(began))
	return s.putFormat()
}

// hasJobExecution reports whether there is an execution of a job, done or not.
func (s *Store) hasJobExecution(tenant runtime.Tenant, text string) (bool, error) {
	id, ok := keys.ParseID(text)
	if !ok {
		return false, kv.Damaged("%q is not a UUIDv7, so it cannot have tasks", text)
	}
	_, err := readJobExecution(s.db, tenant, id)
	if errors.Is(err, kv.ErrAbsent) {
		return false, nil
	}
	return err == nil, err
}

// checkFormat checks the format of the records. In a store without records it writes the format
// into a table of its own, so that a store that has lost its log is not mistaken for a new one.
func (s *Store) checkFormat() error {
	format, err := s.findFormat()
	switch {
	case err != nil:
		return err
	case format == nil:
		return errors.Join(s.putFormat(), s.flush())
	case *format == formatUnindexed:
		if err := s.indexAll(); err != nil {
			return err
		}
		return s.keepAll()
	case *format == formatUnkept:
		return s.keepAll()
	}
	return nil
}

// findFormat returns the format of the records, nil if there are none, or why this release cannot read them.
func (s *Store) findFormat() (*uint64, error) {
	format, err := kv.Find(s.db, keys.Format(), record.DecodeNumber)
	switch {
	case err != nil:
		return nil, err
	case format != nil && (*format < formatUnindexed || *format > formatVersion):
		return nil, fmt.Errorf("%w: its format is %d, this release reads %d", errNewer, *format, formatVersion)
	case format != nil:
		return format, nil
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	// A replica knows how far it has applied its log before it has a format.
	empty := !it.First() || bytes.Equal(it.Key(), keys.Applied()) && !it.Next()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, err
	}
	if !empty {
		return nil, fmt.Errorf("%w: it has records, but no record of their format; or it is damaged", errForeign)
	}
	return nil, nil
}

func (s *Store) putFormat() error {
	b := s.db.NewBatch()
	return errors.Join(b.Set(keys.Format(), record.EncodeNumber(formatVersion), nil), s.commits.Commit(b, commit.Outcome), b.Close())
}
