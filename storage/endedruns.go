package storage

import (
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// endedStep is the number of records that endedRuns reads before it lets the store close.
const endedStep = 1000

// endedRuns implements runtime.EndedRuns on a snapshot.
type endedRuns struct {
	store    *Store
	snapshot *pebble.Snapshot
	lower    keys.ID
}

// snapshots are the snapshots that outlive a call. Close of the Store closes those that are left.
type snapshots struct {
	mu   sync.Mutex
	open map[*pebble.Snapshot]struct{}
}

func (s *snapshots) add(snap *pebble.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*pebble.Snapshot]struct{})
	}
	s.open[snap] = struct{}{}
}

// close closes a snapshot, unless it is closed.
func (s *snapshots) close(snap *pebble.Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[snap]; !open {
		return nil
	}
	delete(s.open, snap)
	return snap.Close()
}

// Close closes all snapshots.
func (s *snapshots) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for snap := range s.open {
		errs = append(errs, snap.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

// EndedRuns returns the runs that have ended so far; see runtime.ExecutionHistory.
func (s *Store) EndedRuns(accepted time.Time) (runtime.EndedRuns, error) {
	if err := s.enter(); err != nil {
		return nil, fault("storage.endedruns", err)
	}
	defer s.life.RUnlock()
	snap := s.db.NewSnapshot()
	s.snapshots.add(snap)
	return &endedRuns{store: s, snapshot: snap, lower: keys.FirstIDAt(accepted)}, nil
}

// Each implements runtime.EndedRuns. It reads in steps, between which the store may be closed.
func (e *endedRuns) Each(visit func(runtime.EndedRun) error) error {
	var tenants []runtime.Tenant
	err := e.read(func(r kv.Reader) error {
		return kv.EachTenant(r, func(t runtime.Tenant) error {
			tenants = append(tenants, t)
			return nil
		})
	})
	for _, tenant := range tenants {
		from, more := e.lower, true
		for more && err == nil {
			err = e.read(func(r kv.Reader) (err error) {
				from, more, err = eachEnded(r, tenant, from, visit)
				return err
			})
		}
	}
	return fault("storage.endedruns", err)
}

// read calls look with the snapshot.
func (e *endedRuns) read(look func(kv.Reader) error) error {
	if err := e.store.enter(); err != nil {
		return err
	}
	defer e.store.life.RUnlock()
	return e.store.checked(look(view{e.snapshot, e.store.db.Keys()}))
}

// eachEnded calls visit with the runs in the first records of a tenant from an id on. more reports that
// there may be others, from next on.
func eachEnded(r kv.Reader, tenant runtime.Tenant, from keys.ID, visit func(runtime.EndedRun) error) (next keys.ID, more bool, err error) {
	runs := kv.NewIDIterator(r, keys.OfKind(tenant, keys.KindDone), from, keys.LastID)
	n := 0
	for runs.First(); runs.Valid && err == nil && n < endedStep; runs.Next() {
		n++
		next = runs.ID.Next()
		x := kv.Decode(runs, record.DecodeEnded)
		if err = runs.Err; err == nil && x.Kind == runtime.KindRun {
			x.Tenant = tenant
			err = visit(x.EndedRun())
		}
	}
	return next, n == endedStep, errors.Join(err, runs.Err, runs.Close())
}

// Close implements runtime.EndedRuns.
func (e *endedRuns) Close() error {
	return fault("storage.endedruns", e.store.snapshots.close(e.snapshot))
}
