package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

var (
	oneBuild   = runtime.GuestBuild{1}
	otherBuild = runtime.GuestBuild{2}
)

// storeBytecode stores the content of a numbered bundle as bytecode of a bundle.
func storeBytecode(s *Store, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, n int) ([]byte, error) {
	_, content := bundleNumber(n)
	return content, s.StoreBytecode(context.Background(), tenant, id, build, int64(len(content)), bytes.NewReader(content))
}

func wantBytecode(t testing.TB, s *Store, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, want []byte) {
	t.Helper()
	size, err := s.FindBytecode(tenant, id, build)
	must(t, err)
	if size != int64(len(want)) {
		t.Fatalf("the bytecode has %d bytes, not %d", size, len(want))
	}
	var got bytes.Buffer
	err = s.ReadBytecode(context.Background(), tenant, id, build, &got)
	if len(want) == 0 {
		wantCode(t, err, runtime.CodeNotFound)
		return
	}
	must(t, err)
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("the bytecode came back with %d bytes, which differ", got.Len())
	}
}

// The bytecode of a bundle survives a restart, is of one tenant and one build, and is dropped with the
// bundle.
func TestBytecodeIsKeptWithItsBundle(t *testing.T) {
	mem := vfs.NewMem()
	s := openOn(t, mem, "store")
	b := createWith(t, s, "a", "id1", 1)
	createWith(t, s, "b", "id1", 1)
	content, err := storeBytecode(s, "a", b.ID, oneBuild, 0) // several batches
	must(t, err)
	checkInvariants(t, s)
	must(t, s.Close())
	s = openOn(t, mem, "store")
	checkInvariants(t, s)
	wantBundle(t, s, "a", b)
	wantBytecode(t, s, "a", b.ID, oneBuild, content)
	wantBytecode(t, s, "a", b.ID, otherBuild, nil)
	wantBytecode(t, s, "b", b.ID, oneBuild, nil)
	content, err = storeBytecode(s, "a", b.ID, otherBuild, 2) // in place of the other
	must(t, err)
	checkInvariants(t, s)
	wantBytecode(t, s, "a", b.ID, oneBuild, nil)
	wantBytecode(t, s, "a", b.ID, otherBuild, content)
	// A bundle that is held outlives its function, and so does its bytecode.
	release := s.HoldBundle("a", b.ID)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	wantBytecode(t, s, "a", b.ID, otherBuild, content)
	release()
	wantBytecode(t, s, "a", b.ID, otherBuild, nil)
	checkInvariants(t, s)
	_, err = storeBytecode(s, "a", b.ID, oneBuild, 2)
	wantCode(t, err, runtime.CodeNotFound)
	must(t, s.DeleteFunction("b", "id1", by("b")))
	dropAll(t, s, start)
	if n := countKeys(t, s); n != 1 { // the format record
		t.Errorf("%d records are left", n)
	}
}

