package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// TaskStates returns the states of the tasks of a job's execution; see runtime.JobStore. It reads what
// retention knows of tasks that are done, hundreds at a time, and the keys alone of others.
func (s *Store) TaskStates(tenant runtime.Tenant, text string, n int) (states []runtime.TaskState, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return noJobExecution(text)
		}
		states = make([]runtime.TaskState, max(0, min(n, runtime.MaxTasks)))
		for i := range states {
			states[i] = runtime.TaskDropped
		}
		return errors.Join(unfinishedTasks(r, tenant, id, states), doneTasks(r, tenant, id, states))
	})
	return states, fault("storage.taskstates", err)
}

// doneTasks sets the states of the tasks that are done.
func doneTasks(r kv.Reader, tenant runtime.Tenant, job keys.ID, states []runtime.TaskState) error {
	return kv.EachKey(r, keys.KeptTasks(tenant, job), func(key, value []byte) error {
		kept, err := record.DecodeKept(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		for i := range kept.Entries {
			e := &kept.Entries[i]
			if at := runtime.TaskIndex(e.ID); at < len(states) && e.State > 0 && int(e.State) < len(record.States) {
				states[at] = runtime.TaskStateOf(record.States[e.State])
			}
		}
		return nil
	})
}

// unfinishedTasks sets the states of the tasks that are not done. Their ids may have those of
// executions between them that were accepted in the same millisecond.
func unfinishedTasks(r kv.Reader, tenant runtime.Tenant, job keys.ID, states []runtime.TaskState) error {
	if len(states) == 0 {
		return nil
	}
	lower, _ := keys.ParseID(runtime.TaskID(job.String(), 0))
	upper, _ := keys.ParseID(runtime.TaskID(job.String(), len(states)-1))
	var all []*kv.IDIterator
	open := func(kind byte) *kv.IDIterator {
		it := kv.NewIDIterator(r, keys.OfKind(tenant, kind), lower, upper.Next())
		it.First()
		all = append(all, it)
		return it
	}
	accepted, leases, waiting := open(keys.KindAccepted), open(keys.KindLease), open(keys.KindWaiting)
	for ; accepted.Valid; accepted.Next() {
		at := runtime.TaskIndex(accepted.ID)
		if at >= len(states) || runtime.TaskID(job.String(), at) != accepted.ID.String() {
			continue
		}
		switch {
		case !leases.Lacks(accepted):
			if states[at] = runtime.TaskRunning; kv.Decode(leases, record.DecodeLease).Cancel {
				states[at] = runtime.TaskStopping
			}
		case !waiting.Lacks(accepted):
			states[at] = runtime.TaskWaiting
		default:
			states[at] = runtime.TaskQueued
		}
	}
	var errs []error
	for _, it := range all {
		errs = append(errs, it.Err, it.Close())
	}
	return errors.Join(errs...)
}
