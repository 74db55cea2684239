package storage

import (
	"bytes"
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

// expiredJobs returns the jobs that have executions which are done and older than oldest.
func expiredJobs(r kv.Reader, oldest keys.ID) (all []jobRef, err error) {
	it, err := r.NewIter(nil)
	if err != nil {
		return nil, err
	}
	err = kv.EachTenant(r, func(tenant runtime.Tenant) error {
		prefix := keys.OfKind(tenant, keys.KindDoneByJob)
		end := keys.PrefixEnd(prefix)
		for ok := it.SeekGE(prefix); ok && bytes.Compare(it.Key(), end) < 0; {
			id, _, err := keys.CutText(it.Key()[len(prefix):])
			if err != nil {
				return kv.Damaged("key %x: %v", it.Key(), err)
			}
			mine := keys.ExecutionsByJob(keys.KindDoneByJob, tenant, id)
			first, err := keys.DecodeID(mine, it.Key())
			if err != nil {
				return kv.Damaged("key %x: %v", it.Key(), err)
			}
			if first.Before(oldest) {
				all = append(all, jobRef{tenant, id})
			}
			ok = it.SeekGE(keys.PrefixEnd(mine))
		}
		return it.Error()
	})
	return all, errors.Join(err, it.Close())
}

// lockJobs locks jobs whose executions are dropped.
func (s *Store) lockJobs(jobs []jobRef) (unlock func()) {
	locks := make([][]byte, len(jobs))
	for i, j := range jobs {
		locks[i] = keys.Job(j.tenant, j.id)
	}
	return s.locks.lock(locks...)
}

// dropJobs adds to a batch the deletion of executions of jobs before oldest. It reads their names,
// because each name is dropped by its own key.
func dropJobs(b *pebble.Batch, r kv.Reader, jobs []jobRef, oldest keys.ID) error {
	for _, j := range jobs {
		prefix := keys.ExecutionsByJob(keys.KindDoneByJob, j.tenant, j.id)
		end := append(prefix[:len(prefix):len(prefix)], oldest[:]...)
		dropped, err := dropNames(b, r, j, prefix, end)
		if err == nil {
			err = errors.Join(b.DeleteRange(prefix, end, nil), uncount(b, r, j, dropped))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropNames drops the names of a job's executions between two keys, and returns the number of these
// executions.
func dropNames(b *pebble.Batch, r kv.Reader, j jobRef, prefix, end []byte) (n uint64, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		n++
		value, failed := it.ValueAndErr()
		if err = failed; err != nil || len(value) == 0 {
			continue
		}
		var name []byte
		if name, err = record.DecodeRaw(value); err == nil {
			err = b.Delete(keys.JobExecutionName(j.tenant, j.id, string(name)), nil)
		}
	}
	return n, errors.Join(err, it.Error(), it.Close())
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
