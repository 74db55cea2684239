package kv

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// EachKey calls do with each key of a prefix and its value, which are valid during the call, until
// do fails.
func EachKey(r Reader, prefix []byte, do func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err == nil {
			value, err = Open(r, it.Key(), value)
		}
		if err == nil {
			err = do(it.Key(), value)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// EachTenant calls do with each tenant that has a record of any kind.
func EachTenant(r Reader, do func(runtime.Tenant) error) error {
	prefix := []byte{keys.SpaceTenants}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; {
		var tenant string
		if tenant, _, err = keys.CutText(it.Key()[len(prefix):]); err != nil {
			err = Damaged("key %x: %v", it.Key(), err)
			break
		}
		if err = do(runtime.Tenant(tenant)); err == nil {
			ok = it.SeekGE(keys.PrefixEnd(keys.AppendText(prefix, tenant)))
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// EachID calls do with an iterator at each record of a kind of a tenant.
func EachID(r Reader, tenant runtime.Tenant, kind byte, do func(*IDIterator)) error {
	s := NewIDIterator(r, keys.OfKind(tenant, kind), keys.ID{}, keys.LastID)
	for s.First(); s.Valid; s.Next() {
		do(s)
	}
	return errors.Join(s.Err, s.Close())
}
