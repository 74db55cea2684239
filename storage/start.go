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
)

// Start makes queued executions running; see runtime.ExecutionQueue.
func (s *Store) Start(leases []runtime.Lease) (refused []error, err error) {
	const op = "storage.start"
	ids := make([]keys.ID, len(leases))
	jobIDs := make([]keys.ID, len(leases))
	locks := make([][]byte, len(leases))
	for i, l := range leases {
		var ok bool
		if ids[i], ok = keys.ParseID(l.ID); !ok || l.Tenant == "" || l.Attempt < 1 || l.Started.IsZero() {
			return nil, fault(op, fmt.Errorf("a lease needs tenant, id, attempt and start, not %q, %q, %d, %v", l.Tenant, l.ID, l.Attempt, l.Started))
		}
		locks[i] = keys.Execution(keys.KindAccepted, l.Tenant, ids[i])
		if l.JobExecution != "" {
			job, id, err := jobExecutionKey(l.Tenant, l.JobExecution)
			if err != nil {
				return nil, fault(op, err)
			}
			jobIDs[i] = id
			locks = append(locks, job)
		}
	}
	if err := s.enter(); err != nil {
		return nil, fault(op, err)
	}
	defer s.life.RUnlock()
	locked := s.lockExecutions(locks...)
	defer locked.unlock()

	refused = make([]error, len(leases))
	begun := make(map[executionRef]record.Attempt, len(leases))
	err = s.writeCounted(commit.Outcome, func(b *pebble.Batch, c *counts) error {
		jobs := locked.jobs(time.Time{})
		for i, l := range leases {
			of := executionRef{l.Tenant, ids[i]}
			if _, twice := begun[of]; twice {
				refused[i] = runtime.ErrLease
				continue
			}
			lease, err := locked.start(b, c, l, of)
			switch {
			case err == nil:
				begun[of] = record.Attempt{Lease: lease}
				if l.JobExecution != "" {
					err = jobs.start(executionRef{l.Tenant, jobIDs[i]}, l.Started)
				}
			case errors.Is(err, runtime.ErrLease):
				refused[i], err = runtime.ErrLease, nil
			}
			if err != nil {
				return err
			}
		}
		return jobs.put(b, nil) // a start ends no execution
	})
	if err != nil {
		return nil, fault(op, err)
	}
	for of, now := range begun {
		locked.setAttempt(of, now)
	}
	return refused, nil
}

// start adds the start of one execution to a batch, or fails with ErrLease.
func (locked lockedExecutions) start(b *pebble.Batch, c *counts, l runtime.Lease, of executionRef) (*record.Lease, error) {
	before, last := locked.attempt(of), 0
	if before.Waiting != nil {
		last = before.Waiting.Attempt
	}
	if before.Lease != nil || l.Attempt != last+1 {
		return nil, runtime.ErrLease
	}
	accepted, err := kv.Get(locked.db, keys.Execution(keys.KindAccepted, of.tenant, of.id), record.DecodeAccepted)
	if errors.Is(err, kv.ErrAbsent) {
		return nil, runtime.ErrLease
	}
	if err != nil {
		return nil, err
	}
	r := record.Lease{Function: accepted.Function, Attempt: l.Attempt, Started: l.Started, ArgsSize: accepted.ArgsSize}
	if w := before.Waiting; w != nil {
		r.Failures, r.Suspicion = w.Failures, w.Suspicion
		err = dropWaiting(b, c, of, w)
	}
	r.Suspicion.Probation = l.Probation
	return &r, errors.Join(err, b.Set(keys.Execution(keys.KindLease, of.tenant, of.id), r.Encode(), nil))
}

// unfinished is the records of an execution that is not done.
type unfinished struct {
	accepted record.Accepted
	record.Attempt
}

func (u unfinished) execution(tenant runtime.Tenant, id keys.ID) runtime.Execution {
	return u.accepted.Execution(tenant, id, u.Attempt)
}

// readUnfinished fails with kv.ErrAbsent if there is no such execution, or if it is done.
func readUnfinished(r kv.Reader, tenant runtime.Tenant, id keys.ID) (u unfinished, err error) {
	if u.accepted, err = kv.Get(r, keys.Execution(keys.KindAccepted, tenant, id), record.DecodeAccepted); err != nil {
		return u, err
	}
	if u.Lease, err = kv.Find(r, keys.Execution(keys.KindLease, tenant, id), record.DecodeLease); u.Lease != nil || err != nil {
		return u, err
	}
	u.Waiting, err = kv.Find(r, keys.Execution(keys.KindWaiting, tenant, id), record.DecodeWaiting)
	return u, err
}

// dropUnfinished removes the records of an execution that is not done. Each of these keys is
// written once: a single deletion and the key that it deletes vanish together when memory is
// flushed, so that a drained queue leaves nothing behind that slows down lists. A lease is written
// a second time when it is to be cancelled. Args that are kept stay where they are.
func dropUnfinished(b *pebble.Batch, c *counts, of executionRef, accepted *record.Accepted, a record.Attempt) error {
	c.add(of.tenant, tally{rest: -queuedSize(accepted.ArgsSize)})
	errs := []error{
		b.SingleDelete(keys.Execution(keys.KindAccepted, of.tenant, of.id), nil),
		b.SingleDelete(keys.UnfinishedOfFunction(of.tenant, accepted.Function, of.id), nil),
	}
	if accepted.ArgsSize > record.InlineSize && !accepted.KeepsArgs() {
		errs = append(errs, b.SingleDelete(keys.Execution(keys.KindArgs, of.tenant, of.id), nil))
	}
	if a.Lease != nil {
		errs = append(errs, dropLease(b, of, a.Lease))
	}
	if a.Waiting != nil {
		errs = append(errs, dropWaiting(b, c, of, a.Waiting))
	}
	return errors.Join(errs...)
}

func dropLease(b *pebble.Batch, of executionRef, lease *record.Lease) error {
	key := keys.Execution(keys.KindLease, of.tenant, of.id)
	if lease.Cancel {
		return b.Delete(key, nil)
	}
	return b.SingleDelete(key, nil)
}

func dropWaiting(b *pebble.Batch, c *counts, of executionRef, waiting *record.Waiting) error {
	c.add(of.tenant, tally{rest: -int64(waiting.LogsSize)})
	err := b.SingleDelete(keys.Execution(keys.KindWaiting, of.tenant, of.id), nil)
	if waiting.LogsSize > 0 {
		err = errors.Join(err, b.SingleDelete(keys.Execution(keys.KindWaitingLogs, of.tenant, of.id), nil))
	}
	return err
}
