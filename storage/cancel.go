package storage

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// Cancel cancels a queued execution and marks a running one; see runtime.ExecutionQueue.
func (s *Store) Cancel(tenant runtime.Tenant, text string, now time.Time) (x runtime.Execution, changed bool, err error) {
	const op = "storage.cancel"
	id, ok := keys.ParseID(text)
	if !ok {
		return x, false, fault(op, noExecution(text))
	}
	if err := s.enter(); err != nil {
		return x, false, fault(op, err)
	}
	defer s.life.RUnlock()
	accepted, locked, err := s.lockAccepted(tenant, id)
	defer locked.unlock()
	if errors.Is(err, kv.ErrAbsent) {
		// The call that ended it has held the lock until the end was durable.
		x, err = readDone(s.db, tenant, id, true)
		return x, false, fault(op, orNoExecution(err, text))
	}
	if err != nil {
		return x, false, fault(op, err)
	}
	of := executionRef{tenant, id}
	before := locked.attempt(of)
	x = accepted.Execution(tenant, id, before)
	if x.CancelRequested {
		return x, false, nil
	}
	var after record.Attempt
	err = s.writeEnds(commit.Relief, func(b *pebble.Batch, e *ends) error {
		x.CancelRequested = true
		if before.Lease == nil {
			jobs := locked.jobs(now)
			j, err := jobs.task(&x)
			if err != nil {
				return err
			}
			if j != nil {
				j.count(runtime.StateCancelled)
			}
			x = x.Cancelled(now)
			return errors.Join(locked.putCancelled(b, e, of, accepted, before, now), jobs.put(b, e))
		}
		x.State = runtime.StateCancelling
		lease := *before.Lease
		lease.Cancel = true
		after.Lease = &lease
		return b.Set(keys.Execution(keys.KindLease, tenant, id), lease.Encode(), nil)
	})
	if err != nil {
		return runtime.Execution{}, false, fault(op, err)
	}
	locked.setAttempt(of, after)
	return x, true, nil
}

// lockAccepted locks an execution that is not done, together with the job's execution that it is a
// task of, and reads its accepted record. It fails with kv.ErrAbsent if there is none.
func (s *Store) lockAccepted(tenant runtime.Tenant, id keys.ID) (record.Accepted, lockedExecutions, error) {
	key := keys.Execution(keys.KindAccepted, tenant, id)
	locks, oldest := [][]byte{key}, id
	// An accepted record does not change, so it may be read before it is locked.
	accepted, err := kv.Get(s.db, key, record.DecodeAccepted)
	if err == nil && accepted.Task() != nil {
		job, of, err := jobExecutionKey(tenant, accepted.Task().JobExecution)
		if err != nil {
			return accepted, lockedExecutions{unlock: func() {}}, err
		}
		locks = append(locks, job)
		if of.Before(oldest) {
			oldest = of
		}
	}
	leave := s.fence.pass(oldest)
	locked := s.lockExecutions(locks...)
	unlock := locked.unlock
	locked.unlock = func() { unlock(); leave() }
	accepted, err = kv.Get(s.db, key, record.DecodeAccepted)
	return accepted, locked, err
}

func noExecution(id string) error { return runtime.NoExecutionError(id) }

// orNoExecution turns kv.ErrAbsent into the error for callers.
func orNoExecution(err error, id string) error {
	if errors.Is(err, kv.ErrAbsent) {
		return noExecution(id)
	}
	return err
}
