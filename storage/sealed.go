package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

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
	keys atomic.Pointer[keyset.Keyset] // nil: secrets are not encrypted
}

func newDatabase(db *pebble.DB, k *keyset.Keyset) *database {
	d := &database{DB: db}
	d.keys.Store(k)
	return d
}

// view is a snapshot of the database.
type view struct {
	*pebble.Snapshot
	keys *keyset.Keyset
}

// Keys implements [kv.Keeper].
func (d *database) Keys() *keyset.Keyset { return d.keys.Load() }

// Keys implements [kv.Keeper].
func (v view) Keys() *keyset.Keyset { return v.keys }

// sealedKinds are the kinds of the records that have secrets: contexts of functions; environment
// values and secrets of callbacks, with jobs, their executions and deliveries.
var sealedKinds = []byte{keys.KindContext, keys.KindRevision, keys.KindJobAccepted, keys.KindJobDone, keys.KindDelivery, keys.KindDeadLetter}

// sealedKindNames say what has the secrets of each kind.
var sealedKindNames = map[byte]string{
	keys.KindContext: "the context of a function", keys.KindRevision: "a job", keys.KindJobAccepted: "an execution of a job",
	keys.KindJobDone: "an execution of a job that is done", keys.KindDelivery: "a callback", keys.KindDeadLetter: "a dead letter",
}

// errKeys reports that the keys are not those of the store.
var errKeys = errors.New("its secrets are encrypted with keys that are not given")

// keyCheck is the setting by which the keys are checked when the store is opened, and whose key encrypts in the replica of
// a log. Its value is allSealed, or begins with stateResealing while secrets are encrypted with a new key, followed by the names of
// the keys that may have encrypted others.
const (
	keyCheck       = "secrets"
	allSealed      = "encrypted"
	stateResealing = "resealing"
)

// keysInUse is what a store says of the keys of its secrets.
type keysInUse struct {
	sealed    []byte // a value that the key has encrypted which encrypts
	resealing bool   // others may have encrypted secrets
}

// checkKeys checks that the keys decrypt what was encrypted with the keys of the store. In the replica of a log, that key
// encrypts which did before: not all replicas may have a newer one.
func (s *Store) checkKeys() error {
	k := s.db.Keys()
	used, err := s.keysInUse(k)
	switch {
	case err != nil || k == nil:
		return err
	case used != nil:
		s.db.keys.Store(s.continuing(k, used))
		return nil
	case s.keepKeys != nil:
		if err := s.keepKeys(); err != nil {
			return err
		}
	}
	return s.putKeyCheck(allSealed)
}

// continuing returns keys, of which that encrypts which does in this store. Only a store alone may use a newer one at once.
func (s *Store) continuing(k *keyset.Keyset, used *keysInUse) *keyset.Keyset {
	if s.replica == nil && !s.adopting || used == nil {
		return k
	}
	return k.Continuing(used.sealed)
}

// keysInUse returns what the store says of its keys, nil if none were stored as those of the store. It returns an error if
// some of them are not among the keys k.
func (s *Store) keysInUse(k *keyset.Keyset) (*keysInUse, error) {
	at := keys.Setting(keyCheck)
	value, closer, err := s.db.Get(at)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }() // it cannot fail
	used := &keysInUse{sealed: bytes.Clone(value)}
	if value, err = kv.Open(newDatabase(s.db.DB, k), at, value); err == nil {
		value, err = record.DecodeRaw(value)
	}
	switch {
	case errors.Is(err, keyset.ErrNoKey):
		return nil, fmt.Errorf("%w: %w", errKeys, err)
	case err != nil:
		return nil, err
	}
	former, ok := strings.CutPrefix(string(value), stateResealing)
	if used.resealing = ok; !ok {
		return used, nil
	}
	there := k.IDs()
	for _, id := range strings.Fields(former) {
		if !slices.Contains(there, id) {
			return nil, fmt.Errorf("%w: they are being encrypted with a new key, and a former one, which is needed until that has ended, is missing", errKeys)
		}
	}
	return used, nil
}

// putKeyCheck stores what the present keys are to the store.
func (s *Store) putKeyCheck(value string) error {
	b := s.db.NewBatch()
	at := keys.Setting(keyCheck)
	return errors.Join(b.Set(at, kv.Seal(s.db, at, record.EncodeRaw(value)), nil), s.commits.Commit(b, commit.Outcome), b.Close())
}

// CheckKeys returns why the keys are not those of the store any more, or nil: a record of its log may have changed that.
func (s *Store) CheckKeys() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if _, err := s.keysInUse(s.db.Keys()); err != nil {
		return refusal(s.dir, err)
	}
	return nil
}

