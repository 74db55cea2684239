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

var _ runtime.DeliveryStore = (*Store)(nil)

// putDelivery stores a delivery, among the dead letters if it is one.
func putDelivery(b *pebble.Batch, d runtime.Delivery) error {
	id, ok := keys.ParseID(d.ID)
	if !ok || d.Tenant == "" {
		return fmt.Errorf("a delivery needs a tenant and a UUIDv7, not %q, %q", d.Tenant, d.ID)
	}
	value, err := record.EncodeDelivery(d)
	if err != nil {
		return err
	}
	kind := byte(keys.KindDelivery)
	if d.Dead {
		kind = keys.KindDeadLetter
	}
	return b.Set(keys.Execution(kind, d.Tenant, id), value, nil)
}

func noDeadLetter(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no dead letter with the id %.64q", id).WithHint("list the dead letters to see which exist")
}

// EachDelivery calls visit with each delivery that is not a dead letter; see runtime.DeliveryStore.
func (s *Store) EachDelivery(visit func(runtime.Delivery) error) error {
	return fault("storage.deliveries", s.snapshot(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			return eachDelivery(r, keys.KindDelivery, tenant, visit)
		})
	}))
}

func eachDelivery(r kv.Reader, kind byte, tenant runtime.Tenant, visit func(runtime.Delivery) error) error {
	prefix := keys.OfKind(tenant, kind)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var d runtime.Delivery
		if d, err = record.DecodeDelivery(it.Value()); err != nil {
			err = kv.Damaged("key %x: %v", it.Key(), err)
			break
		}
		err = visit(d)
	}
	return errors.Join(err, it.Error(), it.Close())
}

// GetDelivery returns a delivery that is not a dead letter.
func (s *Store) GetDelivery(tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	return s.delivery("storage.delivery", keys.KindDelivery, tenant, id)
}

// GetDeadLetter returns a dead letter.
func (s *Store) GetDeadLetter(tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	return s.delivery("storage.deadletter", keys.KindDeadLetter, tenant, id)
}

func (s *Store) delivery(op string, kind byte, tenant runtime.Tenant, text string) (d runtime.Delivery, err error) {
	err = s.durably(func(r kv.Reader) error {
		d, err = readDelivery(r, kind, tenant, text)
		return err
	})
	if errors.Is(err, kv.ErrAbsent) {
		err = noDeadLetter(text)
	}
	return d, fault(op, err)
}

// readDelivery fails with kv.ErrAbsent if there is no such delivery.
func readDelivery(r kv.Reader, kind byte, tenant runtime.Tenant, text string) (runtime.Delivery, error) {
	id, ok := keys.ParseID(text)
	if !ok {
		return runtime.Delivery{}, kv.ErrAbsent
	}
	return kv.Get(r, keys.Execution(kind, tenant, id), record.DecodeDelivery)
}

// changeDelivery changes one delivery, if there is one.
func (s *Store) changeDelivery(op string, tenant runtime.Tenant, text string, change func(b *pebble.Batch, key []byte) error) error {
	id, ok := keys.ParseID(text)
	if !ok {
		return fault(op, fmt.Errorf("%q is not a UUIDv7, so it cannot be the id of a delivery", text))
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	key := keys.Execution(keys.KindDelivery, tenant, id)
	defer s.leases.lock(key)()
	return fault(op, s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
		if _, err := kv.Get(s.db, key, record.DecodeDelivery); err != nil {
			if errors.Is(err, kv.ErrAbsent) {
				return nil
			}
			return err
		}
		return change(b, key)
	}))
}

// SaveAttempt stores the state of a delivery after an attempt; see runtime.DeliveryStore.
func (s *Store) SaveAttempt(d runtime.Delivery) error {
	return s.changeDelivery("storage.attempted", d.Tenant, d.ID, func(b *pebble.Batch, key []byte) error {
		if d.Dead {
			return errors.Join(b.Delete(key, nil), putDelivery(b, d))
		}
		return putDelivery(b, d)
	})
}

