package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/turns"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

const (
	// bundleChunk is the size of the chunks of a bundle, in bytes; the last one may be smaller.
	bundleChunk = 256 << 10
	// bundleBatch is the number of chunks that are written and synced as one batch. Writes of others
	// wait for the sync of a batch, not of a bundle.
	bundleBatch = 4
	// bundleWriters is the number of bundles that are written at once, at most one of each tenant. Each
	// holds a batch in memory.
	bundleWriters = 2
	// bundlePart is the part of what the disk has for the store that the bundles of a tenant may take
	// together, without another limit.
	bundlePart = 4
)

var _ runtime.BundleStore = (*Store)(nil)

// bundles is what is known of bundles in memory.
type bundles struct {
	writing *turns.Turns // of those that write bundles or bytecode

	mu    sync.Mutex
	holds map[bundleRef]*bundleHold
	limit int64 // bytes of the bundles of a tenant; 0: none
	// bytecode has the bytes of the bytecode of bundles that is stored or written.
	bytecode map[runtime.Tenant]int64
}

type bundleRef struct {
	tenant runtime.Tenant
	id     runtime.BundleID
}

// bundleHold counts those that hold a bundle. A bundle is dropped by the last of them, if no version
// uses it.
type bundleHold struct {
	turn  chan struct{} // one token: held while the bundle is written, dropped, or looked for
	count int           // guarded by the mutex of bundles
}

func newBundles() bundles {
	return bundles{
		writing:  turns.New(bundleWriters),
		holds:    make(map[bundleRef]*bundleHold),
		bytecode: make(map[runtime.Tenant]int64),
	}
}

// hold keeps a bundle until unhold is called.
func (b *bundles) hold(ref bundleRef) *bundleHold {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holds[ref]
	if h == nil {
		h = &bundleHold{turn: make(chan struct{}, 1)}
		b.holds[ref] = h
	}
	h.count++
	return h
}

// last reports whether the caller is the only one who holds a bundle.
func (b *bundles) last(ref bundleRef) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holds[ref].count == 1
}

func (b *bundles) unhold(ref bundleRef) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holds[ref]
	if h.count--; h.count == 0 {
		delete(b.holds, ref)
	}
}

// reserveBundle counts a bundle that is about to be written, unless the tenant would have too much.
func (s *Store) reserveBundle(tenant runtime.Tenant, size int64) error {
	a, limit := &s.holdings, s.bundles.limit
	a.mu.Lock()
	defer a.mu.Unlock()
	has := a.all[tenant]
	if limit > 0 && has.bundles+size > limit {
		return runtime.Errorf(runtime.CodeTooLarge, "all stored bundles together would have %s bytes, more than the %s that they may have",
			runtime.SizeText(int(has.bundles+size)), runtime.SizeText(int(limit))).
			WithHint(fmt.Sprintf("delete functions that are not needed any more; the last %d versions of each are stored", runtime.KeptVersions))
	}
	if err := a.check(tenant, tally{bundles: size}); err != nil {
		return err
	}
	a.set(tenant, has.plus(tally{bundles: size}))
	return nil
}

// freeBundle ends what reserveBundle has counted.
func (s *Store) freeBundle(tenant runtime.Tenant, size int64) {
	s.holdings.add(tenant, tally{bundles: -size})
}

// freeBytecode takes bytes of a tenant from its bytecode.
func (b *bundles) freeBytecode(tenant runtime.Tenant, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytecode[tenant] -= size; b.bytecode[tenant] == 0 {
		delete(b.bytecode, tenant)
	}
}

// take takes the turn of a bundle.
func (h *bundleHold) take(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return runtime.AbandonedError(ctx.Err())
	}
}

func (h *bundleHold) give() { <-h.turn }

