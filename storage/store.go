package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// Store stores functions, executions, jobs, deliveries and settings in one directory.
type Store struct {
	dir   string
	fs    vfs.FS
	log   *slog.Logger
	fatal func(message string)

	db      *pebble.DB
	commits *commit.Committer
	health  *disk.Health
	locks   stripes // of functions, jobs and names

	leases      stripes // of executions that are not done
	attempts    attempts
	idempotency stripes // of idempotency keys
	fence       expiryFence
	postings    postingsExpiry
	// searchSteps is the number of steps that one page of a search may take; see search.MaxSteps.
	searchSteps int

	life   sync.RWMutex // read-held by every method while it uses db
	closed bool
	end    []io.Closer // what Close closes, in this order
}

// Close waits for calls in progress and closes the store. Further calls of Close do nothing;
// further calls of other methods fail with CodeUnavailable.
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

// flushOnClose closes a database after a flush: tables, unlike the end of a log, show every kind of
// damage, and need no replay.
type flushOnClose struct{ *Store }

func (f flushOnClose) Close() error {
	return errors.Join(f.flush(), f.db.Close())
}

func closeAll(all []io.Closer) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// enter is called first by every method. If it returns nil, the method must call s.life.RUnlock.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return runtime.Errorf(runtime.CodeUnavailable, "the store is closed")
	}
	return nil
}

// snapshot calls view with the present state of the store, which later writes do not change.
func (s *Store) snapshot(view func(kv.Reader) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	snap := s.db.NewSnapshot()
	return errors.Join(view(snap), snap.Close())
}

// durably is like snapshot, and returns when everything that view could see is durable: Pebble
// shows a batch before it is on disk, and a caller must not learn of a change that a lost machine
// undoes.
func (s *Store) durably(view func(kv.Reader) error) error {
	return s.snapshot(func(r kv.Reader) error {
		seen := s.commits.Visible()
		err := view(r)
		s.commits.Wait(seen)
		return err
	})
}

// flush waits until everything that was written is in tables; see disk.Health.
func (s *Store) flush() error { return s.health.Flush(s.db) }

// gate refuses writes for the state of the disk.
type gate struct{ *Store }

// Writable returns why writes are refused now, regardless of the free space, or nil.
func (g gate) Writable(takesRoom bool) error { return g.health.Writable(takesRoom, g.full) }

// Roomy returns why a write that takes space is refused now, or nil.
func (g gate) Roomy() error {
	u, err := g.fs.GetDiskUsage(g.dir)
	if err != nil {
		return nil // the free space is not known
	}
	return g.health.Roomy(u.AvailBytes)
}

// full reports whether the writes that wait for a flush have nearly filled their memory, so that a
// further write would have to wait too. While flushes fail, that wait would never end, and readers
// of the written records would wait too.
func (s *Store) full() bool {
	return s.db.Metrics().MemTable.Size >= (memTables-1)*memTableSize
}

// Health returns the problem of the store or its disk as a CodeUnavailable error, or nil.
func (s *Store) Health() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	g := gate{s}
	if err := g.Writable(true); err != nil {
		return err
	}
	if err := g.Roomy(); err != nil {
		return err
	}
	return s.health.Slowness()
}
