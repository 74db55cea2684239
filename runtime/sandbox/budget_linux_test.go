package sandbox

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// storedBytes returns the memory that the extents of all images take, in bytes.
func storedBytes(t *testing.T, box *Sandbox) int64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(box.guest.base.images, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Blocks * 512
}

// TestExtentsAreIsolated verifies that runs of a function whose image is mapped see it as the module
// body left it, whatever other runs write, and that its memory is freed.
func TestExtentsAreIsolated(t *testing.T) {
	box := openBox(t, Options{IdleSlots: 2})
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	for _, size := range []int{12, 70} { // within the base image's size, and beyond it
		p := deployed(t, box, fmt.Sprintf(`
x = bytearray(b"x") * (%d << 20)
def main(args, context):
    intact = x.count(b"x") == len(x)
    for i in range(args["n"], len(x), 8192): x[i] = 7
    return intact
`, size), runtime.Limits{Memory: 256 * runtime.MiB})
		img := box.images.get(keyOf(p))
		if len(img.shared) == 0 {
			t.Fatalf("an image with %d MB in one piece has no extents", size)
		}
		other := deployed(t, box, hello, runtime.Limits{})
		other.Tenant = "another"
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				for range 2 {
					if got := result(t, box, p, fmt.Sprintf(`{"n":%d}`, i*100)); got != "true" {
						t.Errorf("a run sees what another one has written")
					}
					result(t, box, other, string(helloArgs))
				}
			})
		}
		wg.Wait()
		length := 0
		for _, x := range img.shared {
			length += x.length
		}
		if got := storedBytes(t, box); got != int64(length) {
			t.Errorf("%d bytes are stored, want %d", got, length)
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
		if got := storedBytes(t, box); got != 0 {
			t.Errorf("%d bytes are still stored", got)
		}
	}
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
	for _, n := range []int{0, 200, 3000, 0} {
		box.call(t, p, fmt.Sprintf(`{"n":%d}`, n))
		s := newest(box.Sandbox)
		pages := 0
		m := s.memory.(*mappedMemory)
		if err := m.scan.each(m.region, 0, m.size, false, func(start, end int) { pages += (end - start) / pageSize }); err != nil {
			t.Fatal(err)
		}
		if m.base.tracker.kind == trackWritten { // it also reports pages that were only read
			pages -= len(m.base.view) / pageSize
		}
		if s.charged < int64(pages)*pageSize || s.charged > idleOverhead+int64(restoreLimit+len(box.guest.base.view)/pageSize)*pageSize {
			t.Errorf("after %d: %d bytes are taken for a slot with %d pages", n, s.charged, pages)
		}
	}
	if !slices.ContainsFunc(box.budget.Holders(), func(h memory.Holder) bool { return h.Name == "idle instances" && h.Bytes > 0 }) {
		t.Error("idle slots take nothing")
	}
}
