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

// putDelivery stores a delivery, among the dead letters if it is one. Its body has a record of its
// own, which stays as it is if d has no body.
func putDelivery(b *pebble.Batch, r kv.Reader, d runtime.Delivery) error {
	id, ok := keys.ParseID(d.ID)
	if !ok || d.Tenant == "" {
		return fmt.Errorf("a delivery needs a tenant and a UUIDv7, not %q, %q", d.Tenant, d.ID)
	}
	if len(d.Body) > 0 {
		if err := setRaw(b, keys.Execution(keys.KindCallbackBody, d.Tenant, id), d.Body); err != nil {
			return err
		}
		d.BodySize, d.Body = len(d.Body), nil
	}
	value, err := record.EncodeDelivery(d)
	if err != nil {
		return err
	}
	kind := byte(keys.KindDelivery)
	if d.Dead {
		kind = keys.KindDeadLetter
	}
	key := keys.Execution(kind, d.Tenant, id)
	return b.Set(key, kv.Seal(r, key, value), nil)
}

// dropBody adds to a batch the deletion of the body of a delivery, if it has one.
func dropBody(b *pebble.Batch, d runtime.Delivery, id keys.ID) error {
	if d.BodySize == 0 {
		return nil
	}
	return b.Delete(keys.Execution(keys.KindCallbackBody, d.Tenant, id), nil)
}

func noDeadLetter(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no dead letter with the id %.64q", id).WithHint("list the dead letters to see which exist")
}

