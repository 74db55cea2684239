package storage

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"maps"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// ofBundle reports whether a key of a tenant belongs to a bundle.
func ofBundle(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return rest[0] == keys.KindBundle || rest[0] == keys.KindBundleChunk || rest[0] == keys.KindBundleUse || rest[0] == keys.KindBytecode
}

// checkBundles checks that each version has its bundle, that each bundle is complete, that nothing is
// stored which neither a version uses nor a caller holds, and that the sizes in memory are right.
func checkBundles(t testing.TB, s *Store) {
	t.Helper()
	sizes, bytecode := map[runtime.Tenant]int64{}, map[runtime.Tenant]int64{}
	must(t, kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		uses := map[string]bool{} // keys
		must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBundleUse), func(key, _ []byte) error {
			uses[string(key)] = true
			return nil
		}))
		used := map[runtime.BundleID]int64{} // sizes in bytes
		versions := keys.OfKind(tenant, keys.KindVersion)
		must(t, kv.EachKey(s.db, versions, func(key, value []byte) error {
			r, err := record.DecodeVersion(value)
			must(t, err)
			b, err := r.BundleOf()
			must(t, err)
			if b.IsZero() {
				return nil
			}
			functionID, rest, err := keys.CutText(key[len(versions):])
			must(t, err)
			number, err := keys.DecodeNumber(nil, rest)
			must(t, err)
			use := string(keys.BundleUse(tenant, b.ID, functionID, number))
			if !uses[use] {
				t.Errorf("version %d of function %q does not count as a use of its bundle %s", number, functionID, b.ID)
			}
			delete(uses, use)
			used[b.ID] = b.Bytes
			return nil
		}))
		for key := range uses {
			t.Errorf("the use %x of a bundle belongs to no version", key)
		}
		chunks, compiled := map[runtime.BundleID][][]byte{}, map[runtime.BundleID][]byte{}
		must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBundleChunk), func(key, value []byte) error {
			id, rest, err := keys.ParseBundle(keys.KindBundleChunk, tenant, key)
			must(t, err)
			number, err := keys.DecodeNumber(nil, rest)
			must(t, err)
			data, err := record.DecodeRaw(value)
			must(t, err)
			if number >= 1<<32 {
				if number-(1<<32) != uint64(len(compiled[id])/bundleChunk) {
					t.Errorf("chunk %d of the bytecode of bundle %s follows %d bytes", number, id, len(compiled[id]))
				}
				compiled[id] = append(compiled[id], data...)
				return nil
			}
			if number != uint64(len(chunks[id])) {
				t.Errorf("chunk %d of bundle %s follows %d chunks", number, id, len(chunks[id]))
			}
			chunks[id] = append(chunks[id], data)
			return nil
		}))
		must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBytecode), func(key, value []byte) error {
			id, _, err := keys.ParseBundle(keys.KindBytecode, tenant, key)
			must(t, err)
			r, err := record.DecodeBytecode(value)
			must(t, err)
			_, held := s.bundles.holds[bundleRef{tenant, id}]
			if used[id] == 0 && !held || r.Bytes == 0 && !held || r.Bytes != 0 && (len(compiled[id]) != int(r.Bytes) || sha256.Sum256(compiled[id]) != r.Sum) {
				t.Errorf("the bytecode of bundle %s has %d bytes, and should have %d", id, len(compiled[id]), r.Bytes)
			}
			delete(compiled, id)
			if r.Bytes > 0 {
				bytecode[tenant] += r.Bytes
			}
			return nil
		}))
		for id := range compiled {
			t.Errorf("there are chunks of bytecode of bundle %s, but nothing describes them", id)
		}
		must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBundle), func(key, value []byte) error {
			id, rest, err := keys.ParseBundle(keys.KindBundle, tenant, key)
			must(t, errors.Join(err, func() error {
				if len(rest) > 0 {
					return keys.ErrKey
				}
				return nil
			}()))
			size, err := record.DecodeNumber(value)
			must(t, err)
			_, held := s.bundles.holds[bundleRef{tenant, id}]
			if used[id] == 0 && !held || used[id] != 0 && used[id] != int64(size) || size == 0 && !held {
				t.Errorf("bundle %s has %d bytes, its versions have %d", id, size, used[id])
			}
			content := bytes.Join(chunks[id], nil)
			if size > 0 && (len(content) != int(size) || sha256.Sum256(content) != id) {
				t.Errorf("bundle %s has %d bytes of its %d, or others", id, len(content), size)
			}
			for i, chunk := range chunks[id] {
				if len(chunk) != bundleChunk && i+1 < len(chunks[id]) {
					t.Errorf("chunk %d of bundle %s has %d bytes", i, id, len(chunk))
				}
			}
			delete(used, id)
			delete(chunks, id)
			if size > 0 {
				sizes[tenant] += int64(size)
			}
			return nil
		}))
		for id := range used {
			t.Errorf("bundle %s is not stored", id)
		}
		for id := range chunks {
			t.Errorf("there are chunks of bundle %s, but not the bundle", id)
		}
		return nil
	}))
	s.bundles.mu.Lock()
	defer s.bundles.mu.Unlock()
	if !maps.Equal(bytecode, s.bundles.bytecode) {
		t.Errorf("bytecode has %v bytes, and counts as %v", bytecode, s.bundles.bytecode)
	}
	checkHoldings(t, s, sizes)
}

// checkHoldings compares what tenants have stored, according to all records, with what is counted.
func checkHoldings(t testing.TB, s *Store, bundles map[runtime.Tenant]int64) {
	t.Helper()
	should, err := loadHoldings(s.db)
	must(t, err)
	for tenant, size := range bundles {
		should[tenant] = should[tenant].plus(tally{bundles: size})
	}
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	sums := map[runtime.Tenant]int64{}
	for tenant, functions := range s.usage.all {
		for _, h := range functions {
			sums[tenant] += h.bytes
		}
	}
	if !maps.Equal(sums, s.usage.sums) {
		t.Errorf("executions of tenants have %v bytes, and count as %v", sums, s.usage.sums)
	}
	s.holdings.mu.Lock()
	defer s.holdings.mu.Unlock()
	if !maps.Equal(should, s.holdings.all) {
		t.Errorf("tenants have stored %+v, and it counts as %+v", should, s.holdings.all)
	}
}
