package storage

import (
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// GetVersion returns one version with its source and context.
func (s *Store) GetVersion(tenant runtime.Tenant, functionID string, number uint64) (v runtime.Version, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		stored, err := kv.Get(r, keys.VersionPart(keys.KindVersion, tenant, functionID, number), record.DecodeVersion)
		if errors.Is(err, kv.ErrAbsent) {
			return runtime.Errorf(runtime.CodeNotFound, "function %q has no version %d", functionID, number)
		}
		if err != nil {
			return err
		}
		bundle, err := stored.BundleOf()
		if err != nil {
			return err
		}
		source, err := readPart(r, keys.VersionPart(keys.KindSource, tenant, functionID, number), stored.Source)
		if err != nil {
			return err
		}
		fnContext, err := readPart(r, keys.VersionPart(keys.KindContext, tenant, functionID, number), stored.Context)
		if err != nil {
			return err
		}
		v = runtime.Version{
			FunctionID: functionID,
			Number:     number,
			Name:       stored.Name,
			Source:     source,
			Bundle:     bundle,
			Context:    fnContext,
			Limits:     runtime.Limits(stored.Limits),
			Retries:    stored.Retries,
			Allow:      stored.Allow,
			KeepArgs:   stored.KeepArgs,
			Created:    stored.Created,
		}
		return nil
	})
	return v, fault("storage.version", err)
}

// readPart reads a source or context of a known size; there is no record for size 0.
func readPart(r kv.Reader, key []byte, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	data, err := kv.Get(r, key, record.DecodeRaw)
	if err == nil && len(data) != size {
		err = kv.Damaged("%d bytes instead of %d", len(data), size)
	}
	if err != nil {
		return nil, kv.Damaged("key %x: %v", key, err)
	}
	return data, nil
}

// ListVersions lists the numbers of the stored versions, newest first.
func (s *Store) ListVersions(tenant runtime.Tenant, functionID string) (numbers []uint64, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		if numbers, err = readVersions(r, tenant, functionID); err == nil && len(numbers) == 0 {
			err = noSuchID(functionID)
		}
		return err
	})
	return numbers, fault("storage.versions", err)
}

// readVersions returns the numbers of a function's versions, newest first.
func readVersions(r kv.Reader, tenant runtime.Tenant, functionID string) ([]uint64, error) {
	prefix := keys.Versions(tenant, functionID)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var number uint64
		if number, err = keys.DecodeNumber(prefix, it.Key()); err != nil {
			err = kv.Damaged("key %x: %v", it.Key(), err)
		}
		numbers = append(numbers, number)
	}
	slices.Reverse(numbers)
	return numbers, errors.Join(err, it.Error(), it.Close())
}

func putVersion(b *pebble.Batch, r kv.Reader, tenant runtime.Tenant, v runtime.Version) error {
	value, err := record.EncodeVersion(v)
	if err != nil {
		return err
	}
	errs := []error{
		b.Set(keys.VersionPart(keys.KindVersion, tenant, v.FunctionID, v.Number), value, nil),
		setRaw(b, keys.VersionPart(keys.KindSource, tenant, v.FunctionID, v.Number), v.Source),
	}
	if len(v.Context) > 0 {
		key := keys.VersionPart(keys.KindContext, tenant, v.FunctionID, v.Number)
		errs = append(errs, b.Set(key, kv.Seal(r, key, record.EncodeRaw(v.Context)), nil))
	}
	if !v.Bundle.IsZero() {
		errs = append(errs, b.Set(keys.BundleUse(tenant, v.Bundle.ID, v.FunctionID, v.Number), nil, nil))
	}
	return errors.Join(errs...)
}

// dropVersions deletes all stored versions of a function but the newest. It returns the bundles that
// they used, and the size of their sources and contexts in bytes.
func (s *Store) dropVersions(b *pebble.Batch, tenant runtime.Tenant, functionID string, keep int) (bundles []bundleRef, size int64, err error) {
	numbers, err := readVersions(s.db, tenant, functionID)
	if err != nil || len(numbers) <= keep {
		return nil, 0, err
	}
	var errs []error
	for _, number := range numbers[keep:] {
		bundle, err := kv.Get(s.db, keys.VersionPart(keys.KindVersion, tenant, functionID, number), func(value []byte) (runtime.Bundle, error) {
			v, err := record.DecodeVersion(value)
			if err != nil {
				return runtime.Bundle{}, err
			}
			size += int64(v.Source + v.Context)
			return v.BundleOf()
		})
		errs = append(errs, err)
		if !bundle.IsZero() {
			bundles = append(bundles, bundleRef{tenant, bundle.ID})
			errs = append(errs, b.Delete(keys.BundleUse(tenant, bundle.ID, functionID, number), nil))
		}
		for _, kind := range []byte{keys.KindVersion, keys.KindSource, keys.KindContext} {
			errs = append(errs, b.Delete(keys.VersionPart(kind, tenant, functionID, number), nil))
		}
	}
	return bundles, size, errors.Join(errs...)
}
