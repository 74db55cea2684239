package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// SetSuspicion changes the suspicion of executions that are not done; see runtime.ExecutionQueue.
func (s *Store) SetSuspicion(changes []runtime.SuspicionChange) error {
	const op = "storage.suspect"
	ids := make([]keys.ID, len(changes))
	locks := make([][]byte, len(changes))
	for i, c := range changes {
		var ok bool
		if ids[i], ok = keys.ParseID(c.ID); !ok || c.Tenant == "" {
			return fault(op, fmt.Errorf("a suspicion needs tenant and id, not %q and %q", c.Tenant, c.ID))
		}
		locks[i] = keys.Execution(keys.KindAccepted, c.Tenant, ids[i])
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	locked := s.lockExecutions(locks...)
	defer locked.unlock()

	after := make(map[executionRef]record.Attempt, len(changes))
	// Small: a server that restarts on a full disk writes it before it does anything else.
	err := s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
		clear(after)
		for i, c := range changes {
			of := executionRef{c.Tenant, ids[i]}
			if _, twice := after[of]; twice {
				continue
			}
			now, changed, err := locked.suspect(b, of, c)
			if err != nil {
				return err
			}
			if changed {
				after[of] = now
			}
		}
		return nil
	})
	if err != nil {
		return fault(op, err)
	}
	for of, now := range after {
		locked.setAttempt(of, now)
	}
	return nil
}

// suspect adds one change to a batch. Each key is deleted before it is written again, so that it
// still vanishes with a single deletion, see dropUnfinished.
func (locked lockedExecutions) suspect(b *pebble.Batch, of executionRef, c runtime.SuspicionChange) (now record.Attempt, changed bool, err error) {
	now = locked.attempt(of)
	switch queued := c.Suspicion.Probation == runtime.ProbationNone; {
	case queued && now.Waiting != nil && now.Waiting.Attempt == c.Attempt:
		w := *now.Waiting
		w.Suspicion, now.Waiting = c.Suspicion, &w
		key := keys.Execution(keys.KindWaiting, of.tenant, of.id)
		return now, true, errors.Join(b.SingleDelete(key, nil), b.Set(key, w.Encode(), nil))
	case !queued && now.Lease != nil && now.Lease.Attempt == c.Attempt:
		lease := *now.Lease
		lease.Suspicion = c.Suspicion
		err = errors.Join(dropLease(b, of, now.Lease), b.Set(keys.Execution(keys.KindLease, of.tenant, of.id), lease.Encode(), nil))
		now.Lease = &lease
		return now, true, err
	}
	return now, false, nil
}
