package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// Store keeps functions, executions and settings in one directory.
type Store struct {
	dir   string
	fs    vfs.FS
	log   *slog.Logger
	fatal func(message string)

	db     *pebble.DB
	health health
	locks  stripes // of functions and names

	leases   stripes // of executions that are not done
	attempts attempts
	promises stripes // of keys of idempotency
	group    group
	syncing  syncing
	horizon  horizon
	postings postingsExpiry
	// searchSteps bounds what one page of a search looks through; see maxSteps.
	searchSteps int

	life   sync.RWMutex // read-held by every method while it uses db
	closed bool
	end    []io.Closer // what Close closes, in this order
}

// Close waits for the calls under way and closes the store. Later calls of it
// do nothing; those of other methods fail with CodeUnavailable.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := closeAll(s.end); err != nil {
		return fmt.Errorf("storage: close %s: %w", s.dir, err)
	}
	return nil
}

// flushed closes a database after a flush: tables, unlike the end of a log,
// show every kind of damage, and need no replay.
type flushed struct{ *Store }

func (f flushed) Close() error {
	return errors.Join(f.flush(), f.db.Close())
}

func closeAll(all []io.Closer) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// enter is called first by every method; after nil it must call s.life.RUnlock.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return runtime.Errorf(runtime.CodeUnavailable, "the store is closed")
	}
	return nil
}

// snapshot calls view with the store as it is now, whatever is written
// meanwhile.
func (s *Store) snapshot(view func(kv.Reader) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	snap := s.db.NewSnapshot()
	return errors.Join(view(snap), snap.Close())
}

// durably calls view with the store as it is now, and returns when all that
// view could see is durable: Pebble shows a batch before it is on disk, and what
// somebody was told must not be undone by a lost machine.
func (s *Store) durably(view func(kv.Reader) error) error {
	return s.snapshot(func(r kv.Reader) error {
		seen := s.syncing.begun()
		err := view(r)
		s.syncing.wait(seen)
		return err
	})
}

// commit makes a batch durable, unless it takes room and there is none.
func (s *Store) commit(b *pebble.Batch, takesRoom bool) error {
	return s.group.write(&member{batch: b, takesRoom: takesRoom}, s.commitAll)
}

// commitAll makes the batches of members durable: all as one, or none.
func (s *Store) commitAll(members []*member) {
	members = s.withRoom(members)
	if len(members) == 0 {
		return
	}
	err := s.commitAsOne(members)
	for _, m := range members {
		m.err = err
	}
}

func (s *Store) commitAsOne(members []*member) error {
	all := members[0].batch
	for _, m := range members[1:] {
		if err := all.Apply(m.batch, nil); err != nil {
			return err
		}
	}
	defer s.syncing.end(s.syncing.begin())
	return s.db.Apply(all, pebble.Sync)
}

// withRoom gives those members that may be written. If the disk is nearly full,
// the ones that take room are refused.
func (s *Store) withRoom(members []*member) []*member {
	takesRoom := func(m *member) bool { return m.takesRoom }
	if !slices.ContainsFunc(members, takesRoom) {
		return members
	}
	refusal := s.health.roomy(s.usage)
	if refusal == nil {
		return members
	}
	var others []*member
	for _, m := range members {
		if m.takesRoom {
			m.err = refusal
		} else {
			others = append(others, m)
		}
	}
	return others
}

// write commits what fill puts into a batch, if anything. A write that takes
// room is refused where that would make things worse.
func (s *Store) write(takesRoom bool, fill func(b *pebble.Batch) error) error {
	return s.apply(takesRoom, func(b *pebble.Batch) error { return s.commit(b, takesRoom) }, fill)
}

// writeSoon does as write, but returns when the batch can be read: it is on disk
// when the next batch that is made durable is, or when the log is written.
func (s *Store) writeSoon(takesRoom bool, fill func(b *pebble.Batch) error) error {
	return s.apply(takesRoom, func(b *pebble.Batch) error {
		if takesRoom {
			if err := s.health.roomy(s.usage); err != nil {
				return err
			}
		}
		return s.db.Apply(b, pebble.NoSync)
	}, fill)
}

func (s *Store) apply(takesRoom bool, commit func(b *pebble.Batch) error, fill func(b *pebble.Batch) error) error {
	if err := s.health.writable(takesRoom, s.full); err != nil {
		return err
	}
	b := s.db.NewBatch()
	err := fill(b)
	if err == nil && !b.Empty() {
		err = commit(b)
	}
	return errors.Join(err, b.Close())
}
