package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// bindBatch is the size at which a batch of bindings is written, in bytes. It is small, so that a
// store on a full disk can be opened.
const bindBatch = 1 << 20

// bindJobs binds the jobs of an earlier release, which know their functions by name alone, to the
// functions that have these names now. It runs when the store is opened, before any function can be
// renamed or created. A revision whose function does not exist stays unbound until the store is
// opened when a function has its name.
func (s *Store) bindJobs() error {
	return kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		b := s.db.NewBatch()
		prefix := keys.OfKind(tenant, keys.KindRevision)
		err := kv.EachKey(s.db, prefix, func(key, value []byte) error {
			v, err := record.DecodeRevision(0, value)
			if err != nil {
				return kv.Damaged("key %x: %v", key, err)
			}
			if v.Spec.FunctionID != "" {
				return nil
			}
			id, err := kv.Find(s.db, keys.FunctionName(tenant, v.Spec.Function), record.DecodeRaw)
			if id == nil || err != nil {
				return err
			}
			v.Spec.FunctionID = string(*id)
			bound, err := record.EncodeRevision(v)
			if err != nil {
				return err
			}
			if err := b.Set(key, kv.Seal(s.db, key, bound), nil); err != nil || b.Len() < bindBatch {
				return err
			}
			err = s.commits.Commit(b, commit.Relief)
			b.Reset()
			return err
		})
		if err == nil && !b.Empty() {
			err = s.commits.Commit(b, commit.Relief)
		}
		return errors.Join(err, b.Close())
	})
}

// nameFunction sets the name of the function that a spec is bound to, as it is now. The name of a
// function that was deleted stays the one that it had when the spec was stored.
func nameFunction(r kv.Reader, tenant runtime.Tenant, spec *runtime.JobSpec) error {
	if spec.FunctionID == "" {
		return nil
	}
	f, err := kv.Find(r, keys.Function(tenant, spec.FunctionID), func(value []byte) (runtime.Function, error) {
		return record.DecodeFunction(tenant, spec.FunctionID, value)
	})
	if f != nil {
		spec.Function = f.Name
	}
	return err
}
