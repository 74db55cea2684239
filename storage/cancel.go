package storage

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
)

// Cancel cancels what is queued and marks what runs; see runtime.ExecutionQueue.
func (s *Store) Cancel(tenant runtime.Tenant, text string, now time.Time) (x runtime.Execution, changed bool, err error) {
	const op = "storage.cancel"
	id, ok := parseID(text)
	if !ok {
		return x, false, fault(op, noExecution(text))
	}
	if err := s.enter(); err != nil {
		return x, false, fault(op, err)
	}
	defer s.life.RUnlock()
	defer s.horizon.pass(id)()
	defer s.leases.lock(keyOfExecution(kindAccepted, tenant, id))()

	accepted, err := read(s.db, keyOfExecution(kindAccepted, tenant, id), decodeAccepted)
	if errors.Is(err, errAbsent) {
		// What ended it has held the lock until it was durable.
		x, err = readDone(s.db, tenant, id, true)
		return x, false, fault(op, orNoExecution(err, text))
	}
	if err != nil {
		return x, false, fault(op, err)
	}
	of := attemptOf{tenant, id}
	before := s.attempts.get(of)
	x = accepted.execution(of, before)
	if x.CancelRequested {
		return x, false, nil
	}
	var after attempt
	err = s.write(false, func(b *pebble.Batch) error {
		x.CancelRequested = true
		if before.lease == nil {
			x = x.Cancelled(now)
			done := x
			if done.Logs, err = waitingLogs(s.db, of, before.waiting); err != nil {
				return err
			}
			return errors.Join(dropUndone(b, of, accepted.function, accepted.argsSize, before), putDone(b, &done, id))
		}
		x.State = runtime.StateCancelling
		lease := *before.lease
		lease.cancel = true
		after.lease = &lease
		return b.Set(keyOfExecution(kindLease, tenant, id), lease.encode(), nil)
	})
	if err != nil {
		return runtime.Execution{}, false, fault(op, err)
	}
	s.attempts.set(of, after)
	return x, true, nil
}

func noExecution(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no execution with id %q", id).
		WithHint("executions are kept for a time only once they are done; list them to see which there are")
}

// orNoExecution tells callers what errAbsent means.
func orNoExecution(err error, id string) error {
	if errors.Is(err, errAbsent) {
		return noExecution(id)
	}
	return err
}
