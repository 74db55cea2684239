package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/keyset"
	"github.com/faaspot/faaspot/storage/replog"
)

// Inspection is what [Inspect] found.
type Inspection struct {
	Records   int64 // of all kinds
	Bytes     int64 // of their keys and values, before compression
	Tenants   int   // that have any records
	Functions int   // of all tenants
	Encrypted int   // records with secrets that are encrypted
	// Plain is the number of records with secrets that are not encrypted: an earlier release has stored
	// them. Reseal encrypts them.
	Plain int
	// NeedsKeys says whether Open refuses the store without the keys that it was used with.
	NeedsKeys bool
	// Applied is the place of the log up to which the store has its records; of generation 0: it is not the replica of a log.
	Applied replog.Position
	// Keys says whether the keys that were given decrypt what is encrypted; false without keys.
	Keys bool
}

// InspectOptions are the options of Inspect. Dir must be set.
type InspectOptions struct {
	Dir  string
	Keys *keyset.Keyset // nil: what is encrypted is not decrypted
	FS   vfs.FS         // nil: the disk
}

// Inspect reads every record of a store that no process uses, so that the checksum of each block is
// compared, and changes nothing. With keys, it decrypts what they have encrypted. The error says what is
// damaged, or that the keys are others.
func Inspect(o InspectOptions) (i Inspection, err error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	db, err := openToRead(fs, o.Dir)
	if err != nil {
		return i, refusal(o.Dir, err)
	}
	r := newDatabase(db, o.Keys)
	var at *replog.Position // nil: the store was never one of a log
	if err = checkReadable(r); err == nil {
		at, err = kv.Find(r, keys.Applied(), record.DecodePosition)
	}
	if at != nil {
		i.Applied = *at
	}
	if err == nil {
		err = i.count(r)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return i, unusable("read", o.Dir, err)
	}
	return i, nil
}

// checkReadable checks that this release can read the records.
func checkReadable(r kv.Reader) error {
	format, err := kv.Get(r, keys.Format(), record.DecodeNumber)
	switch {
	case errors.Is(err, kv.ErrAbsent):
		return fmt.Errorf("%w: it has no record of its format", errForeign)
	case err == nil && format > formatVersion:
		return fmt.Errorf("%w: its format is %d, this release reads %d", errNewer, format, formatVersion)
	}
	return err
}

// count reads all records.
func (i *Inspection) count(d *database) error {
	if err := i.checkKeys(d); err != nil {
		return err
	}
	it, err := d.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err == nil {
			i.Records++
			i.Bytes += int64(len(it.Key()) + len(value))
		}
	}
	if err = errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	return kv.EachTenant(d, func(tenant runtime.Tenant) error {
		i.Tenants++
		if err := i.countPrefix(d, keys.OfKind(tenant, keys.KindFunction), func([]byte) { i.Functions++ }); err != nil {
			return err
		}
		for _, kind := range sealedKinds {
			if err := i.countSealed(d, keys.OfKind(tenant, kind)); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkKeys checks that the keys, if there are any, are those of the store.
func (i *Inspection) checkKeys(d *database) error {
	stored, err := kv.Find(d, keys.Setting(keyCheck), record.DecodeRaw)
	refused := errors.Is(err, keyset.ErrNoKey)
	i.NeedsKeys = refused || stored != nil
	switch {
	case refused && d.Keys() == nil:
		return nil
	case refused:
		return fmt.Errorf("%w: %w", errKeys, err)
	}
	i.Keys = err == nil && d.Keys() != nil && stored != nil
	return err
}

// countPrefix calls add with each value of a prefix, as it is stored.
func (i *Inspection) countPrefix(d *database, prefix []byte, add func(value []byte)) error {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err == nil {
			add(value)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// countSealed counts the records with secrets of a prefix, and decrypts them if there are keys.
func (i *Inspection) countSealed(d *database, prefix []byte) error {
	before := i.Encrypted
	err := i.countPrefix(d, prefix, func(value []byte) {
		if len(value) > 0 && value[0] == keyset.Marker {
			i.Encrypted++
		} else {
			i.Plain++
		}
	})
	if err != nil || d.Keys() == nil || i.Encrypted == before {
		return err
	}
	return kv.EachKey(d, prefix, func(_, _ []byte) error { return nil })
}