// UseKeys replaces the keys. It fails, and changes nothing, unless the new ones are those of the store. In the replica of a
// log, the key that encrypts stays the same. Nothing waits for UseKeys.
func (s *Store) UseKeys(k *keyset.Keyset) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.keying.Lock()
	defer s.keying.Unlock()
	used, err := s.keysInUse(k)
	if err != nil {
		return refusal(s.dir, err)
	}
	s.db.keys.Store(s.continuing(k, used))
	return nil
}

// KeyUse is how a store uses its keys.
type KeyUse struct {
	Encrypts string // the name of the key that encrypts; empty: none
	Last     string // the name of the last key
	Resealed bool   // the last key has encrypted all secrets
}

// KeyUse returns how the store uses its keys.
func (s *Store) KeyUse() (KeyUse, error) {
	const op = "storage.key_use"
	if err := s.enter(); err != nil {
		return KeyUse{}, fault(op, err)
	}
	defer s.life.RUnlock()
	k := s.db.Keys()
	used, err := s.keysInUse(k)
	if err != nil || k == nil {
		return KeyUse{}, fault(op, err)
	}
	last := k.WithLast()
	if used == nil { // nothing was encrypted yet
		return KeyUse{k.ID(), last.ID(), true}, nil
	}
	return KeyUse{k.Continuing(used.sealed).ID(), last.ID(), !used.resealing && last.Fresh(used.sealed)}, nil
}

// apart calls f while no secret is written. Reads go on.
func (s *Store) apart(f func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	return s.checked(s.commits.Apart(f))
}

// Reseal encrypts all secrets with the last key, also those that are not encrypted yet, and
// removes the former values from the disk. It returns the number of records that it has changed.
func (s *Store) Reseal() (changed int, err error) {
	const op = "storage.reseal"
	k := s.db.Keys()
	if k == nil {
		return 0, fault(op, errors.New("there are no keys"))
	}
	if changed, err = s.Rekey(context.Background(), k.WithLast().ID()); err != nil {
		return changed, err
	}
	if err := s.enter(); err != nil {
		return changed, fault(op, err)
	}
	defer s.life.RUnlock()
	return changed, fault(op, s.forget())
}

// Rekey encrypts with the last key from now on, and then all secrets that others have encrypted, or none, until ctx ends. It
// fails if the last key does not have the name that the caller gives: all replicas of a log must have that key. It returns the
// number of records that it has changed, also if there are some that it cannot decrypt, which is an error. The store is in use
// meanwhile; writes wait for each batch. When Rekey has failed, it can be repeated, also in another replica.
func (s *Store) Rekey(ctx context.Context, last string) (changed int, err error) {
	const op = "storage.rekey"
	if err := s.apart(func() error { return s.useLastKey(last) }); err != nil {
		return 0, fault(op, err)
	}
	var r resealing
	var tenants []runtime.Tenant
	err = s.snapshot(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			tenants = append(tenants, tenant)
			return nil
		})
	})
	for _, tenant := range tenants {
		for _, kind := range sealedKinds {
			if err != nil {
				return r.changed, fault(op, err)
			}
			r.tenant, r.kind = tenant, kind
			err = s.resealAll(ctx, keys.OfKind(tenant, kind), &r)
		}
	}
	if err == nil {
		err = r.failure()
	}
	if err == nil {
		err = s.apart(s.endResealing)
	}
	return r.changed, fault(op, err)
}

// useLastKey makes the last key, of that name, the one that encrypts. No secret is written meanwhile.
func (s *Store) useLastKey(name string) error {
	s.keying.Lock()
	defer s.keying.Unlock()
	before := s.db.Keys()
	if before == nil {
		return errors.New("there are no keys")
	}
	if _, err := s.keysInUse(before); err != nil {
		return err
	}
	last := before.WithLast()
	if last.ID() != name {
		return fmt.Errorf("the last key of secrets is %s, not %s", last.ID(), name)
	}
	s.db.keys.Store(last)
	all := before.IDs()
	if err := s.putKeyCheck(strings.Join(append([]string{stateResealing}, all[:len(all)-1]...), " ")); err != nil {
		s.db.keys.Store(before)
		return err
	}
	return nil
}

// endResealing notes that the key which encrypts has encrypted all secrets.
func (s *Store) endResealing() error {
	s.keying.Lock()
	defer s.keying.Unlock()
	return s.putKeyCheck(allSealed)
}

const (
	// resealBytes and resealRecords bound what is read, and written, of one step of Rekey, in which no secret is written by
	// others.
	resealBytes   = 256 << 10
	resealRecords = 256
)

// resealing is what Rekey has done.
type resealing struct {
	changed int // records
	tenant  runtime.Tenant
	kind    byte

	failed int // records that cannot be decrypted
	first  string
}