// StageBundle stores a bundle durably, unless the tenant has it already, and holds it until release
// is called. It has a batch of chunks in memory, not more. A bundle that it has begun to store is
// dropped if it fails, or at the next start.
func (s *Store) StageBundle(ctx context.Context, tenant runtime.Tenant, b runtime.Bundle, content io.Reader) (release func(), err error) {
	const op = "storage.stage"
	if tenant == "" || b.Bytes <= 0 || b.Bytes > runtime.MaxBundle {
		return nil, fault(op, fmt.Errorf("a bundle of %d bytes of tenant %q cannot be stored", b.Bytes, tenant))
	}
	if err := s.enter(); err != nil {
		return nil, fault(op, err)
	}
	defer s.life.RUnlock()
	ref := bundleRef{tenant, b.ID}
	if err := s.storeInTurn(ctx, s.bundles.hold(ref), ref, b.Bytes, content); err != nil {
		s.releaseBundle(ref)
		return nil, fault(op, s.checked(err))
	}
	return s.releaseOnce(ref), nil
}

// storeInTurn calls storeBundle in the turn of the bundle.
func (s *Store) storeInTurn(ctx context.Context, hold *bundleHold, ref bundleRef, size int64, content io.Reader) error {
	if err := hold.take(ctx); err != nil {
		return err
	}
	defer hold.give()
	return s.storeBundle(ctx, ref, size, content)
}

// storeBundle writes a bundle that is not stored. The caller has the turn of the bundle.
func (s *Store) storeBundle(ctx context.Context, ref bundleRef, size int64, content io.Reader) error {
	stored, err := s.findBundle(s.db, ref)
	switch {
	case err != nil:
		return err
	case stored == size:
		return nil
	case stored > 0:
		return fmt.Errorf("bundle %s of tenant %q has %d bytes, not %d", ref.id, ref.tenant, stored, size)
	}
	if !s.bundles.writing.Take(ctx, ref.tenant) {
		return runtime.AbandonedError(ctx.Err())
	}
	defer s.bundles.writing.Give(ref.tenant)
	if err := (gate{s}).Writable(commit.NewWork); err != nil {
		return err // before there is anything to drop
	}
	if err := s.reserveBundle(ref.tenant, size); err != nil {
		return err
	}
	if err := s.writeBundle(ctx, ref, size, content); err != nil {
		if dropped := s.deleteBundle(ref); dropped != nil {
			s.log.Warn("storage: a bundle that was not stored completely is dropped at the next start", "err", dropped)
		}
		s.freeBundle(ref.tenant, size)
		return err
	}
	return nil
}

// writeBundle writes the chunks of a bundle. The first batch has its record as one that is not
// complete, and the last batch completes it.
func (s *Store) writeBundle(ctx context.Context, ref bundleRef, size int64, content io.Reader) error {
	hash := sha256.New()
	content = io.TeeReader(io.LimitReader(content, size), hash)
	key := keys.Bundle(ref.tenant, ref.id)
	return s.writeChunks(ctx, size, func(number uint64) []byte { return keys.BundleChunk(ref.tenant, ref.id, number) }, content,
		func(b *pebble.Batch) error { return b.Set(key, record.EncodeNumber(0), nil) },
		func(b *pebble.Batch) error {
			if runtime.BundleID(hash.Sum(nil)) != ref.id {
				return fmt.Errorf("the content of bundle %s is another one", ref.id)
			}
			return b.Set(key, record.EncodeNumber(uint64(size)), nil)
		})
}

