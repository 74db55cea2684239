package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// bundleNumber returns one of many bundles. Number 0 has more than a batch.
func bundleNumber(n int) (runtime.Bundle, []byte) {
	size := 1 + n*100
	if n == 0 {
		size = bundleBatch*bundleChunk + bundleChunk + 1
	}
	content := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(n), 6))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	return runtime.Bundle{ID: sha256.Sum256(content), Bytes: int64(size)}, content
}

// stage stores a bundle, which the caller holds until it calls the function that is returned.
func stage(t testing.TB, s *Store, tenant runtime.Tenant, n int) (runtime.Bundle, func()) {
	t.Helper()
	b, content := bundleNumber(n)
	release, err := s.StageBundle(context.Background(), tenant, b, bytes.NewReader(content))
	must(t, err)
	return b, release
}

// withBundle gives a version a bundle, unless its number is negative, and returns a change that stores
// the bundle before.
func withBundle(n int, v *runtime.Version, do func(*Store) error) func(*Store) error {
	if n < 0 {
		return do
	}
	b, content := bundleNumber(n)
	v.Bundle = b
	return func(s *Store) error {
		release, err := s.StageBundle(context.Background(), crashTenant, b, bytes.NewReader(content))
		if err != nil {
			return err
		}
		defer release()
		return do(s)
	}
}

func readBundle(s *Store, tenant runtime.Tenant, id runtime.BundleID) ([]byte, error) {
	var got bytes.Buffer
	err := s.ReadBundle(context.Background(), tenant, id, &got)
	return got.Bytes(), err
}

func wantBundle(t testing.TB, s *Store, tenant runtime.Tenant, b runtime.Bundle) {
	t.Helper()
	got, err := readBundle(s, tenant, b.ID)
	must(t, err)
	if int64(len(got)) != b.Bytes || sha256.Sum256(got) != b.ID {
		t.Fatalf("bundle %s came back with %d bytes", b.ID, len(got))
	}
}

// createWith creates a function with a bundle.
func createWith(t testing.TB, s *Store, tenant runtime.Tenant, id string, n int) runtime.Bundle {
	t.Helper()
	b, release := stage(t, s, tenant, n)
	defer release()
	v := version(id, 1, "source")
	v.Bundle = b
	must(t, s.CreateFunction(function(tenant, id, id, 1), v, by(tenant)))
	return b
}

func countChunks(t testing.TB, s *Store, tenant runtime.Tenant) (n int) {
	t.Helper()
	must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindBundleChunk), func(_, _ []byte) error { n++; return nil }))
	return n
}

// A bundle is stored once per tenant, and dropped with the last version that uses it.
func TestBundlesAreDroppedWithTheirVersions(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	b := createWith(t, s, "a", "id1", 0)
	createWith(t, s, "a", "id2", 0)
	createWith(t, s, "b", "id1", 0)
	for _, tenant := range []runtime.Tenant{"a", "b"} {
		if got, want := countChunks(t, s, tenant), int((b.Bytes+bundleChunk-1)/bundleChunk); got != want {
			t.Errorf("tenant %s has %d chunks, want %d", tenant, got, want)
		}
	}
	checkInvariants(t, s)

	// Other versions follow, and the first one is dropped.
	for n := uint64(2); n <= runtime.KeptVersions+1; n++ {
		v := version("id1", n, "source")
		must(t, s.UpdateFunction(function("a", "id1", "id1", n), &v, by("a")))
		checkInvariants(t, s)
		wantBundle(t, s, "a", b)
	}
	must(t, s.DeleteFunction("a", "id2", by("a")))
	checkInvariants(t, s)
	_, err := readBundle(s, "a", b.ID)
	wantCode(t, err, runtime.CodeNotFound)
	wantBundle(t, s, "b", b) // of another tenant
	must(t, s.DeleteFunction("a", "id1", by("a")))
	must(t, s.DeleteFunction("b", "id1", by("b")))
	checkInvariants(t, s)
	dropAll(t, s, start)
	if n := countKeys(t, s); n != 1 { // the format record
		t.Errorf("%d records are left", n)
	}
}

