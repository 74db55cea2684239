package storage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var _ runtime.OperationStore = (*Store)(nil)

// CreateOperation stores a new operation; see runtime.OperationStore.
func (s *Store) CreateOperation(o runtime.Operation, drop []string) error {
	need := commit.NewWork
	if o.Kind == runtime.OperationCancel {
		need = commit.Relief
	}
	return s.putOperation("storage.createoperation", o, need, func(b *pebble.Batch, _ []byte) error {
		var errs []error
		for _, text := range drop {
			if id, ok := keys.ParseID(text); ok {
				errs = append(errs, b.Delete(keys.Execution(keys.KindOperation, o.Tenant, id), nil))
			}
		}
		return errors.Join(errs...)
	})
}

// UpdateOperation replaces an operation; see runtime.OperationStore.
func (s *Store) UpdateOperation(o runtime.Operation) error {
	return s.putOperation("storage.updateoperation", o, commit.Relief, func(_ *pebble.Batch, key []byte) error {
		_, closer, err := s.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return runtime.NoOperationError(o.ID)
		}
		if err != nil {
			return err
		}
		return closer.Close()
	})
}

// putOperation writes an operation, after before. Its tenant is not dropped meanwhile.
func (s *Store) putOperation(op string, o runtime.Operation, need commit.Need, before func(b *pebble.Batch, key []byte) error) error {
	id, ok := keys.ParseID(o.ID)
	if !ok || o.Tenant == "" {
		return fault(op, fmt.Errorf("an operation needs a tenant and an id that is a UUIDv7, not %q and %q", o.Tenant, o.ID))
	}
	value, err := record.EncodeOperation(o)
	if err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	key := keys.Execution(keys.KindOperation, o.Tenant, id)
	defer s.leases.lock(key)()
	return fault(op, s.commits.Write(need, func(b *pebble.Batch) error {
		if err := before(b, key); err != nil {
			return err
		}
		return b.Set(key, value, nil)
	}))
}

// GetOperation returns an operation; see runtime.OperationStore.
func (s *Store) GetOperation(tenant runtime.Tenant, text string) (o runtime.Operation, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return runtime.NoOperationError(text)
		}
		o, err = kv.Get(r, keys.Execution(keys.KindOperation, tenant, id), func(value []byte) (runtime.Operation, error) {
			return record.DecodeOperation(tenant, id.String(), value)
		})
		if errors.Is(err, kv.ErrAbsent) {
			return runtime.NoOperationError(text)
		}
		return err
	})
	return o, fault("storage.operation", err)
}

// ListOperations returns the operations of a tenant, newest first.
func (s *Store) ListOperations(tenant runtime.Tenant) (all []runtime.Operation, err error) {
	err = s.durably(func(r kv.Reader) error {
		all = nil
		return eachOperation(r, tenant, func(o runtime.Operation) error {
			all = append(all, o)
			return nil
		})
	})
	slices.Reverse(all)
	return all, fault("storage.operations", err)
}

// EachOperation visits all operations; see runtime.OperationStore.
func (s *Store) EachOperation(visit func(runtime.Operation) error) error {
	return fault("storage.alloperations", s.durably(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error { return eachOperation(r, tenant, visit) })
	}))
}

// eachOperation visits the operations of a tenant, oldest first.
func eachOperation(r kv.Reader, tenant runtime.Tenant, visit func(runtime.Operation) error) error {
	prefix := keys.OfKind(tenant, keys.KindOperation)
	return kv.EachKey(r, prefix, func(key, value []byte) error {
		id, err := keys.DecodeID(prefix, key)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		o, err := record.DecodeOperation(tenant, id.String(), value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		return visit(o)
	})
}
