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

// Finish ends attempts; see runtime.ExecutionQueue.
func (s *Store) Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error) {
	const op = "storage.finish"
	ids := make([]keys.ID, len(ended))
	locks := make([][]byte, len(ended))
	oldest := keys.LastID
	for i := range ended {
		x := &ended[i]
		id, err := checkExecution(x)
		if err == nil && (!x.State.Terminal() && x.State != runtime.StateQueued || x.Attempt < 1) {
			err = fmt.Errorf("execution %s cannot end as %s at attempt %d", x.ID, x.State, x.Attempt)
		}
		if err == nil && x.Task != nil {
			var job []byte
			var of keys.ID
			job, of, err = jobExecutionKey(x.Tenant, x.Task.JobExecution)
			locks = append(locks, job)
			oldest = older(oldest, of)
		}
		if err != nil {
			return nil, fault(op, err)
		}
		ids[i], locks[i] = id, keys.Execution(keys.KindAccepted, x.Tenant, id)
		oldest = older(oldest, id)
	}
	if err := s.enter(); err != nil {
		return nil, fault(op, err)
	}
	defer s.life.RUnlock()
	defer s.fence.pass(oldest)()
	locked := s.lockExecutions(locks...)
	defer locked.unlock()

	settled := make([]runtime.FinishResult, len(ended))
	after := make(map[executionRef]record.Attempt, len(ended))
	jobs := locked.jobs(now)
	err := s.writeEnds(needOf(ended), func(b *pebble.Batch, e *ends) error {
		for i := range ended {
			of := executionRef{ended[i].Tenant, ids[i]}
			if _, twice := after[of]; twice {
				settled[i].Err = runtime.ErrLease
				continue
			}
			x, waiting, last, err := locked.finish(b, e, ended[i], of, jobs)
			switch {
			case err == nil:
				settled[i].Execution, settled[i].JobDone, after[of] = x, last, record.Attempt{Waiting: waiting}
			case errors.Is(err, runtime.ErrLease):
				settled[i].Err = runtime.ErrLease
			default:
				return err
			}
		}
		return jobs.put(b, e)
	})
	if err != nil {
		return nil, fault(op, err)
	}
	for of, now := range after {
		locked.setAttempt(of, now)
	}
	return settled, nil
}

// smallFailure is the size, in bytes, up to which the text of a failure is small.
const smallFailure = 512

// needOf returns what the ends of a batch need of the disk. Ends without results, logs or long text
// are relief: they are as small as a cancellation, and a server that restarts on a full disk must be
// able to end the attempts that its predecessor lost. If it could not, nothing would free room.
func needOf(ended []runtime.Execution) commit.Need {
	for i := range ended {
		x := &ended[i]
		if len(x.Result)+len(x.Logs.Data) > 0 {
			return commit.Outcome
		}
		if f := x.Failure; f != nil && len(f.Type)+len(f.Message)+len(f.Traceback) > smallFailure {
			return commit.Outcome
		}
	}
	return commit.Relief
}

func older(a, b keys.ID) keys.ID {
	if b.Before(a) {
		return b
	}
	return a
}

// finish adds the end of one attempt to a batch, or fails with ErrLease. waiting is nil if there is
// no next attempt. last reports that the job's execution has no other task left.
func (locked lockedExecutions) finish(b *pebble.Batch, e *ends, x runtime.Execution, of executionRef, jobs batchJobs) (_ runtime.Execution, waiting *record.Waiting, last bool, err error) {
	lease := locked.attempt(of).Lease
	if lease == nil || lease.Attempt != x.Attempt {
		return x, nil, false, runtime.ErrLease
	}
	if lease.Function != x.Function {
		return x, nil, false, fmt.Errorf("execution %s is of function %q, not of %q", x.ID, lease.Function, x.Function)
	}
	job, err := jobs.task(&x)
	if err != nil {
		return x, nil, false, err
	}
	accepted, err := kv.Get(locked.db, keys.Execution(keys.KindAccepted, of.tenant, of.id), record.DecodeAccepted)
	if errors.Is(err, kv.ErrAbsent) {
		err = kv.Damaged("execution %s has a lease, but was not accepted", of.id)
	}
	if err != nil {
		return x, nil, false, err
	}
	accepted.ApplyArgs(&x)
	x.ID, x.CancelRequested = of.id.String(), lease.Cancel
	if x.State == runtime.StateQueued && (lease.Cancel || job != nil && job.CancelRequested) {
		x.CancelRequested = true
		x.Started = lease.Started
		x = x.Cancelled(jobs.now)
	}
	if x.State == runtime.StateQueued {
		logs := record.EncodeLogs(x.Logs)
		w := &record.Waiting{Attempt: x.Attempt, Failures: record.FailuresOf(&x), NotBefore: x.NotBefore, LogsSize: uint64(len(logs)), Suspicion: x.Suspicion}
		w.Suspicion.Probation = runtime.ProbationNone
		x.Suspicion = w.Suspicion
		if job != nil && lease.Failures == (record.Failures{}) && w.Failures != (record.Failures{}) {
			job.Stats.Retried++
			job.changed = true
		}
		e.add(of.tenant, tally{rest: int64(w.LogsSize)})
		x.Started, x.Finished, x.Outcome, x.ResultSize = time.Time{}, time.Time{}, runtime.Outcome{}, 0
		err = errors.Join(
			dropLease(b, of, lease),
			b.Set(keys.Execution(keys.KindWaiting, of.tenant, of.id), w.Encode(), nil),
		)
		if len(logs) > 0 {
			err = errors.Join(err, b.Set(keys.Execution(keys.KindWaitingLogs, of.tenant, of.id), logs, nil))
		}
		return x, w, false, err
	}
	if job != nil {
		last = job.count(x.State)
	}
	x.Suspicion = runtime.Suspicion{}
	err = errors.Join(
		dropUnfinished(b, &e.counts, of, &accepted, record.Attempt{Lease: lease}),
		putEnded(b, e, &x, of.id, &accepted),
	)
	x.ResultSize = len(x.Result)
	x.Result, x.Logs = nil, runtime.Logs{}
	return x, nil, last, err
}

