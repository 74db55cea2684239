package storage

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var _ runtime.JobStore = (*Store)(nil)

// CreateJob stores j and its first revision.
func (s *Store) CreateJob(j runtime.Job) error {
	const op = "storage.createjob"
	err := checkJob(j)
	if err == nil && j.Revision != 1 {
		err = fmt.Errorf("job %q is new, at revision %d", j.Name, j.Revision)
	}
	if err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	name, job := keys.JobName(j.Tenant, j.Name), keys.Job(j.Tenant, j.ID)
	defer s.locks.lock(name, job)()
	if err := s.absent(name); err != nil {
		if errors.Is(err, errPresent) {
			err = runtime.JobNameTakenError(j.Name)
		}
		return fault(op, err)
	}
	if err := s.absent(job); err != nil {
		return fault(op, fmt.Errorf("job id %q: %w", j.ID, err))
	}
	return fault(op, s.writeCounted(commit.NewWork, func(b *pebble.Batch, c *counts) error {
		size, err := putJob(b, j)
		revision, failed := putRevision(b, s.db, j)
		if err = errors.Join(err, failed, b.Set(name, record.EncodeRaw(j.ID), nil)); err != nil {
			return err
		}
		return c.reserve(j.Tenant, tally{rest: recordSize(size) + recordSize(revision)})
	}))
}

// UpdateJob replaces the job with j.ID by j; see runtime.JobStore.
func (s *Store) UpdateJob(j runtime.Job) error {
	const op = "storage.updatejob"
	if err := checkJob(j); err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	defer s.locks.lock(keys.Job(j.Tenant, j.ID))()
	old, err := readJobRecord(s.db, j.Tenant, j.ID)
	if err != nil {
		return fault(op, err)
	}
	if j.Name != old.Name || j.Revision != old.Revision && j.Revision != old.Revision+1 {
		return fault(op, fmt.Errorf("job %q (%s) is at revision %d, so it cannot become %q at %d", old.Name, j.ID, old.Revision, j.Name, j.Revision))
	}
	return fault(op, s.writeCounted(commit.NewWork, func(b *pebble.Batch, c *counts) error {
		before, err := sizeOfJob(s.db, j)
		size, failed := putJob(b, j)
		err = errors.Join(err, failed)
		more := int64(size - before)
		if j.Revision != old.Revision {
			revision, failed := putRevision(b, s.db, j)
			dropped, dropping := s.dropRevisions(b, j.Tenant, j.ID, runtime.KeptRevisions-1)
			err = errors.Join(err, failed, dropping)
			more += recordSize(revision) - dropped
		}
		if err != nil {
			return err
		}
		return c.reserve(j.Tenant, tally{rest: more})
	}))
}

// DeleteJob removes a job, its revisions and its ticks.
func (s *Store) DeleteJob(tenant runtime.Tenant, id string) error {
	const op = "storage.deletejob"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	// A job's name never changes, so it may be read before it is locked.
	j, err := readJobRecord(s.db, tenant, id)
	if err != nil {
		return fault(op, err)
	}
	defer s.locks.lock(keys.JobName(tenant, j.Name), keys.Job(tenant, id))()
	if _, err := readJobRecord(s.db, tenant, id); err != nil {
		return fault(op, err)
	}
	return fault(op, s.writeCounted(commit.Relief, func(b *pebble.Batch, c *counts) error {
		size, err := sizeOfJob(s.db, j)
		dropped, failed := s.dropRevisions(b, tenant, id, 0)
		c.add(tenant, tally{rest: -recordSize(size) - dropped})
		ticks := keys.Ticks(tenant, id)
		return errors.Join(
			err, failed,
			b.Delete(keys.JobName(tenant, j.Name), nil),
			b.Delete(keys.Job(tenant, id), nil),
			b.Delete(keys.JobCount(tenant, id), nil),
			kv.EachKey(s.db, ticks, func(key, _ []byte) error { return b.Delete(key, nil) }),
		)
	}))
}

// GetJobByName returns the job with a name.
func (s *Store) GetJobByName(tenant runtime.Tenant, name string) (j runtime.Job, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		id, err := kv.Get(r, keys.JobName(tenant, name), record.DecodeRaw)
		if errors.Is(err, kv.ErrAbsent) {
			return runtime.NoJobError(name)
		}
		if err == nil {
			j, err = namedJob(r, tenant, name, string(id))
		}
		return err
	})
	return j, fault("storage.job", err)
}

