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

// putRevision stores the spec of a job as its current revision, and returns the size of its record in
// bytes.
func putRevision(b *pebble.Batch, r kv.Reader, j runtime.Job) (size int, err error) {
	value, err := record.EncodeRevision(runtime.JobRevision{Spec: j.Spec, Created: j.Updated, CreatedBy: j.UpdatedBy})
	if err != nil {
		return 0, err
	}
	key := keys.Revision(j.Tenant, j.ID, j.Revision)
	return len(value), b.Set(key, kv.Seal(r, key, value), nil)
}

// dropRevisions deletes all stored revisions of a job but the newest, and returns what they have counted,
// in bytes.
func (s *Store) dropRevisions(b *pebble.Batch, tenant runtime.Tenant, id string, keep int) (size int64, err error) {
	var stored [][]byte
	var sizes []int64
	err = kv.EachKey(s.db, keys.Revisions(tenant, id), func(key, value []byte) error {
		stored, sizes = append(stored, slices.Clone(key)), append(sizes, recordSize(len(value)))
		return nil
	})
	if err != nil {
		return 0, err
	}
	var errs []error
	for i, key := range stored[:max(len(stored)-keep, 0)] {
		size += sizes[i]
		errs = append(errs, b.Delete(key, nil))
	}
	return size, errors.Join(errs...)
}