// EachDelivery calls visit with each delivery that is not a dead letter; see runtime.DeliveryStore.
func (s *Store) EachDelivery(visit func(runtime.Delivery) error) error {
	return fault("storage.deliveries", s.snapshot(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			return eachDelivery(r, keys.KindDelivery, tenant, func(d runtime.Delivery) error {
				d.Body = nil // an older release has stored it here
				return visit(d)
			})
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
		if d, err = deliveryAt(r, it); err != nil {
			break
		}
		err = visit(d)
	}
	return errors.Join(err, it.Error(), it.Close())
}

// deliveryAt returns the delivery at an iterator of r.
func deliveryAt(r kv.Reader, it *pebble.Iterator) (d runtime.Delivery, err error) {
	value, err := it.ValueAndErr()
	if err == nil {
		value, err = kv.Open(r, it.Key(), value)
	}
	if err == nil {
		d, err = record.DecodeDelivery(value)
	}
	if err != nil {
		err = kv.Damaged("key %x: %v", it.Key(), err)
	}
	return d, err
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
	d, err := kv.Get(r, keys.Execution(kind, tenant, id), record.DecodeDelivery)
	if err == nil && len(d.Body) == 0 && d.BodySize > 0 {
		d.Body, err = kv.Get(r, keys.Execution(keys.KindCallbackBody, tenant, id), record.DecodeRaw)
		if errors.Is(err, kv.ErrAbsent) {
			err = kv.Damaged("the delivery %s has no body", text)
		}
	}
	return d, err
}

// changeDelivery changes one delivery, if there is one.
func (s *Store) changeDelivery(op string, need commit.Need, tenant runtime.Tenant, text string, change func(b *pebble.Batch, c *counts, key []byte, stored runtime.Delivery) error) error {
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
	return fault(op, s.writeCounted(need, func(b *pebble.Batch, c *counts) error {
		stored, err := kv.Get(s.db, key, record.DecodeDelivery)
		if err != nil {
			if errors.Is(err, kv.ErrAbsent) {
				return nil
			}
			return err
		}
		return change(b, c, key, stored)
	}))
}

// SaveAttempt stores the state of a delivery after an attempt; see runtime.DeliveryStore.
func (s *Store) SaveAttempt(d runtime.Delivery) error {
	need := commit.Relief
	if len(d.Body) > 0 {
		need = commit.Outcome
	}
	return s.changeDelivery("storage.attempted", need, d.Tenant, d.ID, func(b *pebble.Batch, c *counts, key []byte, stored runtime.Delivery) error {
		if len(d.Body) == 0 {
			d.Body, d.BodySize = stored.Body, stored.BodySize // an older release has stored the body here
		}
		if len(d.Body) > 0 {
			d.BodySize = len(d.Body)
		}
		c.add(d.Tenant, tally{rest: deliverySize(&d) - deliverySize(&stored)})
		if d.Dead {
			return errors.Join(b.Delete(key, nil), putDelivery(b, s.db, d))
		}
		return putDelivery(b, s.db, d)
	})
}

// DeleteDelivery drops a delivery whose callback was accepted.
func (s *Store) DeleteDelivery(tenant runtime.Tenant, id string) error {
	return s.changeDelivery("storage.delivered", commit.Relief, tenant, id, func(b *pebble.Batch, c *counts, key []byte, stored runtime.Delivery) error {
		c.add(tenant, tally{rest: -deliverySize(&stored)})
		bodyOf, _ := keys.ParseID(id)
		return errors.Join(b.Delete(key, nil), dropBody(b, stored, bodyOf))
	})
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
			d, err = deliveryAt(r, it)
			d.Body = nil
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
	err = s.takeDeadLetters("storage.redrive", tenant, ids, limit, func(b *pebble.Batch, _ *counts, d runtime.Delivery, _ keys.ID) error {
		d.Dead, d.Attempts, d.NotBefore = false, 0, time.Time{}
		if err := putDelivery(b, s.db, d); err != nil {
			return err
		}
		d.Body = nil
		driven = append(driven, d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return driven, nil
}

// PurgeDeadLetters drops dead letters; see runtime.DeliveryStore.
func (s *Store) PurgeDeadLetters(tenant runtime.Tenant, ids []string, limit int) (n int, err error) {
	err = s.takeDeadLetters("storage.purge", tenant, ids, limit, func(b *pebble.Batch, c *counts, d runtime.Delivery, id keys.ID) error {
		n++
		c.add(tenant, tally{rest: -deliverySize(&d)})
		return dropBody(b, d, id)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// errEnough ends a visit early.
var errEnough = errors.New("enough")

// takeDeadLetters drops dead letters and calls with for each of them, in one batch.
func (s *Store) takeDeadLetters(op string, tenant runtime.Tenant, ids []string, limit int, with func(b *pebble.Batch, c *counts, d runtime.Delivery, id keys.ID) error) error {
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	// One call at a time takes dead letters of a tenant, so that none is taken twice.
	defer s.leases.lock(keys.OfKind(tenant, keys.KindDeadLetter))()
	return fault(op, s.writeCounted(commit.Relief, func(b *pebble.Batch, c *counts) error {
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
			return errors.Join(b.Delete(keys.Execution(keys.KindDeadLetter, tenant, id), nil), with(b, c, d, id))
		}
		err := error(nil)
		if ids == nil {
			err = eachDelivery(s.db, keys.KindDeadLetter, tenant, take)
		}
		for i := 0; i < len(ids) && err == nil; i++ {
			id, ok := keys.ParseID(ids[i])
			if !ok {
				continue
			}
			d, failed := kv.Get(s.db, keys.Execution(keys.KindDeadLetter, tenant, id), record.DecodeDelivery)
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

// expireDeadLetters drops the dead letters that are too old, and the oldest of each tenant that has
// too many; see runtime.MaxDeadLetters.
func (s *Store) expireDeadLetters(now time.Time) error {
	var tenants []runtime.Tenant
	err := kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		tenants = append(tenants, tenant)
		return nil
	})
	for _, tenant := range tenants {
		err = errors.Join(err, s.expireTenantDeadLetters(tenant, keys.FirstIDAt(now.Add(-runtime.DeadLetterAge))))
	}
	return err
}

// maxMoved and maxMovedBytes bound the bodies that one pass over the dead letters of a tenant moves.
// One body is moved whatever its size.
const (
	maxMoved      = 100
	maxMovedBytes = 16 << 20
)

// expireTenantDeadLetters drops the dead letters of a tenant that are older than oldest, or too many.
// An older release has stored bodies in the records of the letters, which each pass would decode:
// they are moved to records of their own.
func (s *Store) expireTenantDeadLetters(tenant runtime.Tenant, oldest keys.ID) error {
	defer s.leases.lock(keys.OfKind(tenant, keys.KindDeadLetter))()
	var moved []runtime.Delivery
	most := s.holdings.deadLetterLimit(tenant)
	err := s.writeCounted(commit.Relief, func(b *pebble.Batch, c *counts) error {
		prefix := keys.OfKind(tenant, keys.KindDeadLetter)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
		if err != nil {
			return err
		}
		n, size, movedBytes := 0, 0, 0
		for ok := it.Last(); ok && err == nil; ok = it.Prev() {
			var d runtime.Delivery
			var id keys.ID
			if d, err = deliveryAt(s.db, it); err == nil {
				id, err = keys.DecodeID(prefix, it.Key())
			}
			if err != nil {
				err = kv.Damaged("key %x: %v", it.Key(), err)
				break
			}
			n++
			size += d.BodySize
			switch {
			case n > runtime.MaxDeadLetters || size > most || id.Before(oldest):
				c.add(tenant, tally{rest: -deliverySize(&d)})
				err = errors.Join(b.Delete(it.Key(), nil), dropBody(b, d, id))
			case len(d.Body) > 0 && len(moved) < maxMoved && (len(moved) == 0 || movedBytes+len(d.Body) <= maxMovedBytes):
				movedBytes += len(d.Body)
				moved = append(moved, d)
			}
		}
		return errors.Join(err, it.Error(), it.Close())
	})
	if err != nil || len(moved) == 0 {
		return err
	}
	err = s.commits.Write(commit.NewWork, func(b *pebble.Batch) (err error) {
		for _, d := range moved {
			err = errors.Join(err, putDelivery(b, s.db, d))
		}
		return err
	})
	if runtime.CodeOf(err) == runtime.CodeUnavailable {
		return nil // they are moved when there is room
	}
	return err
}
