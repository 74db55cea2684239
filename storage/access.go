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
)

var _ runtime.AccessStore = (*Store)(nil)

// EachTenant visits the records of tenants; see runtime.AccessStore.
func (s *Store) EachTenant(visit func(runtime.TenantRecord) error) error {
	return s.eachRecord("storage.tenants", keys.Tenants(), func(name string, value []byte) error {
		t, err := record.DecodeTenant(runtime.Tenant(name), value)
		if err != nil {
			return kv.Damaged("tenant %q: %v", name, err)
		}
		return visit(t)
	})
}

// EachToken visits all tokens; see runtime.AccessStore.
func (s *Store) EachToken(visit func(runtime.Token) error) error {
	return s.eachRecord("storage.tokens", keys.Tokens(), func(id string, value []byte) error {
		t, err := record.DecodeToken(id, value)
		if err != nil {
			return kv.Damaged("token %q: %v", id, err)
		}
		return visit(t)
	})
}

func (s *Store) eachRecord(op string, prefix []byte, visit func(name string, value []byte) error) error {
	return fault(op, s.durably(func(r kv.Reader) error {
		return kv.EachKey(r, prefix, func(key, value []byte) error {
			name, err := keys.DecodeText(prefix, key)
			if err != nil {
				return kv.Damaged("key %x: %v", key, err)
			}
			return visit(name, value)
		})
	}))
}

// PutTenant stores a tenant, and deletes tokens in the same batch; see runtime.AccessStore.
func (s *Store) PutTenant(t runtime.TenantRecord, revoked []string) error {
	need := commit.NewWork
	if t.Deleting {
		need = commit.Relief
	}
	return s.writeAccess("storage.put_tenant", need, func(b *pebble.Batch) error {
		if t.Name == "" {
			return errors.New("a tenant needs a name")
		}
		value, err := record.EncodeTenant(t)
		errs := []error{err, b.Set(keys.Tenant(t.Name), value, nil)}
		for _, id := range revoked {
			errs = append(errs, b.Delete(keys.Token(id), nil))
		}
		return errors.Join(errs...)
	})
}

// PutTenants stores tenants; see runtime.AccessStore.
func (s *Store) PutTenants(all []runtime.TenantRecord) error {
	return s.writeAccess("storage.put_tenants", commit.Relief, func(b *pebble.Batch) error {
		var errs []error
		for _, t := range all {
			value, err := record.EncodeTenant(t)
			errs = append(errs, err, b.Set(keys.Tenant(t.Name), value, nil))
		}
		return errors.Join(errs...)
	})
}

// PutTokens stores tokens; see runtime.AccessStore.
func (s *Store) PutTokens(all []runtime.Token) error {
	return s.writeAccess("storage.put_tokens", commit.NewWork, func(b *pebble.Batch) error {
		for _, t := range all {
			if t.ID == "" {
				return errors.New("a token needs an id")
			}
			value, err := record.EncodeToken(t)
			if err = errors.Join(err, b.Set(keys.Token(t.ID), value, nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteToken deletes a token; see runtime.AccessStore.
func (s *Store) DeleteToken(id string) error {
	return s.writeAccess("storage.delete_token", commit.Relief, func(b *pebble.Batch) error {
		return b.Delete(keys.Token(id), nil)
	})
}

// keptByTenant are the kinds of records of which a tenant that is dropped has none.
var keptByTenant = map[byte]string{
	keys.KindFunction:     "functions",
	keys.KindJob:          "jobs",
	keys.KindAccepted:     "executions that are not done",
	keys.KindJobAccepted:  "executions of jobs that are not done",
	keys.KindBundle:       "bundles",
	keys.KindFunctionName: "names of functions",
	keys.KindJobName:      "names of jobs",
}

// DropTenant deletes the record of a tenant and everything that belongs to it, as one range of each
// kind; see runtime.AccessStore.
func (s *Store) DropTenant(name runtime.Tenant) error {
	const op = "storage.drop_tenant"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	s.expiring.Lock() // what retention drops is not dropped twice
	defer s.expiring.Unlock()
	// An attempt of a callback ends before, or finds that its delivery is gone.
	defer s.leases.lockAll()()
	err := s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
		if name == "" {
			return errors.New("a tenant needs a name")
		}
		for kind, what := range keptByTenant {
			found := errors.New(what)
			err := kv.EachKey(s.db, keys.OfKind(name, kind), func(_, _ []byte) error { return found })
			if errors.Is(err, found) {
				return runtime.Errorf(runtime.CodeConflict, "the tenant has %s", what).WithHint("try again in a moment")
			}
			if err != nil {
				return fmt.Errorf("look for %s: %w", what, err)
			}
		}
		return errors.Join(b.Delete(keys.Tenant(name), nil), s.dropKinds(b, name))
	})
	if err == nil {
		s.usage.drop(name)
		s.holdings.drop(name)
	}
	return fault(op, err)
}

// reclaimed is the least space in tables, in bytes, that ReclaimTenant frees at once. A compaction of
// less would write more than it frees: the next flushes drop it.
const reclaimed = 1 << 20

// ReclaimTenant frees the disk space of a tenant that was dropped; see runtime.AccessStore.
func (s *Store) ReclaimTenant(ctx context.Context, name runtime.Tenant) error {
	const op = "storage.reclaim_tenant"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	begin := keys.OfTenant(name)
	end := keys.PrefixEnd(begin)
	size, err := s.db.EstimateDiskUsage(begin, end)
	if err != nil || size < reclaimed {
		return fault(op, err)
	}
	return fault(op, s.db.Compact(ctx, begin, end, false))
}

// dropKinds adds to a batch the deletion of all kinds of records that a tenant has. A range does not
// span several kinds: tables end between them, and Pebble fails to write one without a key.
func (s *Store) dropKinds(b *pebble.Batch, name runtime.Tenant) error {
	all := keys.OfTenant(name)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: all, UpperBound: keys.PrefixEnd(all)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; {
		kind := keys.OfKind(name, it.Key()[len(all)])
		end := keys.PrefixEnd(kind)
		err = b.DeleteRange(kind, end, nil)
		ok = it.SeekGE(end)
	}
	return errors.Join(err, it.Error(), it.Close())
}

func (s *Store) writeAccess(op string, need commit.Need, fill func(b *pebble.Batch) error) error {
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	return fault(op, s.commits.Write(need, fill))
}