// Record stores executions that were never queued; see runtime.ExecutionHistory.
func (s *Store) Record(batch []runtime.Execution) error {
	const op = "storage.record"
	ids := make([]keys.ID, len(batch))
	oldest := keys.LastID
	write := s.commits.WriteSoon
	for i := range batch {
		x := &batch[i]
		id, err := checkExecution(x)
		switch {
		case err == nil && !x.State.Terminal():
			err = fmt.Errorf("execution %s is not done, it is %s", x.ID, x.State)
		case err == nil && x.KeepsArgs() && len(x.Args) != x.ArgsSize:
			err = fmt.Errorf("execution %s has args of %d bytes, not of %d", x.ID, len(x.Args), x.ArgsSize)
		}
		if err != nil {
			return fault(op, err)
		}
		if x.Kind != runtime.KindRun {
			write = s.commits.Write
		}
		ids[i] = id
		oldest = older(oldest, id)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	defer s.fence.pass(oldest)()
	return fault(op, s.writeEndsBy(write, commit.NewWork, func(b *pebble.Batch, e *ends) error {
		for i := range batch {
			e.AddTrace(&batch[i], ids[i])
			if err := putRecorded(b, e, &batch[i], ids[i]); err != nil {
				return err
			}
		}
		return nil
	}))
}

// putEnded writes the records of an execution that was queued before, as putDone does. Its args stay
// where they are, or move into its record.
func putEnded(b *pebble.Batch, e *ends, x *runtime.Execution, id keys.ID, accepted *record.Accepted) error {
	x.Args = accepted.InlineArgs
	err := putDone(b, e, x, id)
	x.EndArgs()
	x.Args = nil
	return err
}

// putRecorded writes the records of an execution that was never queued, as putDone does.
func putRecorded(b *pebble.Batch, e *ends, x *runtime.Execution, id keys.ID) error {
	err := putDone(b, e, x, id)
	if x.KeepsArgs() && x.ArgsSize > record.InlineSize {
		err = errors.Join(err, setPacked(b, keys.Execution(keys.KindArgs, x.Tenant, id), x.Args))
	}
	return err
}

// putDone writes all records of an execution that is done, but for its args. It adds to e what the
// batch writes when it is complete.
func putDone(b *pebble.Batch, e *ends, x *runtime.Execution, id keys.ID) error {
	e.AddRun(x, id)
	value, logs := record.EncodeDone(x, id)
	state := record.StateCode(x.State)
	kept := record.KeptEntry{Result: len(x.Result) > record.InlineSize, Logs: len(logs) > record.InlineSize}
	size := len(value) + keptOverhead
	errs := []error{
		b.Set(keys.Execution(keys.KindDone, x.Tenant, id), value, nil),
		b.Set(append(keys.DoneByState(x.Tenant, state), id[:]...), nil, nil),
		b.Set(append(keys.DoneByFunction(x.Tenant, x.Function, state), id[:]...), nil, nil),
	}
	if kept.Args = x.KeepsArgs() && x.ArgsSize > record.InlineSize; kept.Args {
		size += x.ArgsSize
	}
	if kept.Result {
		size += len(x.Result)
		errs = append(errs, setPacked(b, keys.Execution(keys.KindResult, x.Tenant, id), x.Result))
	}
	if kept.Logs {
		size += len(logs)
		errs = append(errs, b.Set(keys.Execution(keys.KindLogs, x.Tenant, id), logs, nil))
	}
	kept.Size = uint64(size)
	return errors.Join(append(errs, e.keepRun(x, id, kept))...)
}
