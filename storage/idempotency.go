package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var errNoKey = errors.New("an idempotency key is empty")

// LookupKey returns the ids that are stored under an idempotency key; see runtime.ExecutionQueue.
func (s *Store) LookupKey(tenant runtime.Tenant, key runtime.IdempotencyKey) ([]string, error) {
	const op = "storage.lookupkey"
	if err := s.enter(); err != nil {
		return nil, fault(op, err)
	}
	defer s.life.RUnlock()
	locked := s.lockKey(tenant, &key)
	defer locked.release()
	ids, err := locked.ids()
	return ids, fault(op, err)
}

// lockedKey is an idempotency key that the caller has locked until it calls release. A call that
// stores ids under a key holds the lock until they are durable.
type lockedKey struct {
	r      kv.Reader
	tenant runtime.Tenant
	key    *runtime.IdempotencyKey // nil: the request has no key, and all methods do nothing
	unlock func()
}

func (s *Store) lockKey(tenant runtime.Tenant, key *runtime.IdempotencyKey) lockedKey {
	if key == nil {
		return lockedKey{}
	}
	return lockedKey{s.db, tenant, key, s.idempotency.lock(keys.AppendText([]byte(tenant), key.Key))}
}

func (k lockedKey) release() {
	if k.key != nil {
		k.unlock()
	}
}

// ids returns the ids that are stored under the key, none if the key is new.
func (k lockedKey) ids() ([]string, error) {
	if k.key == nil {
		return nil, nil
	}
	today := keys.DayOf(k.key.Now)
	for _, day := range []uint64{today, today - 1, today + 1} { // tomorrow: a clock may be put back
		r, err := kv.Get(k.r, keys.Idempotency(k.tenant, day, k.key.Key), record.DecodeIdempotency)
		switch {
		case errors.Is(err, kv.ErrAbsent):
			continue
		case err != nil:
			return nil, err
		case k.key.Now.Sub(r.At) >= runtime.IdempotencyPeriod:
			continue
		case r.Hash != k.key.Hash:
			return nil, keyTaken(k.key.Key)
		}
		return idTexts(r.IDs), nil
	}
	return nil, nil
}

// put stores ids under the key.
func (k lockedKey) put(b *pebble.Batch, ids []keys.ID) error {
	if k.key == nil {
		return nil
	}
	stored := record.Idempotency{At: k.key.Now, Hash: k.key.Hash, IDs: ids}
	return b.Set(keys.Idempotency(k.tenant, keys.DayOf(k.key.Now), k.key.Key), stored.Encode(), nil)
}

func keyTaken(key string) error {
	return runtime.Errorf(runtime.CodeConflict, "the idempotency key %q was used with another request", key).
		WithHint("use a new key for each new request, and the same key only to retry a request")
}
