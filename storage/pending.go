package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// EachUnfinished visits what is queued or running; see runtime.ExecutionQueue.
func (s *Store) EachUnfinished(visit func(runtime.Execution) error) error {
	return fault("storage.pending", s.durably(func(r reader) error {
		return eachTenant(r, func(tenant runtime.Tenant) error {
			return pending(r, tenant, visit)
		})
	}))
}

// pending walks over the three records of executions that are not done side by
// side: to look up each lease would cost more than all else.
func pending(r reader, tenant runtime.Tenant, visit func(runtime.Execution) error) error {
	open := func(kind byte) *source {
		var lower keys.ID
		s := newSource(r, keys.OfKind(tenant, kind), lower, keys.LastID)
		s.first()
		return s
	}
	accepted, leases, waiting := open(keys.KindAccepted), open(keys.KindLease), open(keys.KindWaiting)
	var err error
	for ; accepted.ok && err == nil; accepted.next() {
		u := undone{decoded(accepted, decodeAccepted), attemptAt(accepted, leases, waiting)}
		if err = errors.Join(accepted.err, leases.err, waiting.err); err == nil {
			err = visit(u.execution(tenant, accepted.id))
		}
	}
	for _, s := range []*source{accepted, leases, waiting} {
		if err == nil {
			err = s.err
		}
		err = errors.Join(err, s.close())
	}
	return err
}

// eachTenant calls do with each tenant that has a record of any kind.
func eachTenant(r reader, do func(runtime.Tenant) error) error {
	prefix := []byte{keys.SpaceTenants}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; {
		var tenant string
		if tenant, _, err = keys.CutText(it.Key()[len(prefix):]); err != nil {
			err = damaged("key %x: %v", it.Key(), err)
			break
		}
		if err = do(runtime.Tenant(tenant)); err == nil {
			ok = it.SeekGE(keys.PrefixEnd(keys.AppendText(prefix, tenant)))
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}
