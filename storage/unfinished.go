package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// EachUnfinished visits the executions that are queued or running; see runtime.ExecutionQueue.
func (s *Store) EachUnfinished(visit func(runtime.Execution) error) error {
	return fault("storage.pending", s.durably(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			return eachUnfinished(r, tenant, visit)
		})
	}))
}

// eachUnfinished iterates over the three records of executions that are not done in parallel: a
// lookup of each lease would cost more than the rest.
func eachUnfinished(r kv.Reader, tenant runtime.Tenant, visit func(runtime.Execution) error) error {
	open := func(kind byte) *kv.IDIterator {
		s := kv.NewIDIterator(r, keys.OfKind(tenant, kind), keys.ID{}, keys.LastID)
		s.First()
		return s
	}
	accepted, leases, waiting := open(keys.KindAccepted), open(keys.KindLease), open(keys.KindWaiting)
	var err error
	for ; accepted.Valid && err == nil; accepted.Next() {
		u := unfinished{kv.Decode(accepted, record.DecodeAccepted), attemptAt(accepted, leases, waiting)}
		if err = errors.Join(accepted.Err, leases.Err, waiting.Err); err == nil {
			err = visit(u.execution(tenant, accepted.ID))
		}
	}
	for _, s := range []*kv.IDIterator{accepted, leases, waiting} {
		if err == nil {
			err = s.Err
		}
		err = errors.Join(err, s.Close())
	}
	return err
}
