package storage

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var _ runtime.FunctionStore = (*Store)(nil)

// CreateFunction stores f and its first version. The bundle of the version must be held.
func (s *Store) CreateFunction(f runtime.Function, v runtime.Version, c runtime.Change) error {
	const op = "storage.create"
	if err := checkFunction(f, &v); err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	release, err := s.useBundle(f.Tenant, &v)
	if err != nil {
		return fault(op, err)
	}
	defer release()
	change, leave, err := s.beginChange(f.Tenant, c)
	if err != nil {
		return fault(op, err)
	}
	defer leave()
	name, function := keys.FunctionName(f.Tenant, f.Name), keys.Function(f.Tenant, f.ID)
	defer s.locks.lock(name, function)()

	if err := s.absent(name); err != nil {
		if errors.Is(err, errPresent) {
			err = runtime.FunctionNameTakenError(f.Name)
		}
		return fault(op, err)
	}
	if err := s.absent(function); err != nil {
		return fault(op, fmt.Errorf("function id %q: %w", f.ID, err))
	}
	return fault(op, s.writeEnds(commit.NewWork, func(b *pebble.Batch, e *ends) error {
		return errors.Join(
			b.Set(name, record.EncodeRaw(f.ID), nil),
			putFunction(b, f),
			putVersion(b, s.db, f.Tenant, v),
			change.put(b, e),
			e.reserve(f.Tenant, tally{functions: 1, sources: v.CodeBytes()}),
		)
	}))
}

// UpdateFunction replaces the function with f.ID by f. If v is not nil, it adds v as the newest
// version, and drops all but runtime.KeptVersions versions. Another version has the bundle of v, or
// it is held.
func (s *Store) UpdateFunction(f runtime.Function, v *runtime.Version, c runtime.Change) error {
	const op = "storage.update"
	if err := checkFunction(f, v); err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	release, err := s.useBundle(f.Tenant, v)
	if err != nil {
		return fault(op, err)
	}
	defer release()
	var unused []bundleRef
	defer func() { s.dropBundles(unused) }()
	change, leave, err := s.beginChange(f.Tenant, c)
	if err != nil {
		return fault(op, err)
	}
	defer leave()
	old, unlock, err := s.lockFunction(f.Tenant, f.ID, f.Name)
	if err != nil {
		return fault(op, err)
	}
	defer unlock()

	next := old.Version
	if v != nil {
		next++
	}
	if f.Version != next {
		return fault(op, fmt.Errorf("function %q is at version %d, its next cannot be %d", f.ID, old.Version, f.Version))
	}
	name := keys.FunctionName(f.Tenant, f.Name)
	if f.Name != old.Name {
		if err := s.absent(name); err != nil {
			if errors.Is(err, errPresent) {
				err = runtime.FunctionNameTakenError(f.Name)
			}
			return fault(op, err)
		}
	}
	return fault(op, s.writeEnds(commit.NewWork, func(b *pebble.Batch, e *ends) error {
		errs := []error{putFunction(b, f), change.put(b, e)}
		if f.Name != old.Name {
			errs = append(errs, b.Delete(keys.FunctionName(f.Tenant, old.Name), nil), b.Set(name, record.EncodeRaw(f.ID), nil))
		}
		if v != nil {
			dropped, size, err := s.dropVersions(b, f.Tenant, f.ID, runtime.KeptVersions-1)
			unused = dropped
			errs = append(errs, putVersion(b, s.db, f.Tenant, *v), err, e.reserve(f.Tenant, tally{sources: v.CodeBytes() - size}))
		}
		return errors.Join(errs...)
	}))
}

// DeleteFunction removes the function and all its versions.
func (s *Store) DeleteFunction(tenant runtime.Tenant, id string, c runtime.Change) error {
	const op = "storage.delete"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	var unused []bundleRef
	defer func() { s.dropBundles(unused) }()
	change, leave, err := s.beginChange(tenant, c)
	if err != nil {
		return fault(op, err)
	}
	defer leave()
	old, unlock, err := s.lockFunction(tenant, id)
	if err != nil {
		return fault(op, err)
	}
	defer unlock()
	return fault(op, s.writeEnds(commit.Relief, func(b *pebble.Batch, e *ends) error {
		dropped, size, err := s.dropVersions(b, tenant, id, 0)
		unused = dropped
		e.add(tenant, tally{functions: -1, sources: -size})
		return errors.Join(
			b.Delete(keys.FunctionName(tenant, old.Name), nil),
			b.Delete(keys.Function(tenant, id), nil),
			err,
			change.put(b, e),
		)
	}))
}

// lockFunction locks a function, its name and further names. The name is known only after a read
// without the lock, so it is read again afterwards.
func (s *Store) lockFunction(tenant runtime.Tenant, id string, names ...string) (runtime.Function, func(), error) {
	for {
		f, err := readFunction(s.db, tenant, id)
		if err != nil {
			return f, nil, err
		}
		locks := [][]byte{keys.Function(tenant, id), keys.FunctionName(tenant, f.Name)}
		for _, name := range names {
			locks = append(locks, keys.FunctionName(tenant, name))
		}
		unlock := s.locks.lock(locks...)
		now, err := readFunction(s.db, tenant, id)
		if err == nil && now.Name == f.Name {
			return now, unlock, nil
		}
		unlock()
		if err != nil {
			return now, nil, err
		}
	}
}

// GetFunction returns the function with an id.
func (s *Store) GetFunction(tenant runtime.Tenant, id string) (f runtime.Function, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		f, err = readFunction(r, tenant, id)
		return err
	})
	return f, fault("storage.functionbyid", err)
}

