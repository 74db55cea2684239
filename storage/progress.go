package storage

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// batchJobs are the jobs' executions whose tasks a batch changes. Each one is read once and written
// once.
type batchJobs struct {
	r   kv.Reader
	now time.Time // zero when tasks start: their leases have the time
	all map[executionRef]*batchJob
}

type batchJob struct {
	runtime.JobExecution
	size        int  // of its record as it was accepted, in bytes
	hasProgress bool // a progress record is stored
	changed     bool
}

// jobExecutionKey returns the key that is locked for the job's execution of a task, and the id of
// that execution.
func jobExecutionKey(tenant runtime.Tenant, execution string) ([]byte, keys.ID, error) {
	id, ok := keys.ParseID(execution)
	if !ok {
		return nil, id, kv.Damaged("%q is not a UUIDv7, so it cannot have tasks", execution)
	}
	return keys.Execution(keys.KindJobAccepted, tenant, id), id, nil
}

// of returns a job's execution that is not done.
func (jobs batchJobs) of(tenant runtime.Tenant, id keys.ID) (*batchJob, error) {
	key := executionRef{tenant, id}
	if j := jobs.all[key]; j != nil {
		return j, nil
	}
	x, size, hasProgress, err := readUnfinishedJob(jobs.r, tenant, id)
	if errors.Is(err, kv.ErrAbsent) {
		err = kv.Damaged("execution %s of a job has tasks, but is done or does not exist", id)
	}
	if err != nil {
		return nil, err
	}
	j := &batchJob{JobExecution: x, size: size, hasProgress: hasProgress}
	jobs.all[key] = j
	return j, nil
}

// task returns the job's execution that an execution is a task of, nil if it is none.
func (jobs batchJobs) task(x *runtime.Execution) (*batchJob, error) {
	if x.Task == nil {
		return nil, nil
	}
	_, id, err := jobExecutionKey(x.Tenant, x.Task.JobExecution)
	if err != nil {
		return nil, err
	}
	return jobs.of(x.Tenant, id)
}

// start notes that the first task of a job's execution starts.
func (jobs batchJobs) start(of executionRef, at time.Time) error {
	j, err := jobs.of(of.tenant, of.id)
	if err == nil && j.Started.IsZero() {
		j.Started, j.changed = runtime.Later(at, j.Created), true
		j.Updated = runtime.Later(j.Started, j.Updated)
	}
	return err
}

// count counts the end of a task, and reports whether it was the last.
func (j *batchJob) count(state runtime.State) (last bool) {
	j.Stats.Count(state)
	j.changed = true
	return j.Stats.Ended() == j.Stats.Total
}

// put writes the executions that have changed. An execution without a task left is done.
func (jobs batchJobs) put(b *pebble.Batch, e *ends) error {
	var errs []error
	for of, j := range jobs.all {
		if !j.changed {
			continue
		}
		if !jobs.now.IsZero() {
			j.Updated = runtime.Later(jobs.now, j.Updated) // the clock may have been set back
		}
		progress := keys.Execution(keys.KindJobProgress, of.tenant, of.id)
		if j.Stats.Ended() < j.Stats.Total {
			errs = append(errs, b.Set(progress, record.ProgressOf(&j.JobExecution).Encode(), nil))
			continue
		}
		j.State, j.Finished = j.FinalState(), j.Updated
		e.add(of.tenant, tally{rest: -recordSize(j.size)})
		errs = append(errs,
			b.Delete(keys.Execution(keys.KindJobAccepted, of.tenant, of.id), nil),
			b.Delete(append(keys.ExecutionsByJob(keys.KindUnfinishedByJob, of.tenant, j.JobID), of.id[:]...), nil),
			putDoneJob(b, jobs.r, e, &j.JobExecution, of.id),
		)
		if j.hasProgress {
			errs = append(errs, b.Delete(progress, nil))
		}
	}
	return errors.Join(errs...)
}

// putDoneJob writes all records of a job's execution that is done, and the delivery of its
// callback. It adds to e what the batch writes when it is complete.
func putDoneJob(b *pebble.Batch, r kv.Reader, e *ends, x *runtime.JobExecution, id keys.ID) error {
	value, err := record.EncodeJobExecution(x, id)
	if err != nil {
		return err
	}
	e.AddJob(x, id)
	e.keepJob(x, id, len(value))
	key := keys.Execution(keys.KindJobDone, x.Tenant, id)
	err = errors.Join(
		b.Set(key, kv.Seal(r, key, value), nil),
		b.Set(append(keys.ExecutionsByJob(keys.KindDoneByJob, x.Tenant, x.JobID), id[:]...), record.EncodeJobExecutionName(x), nil),
	)
	if x.Callback != nil {
		d := runtime.Delivery{ID: x.ID, Tenant: x.Tenant, JobID: x.JobID, Job: x.Job, JobExecution: x.ID, Callback: *x.Callback, Created: x.Finished}
		e.add(x.Tenant, tally{rest: deliverySize(&d)})
		err = errors.Join(err, putDelivery(b, r, d))
	}
	return err
}

// readUnfinishedJob fails with kv.ErrAbsent if there is no such execution of a job, or if it is
// done. size is that of its record as it was accepted, in bytes, and hasProgress reports whether a
// progress record is stored.
func readUnfinishedJob(r kv.Reader, tenant runtime.Tenant, id keys.ID) (x runtime.JobExecution, size int, hasProgress bool, err error) {
	x, err = kv.Get(r, keys.Execution(keys.KindJobAccepted, tenant, id), func(value []byte) (runtime.JobExecution, error) {
		size = len(value)
		return record.DecodeJobExecution(tenant, id, value)
	})
	if err != nil {
		return x, 0, false, err
	}
	progress, err := kv.Find(r, keys.Execution(keys.KindJobProgress, tenant, id), record.DecodeProgress)
	if progress != nil {
		progress.Apply(&x)
	}
	return x, size, progress != nil, err
}

// readJobExecution fails with kv.ErrAbsent if there is no such execution of a job. It looks for an
// unfinished one first: r need not be a snapshot, and an execution that ends between the two reads
// moves from the first key to the second, never back.
func readJobExecution(r kv.Reader, tenant runtime.Tenant, id keys.ID) (runtime.JobExecution, error) {
	x, _, _, err := readUnfinishedJob(r, tenant, id)
	if errors.Is(err, kv.ErrAbsent) {
		x, err = readJobDone(r, tenant, id)
	}
	return x, err
}

func readJobDone(r kv.Reader, tenant runtime.Tenant, id keys.ID) (runtime.JobExecution, error) {
	return kv.Get(r, keys.Execution(keys.KindJobDone, tenant, id), func(value []byte) (runtime.JobExecution, error) {
		return record.DecodeJobExecution(tenant, id, value)
	})
}