// GetJobByID returns the job with an id.
func (s *Store) GetJobByID(tenant runtime.Tenant, id string) (j runtime.Job, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		j, err = readJob(r, tenant, id)
		return err
	})
	return j, fault("storage.job", err)
}

// EachJob visits all jobs; see runtime.JobStore.
func (s *Store) EachJob(visit func(runtime.Job) error) error {
	return fault("storage.alljobs", s.snapshot(func(r kv.Reader) error {
		return kv.EachTenant(r, func(tenant runtime.Tenant) error {
			return eachJob(r, tenant, visit)
		})
	}))
}

// namedJob reads the job that a name leads to.
func namedJob(r kv.Reader, tenant runtime.Tenant, name, id string) (runtime.Job, error) {
	j, err := readJob(r, tenant, id)
	if err == nil && j.Name == name {
		return j, nil
	}
	return runtime.Job{}, kv.Damaged("the name %q leads to job %q, which is named %q (%v)", name, id, j.Name, err)
}

// readJob reads a job with its current spec.
func readJob(r kv.Reader, tenant runtime.Tenant, id string) (runtime.Job, error) {
	j, _, err := readSizedJob(r, tenant, id)
	return j, err
}

// readSizedJob reads a job with its current spec, and returns the stored size of the spec in bytes.
func readSizedJob(r kv.Reader, tenant runtime.Tenant, id string) (j runtime.Job, size int, err error) {
	if j, err = readJobRecord(r, tenant, id); err != nil {
		return j, 0, err
	}
	v, err := kv.Get(r, keys.Revision(tenant, id, j.Revision), func(value []byte) (runtime.JobRevision, error) {
		size = len(value)
		return record.DecodeRevision(j.Revision, value)
	})
	if errors.Is(err, kv.ErrAbsent) {
		err = kv.Damaged("job %q has no revision %d", id, j.Revision)
	}
	if j.Spec = v.Spec; err == nil {
		err = nameFunction(r, tenant, &j.Spec)
	}
	return j, size, err
}

// readJobRecord reads a job without its spec.
func readJobRecord(r kv.Reader, tenant runtime.Tenant, id string) (runtime.Job, error) {
	j, err := kv.Get(r, keys.Job(tenant, id), func(value []byte) (runtime.Job, error) { return record.DecodeJob(tenant, id, value) })
	if errors.Is(err, kv.ErrAbsent) {
		err = noJobID(id)
	}
	return j, err
}

// eachJob visits the jobs of a tenant in the order of their names.
func eachJob(r kv.Reader, tenant runtime.Tenant, visit func(runtime.Job) error) error {
	prefix := keys.OfKind(tenant, keys.KindJobName)
	return kv.EachKey(r, prefix, func(key, value []byte) error {
		name, err := keys.DecodeText(prefix, key)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		id, err := record.DecodeRaw(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		j, err := namedJob(r, tenant, name, string(id))
		if err != nil {
			return err
		}
		return visit(j)
	})
}

// sizeOfJob returns the size of the record of a job, in bytes.
func sizeOfJob(r kv.Reader, j runtime.Job) (int, error) {
	return kv.Get(r, keys.Job(j.Tenant, j.ID), func(value []byte) (int, error) { return len(value), nil })
}

// putJob stores a job without its spec, and returns the size of its record in bytes.
func putJob(b *pebble.Batch, j runtime.Job) (size int, err error) {
	value, err := record.EncodeJob(j)
	if err != nil {
		return 0, err
	}
	return len(value), b.Set(keys.Job(j.Tenant, j.ID), value, nil)
}

// checkJob checks that the caller fulfils the contract of runtime.JobStore.
func checkJob(j runtime.Job) error {
	if _, ok := keys.ParseID(j.ID); !ok || j.Tenant == "" || j.Name == "" || !utf8.ValidString(j.Name) {
		return fmt.Errorf("a job needs tenant, name and an id that is a UUIDv7, not %q, %q, %q", j.Tenant, j.Name, j.ID)
	}
	return nil
}

func noJobID(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no job with id %q", id)
}

// matchesJob reports whether a text, in lower case, is part of a job's names or labels.
func matchesJob(j runtime.Job, query string) bool {
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	if has(j.Name) || has(j.DisplayName) {
		return true
	}
	for key, value := range j.Labels {
		if has(key) || has(value) {
			return true
		}
	}
	return false
}
