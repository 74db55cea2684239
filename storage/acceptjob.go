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

// AcceptJob stores a job's execution with its tasks; see runtime.JobStore.
func (s *Store) AcceptJob(x runtime.JobExecution, tasks []runtime.Accepted, key *runtime.IdempotencyKey, tick *runtime.Tick) (text string, replayed bool, err error) {
	const op = "storage.acceptjob"
	id, ids, err := checkAcceptedJob(&x, tasks, key)
	if err != nil {
		return "", false, fault(op, err)
	}
	if err := s.enter(); err != nil {
		return "", false, fault(op, err)
	}
	defer s.life.RUnlock()
	lockedKey := s.lockKey(x.Tenant, key)
	defer lockedKey.release()
	if ids, err := lockedKey.ids(); err != nil || ids != nil {
		return first(ids), ids != nil, fault(op, err)
	}
	job := s.lockJob(x.Tenant, x.JobID)
	defer job.unlock()
	if _, err := readJobRecord(s.db, x.Tenant, x.JobID); err != nil {
		return "", false, fault(op, err)
	}
	if err := job.checkName(&x); err != nil {
		return "", false, fault(op, err)
	}
	count, err := kv.Find(s.db, keys.JobCount(x.Tenant, x.JobID), record.DecodeNumber)
	if err != nil {
		return "", false, fault(op, err)
	}
	if count == nil {
		count = new(uint64)
	}
	err = s.writeCounted(commit.NewWork, func(b *pebble.Batch, c *counts) error {
		size, err := putJobAccepted(b, s.db, &x, id)
		if err == nil {
			err = c.reserve(x.Tenant, tally{rest: recordSize(size) + sizeOfQueued(tasks)})
		}
		if err != nil {
			return err
		}
		err = errors.Join(
			putAccepted(b, tasks, ids),
			b.Set(keys.JobCount(x.Tenant, x.JobID), record.EncodeNumber(*count+1), nil),
			lockedKey.put(b, []keys.ID{id}),
		)
		if tick != nil {
			err = errors.Join(err, job.putTick(b, *tick))
		}
		return err
	})
	if err != nil {
		return "", false, fault(op, err)
	}
	return x.ID, false, nil
}

func first(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// lockedJob is a job that the caller has locked until it calls unlock: its executions are accepted
// one after the other.
type lockedJob struct {
	s      *Store
	tenant runtime.Tenant
	id     string
	unlock func()
}

func (s *Store) lockJob(tenant runtime.Tenant, id string) lockedJob {
	return lockedJob{s, tenant, id, s.locks.lock(keys.Job(tenant, id))}
}

// checkName fails if another execution of the job has the name of x.
func (j lockedJob) checkName(x *runtime.JobExecution) error {
	err := j.s.absent(keys.JobExecutionName(j.tenant, j.id, x.Name))
	if id, ok := keys.ParseID(x.Name); ok && err == nil && x.Name != x.ID {
		// An execution is also found by its id, so no other may have that as its name.
		for _, kind := range []byte{keys.KindUnfinishedByJob, keys.KindDoneByJob} {
			err = errors.Join(err, j.s.absent(append(keys.ExecutionsByJob(kind, j.tenant, j.id), id[:]...)))
		}
	}
	if errors.Is(err, errPresent) {
		return runtime.Errorf(runtime.CodeAlreadyExists, "the job already has an execution %q", x.Name).
			WithHint("choose another executionId, or leave it out")
	}
	return err
}

// putTick stores a tick of a trigger of the job, or fails with ErrTick if that tick or a later one
// is stored.
func (j lockedJob) putTick(b *pebble.Batch, tick runtime.Tick) error {
	key := keys.Tick(j.tenant, tick.JobID, tick.Trigger)
	last, err := kv.Find(j.s.db, key, record.DecodeTime)
	switch {
	case err != nil:
		return err
	case last != nil && !last.Before(tick.At):
		return runtime.ErrTick
	}
	return b.Set(key, record.EncodeTime(tick.At), nil)
}

// putJobAccepted writes all records of a job's execution that is new. It returns the size of the one
// that counts, in bytes.
func putJobAccepted(b *pebble.Batch, r kv.Reader, x *runtime.JobExecution, id keys.ID) (size int, err error) {
	value, err := record.EncodeJobExecution(x, id)
	if err != nil {
		return 0, err
	}
	key := keys.Execution(keys.KindJobAccepted, x.Tenant, id)
	err = errors.Join(
		b.Set(key, kv.Seal(r, key, value), nil),
		b.Set(append(keys.ExecutionsByJob(keys.KindUnfinishedByJob, x.Tenant, x.JobID), id[:]...), record.EncodeJobExecutionName(x), nil),
	)
	if x.Name != x.ID {
		err = errors.Join(err, b.Set(keys.JobExecutionName(x.Tenant, x.JobID, x.Name), id[:], nil))
	}
	return len(value), err
}

// checkAcceptedJob checks that the caller fulfils the contract of runtime.JobStore.
func checkAcceptedJob(x *runtime.JobExecution, tasks []runtime.Accepted, key *runtime.IdempotencyKey) (id keys.ID, ids []keys.ID, err error) {
	id, ok := keys.ParseID(x.ID)
	if !ok || x.Tenant == "" || x.JobID == "" || x.Name == "" {
		return id, nil, fmt.Errorf("an execution of a job needs tenant, job, name and an id that is a UUIDv7, not %q, %q, %q, %q", x.Tenant, x.JobID, x.Name, x.ID)
	}
	if want := (runtime.TaskCounts{Total: len(tasks)}); x.State != runtime.StateQueued || x.Stats != want || x.CancelRequested || !x.Started.IsZero() {
		return id, nil, fmt.Errorf("execution %s of a job cannot be accepted as %+v", x.ID, x)
	}
	for i := range tasks {
		t := &tasks[i].Execution
		if t.Tenant != x.Tenant || t.Task == nil || t.Task.JobExecution != x.ID || t.Task.Index != i || t.ID != runtime.TaskID(x.ID, i) {
			return id, nil, fmt.Errorf("execution %s is not task %d of execution %s of a job", t.ID, i, x.ID)
		}
	}
	ids, err = checkAccepted(tasks, key)
	return id, ids, err
}

// LastTick returns the last tick of a trigger that has started an execution.
func (s *Store) LastTick(tenant runtime.Tenant, jobID, trigger string) (at time.Time, err error) {
	err = s.durably(func(r kv.Reader) error {
		at, err = kv.Get(r, keys.Tick(tenant, jobID, trigger), record.DecodeTime)
		if errors.Is(err, kv.ErrAbsent) {
			err = nil
		}
		return err
	})
	return at, fault("storage.tick", err)
}
