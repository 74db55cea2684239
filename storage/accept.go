package storage

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

var _ runtime.ExecutionStore = (*Store)(nil)

// Accept stores queued executions, all or none, and returns their ids; see runtime.ExecutionQueue.
func (s *Store) Accept(batch []runtime.Accepted, key *runtime.IdempotencyKey) (ids []string, replayed bool, err error) {
	const op = "storage.accept"
	parsed, err := checkAccepted(batch, key)
	for i := range batch {
		if t := batch[i].Execution.Task; t != nil && err == nil {
			err = fmt.Errorf("execution %s is task %d of execution %s of a job: accept it with AcceptJob", batch[i].Execution.ID, t.Index, t.JobExecution)
		}
	}
	if err != nil {
		return nil, false, fault(op, err)
	}
	if err := s.enter(); err != nil {
		return nil, false, fault(op, err)
	}
	defer s.life.RUnlock()
	tenant := batch[0].Execution.Tenant
	locked := s.lockKey(tenant, key)
	defer locked.release()
	if ids, err := locked.ids(); err != nil || ids != nil {
		return ids, ids != nil, fault(op, err)
	}
	err = s.writeCounted(commit.NewWork, func(b *pebble.Batch, c *counts) error {
		if err := c.reserve(tenant, tally{rest: sizeOfQueued(batch)}); err != nil {
			return err
		}
		return errors.Join(putAccepted(b, batch, parsed), locked.put(b, parsed))
	})
	if err != nil {
		return nil, false, fault(op, err)
	}
	return idTexts(parsed), false, nil
}

func idTexts(ids []keys.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// sizeOfQueued returns what executions that are queued count, in bytes.
func sizeOfQueued(batch []runtime.Accepted) (n int64) {
	for i := range batch {
		n += queuedSize(uint64(len(batch[i].Args)))
	}
	return n
}

func putAccepted(b *pebble.Batch, batch []runtime.Accepted, ids []keys.ID) error {
	found := search.Postings{}
	for i := range batch {
		x, args, id := &batch[i].Execution, batch[i].Args, ids[i]
		err := errors.Join(
			b.Set(keys.Execution(keys.KindAccepted, x.Tenant, id), record.EncodeAccepted(x, id, args), nil),
			b.Set(keys.UnfinishedOfFunction(x.Tenant, x.Function, id), nil, nil),
		)
		found.AddTrace(x, id)
		if len(args) > record.InlineSize {
			err = errors.Join(err, setPacked(b, keys.Execution(keys.KindArgs, x.Tenant, id), args))
		}
		if err != nil {
			return err
		}
	}
	return found.Put(b)
}

// checkAccepted checks that the caller fulfils the contract of runtime.ExecutionQueue.
func checkAccepted(batch []runtime.Accepted, key *runtime.IdempotencyKey) ([]keys.ID, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("there is nothing to accept")
	}
	if key != nil && key.Key == "" {
		return nil, errNoKey
	}
	ids := make([]keys.ID, len(batch))
	var seen map[keys.ID]struct{}
	if len(batch) > 1 {
		seen = make(map[keys.ID]struct{}, len(batch))
	}
	for i := range batch {
		x := &batch[i].Execution
		id, err := checkExecution(x)
		if err != nil {
			return nil, err
		}
		if x.State != runtime.StateQueued || x.Attempt != 0 || x.Tenant != batch[0].Execution.Tenant {
			return nil, fmt.Errorf("execution %s of tenant %q is %s at attempt %d: a new execution is queued, and a batch has one tenant",
				x.ID, x.Tenant, x.State, x.Attempt)
		}
		if _, twice := seen[id]; twice {
			return nil, fmt.Errorf("execution %s is in the batch twice", x.ID)
		}
		ids[i] = id
		if seen != nil {
			seen[id] = struct{}{}
		}
	}
	return ids, nil
}

// checkExecution returns the id of an execution, or an error if the execution cannot be stored.
func checkExecution(x *runtime.Execution) (keys.ID, error) {
	id, ok := keys.ParseID(x.ID)
	switch {
	case !ok:
		return id, fmt.Errorf("%q is not a UUIDv7, so it cannot be the id of an execution", x.ID)
	case x.Tenant == "" || x.Function == "":
		return id, fmt.Errorf("execution %s needs a tenant and a function, not %q, %q", x.ID, x.Tenant, x.Function)
	case record.KindCode(x.Kind) == 0:
		return id, fmt.Errorf("execution %s has an unknown kind %q", x.ID, x.Kind)
	case !utf8.ValidString(x.Function):
		return id, fmt.Errorf("execution %s has a function whose name %q is not UTF-8", x.ID, x.Function)
	}
	return id, nil
}
