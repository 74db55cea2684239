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

// maxCancelBytes is the size at which a batch of a cancellation is committed, in bytes. It moves
// the logs of tasks that were queued again, which may be large.
const maxCancelBytes = 16 << 20

// CancelJobExecution cancels the queued tasks of a job's execution; see runtime.JobStore. The first
// batch marks the execution. A call that finds it marked continues where another has stopped.
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
	// The call that ended it has held the lock until the end was durable.
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
		err := s.writeEnds(commit.Relief, func(b *pebble.Batch, e *ends) error {
			var err error
			for ; len(tasks) > 0 && b.Len() < maxCancelBytes && err == nil; tasks = tasks[1:] {
				var ended bool
				if ended, err = locked.cancelTask(b, e, executionRef{tenant, tasks[0]}, now); ended {
					j.count(runtime.StateCancelled)
					done = append(done, executionRef{tenant, tasks[0]})
				}
			}
			return errors.Join(err, jobs.put(b, e))
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

// cancelTask adds the cancellation of a task to a batch, if the task is queued.
func (locked lockedExecutions) cancelTask(b *pebble.Batch, e *ends, of executionRef, now time.Time) (bool, error) {
	at := locked.attempt(of)
	if at.Lease != nil {
		return false, nil
	}
	accepted, err := kv.Get(locked.db, keys.Execution(keys.KindAccepted, of.tenant, of.id), record.DecodeAccepted)
	if errors.Is(err, kv.ErrAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, locked.putCancelled(b, e, of, accepted, at, now)
}

// putCancelled adds the cancellation of a queued execution to a batch.
func (locked lockedExecutions) putCancelled(b *pebble.Batch, e *ends, of executionRef, accepted record.Accepted, at record.Attempt, now time.Time) error {
	x := accepted.Execution(of.tenant, of.id, at)
	x.CancelRequested = true
	x = x.Cancelled(now)
	logs, err := waitingLogs(locked.db, of, at.Waiting)
	if err != nil {
		return err
	}
	x.Logs = logs
	return errors.Join(dropUnfinished(b, &e.counts, of, &accepted, at), putEnded(b, e, &x, of.id, &accepted))
}

// lockTasks locks a job's execution and its tasks, and returns the ids of the tasks. It fails with
// kv.ErrAbsent if there is no such execution.
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
