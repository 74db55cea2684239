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

// countedKeep is the largest number of executions to keep that is counted one by one. Larger
// numbers are estimated from the sample, to a few per cent.
const countedKeep = 256 * keys.SampleRate

// Expire drops executions that are done and too old or too many, and old idempotency keys; see
// runtime.ExecutionHistory. Its cost depends on the number of functions and jobs that have
// executions, and on the number of jobs' executions that it drops, not on the number of executions.
func (s *Store) Expire(now time.Time, age time.Duration, keep int) error {
	const op = "storage.expire"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	var oldest keys.ID
	if age > 0 {
		oldest = keys.FirstIDAt(now.Add(-age))
	}
	if keep >= 0 {
		beyond, err := oldestOf(s.db, keep)
		if err != nil {
			return fault(op, err)
		}
		if oldest.Before(beyond) {
			oldest = beyond
		}
	}
	return fault(op, s.fence.drop(oldest, func() error {
		jobs, err := expiredJobs(s.db, oldest)
		if err != nil {
			return err
		}
		defer s.lockJobs(jobs)()
		return s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
			if err := dropJobs(b, s.db, jobs, oldest); err != nil {
				return err
			}
			it, err := s.db.NewIter(nil)
			if err != nil {
				return err
			}
			d := dropper{
				batch: b, it: it, oldest: oldest, day: keys.DayOf(now), postings: s.postings.due(oldest, now),
				deadBefore: keys.FirstIDAt(now.Add(-runtime.DeadLetterAge)),
			}
			return errors.Join(d.dropAll(s.db), it.Close())
		})
	}))
}

// oldestOf returns the id of the oldest of the newest keep executions that are done.
func oldestOf(r kv.Reader, keep int) (keys.ID, error) {
	if keep == 0 {
		return keys.LastID, nil
	}
	var sources []*kv.IDIterator
	open := func(prefix []byte) {
		s := kv.NewIDIterator(r, prefix, keys.ID{}, keys.LastID)
		s.Last()
		sources = append(sources, s)
	}
	var err error
	if keep > countedKeep {
		keep /= keys.SampleRate
		open([]byte{keys.SpaceSample})
	} else {
		err = kv.EachTenant(r, func(tenant runtime.Tenant) error {
			open(keys.OfKind(tenant, keys.KindDone))
			return nil
		})
	}
	var oldest keys.ID
	for n := 0; err == nil; n++ {
		newest, failed := kv.First(sources, true)
		if err = failed; newest == nil || err != nil {
			oldest = keys.ID{} // there are fewer than keep
			break
		}
		oldest = newest.ID
		if n+1 == keep {
			break
		}
		newest.Next()
	}
	for _, s := range sources {
		err = errors.Join(err, s.Close())
	}
	return oldest, err
}

// dropper adds to a batch the deletion of executions before oldest. It writes no range without a
// key: each range has a cost until it is compacted.
type dropper struct {
	batch  *pebble.Batch
	it     *pebble.Iterator
	oldest keys.ID
	day    uint64

	postings   bool    // whether to drop postings, too
	deadBefore keys.ID // dead letters before this id are dropped
}

func (d *dropper) dropAll(r kv.Reader) error {
	if err := d.dropBefore([]byte{keys.SpaceSample}); err != nil {
		return err
	}
	return kv.EachTenant(r, d.dropTenant)
}

func (d *dropper) dropTenant(tenant runtime.Tenant) error {
	for _, kind := range []byte{keys.KindDone, keys.KindResult, keys.KindLogs, keys.KindJobDone} {
		if err := d.dropBefore(keys.OfKind(tenant, kind)); err != nil {
			return err
		}
	}
	for state := 1; state < len(record.States); state++ {
		if err := d.dropBefore(keys.DoneByState(tenant, byte(state))); err != nil {
			return err
		}
	}
	if err := d.dropFunctions(tenant); err != nil {
		return err
	}
	if d.postings {
		if err := search.Drop(d.batch, d.it, tenant, d.oldest); err != nil {
			return err
		}
	}
	dead := keys.OfKind(tenant, keys.KindDeadLetter)
	if err := d.dropRange(dead, append(dead[:len(dead):len(dead)], d.deadBefore[:]...)); err != nil {
		return err
	}
	// A key is valid into the day after its own.
	if d.day == 0 {
		return nil
	}
	return d.dropRange(keys.OfKind(tenant, keys.KindIdempotency), keys.IdempotencyDay(tenant, d.day-1))
}

// dropFunctions drops the keys by which executions are found by their function.
func (d *dropper) dropFunctions(tenant runtime.Tenant) error {
	prefix := keys.OfKind(tenant, keys.KindDoneByFunction)
	end := keys.PrefixEnd(prefix)
	for ok := d.it.SeekGE(prefix); ok && bytes.Compare(d.it.Key(), end) < 0; {
		function, _, err := keys.CutText(d.it.Key()[len(prefix):])
		if err != nil {
			return kv.Damaged("key %x: %v", d.it.Key(), err)
		}
		for state := 1; state < len(record.States); state++ {
			if err := d.dropBefore(keys.DoneByFunction(tenant, function, byte(state))); err != nil {
				return err
			}
		}
		ok = d.it.SeekGE(keys.PrefixEnd(keys.AppendText(prefix[:len(prefix):len(prefix)], function)))
	}
	return d.it.Error()
}

// dropBefore drops the keys of a prefix whose ids are before the oldest.
func (d *dropper) dropBefore(prefix []byte) error {
	return d.dropRange(prefix, append(prefix[:len(prefix):len(prefix)], d.oldest[:]...))
}

// dropRange drops the keys from one on, before another, if there are any.
func (d *dropper) dropRange(from, to []byte) error {
	if d.it.SeekGE(from) && bytes.Compare(d.it.Key(), to) < 0 {
		return d.batch.DeleteRange(from, to, nil)
	}
	return d.it.Error()
}

// postingsExpiry decides when postings are dropped, which costs a walk over all streams.
type postingsExpiry struct {
	mu      sync.Mutex
	dropped time.Time // start up to which postings were dropped last; zero: unknown
}

// droppedParts divides the time for which executions are stored: postings are dropped when they
// cover more than one part. Fewer are not worth a walk over all streams. Until then they lead to
// nothing and are skipped.
const droppedParts = 64

// due reports whether to drop postings, too. The caller then drops them.
func (e *postingsExpiry) due(oldest keys.ID, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := oldest.Time()
	if at.After(now) {
		at = now
	}
	if !e.dropped.IsZero() && at.Sub(e.dropped) < now.Sub(at)/droppedParts {
		return false
	}
	e.dropped = at
	return true
}
