package storage

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"

	"github.com/faaspot/faaspot/storage/internal/record"

	"github.com/faaspot/faaspot/storage/internal/search"
)

// maxCancelBytes is how much is put into one batch of a cancellation, in bytes.
// What tasks wrote before they were queued again is moved by it, and may be a lot.
const maxCancelBytes = 16 << 20

// CancelJobExecution makes cancelled what of an execution of a job is queued; see
// runtime.JobStore. The first batch marks the execution. Whoever finds it marked
// goes on where another has stopped.
func (s *Store) CancelJobExecution(tenant runtime.Tenant, text string, now time.Time) (x runtime.JobExecution, changed bool, ids []string, err error) {
	const op = "storage.canceljob"
	id, ok := keys.ParseID(text)
	if !ok {
		return x, false, nil, fault(op, noJobExecution(text))
	}
	if err := s.enter(); err != nil {
		return x, false, nil, fault(op, err)
	}
	defer s.life.RUnlock()
	tasks, locked, err := s.lockTasks(tenant, id)
	if err != nil {
		return x, false, nil, fault(op, orNoJobExecution(err, text))
	}
	defer locked.unlock()
	// What ended it has held the lock until it was durable.
	if x, err = readJobExecution(s.db, tenant, id); err != nil || x.State.Terminal() {
		return x, false, nil, fault(op, orNoJobExecution(err, text))
	}
	jobs := locked.jobs(now)
	j, err := jobs.of(tenant, id)
	if err != nil {
		return x, false, nil, fault(op, err)
	}
	changed = !j.CancelRequested
	j.CancelRequested, j.State, j.changed = true, runtime.StateCancelling, changed
	for len(tasks) > 0 {
		var done []executionRef
		err := s.commits.Write(false, func(b *pebble.Batch) error {
			var err error
			found := search.Postings{}
			for ; len(tasks) > 0 && b.Len() < maxCancelBytes && err == nil; tasks = tasks[1:] {
				var ended bool
				if ended, err = locked.cancelTask(b, found, executionRef{tenant, tasks[0]}, now); ended {
					j.count(runtime.StateCancelled)
					done = append(done, executionRef{tenant, tasks[0]})
				}
			}
			return errors.Join(err, jobs.put(b, found), found.Put(b))
		})
		if err != nil {
			return x, false, nil, fault(op, err)
		}
		j.hasProgress, j.changed = true, false
		for _, of := range done {
			locked.setAttempt(of, record.Attempt{})
			ids = append(ids, of.id.String())
		}
	}
	return j.JobExecution, changed, ids, nil
}

// cancelTask puts into a batch that a task is cancelled, if it is queued.
func (l lockedExecutions) cancelTask(b *pebble.Batch, found search.Postings, of executionRef, now time.Time) (bool, error) {
	at := l.attempt(of)
	if at.Lease != nil {
		return false, nil
	}
	accepted, err := kv.Get(l.db, keys.Execution(keys.KindAccepted, of.tenant, of.id), record.DecodeAccepted)
	if errors.Is(err, kv.ErrAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, l.putCancelled(b, found, of, accepted, at, now)
}

// putCancelled puts into a batch that a queued execution is cancelled.
func (l lockedExecutions) putCancelled(b *pebble.Batch, found search.Postings, of executionRef, accepted record.Accepted, at record.Attempt, now time.Time) error {
	x := accepted.Execution(of.tenant, of.id, at)
	x.CancelRequested = true
	x = x.Cancelled(now)
	logs, err := waitingLogs(l.db, of, at.Waiting)
	if err != nil {
		return err
	}
	x.Logs = logs
	return errors.Join(dropUnfinished(b, of, accepted.Function, accepted.ArgsSize, at), putDone(b, found, &x, of.id))
}

// lockTasks locks an execution of a job and its tasks, whose ids it gives. It
// fails with errAbsent if there is no such execution.
func (s *Store) lockTasks(tenant runtime.Tenant, id keys.ID) ([]keys.ID, lockedExecutions, error) {
	x, err := readJobExecution(s.db, tenant, id)
	if err != nil {
		return nil, lockedExecutions{}, err
	}
	tasks := make([]keys.ID, x.Stats.Total)
	locks := [][]byte{keys.Execution(keys.KindJobAccepted, tenant, id)}
	oldest := id
	for i := range tasks {
		tasks[i], _ = keys.ParseID(runtime.TaskID(x.ID, i))
		locks = append(locks, keys.Execution(keys.KindAccepted, tenant, tasks[i]))
		if tasks[i].Before(oldest) {
			oldest = tasks[i]
		}
	}
	leave := s.fence.pass(oldest)
	locked := s.lockExecutions(locks...)
	unlock := locked.unlock
	locked.unlock = func() { unlock(); leave() }
	return tasks, locked, nil
}
