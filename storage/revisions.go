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

// ListJobRevisions lists the stored revisions, newest first.
func (s *Store) ListJobRevisions(tenant runtime.Tenant, id string) (all []runtime.JobRevision, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		prefix := keys.Revisions(tenant, id)
		err := kv.EachKey(r, prefix, func(key, value []byte) error {
			number, err := keys.DecodeNumber(prefix, key)
			if err != nil {
				return err
			}
			v, err := record.DecodeRevision(number, value)
			if err == nil {
				err = nameFunction(r, tenant, &v.Spec)
			}
			all = append(all, v)
			return err
		})
		if err == nil && len(all) == 0 {
			err = noJobID(id)
		}
		return err
	})
	slices.Reverse(all)
	return all, fault("storage.revisions", err)
}

// putRevision stores the spec of a job as its current revision.
func putRevision(b *pebble.Batch, r kv.Reader, j runtime.Job) error {
	value, err := record.EncodeRevision(runtime.JobRevision{Spec: j.Spec, Created: j.Updated, CreatedBy: j.UpdatedBy})
	if err != nil {
		return err
	}
	key := keys.Revision(j.Tenant, j.ID, j.Revision)
	return b.Set(key, kv.Seal(r, key, value), nil)
}

// dropRevisions deletes all stored revisions of a job but the newest.
func (s *Store) dropRevisions(b *pebble.Batch, tenant runtime.Tenant, id string, keep int) error {
	var stored [][]byte
	err := kv.EachKey(s.db, keys.Revisions(tenant, id), func(key, _ []byte) error {
		stored = append(stored, slices.Clone(key))
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range stored[:max(len(stored)-keep, 0)] {
		errs = append(errs, b.Delete(key, nil))
	}
	return errors.Join(errs...)
}
