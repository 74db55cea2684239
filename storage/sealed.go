package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/keyset"
)

// database is the database, with the keys of its secrets.
type database struct {
	*pebble.DB
	keys *keyset.Keyset // nil: secrets are not encrypted
}

// view is a snapshot of the database.
type view struct {
	*pebble.Snapshot
	keys *keyset.Keyset
}

// Keys implements [kv.Keeper].
func (d *database) Keys() *keyset.Keyset { return d.keys }

// Keys implements [kv.Keeper].
func (v view) Keys() *keyset.Keyset { return v.keys }

// sealedKinds are the kinds of the records that have secrets: contexts of functions; environment
// values and secrets of callbacks, with jobs, their executions and deliveries.
var sealedKinds = []byte{keys.KindContext, keys.KindRevision, keys.KindJobAccepted, keys.KindJobDone, keys.KindDelivery, keys.KindDeadLetter}

// errKeys reports that the keys are not those of the store.
var errKeys = errors.New("its secrets are encrypted with keys that are not given")

// keyCheck is the setting by which the keys are checked when the store is opened.
const keyCheck = "secrets"

// checkKeys checks that the keys decrypt what was encrypted with the keys of the store.
func (s *Store) checkKeys() error {
	stored, err := s.findKeyCheck()
	switch {
	case err != nil || stored || s.db.keys == nil:
		return err
	case s.keepKeys != nil:
		if err := s.keepKeys(); err != nil {
			return err
		}
	}
	return s.putKeyCheck()
}

// findKeyCheck reports whether keys were stored as those of the store. It returns an error if the present ones
// are others.
func (s *Store) findKeyCheck() (stored bool, err error) {
	found, err := kv.Find(s.db, keys.Setting(keyCheck), record.DecodeRaw)
	if errors.Is(err, keyset.ErrNoKey) {
		err = fmt.Errorf("%w: %w", errKeys, err)
	}
	return found != nil, err
}

// putKeyCheck stores that the present keys are those of the store.
func (s *Store) putKeyCheck() error {
	b := s.db.NewBatch()
	at := keys.Setting(keyCheck)
	return errors.Join(b.Set(at, kv.Seal(s.db, at, record.EncodeRaw("encrypted")), nil), s.commits.Commit(b, commit.Outcome), b.Close())
}

// resealBatch is the size of a batch of Reseal, in bytes.
const resealBatch = 1 << 20

// Reseal encrypts all secrets with the key that encrypts, also those that are not encrypted yet, and
// removes the former values from the disk. It returns the number of records that it has changed.
// Nothing else may use the store.
func (s *Store) Reseal() (changed int, err error) {
	const op = "storage.reseal"
	if err := s.enter(); err != nil {
		return 0, fault(op, err)
	}
	defer s.life.RUnlock()
	if s.db.keys == nil {
		return 0, fault(op, errors.New("there are no keys"))
	}
	err = kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		for _, kind := range sealedKinds {
			n, err := s.resealAll(keys.OfKind(tenant, kind))
			changed += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = errors.Join(s.putKeyCheck(), s.forget())
	}
	return changed, fault(op, err)
}

// resealAll encrypts the records of a prefix.
func (s *Store) resealAll(prefix []byte) (changed int, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return 0, err
	}
	b := s.db.NewBatch()
	write := func() error {
		err := s.commits.Commit(b, commit.Relief)
		b.Reset()
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err != nil || s.db.keys.Fresh(value) {
			continue
		}
		if value, err = kv.Open(s.db, it.Key(), value); err != nil {
			break
		}
		changed++
		if err = b.Set(it.Key(), kv.Seal(s.db, it.Key(), value), nil); err == nil && b.Len() >= resealBatch {
			err = write()
		}
	}
	if err == nil && !b.Empty() {
		err = write()
	}
	return changed, errors.Join(err, it.Error(), it.Close(), b.Close())
}

// forget removes from the disk what was overwritten or deleted.
func (s *Store) forget() error {
	// All tables, also those whose keys were all deleted. Keys begin with the byte of a space.
	return errors.Join(s.flush(), s.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, true))
}