// writeChunks writes a content of size bytes in chunks, several batches of them. begin adds to the
// first batch, and end to the last one, after its chunks.
func (s *Store) writeChunks(ctx context.Context, size int64, key func(number uint64) []byte, content io.Reader, begin, end func(*pebble.Batch) error) error {
	number := uint64(0)
	for left := size; left > 0; {
		if ctx.Err() != nil {
			return runtime.AbandonedError(ctx.Err())
		}
		// No secret is in it, and the content may be slow to come.
		err := s.commits.WriteBeside(commit.NewWork, func(b *pebble.Batch) error {
			if number == 0 {
				if err := begin(b); err != nil {
					return err
				}
			}
			for range bundleBatch {
				n := min(left, bundleChunk)
				if err := readChunk(b, key(number), content, int(n)); err != nil {
					return err
				}
				number++
				if left -= n; left == 0 {
					return end(b)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readChunk adds the next n bytes of the content of a bundle to a batch.
func readChunk(b *pebble.Batch, key []byte, content io.Reader, n int) error {
	op := b.SetDeferred(len(key), 1+n)
	copy(op.Key, key)
	op.Value[0] = record.EncodingRaw
	if _, err := io.ReadFull(content, op.Value[1:]); err != nil {
		return fmt.Errorf("read the content of a bundle: %w", err)
	}
	return op.Finish()
}

// findBundle returns the size of a bundle that is stored completely, 0 if there is none.
func (s *Store) findBundle(r kv.Reader, ref bundleRef) (size int64, err error) {
	n, err := kv.Get(r, keys.Bundle(ref.tenant, ref.id), record.DecodeNumber)
	if errors.Is(err, kv.ErrAbsent) {
		return 0, nil
	}
	return int64(n), err
}

// ReadBundle writes the zip of a bundle to w, and keeps the bundle until it returns. It has one chunk
// in memory, and does not keep the store from closing while w blocks.
func (s *Store) ReadBundle(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	const op = "storage.bundle"
	ref := bundleRef{tenant, id}
	hold := s.bundles.hold(ref)
	defer s.releaseOnce(ref)()
	size, err := s.findInTurn(ctx, hold, ref)
	switch {
	case err != nil:
		return fault(op, err)
	case size == 0:
		return fault(op, runtime.Errorf(runtime.CodeNotFound, "there is no bundle %s", id))
	}
	if err := s.readChunks(ctx, size, func(number uint64) []byte { return keys.BundleChunk(tenant, id, number) }, w); err != nil {
		return fault(op, err)
	}
	return nil
}

// findInTurn returns what findBundle does, when nothing writes or drops the bundle. It keeps the store from closing while it
// waits: the goroutine that has the turn may wait for the store itself.
func (s *Store) findInTurn(ctx context.Context, hold *bundleHold, ref bundleRef) (size int64, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	if err := hold.take(ctx); err != nil {
		return 0, err
	}
	defer hold.give()
	size, err = s.findBundle(s.db, ref)
	return size, s.checked(err)
}

// readChunks writes a content of size bytes, which is stored in chunks, to w.
func (s *Store) readChunks(ctx context.Context, size int64, key func(number uint64) []byte, w io.Writer) error {
	chunk := make([]byte, 0, min(size, bundleChunk))
	for number := uint64(0); size > 0; number++ {
		if ctx.Err() != nil {
			return runtime.AbandonedError(ctx.Err())
		}
		if err := s.snapshot(func(r kv.Reader) (err error) {
			key := key(number)
			chunk, err = kv.Get(r, key, func(value []byte) ([]byte, error) {
				data, err := record.Body(value, record.EncodingRaw)
				return append(chunk[:0], data...), err
			})
			if err == nil && int64(len(chunk)) == min(size, bundleChunk) {
				return nil
			}
			return kv.Damaged("the chunk %x has %d bytes, and %d are left: %v", key, len(chunk), size, err)
		}); err != nil {
			return err
		}
		size -= int64(len(chunk))
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// HoldBundle keeps a bundle until release is called. A version uses the bundle, or it is held.
func (s *Store) HoldBundle(tenant runtime.Tenant, id runtime.BundleID) (release func()) {
	ref := bundleRef{tenant, id}
	s.bundles.hold(ref)
	return s.releaseOnce(ref)
}

// releaseOnce returns a function that releases a bundle which the caller holds. Further calls of the
// function do nothing.
func (s *Store) releaseOnce(ref bundleRef) func() {
	return sync.OnceFunc(func() {
		if s.enter() != nil { // closed: the next start drops it
			s.bundles.unhold(ref)
			return
		}
		defer s.life.RUnlock()
		s.releaseBundle(ref)
	})
}

// releaseBundle releases a bundle, and drops it if nothing else holds or uses it.
func (s *Store) releaseBundle(ref bundleRef) {
	s.bundles.mu.Lock()
	hold := s.bundles.holds[ref]
	s.bundles.mu.Unlock()
	hold.turn <- struct{}{}
	defer hold.give()
	defer s.bundles.unhold(ref)
	if !s.bundles.last(ref) {
		return
	}
	if err := s.checked(s.dropUnused(ref)); err != nil {
		s.log.Warn("storage: a bundle that no function uses any more cannot be dropped now; the next start drops it", "err", err)
	}
}

// dropBundles drops bundles that versions used which were dropped, unless something else holds or uses
// them.
func (s *Store) dropBundles(refs []bundleRef) {
	for _, ref := range refs {
		s.bundles.hold(ref)
		s.releaseBundle(ref)
	}
}

// dropUnused drops a bundle, unless a version uses it. A store that follows leaves that to the owner of its log.
func (s *Store) dropUnused(ref bundleRef) error {
	if now, _ := s.replica.now(); now == following {
		return nil
	}
	size, err := s.findBundle(s.db, ref)
	if err != nil || size == 0 {
		return err
	}
	used, err := bundleUsed(s.db, ref)
	if err != nil || used {
		return err
	}
	bytecode, err := findBytecode(s.db, ref)
	if err != nil {
		return err
	}
	if err := s.deleteBundle(ref); err != nil {
		return err
	}
	s.freeBundle(ref.tenant, size)
	s.bundles.freeBytecode(ref.tenant, bytecode.Bytes)
	return nil
}

// deleteBundle deletes the records of a bundle, and of its bytecode.
func (s *Store) deleteBundle(ref bundleRef) error {
	chunks := keys.BundleChunks(ref.tenant, ref.id)
	return s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
		return errors.Join(b.DeleteRange(chunks, keys.PrefixEnd(chunks), nil),
			b.Delete(keys.Bundle(ref.tenant, ref.id), nil), b.Delete(keys.Bytecode(ref.tenant, ref.id), nil))
	})
}

func bundleUsed(r kv.Reader, ref bundleRef) (used bool, err error) {
	prefix := keys.BundleUses(ref.tenant, ref.id)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return false, err
	}
	used = it.First()
	return used, errors.Join(it.Error(), it.Close())
}

// useBundle holds the bundle of a version that is about to be written, and checks that it is stored.
// The version may be nil, or have no bundle.
func (s *Store) useBundle(tenant runtime.Tenant, v *runtime.Version) (release func(), err error) {
	if v == nil || v.Bundle.IsZero() {
		return func() {}, nil
	}
	ref := bundleRef{tenant, v.Bundle.ID}
	hold := s.bundles.hold(ref)
	hold.turn <- struct{}{} // what was dropping it has dropped it
	size, err := s.findBundle(s.db, ref)
	hold.give()
	if err == nil && size != v.Bundle.Bytes {
		err = fmt.Errorf("version %d of function %q has the bundle %s of %d bytes, of which %d are stored", v.Number, v.FunctionID, ref.id, v.Bundle.Bytes, size)
	}
	if err != nil {
		s.releaseBundle(ref)
		return nil, err
	}
	return func() { s.releaseBundle(ref) }, nil
}

// loadBundles counts the bundles of a store that was opened, and drops those that no version uses:
// an earlier process has not stored them completely, or could not drop them. What cannot be dropped
// because the disk is full is left.
func (s *Store) loadBundles() error {
	return kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		unused := map[bundleRef]int64{} // sizes in bytes
		err := kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBundle), func(key, value []byte) error {
			id, rest, err := keys.ParseBundle(keys.KindBundle, tenant, key)
			if err != nil || len(rest) > 0 {
				return kv.Damaged("key %x: %v", key, err)
			}
			size, err := record.DecodeNumber(value)
			if err != nil {
				return kv.Damaged("key %x: %v", key, err)
			}
			ref := bundleRef{tenant, id}
			used, err := bundleUsed(s.db, ref)
			if err != nil {
				return err
			}
			if size == 0 || !used {
				unused[ref] = int64(size)
				return nil
			}
			s.holdings.add(tenant, tally{bundles: int64(size)})
			return nil
		})
		if err != nil {
			return err
		}
		for ref, size := range unused {
			dropped := s.deleteBundle(ref)
			if dropped == nil {
				continue
			}
			if runtime.CodeOf(dropped) != runtime.CodeUnavailable {
				return dropped
			}
			s.log.Warn("storage: a bundle that no function uses cannot be dropped; the next start drops it", "err", dropped)
			s.holdings.add(tenant, tally{bundles: size})
		}
		return s.loadBytecode(tenant)
	})
}
