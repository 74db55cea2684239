package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// bytecodePart divides the limit of a tenant's bundles, or of its code: their bytecode may take that much
// in addition.
const bytecodePart = 2

var _ runtime.BytecodeStore = (*Store)(nil)

// FindBytecode returns the size of the bytecode of a bundle for a build of the guest, in bytes; 0 if
// there is none.
func (s *Store) FindBytecode(tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild) (size int64, err error) {
	const op = "storage.bytecode"
	var r record.Bytecode
	if err := s.snapshot(func(reader kv.Reader) (err error) {
		r, err = findBytecode(reader, bundleRef{tenant, id})
		return err
	}); err != nil {
		return 0, fault(op, err)
	}
	if r.Build != build {
		return 0, nil
	}
	return r.Bytes, nil
}

// ReadBytecode writes the bytecode of a bundle for a build of the guest to w, and checks its checksum.
// It has one chunk in memory. After an error, w has got a part of it.
func (s *Store) ReadBytecode(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, w io.Writer) error {
	const op = "storage.bytecode"
	ref := bundleRef{tenant, id}
	s.bundles.hold(ref)
	defer s.releaseOnce(ref)()
	var r record.Bytecode
	err := s.snapshot(func(reader kv.Reader) (err error) {
		r, err = findBytecode(reader, ref)
		return err
	})
	switch {
	case err != nil:
		return fault(op, err)
	case r.Bytes == 0 || r.Build != build:
		return fault(op, runtime.Errorf(runtime.CodeNotFound, "there is no bytecode of bundle %s", id))
	}
	hash := sha256.New()
	err = s.readChunks(ctx, r.Bytes, func(number uint64) []byte { return keys.BytecodeChunk(tenant, id, number) }, io.MultiWriter(hash, w))
	if err == nil && [sha256.Size]byte(hash.Sum(nil)) != r.Sum {
		err = kv.Damaged("the bytecode of bundle %s does not have its checksum", id)
	}
	if err != nil {
		return fault(op, err)
	}
	return nil
}