// Bytecode that is not stored completely, or that was damaged, is as none.
func TestBytecodeThatIsNotWhole(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openOn(t, mem, "store")
	b := createWith(t, s, "a", "id1", 1)
	_, content := bundleNumber(0)
	all := int64(len(content))
	before, err := storeBytecode(s, "a", b.ID, oneBuild, 3)
	must(t, err)
	// The content ends early: what was there before is gone, because its room was needed.
	if err := s.StoreBytecode(context.Background(), "a", b.ID, otherBuild, all, io.LimitReader(bytes.NewReader(content), all-1)); err == nil {
		t.Error("a content that ends early was stored")
	}
	wantBytecode(t, s, "a", b.ID, otherBuild, nil)
	checkInvariants(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.StoreBytecode(ctx, "a", b.ID, oneBuild, all, bytes.NewReader(content)); err == nil {
		t.Error("stored after the end")
	}
	for _, size := range []int64{0, -1} {
		if err := s.StoreBytecode(context.Background(), "a", b.ID, oneBuild, size, bytes.NewReader(content)); err == nil {
			t.Errorf("%d bytes were stored", size)
		}
	}
	// The process is killed when a batch is written.
	var killed *vfs.MemFS
	left := content
	must(t, s.StoreBytecode(context.Background(), "a", b.ID, oneBuild, all, readerFunc(func(p []byte) (int, error) {
		if len(left) <= bundleChunk && killed == nil {
			killed = crashClone(mem, vfs.CrashCloneCfg{})
		}
		n := copy(p, left)
		left = left[n:]
		return n, nil
	})))
	after := openOn(t, killed, "store")
	checkInvariants(t, after)
	wantBytecode(t, after, "a", b.ID, oneBuild, nil)
	wantBundle(t, after, "a", b)
	// A chunk is another one.
	before, err = storeBytecode(after, "a", b.ID, oneBuild, 3)
	must(t, err)
	must(t, after.commits.Write(commit.Relief, func(batch *pebble.Batch) error {
		return batch.Set(keys.BytecodeChunk("a", b.ID, 0), append([]byte{0}, bytes.Repeat([]byte{7}, len(before))...), nil)
	}))
	if err := after.ReadBytecode(context.Background(), "a", b.ID, oneBuild, io.Discard); err == nil {
		t.Error("damaged bytecode was read")
	}
	content, err = storeBytecode(after, "a", b.ID, oneBuild, 2)
	must(t, err)
	wantBytecode(t, after, "a", b.ID, oneBuild, content)
	checkInvariants(t, after)
}

// The bytecode of a tenant is bounded, takes nothing of what its bundles may take, and none is written
// to a nearly full disk.
func TestBytecodeIsBounded(t *testing.T) {
	free := uint64(1 << 40)
	s := openOn(t, sizedFS{vfs.NewMem(), &free}, "store")
	b := createWith(t, s, "a", "id1", 1)
	other := createWith(t, s, "a", "id2", 2)
	s.bundles.limit = 2 * 450
	content, err := storeBytecode(s, "a", b.ID, oneBuild, 4) // 401 bytes of 450
	must(t, err)
	_, err = storeBytecode(s, "a", other.ID, oneBuild, 1)
	wantCode(t, err, runtime.CodeTooLarge)
	wantBytecode(t, s, "a", b.ID, oneBuild, content)
	content, err = storeBytecode(s, "a", b.ID, otherBuild, 4) // the old one gives way first
	must(t, err)
	wantBytecode(t, s, "a", b.ID, otherBuild, content)
	createWith(t, s, "a", "id3", 5)
	free, s.bundles.limit = DefaultMinFree-1, 0
	_, err = storeBytecode(s, "a", other.ID, oneBuild, 0)
	wantCode(t, err, runtime.CodeUnavailable)
	checkInvariants(t, s)
	must(t, s.DeleteFunction("a", "id1", by("a")))
	wantBytecode(t, s, "a", b.ID, otherBuild, nil)
	checkInvariants(t, s)
}

// Bytecode is stored, read and dropped with its bundle at once.
func TestConcurrentBytecode(t *testing.T) {
	t.Parallel()
	s := openOn(t, vfs.NewMem(), "store")
	b := createWith(t, s, "a", "keeps", 1)
	ofShared, _ := bundleNumber(2)
	_, content := bundleNumber(3)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 30 {
				for _, id := range []runtime.BundleID{b.ID, ofShared.ID} {
					_, err := storeBytecode(s, "a", id, oneBuild, 3)
					if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
						t.Error(err)
					}
					var got bytes.Buffer
					err = s.ReadBytecode(context.Background(), "a", id, oneBuild, &got)
					if err == nil && !bytes.Equal(got.Bytes(), content) {
						t.Error("other bytecode was read")
					}
				}
				if worker == 0 {
					staged, data := bundleNumber(2)
					release, err := s.StageBundle(context.Background(), "a", staged, bytes.NewReader(data))
					if err != nil {
						t.Error(errors.Join(err))
						return
					}
					if n%2 == 0 {
						_, _ = storeBytecode(s, "a", staged.ID, otherBuild, 4)
					}
					release()
				}
			}
		})
	}
	wg.Wait()
	checkInvariants(t, s)
}