// fail notes a record that cannot be decrypted.
func (r *resealing) fail() {
	if r.failed++; r.failed == 1 {
		r.first = fmt.Sprintf("%s of tenant %q", sealedKindNames[r.kind], r.tenant)
	}
}

func (r *resealing) failure() error {
	if r.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d records, the first of them with %s: %w", r.failed, r.first, keyset.ErrNoKey)
}

// resealAll encrypts the records of a prefix that another key has encrypted, or none. Only where there are some do writes wait.
func (s *Store) resealAll(ctx context.Context, prefix []byte, r *resealing) error {
	end := keys.PrefixEnd(prefix)
	for from := prefix; from != nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, err := s.nextStale(ctx, from, end, r)
		if err != nil || at == nil {
			return err
		}
		err = s.apart(func() (err error) {
			from, err = s.resealSome(at, end, r)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// nextStale returns the first key from one on, before end, of a record that another key has encrypted, or none, and that can be
// decrypted; nil: there is none. What is written meanwhile is encrypted with the right key.
func (s *Store) nextStale(ctx context.Context, from, end []byte, r *resealing) (at []byte, err error) {
	err = s.snapshot(func(v kv.Reader) error {
		k := s.db.Keys()
		it, err := v.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: end})
		if err != nil {
			return err
		}
		for ok := it.First(); ok && at == nil && err == nil; ok = it.Next() {
			var value []byte
			if value, err = it.ValueAndErr(); err == nil {
				err = ctx.Err()
			}
			if err != nil || k.Fresh(value) {
				continue
			}
			if _, undecipherable := kv.Open(v, it.Key(), value); undecipherable != nil {
				r.fail()
			} else {
				at = bytes.Clone(it.Key())
			}
		}
		return errors.Join(err, it.Error(), it.Close())
	})
	return at, err
}

// resealSome encrypts records from a key on, and returns where to go on, nil at the end. It leaves out those that cannot be
// decrypted. No secret is written meanwhile.
func (s *Store) resealSome(from, end []byte, r *resealing) (next []byte, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: end})
	if err != nil {
		return nil, err
	}
	b := s.db.NewBatch()
	n, read, records := 0, 0, 0
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		if read >= resealBytes || records >= resealRecords {
			next = bytes.Clone(it.Key())
			break
		}
		var value []byte
		if value, err = it.ValueAndErr(); err != nil {
			break
		}
		read, records = read+len(value), records+1
		if s.db.Keys().Fresh(value) {
			continue
		}
		value, undecipherable := kv.Open(s.db, it.Key(), value)
		if undecipherable != nil {
			r.fail()
			continue
		}
		n++
		err = b.Set(it.Key(), kv.Seal(s.db, it.Key(), value), nil)
	}
	if err = errors.Join(err, it.Error(), it.Close()); err == nil && !b.Empty() {
		err = s.commitResealed(b)
	}
	if err == nil {
		r.changed += n
	}
	return next, errors.Join(err, b.Close())
}

// commitResealed commits secrets that are encrypted again. In use, they have no more room than new work: they must not take that
// of ends and deletions.
func (s *Store) commitResealed(b *pebble.Batch) error {
	if s.replica == nil {
		return s.commits.Commit(b, commit.Relief)
	}
	if err := (gate{s}).Writable(commit.NewWork); err != nil {
		return err
	}
	return s.commits.Commit(b, commit.NewWork)
}

// forget removes from the disk what was overwritten or deleted.
func (s *Store) forget() error {
	// All tables, also those whose keys were all deleted. Keys begin with the byte of a space.
	return errors.Join(s.flush(), s.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, true))
}

// Sealer encrypts values for a purpose of its own, with keys that are derived from those of the secrets.
type Sealer struct {
	store   *Store
	purpose string
}

// Sealer returns what encrypts values for a purpose, which are not stored. What it has encrypted can be decrypted as long as
// the key is there which encrypted secrets then, by all replicas of a log.
func (s *Store) Sealer(purpose string) Sealer { return Sealer{s, purpose} }

// Seal returns a value encrypted, which can be decrypted at the same place alone.
func (e Sealer) Seal(place, value []byte) ([]byte, error) {
	return e.with(func(k *keyset.Keyset) ([]byte, error) { return k.SealFor(e.purpose, place, value) })
}

// Open decrypts what Seal returned for the place.
func (e Sealer) Open(place, value []byte) ([]byte, error) {
	return e.with(func(k *keyset.Keyset) ([]byte, error) { return k.OpenFor(e.purpose, place, value) })
}

func (e Sealer) with(f func(*keyset.Keyset) ([]byte, error)) ([]byte, error) {
	if err := e.store.enter(); err != nil {
		return nil, err
	}
	defer e.store.life.RUnlock()
	k := e.store.db.Keys()
	if k == nil {
		return nil, errors.New("there are no keys")
	}
	return f(k)
}