// DeleteDelivery drops a delivery whose callback was accepted.
func (s *Store) DeleteDelivery(tenant runtime.Tenant, id string) error {
	return s.changeDelivery("storage.delivered", tenant, id, func(b *pebble.Batch, key []byte) error { return b.Delete(key, nil) })
}

// ListDeadLetters lists dead letters, newest first; see runtime.DeliveryStore.
func (s *Store) ListDeadLetters(tenant runtime.Tenant, before string, limit int) (all []runtime.Delivery, err error) {
	const op = "storage.deadletters"
	_, upper, err := bounds(runtime.ExecutionFilter{}, before)
	if err != nil {
		return nil, fault(op, err)
	}
	err = s.durably(func(r kv.Reader) error {
		prefix := keys.OfKind(tenant, keys.KindDeadLetter)
		it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: append(prefix[:len(prefix):len(prefix)], upper[:]...)})
		if err != nil {
			return err
		}
		for ok := it.Last(); ok && err == nil && len(all) < limit; ok = it.Prev() {
			var d runtime.Delivery
			if d, err = record.DecodeDelivery(it.Value()); err != nil {
				err = kv.Damaged("key %x: %v", it.Key(), err)
			}
			all = append(all, d)
		}
		return errors.Join(err, it.Error(), it.Close())
	})
	if err != nil {
		return nil, fault(op, err)
	}
	return all, nil
}

// RedriveDeadLetters turns dead letters into new deliveries; see runtime.DeliveryStore.
func (s *Store) RedriveDeadLetters(tenant runtime.Tenant, ids []string, limit int) (driven []runtime.Delivery, err error) {
	err = s.takeDeadLetters("storage.redrive", tenant, ids, limit, func(b *pebble.Batch, d runtime.Delivery) error {
		d.Dead, d.Attempts, d.NotBefore = false, 0, time.Time{}
		driven = append(driven, d)
		return putDelivery(b, d)
	})
	if err != nil {
		return nil, err
	}
	return driven, nil
}

// PurgeDeadLetters drops dead letters; see runtime.DeliveryStore.
func (s *Store) PurgeDeadLetters(tenant runtime.Tenant, ids []string, limit int) (n int, err error) {
	err = s.takeDeadLetters("storage.purge", tenant, ids, limit, func(*pebble.Batch, runtime.Delivery) error { n++; return nil })
	if err != nil {
		return 0, err
	}
	return n, nil
}

// errEnough ends a visit early.
var errEnough = errors.New("enough")

// takeDeadLetters drops dead letters and calls with for each of them, in one batch.
func (s *Store) takeDeadLetters(op string, tenant runtime.Tenant, ids []string, limit int, with func(b *pebble.Batch, d runtime.Delivery) error) error {
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	// One call at a time takes dead letters of a tenant, so that none is taken twice.
	defer s.leases.lock(keys.OfKind(tenant, keys.KindDeadLetter))()
	return fault(op, s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
		taken := make(map[string]bool)
		take := func(d runtime.Delivery) error {
			if taken[d.ID] {
				return nil
			}
			if len(taken) >= limit {
				return errEnough
			}
			taken[d.ID] = true
			id, ok := keys.ParseID(d.ID)
			if !ok {
				return kv.Damaged("a dead letter has the id %q", d.ID)
			}
			return errors.Join(b.Delete(keys.Execution(keys.KindDeadLetter, tenant, id), nil), with(b, d))
		}
		err := error(nil)
		if ids == nil {
			err = eachDelivery(s.db, keys.KindDeadLetter, tenant, take)
		}
		for i := 0; i < len(ids) && err == nil; i++ {
			d, failed := readDelivery(s.db, keys.KindDeadLetter, tenant, ids[i])
			if errors.Is(failed, kv.ErrAbsent) {
				continue
			}
			err = failed
			if err == nil {
				err = take(d)
			}
		}
		if errors.Is(err, errEnough) {
			err = nil
		}
		return err
	}))
}