// A bundle that is held outlives its versions, and one that is staged but not used does not stay.
func TestHeldBundles(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	b := createWith(t, s, "a", "id1", 1)
	release := s.HoldBundle("a", b.ID)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	wantBundle(t, s, "a", b)
	release()
	release() // does nothing
	_, err := readBundle(s, "a", b.ID)
	wantCode(t, err, runtime.CodeNotFound)

	b, release = stage(t, s, "a", 0)
	_, again := stage(t, s, "a", 0)
	release()
	wantBundle(t, s, "a", b)
	again()
	_, err = readBundle(s, "a", b.ID)
	wantCode(t, err, runtime.CodeNotFound)
	checkInvariants(t, s)
	if len(s.bundles.holds) != 0 {
		t.Errorf("%d bundles are held", len(s.bundles.holds))
	}
}

// A reader gets all of a bundle, although its last version is dropped meanwhile, and the store closes
// although the reader does not continue.
func TestBundlesAreReadToTheirEnd(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	b := createWith(t, s, "a", "id1", 0)
	hash := sha256.New()
	dropped := false
	must(t, s.ReadBundle(context.Background(), "a", b.ID, writerFunc(func(p []byte) (int, error) {
		if !dropped {
			must(t, s.DeleteFunction("a", "id1", by("a")))
			dropped = true
		}
		return hash.Write(p)
	})))
	if runtime.BundleID(hash.Sum(nil)) != b.ID {
		t.Error("the bundle came back different")
	}
	checkInvariants(t, s)
	createWith(t, s, "a", "id1", 0)
	err := s.ReadBundle(context.Background(), "a", b.ID, writerFunc(func(p []byte) (int, error) {
		must(t, s.Close())
		return len(p), nil
	}))
	wantCode(t, err, runtime.CodeUnavailable)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A bundle whose content ends early, fails or is another one is not stored, and leaves nothing.
func TestBundlesThatCannotBeStored(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	b, content := bundleNumber(0)
	keep := countKeys(t, s)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	other := bytes.Clone(content)
	other[len(other)-1]++
	for what, c := range map[string]struct {
		ctx     context.Context
		content io.Reader
		bundle  runtime.Bundle
		code    runtime.Code
	}{
		"ends early": {context.Background(), bytes.NewReader(content[:len(content)-1]), b, runtime.CodeInternal},
		"fails":      {context.Background(), io.MultiReader(bytes.NewReader(content[:len(content)-1]), iotest.ErrReader(errors.New("no"))), b, runtime.CodeInternal},
		"another":    {context.Background(), bytes.NewReader(other), b, runtime.CodeInternal},
		"abandoned":  {cancelled, bytes.NewReader(content), b, runtime.CodeUnavailable},
		"empty":      {context.Background(), bytes.NewReader(nil), runtime.Bundle{}, runtime.CodeInternal},
		"too large":  {context.Background(), bytes.NewReader(nil), runtime.Bundle{Bytes: runtime.MaxBundle + 1}, runtime.CodeInternal},
	} {
		if _, err := s.StageBundle(c.ctx, "a", c.bundle, c.content); runtime.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", what, err, c.code)
		}
		checkInvariants(t, s)
		if n := countKeys(t, s); n != keep {
			t.Errorf("%s: %d records are left", what, n-keep)
		}
	}
	v := version("id1", 1, "source")
	v.Bundle = b
	wantCode(t, s.CreateFunction(function("a", "id1", "one", 1), v, by("a")), runtime.CodeInternal)
	checkInvariants(t, s)
	if len(s.bundles.holds) != 0 {
		t.Errorf("%d bundles are held", len(s.bundles.holds))
	}
}

// The bundles of a tenant are bounded together, however many functions have them; those of another
// tenant do not count, and one that is stored already costs nothing.
func TestBundlesOfATenantAreBounded(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	large := createWith(t, s, "a", "id1", 0)
	s.bundles.limit = large.Bytes + 50
	createWith(t, s, "a", "id2", 0)
	b, content := bundleNumber(1)
	_, err := s.StageBundle(context.Background(), "a", b, bytes.NewReader(content))
	wantCode(t, err, runtime.CodeTooLarge)
	createWith(t, s, "b", "id1", 1)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	must(t, s.DeleteFunction("a", "id2", by("a")))
	createWith(t, s, "a", "id1", 1)
	checkInvariants(t, s)
}

