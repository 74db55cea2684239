package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// jobRef names a job, which may be deleted.
type jobRef struct {
	tenant runtime.Tenant
	id     string
}

// lockJobs locks jobs whose executions are dropped.
func (s *Store) lockJobs(jobs []jobRef) (unlock func()) {
	locks := make([][]byte, len(jobs))
	for i, j := range jobs {
		locks[i] = keys.Job(j.tenant, j.id)
	}
	return s.locks.lock(locks...)
}

// dropJobs drops the executions of jobs that were collected.
func (d *drop) dropJobs(b *pebble.Batch) error {
	var errs []error
	dropped := make(map[string]uint64)
	for i := range d.jobs {
		x, id := &d.jobs[i].JobExecution, d.jobs[i].id
		errs = append(errs,
			b.Delete(keys.Execution(keys.KindJobDone, d.tenant, id), nil),
			b.Delete(append(keys.ExecutionsByJob(keys.KindDoneByJob, d.tenant, x.JobID), id[:]...), nil),
		)
		if x.Name != x.ID {
			errs = append(errs, b.Delete(keys.JobExecutionName(d.tenant, x.JobID, x.Name), nil))
		}
		dropped[x.JobID]++
	}
	for job, n := range dropped {
		errs = append(errs, uncount(b, d.s.db, jobRef{d.tenant, job}, n))
	}
	return errors.Join(errs...)
}

// uncount subtracts n from the number of a job's executions, if the job still exists.
func uncount(b *pebble.Batch, r kv.Reader, j jobRef, n uint64) error {
	key := keys.JobCount(j.tenant, j.id)
	count, err := kv.Find(r, key, record.DecodeNumber)
	if count == nil || err != nil {
		return err
	}
	if *count < n {
		return kv.Damaged("job %q has %d executions, of which %d are dropped", j.id, *count, n)
	}
	return b.Set(key, record.EncodeNumber(*count-n), nil)
}
