package sandbox

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestMappedImagesAreIsolated verifies that runs of a function whose image is mapped see it as the
// module body left it, whatever other runs write, that its slots are restored page by page, and
// that its memory is freed.
func TestMappedImagesAreIsolated(t *testing.T) {
	box := openBox(t, Options{IdleSlots: 2})
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	for _, size := range []int{3, 12, 70} { // over the base image's file, beyond it, and beyond its size
		p := deployed(t, box, fmt.Sprintf(`
x = bytearray(b"x") * (%d << 20)
def main(args, context):
    intact = x.count(b"x") == len(x)
    for i in range(args["n"], len(x), args["step"]): x[i] = 7
    return intact
`, size), runtime.Limits{Memory: 256 * runtime.MiB})
		img := box.images.get(keyOf(p))
		if img.stretch.len() < size*runtime.MiB {
			t.Fatalf("of an image with %d MB in one piece, %d bytes are mapped", size, img.stretch.len())
		}
		other := deployed(t, box, hello, runtime.Limits{})
		other.Tenant = "another"
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				for _, step := range []int{size << 14, 8192} { // fewer and more pages than are copied back
					if got := result(t, box, p, fmt.Sprintf(`{"n":%d,"step":%d}`, i*100, step)); got != "true" {
						t.Errorf("a run sees what another one has written")
					}
					result(t, box, other, string(helloArgs))
				}
			})
		}
		wg.Wait()
		result(t, box, p, `{"n":0,"step":8192}`)
		if s := newest(box); s.image != img {
			t.Errorf("the slot of an image of %d MB was not restored", size)
		}
		for s := range box.pool.idle.each() {
			if s.image != nil {
				if at := unequal(s); at >= 0 {
					t.Errorf("an idle slot differs from its image at %d", at)
				}
			}
		}
		img.release()
		box.Forget(p.FunctionID, p.Version)
		settle(box)
		if box.files.files != 0 || box.accounts.images.mapped.Held() != storedBytes(box) {
			t.Errorf("%d files are open, %d bytes are taken", box.files.files, box.accounts.images.mapped.Held())
		}
		box.Forget(other.FunctionID, other.Version)
	}
}

// storedBytes returns the memory that the contents of the cached images take, in bytes.
func storedBytes(box *Sandbox) (n int64) {
	for e := box.images.order.Front(); e != nil; e = e.Next() {
		if img := e.Value.(*cachedImage).image; !img.onDisk() {
			n += int64(len(img.data))
		}
	}
	return n
}

// TestIdleSlotsCountWhatTheyKeep verifies that the memory taken for an idle slot covers its pages.
func TestIdleSlotsCountWhatTheyKeep(t *testing.T) {
	box := openReserved(t, 1024*runtime.MiB, false)
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	p := box.deploy(t, "x = [bytes([1]) * 4000 for _ in range(700)]\n"+body(`
y = [bytes([2]) * 4000 for _ in range(args["n"])]
return 1`), runtime.Limits{})
	box.pool.spare = 0
	dropNewest(t, box.Sandbox)
	for _, n := range []int{0, 200, 3000, 0} {
		box.call(t, p, fmt.Sprintf(`{"n":%d}`, n))
		s := newest(box.Sandbox)
		pages := ownPages(t, s.memory.(*mappedMemory))
		if s.charged < int64(pages)*pageSize || s.charged > idleOverhead+2*restoreLimit*pageSize {
			t.Errorf("after %d: %d bytes are taken for a slot with %d pages", n, s.charged, pages)
		}
	}
	if !slices.ContainsFunc(box.budget.Holders(), func(h memory.Holder) bool { return h.Name == "idle instances" && h.Bytes > 0 }) {
		t.Error("idle slots take nothing")
	}
}

// ownPages returns the number of pages that a memory has of its own: those that are present and
// belong to no file, see the kernel's Documentation/admin-guide/mm/pagemap.rst.
func ownPages(t *testing.T, m *mappedMemory) (n int) {
	t.Helper()
	entries := make([]byte, m.size/pageSize*8)
	at := int64(uintptr(unsafe.Pointer(&m.region[0]))) / pageSize * 8
	if _, err := m.base.tracker.pagemap.ReadAt(entries, at); err != nil {
		t.Fatal(err)
	}
	for ; len(entries) > 0; entries = entries[8:] {
		if e := binary.NativeEndian.Uint64(entries); e&entryPresent != 0 && e&entryFile == 0 {
			n++
		}
	}
	return n
}