// What a process that was killed had staged, completely or in part, is gone when the store opens, and
// what versions use is there.
func TestUnusedBundlesAreDroppedAtOpen(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openOn(t, mem, "store")
	used := createWith(t, s, "a", "id1", 1)
	staged, release := stage(t, s, "a", 2)
	defer release()
	partly, content := bundleNumber(0)
	var killed *vfs.MemFS
	reader := readerFunc(func(p []byte) (int, error) {
		if len(content) <= bundleChunk && killed == nil { // a batch is written, the rest is not
			killed = crashClone(mem, vfs.CrashCloneCfg{})
		}
		n := copy(p, content)
		content = content[n:]
		return n, nil
	})
	done, err := s.StageBundle(context.Background(), "a", partly, reader)
	must(t, err)
	defer done()

	after := openOn(t, killed, "store")
	checkInvariants(t, after)
	wantBundle(t, after, "a", used)
	for _, b := range []runtime.Bundle{staged, partly} {
		_, err := readBundle(after, "a", b.ID)
		wantCode(t, err, runtime.CodeNotFound)
	}
	createWith(t, after, "a", "id2", 0) // as if there had been nothing
	checkInvariants(t, after)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// On a nearly full disk no bundle is stored, and the bundles of a function that is deleted are
// dropped.
func TestBundlesOnANearlyFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	s := openOn(t, sizedFS{vfs.NewMem(), &free}, "store")
	b := createWith(t, s, "a", "id1", 0)
	free = DefaultMinFree - 1
	other, content := bundleNumber(1)
	_, err := s.StageBundle(context.Background(), "a", other, bytes.NewReader(content))
	wantCode(t, err, runtime.CodeUnavailable)
	checkInvariants(t, s)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	_, err = readBundle(s, "a", b.ID)
	wantCode(t, err, runtime.CodeNotFound)
	checkInvariants(t, s)
}

// Many functions share few bundles, and are created, updated and deleted at once while others read.
func TestConcurrentBundles(t *testing.T) {
	t.Parallel()
	s := openOn(t, vfs.NewMem(), "store")
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 7))
			id, number := fmt.Sprint("id", worker), uint64(0)
			for range 60 {
				if number > 0 && rng.IntN(4) == 0 {
					if err := s.DeleteFunction("a", id, by("a")); err != nil {
						t.Error(err)
					}
					number = 0
					continue
				}
				b, content := bundleNumber(rng.IntN(3))
				release, err := s.StageBundle(context.Background(), "a", b, bytes.NewReader(content))
				if err != nil {
					t.Error(err)
					return
				}
				if rng.IntN(3) > 0 { // else the deployment fails
					number++
					v := version(id, number, "source")
					v.Bundle = b
					if number == 1 {
						err = s.CreateFunction(function("a", id, id, 1), v, by("a"))
					} else {
						err = s.UpdateFunction(function("a", id, id, number), &v, by("a"))
					}
					if err != nil {
						t.Error(err)
					}
				}
				got, err := readBundle(s, "a", b.ID)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("a bundle that is held came back with %d bytes, %v", len(got), err)
				}
				release()
			}
		})
	}
	wg.Wait()
	checkInvariants(t, s)
	if len(s.bundles.holds) != 0 {
		t.Errorf("%d bundles are held", len(s.bundles.holds))
	}
}

// No key of a bundle belongs to another tenant, bundle or function.
func TestKeysOfBundlesAreTheirOwn(t *testing.T) {
	b, _ := bundleNumber(1)
	c, _ := bundleNumber(2)
	for _, other := range [][]byte{keys.BundleChunk("a", c.ID, 0), keys.BundleChunk("b", b.ID, 0), keys.Bundle("a", b.ID), keys.BundleUse("a", b.ID, "f", 1)} {
		if bytes.HasPrefix(other, keys.BundleChunks("a", b.ID)) {
			t.Errorf("%x is among the chunks of another bundle", other)
		}
	}
}
