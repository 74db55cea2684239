package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

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
	// keepKeys is called before anything is encrypted for the first time; nil: nothing.
	keepKeys func() error

	db      *database
	commits *commit.Committer
	health  *disk.Health
	memory  *disk.Memory
	ballast *disk.Ballast
	minFree uint64 // bytes that must be free for new work
	// defaultBytes is the limit of what is kept without another: half of what the disk had for the
	// store when it was opened; 0: not known.
	defaultBytes int64
	locks        stripes // of functions, jobs and names

	leases      stripes // of executions that are not done
	attempts    attempts
	idempotency stripes // of idempotency keys
	fence       expiryFence
	expiring    sync.Mutex                            // held by Expire
	backing     [len(disk.CheckpointNames)]sync.Mutex // one is held by each Backup
	opened      time.Time
	usage       usage
	holdings    holdings
	bundles     bundles
	audit       audit
	postings    postingsExpiry
	snapshots   snapshots
	// searchSteps is the number of steps that one page of a search may take; see search.MaxSteps.
	searchSteps int
	replica     *replica   // nil: the store is alone
	adopting    bool       // the store may be the replica of a log, which it is opened without
	keying      sync.Mutex // held while the keys change, or what the store says of them

	life   sync.RWMutex // read-held by every method while it uses db
	closed bool
	end    []io.Closer // what Close closes, in this order
}

// readPatience is how long a read waits for the disk to sync what it has read.
const readPatience = 10 * time.Second

// Close waits for calls in progress and closes the store. Further calls of Close do nothing;
// further calls of other methods fail with CodeUnavailable.
func (s *Store) Close() error {
	defer s.replica.closing()()
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.health.SetPatient(false) // what waits for room fails
	if err := errors.Join(s.snapshots.Close(), closeAll(s.end)); err != nil {
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
		return closedError()
	}
	return nil
}

// snapshot calls look with the present state of the store, which later writes do not change.
func (s *Store) snapshot(look func(kv.Reader) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	snap := s.db.NewSnapshot()
	return s.checked(errors.Join(look(view{snap, s.db.Keys()}), snap.Close()))
}

// checked returns an error of a read or write. Damage ends the process: what else is damaged is not
// known, and a compaction would fail at the same place for ever.
func (s *Store) checked(err error) error {
	if err != nil && pebble.IsCorruptionError(err) {
		s.damaged(err)
	}
	return err
}

func (s *Store) damaged(err error) { s.fatal(messageAndHint(unusable("read", s.dir, err))) }

// durably is like snapshot, and returns when everything that view could see is durable: Pebble
// shows a batch before it is on disk, and a caller must not learn of a change that a lost machine
// undoes. A disk that does not sync for readPatience does not keep the caller waiting any longer.
func (s *Store) durably(view func(kv.Reader) error) error {
	return s.snapshot(func(r kv.Reader) error {
		seen := s.commits.Visible()
		err := view(r)
		if !s.commits.Wait(seen, readPatience) {
			return s.health.Full()
		}
		return err
	})
}

// flush waits until everything that was written is in tables; see disk.Health.
func (s *Store) flush() error { return s.health.Flush(s.db.DB) }

// Disk returns the state of the disk.
func (s *Store) Disk() runtime.DiskState {
	d := runtime.DiskState{Floor: s.minFree, Ballast: s.ballast.Held(), Problem: s.Health()}
	if u, err := s.fs.GetDiskUsage(s.dir); err == nil {
		d.Free, d.Total = u.AvailBytes, u.TotalBytes
	}
	return d
}

// Health returns the problem of the store or its disk as a CodeUnavailable error, or nil.
func (s *Store) Health() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if problem := s.replica.problem(); problem != nil {
		return problem
	}
	g := gate{s}
	if err := s.health.Writable(true); err != nil {
		return err
	}
	if err := g.Room().Admit(commit.NewWork, 0); err != nil {
		return err
	}
	return s.health.Slowness()
}