// StoreBytecode stores size bytes of bytecode of a bundle, which a version uses or which is held. It
// replaces that of another build. The bytecode is dropped with the bundle. The error is CodeNotFound if
// there is no such bundle, and CodeTooLarge if the tenant has no room for it. A store that follows stores nothing: the
// owner of its log does, with the deployment.
func (s *Store) StoreBytecode(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, size int64, content io.Reader) error {
	const op = "storage.bytecode"
	if tenant == "" || size <= 0 {
		return fault(op, fmt.Errorf("%d bytes of bytecode of tenant %q cannot be stored", size, tenant))
	}
	if now, _ := s.replica.now(); now == following {
		return nil
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	ref := bundleRef{tenant, id}
	hold := s.bundles.hold(ref)
	defer s.releaseBundle(ref)
	if err := hold.take(ctx); err != nil {
		return fault(op, err)
	}
	defer hold.give()
	if err := s.replaceBytecode(ctx, ref, record.Bytecode{Build: build, Bytes: size}, content); err != nil {
		return fault(op, s.checked(err))
	}
	return nil
}

// replaceBytecode writes the bytecode of a bundle in place of what there is. The caller has the turn of
// the bundle.
func (s *Store) replaceBytecode(ctx context.Context, ref bundleRef, r record.Bytecode, content io.Reader) error {
	size, err := s.findBundle(s.db, ref)
	if err != nil {
		return err
	}
	if size == 0 {
		return runtime.Errorf(runtime.CodeNotFound, "there is no bundle %s", ref.id)
	}
	if !s.bundles.writing.Take(ctx, ref.tenant) {
		return runtime.AbandonedError(ctx.Err())
	}
	defer s.bundles.writing.Give(ref.tenant)
	if err := s.dropBytecode(ref); err != nil {
		return err
	}
	if !s.bundles.reserveBytecode(ref.tenant, r.Bytes, s.bytecodeLimit(ref.tenant)) {
		return runtime.Errorf(runtime.CodeTooLarge, "the bytecode of all bundles would take more than it may")
	}
	if err := s.writeBytecode(ctx, ref, r, content); err != nil {
		if dropped := s.commits.Write(commit.Relief, func(b *pebble.Batch) error { return deleteBytecode(b, ref) }); dropped != nil {
			s.log.Warn("storage: bytecode that was not stored completely is dropped at the next start", "err", dropped)
		}
		s.bundles.freeBytecode(ref.tenant, r.Bytes)
		return err
	}
	return nil
}

// writeBytecode writes the chunks of the bytecode of a bundle, as writeBundle writes those of the
// bundle.
func (s *Store) writeBytecode(ctx context.Context, ref bundleRef, r record.Bytecode, content io.Reader) error {
	hash := sha256.New()
	content = io.TeeReader(io.LimitReader(content, r.Bytes), hash)
	key := keys.Bytecode(ref.tenant, ref.id)
	return s.writeChunks(ctx, r.Bytes, func(number uint64) []byte { return keys.BytecodeChunk(ref.tenant, ref.id, number) }, content,
		func(b *pebble.Batch) error {
			return b.Set(key, (&record.Bytecode{Build: r.Build}).Encode(), nil)
		},
		func(b *pebble.Batch) error {
			r.Sum = [sha256.Size]byte(hash.Sum(nil))
			return b.Set(key, r.Encode(), nil)
		})
}

// dropBytecode drops the bytecode of a bundle, if it has any.
func (s *Store) dropBytecode(ref bundleRef) error {
	old, err := findBytecode(s.db, ref)
	if err != nil || old == (record.Bytecode{}) {
		return err
	}
	if err := s.commits.Write(commit.Relief, func(b *pebble.Batch) error { return deleteBytecode(b, ref) }); err != nil {
		return err
	}
	s.bundles.freeBytecode(ref.tenant, old.Bytes)
	return nil
}

// deleteBytecode deletes the records of the bytecode of a bundle.
func deleteBytecode(b *pebble.Batch, ref bundleRef) error {
	end := keys.PrefixEnd(keys.BundleChunks(ref.tenant, ref.id))
	return errors.Join(b.DeleteRange(keys.BytecodeChunk(ref.tenant, ref.id, 0), end, nil), b.Delete(keys.Bytecode(ref.tenant, ref.id), nil))
}

// findBytecode returns the description of the bytecode of a bundle, which is zero if there is none.
func findBytecode(r kv.Reader, ref bundleRef) (record.Bytecode, error) {
	b, err := kv.Get(r, keys.Bytecode(ref.tenant, ref.id), record.DecodeBytecode)
	if errors.Is(err, kv.ErrAbsent) {
		return record.Bytecode{}, nil
	}
	return b, err
}

// loadBytecode counts the bytecode of a tenant in a store that was opened, and drops what an earlier
// process has not stored completely.
func (s *Store) loadBytecode(tenant runtime.Tenant) error {
	var partly []bundleRef
	err := kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBytecode), func(key, value []byte) error {
		id, rest, err := keys.ParseBundle(keys.KindBytecode, tenant, key)
		if err != nil || len(rest) > 0 {
			return kv.Damaged("key %x: %v", key, err)
		}
		r, err := record.DecodeBytecode(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		if r.Bytes == 0 {
			partly = append(partly, bundleRef{tenant, id})
		} else {
			s.bundles.bytecode[tenant] += r.Bytes
		}
		return nil
	})
	for _, ref := range partly {
		if err == nil {
			err = s.dropBytecode(ref)
		}
		if runtime.CodeOf(err) == runtime.CodeUnavailable { // the disk is full
			err = nil
		}
	}
	return err
}

// reserveBytecode counts bytecode that is about to be written, and reports whether the tenant has room
// for it within a limit; 0 is none.
func (b *bundles) reserveBytecode(tenant runtime.Tenant, size, limit int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit > 0 && b.bytecode[tenant]+size > limit {
		return false
	}
	b.bytecode[tenant] += size
	return true
}