// GetFunctionByName returns the function with a name.
func (s *Store) GetFunctionByName(tenant runtime.Tenant, name string) (f runtime.Function, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		id, err := kv.Get(r, keys.FunctionName(tenant, name), record.DecodeRaw)
		if errors.Is(err, kv.ErrAbsent) {
			return runtime.NoFunctionError(name)
		}
		if err != nil {
			return err
		}
		f, err = readNamedFunction(r, tenant, name, string(id))
		return err
	})
	return f, fault("storage.function", err)
}

// readNamedFunction reads the function that a name leads to.
func readNamedFunction(r kv.Reader, tenant runtime.Tenant, name, id string) (runtime.Function, error) {
	f, err := readFunction(r, tenant, id)
	if err == nil && f.Name == name {
		return f, nil
	}
	return runtime.Function{}, kv.Damaged("the name %q leads to function %q, which is named %q (%v)", name, id, f.Name, err)
}

// ListFunctions lists up to limit functions by name, after the given name.
func (s *Store) ListFunctions(tenant runtime.Tenant, after string, limit int) (all []runtime.Function, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		all, err = readFunctions(r, tenant, after, limit)
		return err
	})
	return all, fault("storage.functions", err)
}

// ListPaused lists the functions of all tenants that are paused. It logs which records are damaged, and leaves them
// out: their functions cannot run, and all others can.
func (s *Store) ListPaused() (all []runtime.Function, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			paused, err := s.readPaused(r, tenant)
			all = append(all, paused...)
			return err
		})
	})
	return all, fault("storage.paused", err)
}

// readPaused reads all functions of a tenant, and decodes those that are paused.
func (s *Store) readPaused(r kv.Reader, tenant runtime.Tenant) (all []runtime.Function, err error) {
	prefix := keys.OfKind(tenant, keys.KindFunction)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err != nil || !record.MayBePaused(value) {
			continue
		}
		var id string
		var f runtime.Function
		if id, err = keys.DecodeText(prefix, it.Key()); err == nil {
			f, err = record.DecodeFunction(tenant, id, value)
		}
		if err != nil {
			s.log.Error("storage: the record of a function is damaged, so the function may not be paused any more: restore the data folder from a backup",
				"tenant", tenant, "key", fmt.Sprintf("%x", it.Key()), "error", err)
			err = nil
			continue
		}
		all = append(all, f)
	}
	return all, errors.Join(err, it.Error(), it.Close())
}

// readFunctions reads only as many names and functions as it returns.
func readFunctions(r kv.Reader, tenant runtime.Tenant, after string, limit int) (all []runtime.Function, err error) {
	prefix := keys.FunctionNames(tenant)
	lower := prefix
	if after != "" {
		lower = append(keys.FunctionName(tenant, after), 0) // the next key after it
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && len(all) < limit && err == nil; ok = it.Next() {
		var f runtime.Function
		if f, err = readListedFunction(r, tenant, prefix, it); err == nil {
			all = append(all, f)
		}
	}
	return all, errors.Join(err, it.Error(), it.Close())
}

// readListedFunction reads the function at an iterator over names.
func readListedFunction(r kv.Reader, tenant runtime.Tenant, prefix []byte, it *pebble.Iterator) (runtime.Function, error) {
	name, err := keys.DecodeText(prefix, it.Key())
	if err != nil {
		return runtime.Function{}, kv.Damaged("key %x: %v", it.Key(), err)
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return runtime.Function{}, err
	}
	id, err := record.DecodeRaw(value)
	if err != nil {
		return runtime.Function{}, kv.Damaged("key %x: %v", it.Key(), err)
	}
	return readNamedFunction(r, tenant, name, string(id))
}

func readFunction(r kv.Reader, tenant runtime.Tenant, id string) (runtime.Function, error) {
	f, err := kv.Get(r, keys.Function(tenant, id), func(value []byte) (runtime.Function, error) {
		return record.DecodeFunction(tenant, id, value)
	})
	if errors.Is(err, kv.ErrAbsent) {
		return f, noSuchID(id)
	}
	return f, err
}

func putFunction(b *pebble.Batch, f runtime.Function) error {
	value, err := record.EncodeFunction(f)
	if err != nil {
		return err
	}
	return b.Set(keys.Function(f.Tenant, f.ID), value, nil)
}

// errPresent reports that there is such a key.
var errPresent = errors.New("exists already")

// absent fails with errPresent if there is such a key.
func (s *Store) absent(key []byte) error {
	_, err := kv.Get(s.db, key, func([]byte) (struct{}, error) { return struct{}{}, nil })
	switch {
	case err == nil:
		return errPresent
	case errors.Is(err, kv.ErrAbsent):
		return nil
	}
	return err
}

// checkFunction checks that the caller fulfils the contract of runtime.FunctionStore.
func checkFunction(f runtime.Function, v *runtime.Version) error {
	if f.Tenant == "" || f.ID == "" || f.Name == "" {
		return fmt.Errorf("a function needs tenant, id and name, not %q, %q, %q", f.Tenant, f.ID, f.Name)
	}
	if !utf8.ValidString(f.Name) || v != nil && !utf8.ValidString(v.Name) {
		return fmt.Errorf("the name %q is not UTF-8, so JSON cannot hold it", f.Name)
	}
	if v != nil && (v.FunctionID != f.ID || v.Number != f.Version || v.Number == 0 || len(v.Source) == 0) {
		return fmt.Errorf("version %d of function %q (%d bytes) does not belong to version %d of function %q",
			v.Number, v.FunctionID, len(v.Source), f.Version, f.ID)
	}
	return nil
}
