package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// GetJobExecution returns the execution of a job with a name or id.
func (s *Store) GetJobExecution(tenant runtime.Tenant, jobID, execution string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, err := findJobExecution(r, tenant, jobID, execution)
		if err == nil {
			x, err = readJobExecution(r, tenant, id)
		}
		if err == nil && x.JobID != jobID {
			err = kv.ErrAbsent
		}
		return orNoJobExecution(err, execution)
	})
	if err != nil {
		return runtime.JobExecution{}, fault("storage.jobexecution", err)
	}
	return x, nil
}

// findJobExecution returns the id of the execution with a name, or the name itself if it is an id.
func findJobExecution(r kv.Reader, tenant runtime.Tenant, jobID, execution string) (id keys.ID, err error) {
	named, err := kv.Find(r, keys.JobExecutionName(tenant, jobID, execution), func(value []byte) (keys.ID, error) { return keys.DecodeID(nil, value) })
	switch {
	case err != nil:
		return id, err
	case named != nil:
		return *named, nil
	}
	id, ok := keys.ParseID(execution)
	if !ok {
		return id, kv.ErrAbsent
	}
	return id, nil
}

// GetJobExecutionByID returns an execution of any job.
func (s *Store) GetJobExecutionByID(tenant runtime.Tenant, text string) (x runtime.JobExecution, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return orNoJobExecution(kv.ErrAbsent, text)
		}
		x, err = readJobExecution(r, tenant, id)
		return orNoJobExecution(err, text)
	})
	return x, fault("storage.jobexecution", err)
}

// EachUnfinishedJobExecution visits the jobs' executions that are not done; see runtime.JobStore.
func (s *Store) EachUnfinishedJobExecution(visit func(x runtime.JobExecution, deleted bool) error) error {
	return fault("storage.pendingjobs", s.durably(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			prefix := keys.OfKind(tenant, keys.KindJobAccepted)
			return kv.EachKey(r, prefix, func(key, _ []byte) error {
				id, err := keys.DecodeID(prefix, key)
				if err != nil {
					return kv.Damaged("key %x: %v", key, err)
				}
				x, _, _, err := readUnfinishedJob(r, tenant, id)
				if err != nil {
					return err
				}
				_, err = readJobRecord(r, tenant, x.JobID)
				if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
					return err
				}
				return visit(x, err != nil)
			})
		})
	}))
}

func noJobExecution(execution string) error {
	return runtime.Errorf(runtime.CodeNotFound, "the job has no execution %q", execution).
		WithHint("finished executions are stored for a limited time; list the executions to see which exist")
}

func orNoJobExecution(err error, execution string) error {
	if errors.Is(err, kv.ErrAbsent) {
		return noJobExecution(execution)
	}
	return err
}
