package sandbox

import (
	"github.com/tetratelabs/wazero/experimental"

	"github.com/faaspot/faaspot/runtime"
)

// pageSize is the unit in bytes in which memory is compared and restored. It is the kernel's page
// size on the systems that support mappedMemory.
const pageSize = 4096

// guestMemory is the linear memory of one slot: an image can be loaded into it, and restored after
// a run. One goroutine at a time.
type guestMemory interface {
	experimental.LinearMemory

	// data returns all of the memory at its present size.
	data() []byte
	// load makes the memory a fresh copy of the image. Nothing of the previous content remains.
	// After an error the memory must be dropped or closed.
	load(img *image, p pauser) error
	// swap makes the memory a copy of another image of the same size. The memory must equal its
	// present image: just loaded, or restored.
	swap(img *image, p pauser) error
	// restore resets the memory to the loaded image, which the memory must not have outgrown, and
	// returns the number of pages that were written. If restored is false, pages were surrendered:
	// the memory must be dropped.
	restore(p pauser) (pages int, restored bool, err error)
	// drop returns all pages to the system. An image must be loaded before the next use.
	drop() error
	// surrender returns the pages of a range to the system. Afterwards the memory must be dropped
	// or closed.
	surrender(start, end int) error
	// maps reports whether the memory can map the stretches of images.
	maps() bool
	// watch is called before the guest runs, and unwatch when it has ended: a run that writes no
	// page that was not written before costs less to restore. The goroutine is locked to its thread
	// until unwatch. A run that takes long is not watched to its end and calls unwatch(false)
	// earlier. Further calls of unwatch do nothing.
	watch()
	unwatch(finished bool)
	// pause and resume enclose a time in which the guest does not run and nobody writes to the
	// memory, in which the goroutine may change its thread. Afterwards the run is watched, if it
	// was before.
	pause()
	resume()
	// held returns the number of bytes that the memory takes, or more. It may be called between pause
	// and resume.
	held() int64
	// dirty calls f with every range that may differ from the loaded image, in ascending order.
	dirty(f func(start, end int)) error
	// setLimit sets the largest size in bytes to which the guest may grow the memory.
	setLimit(n int)
	// denied reports whether the guest was refused growth since setLimit.
	denied() bool
	// close frees the memory. No guest code may run in it any more.
	close()
}

// pauser is called at checkpoints of work that the host does for a call. An error ends the work.
type pauser interface{ pause() error }

const (
	// pieceSize is the number of bytes that are copied between two checkpoints: with page faults
	// about 100 µs of work.
	pieceSize = 512 * runtime.KiB
	// dropSize is the number of bytes that are returned to the system in one call. The kernel
	// delays new mappings of the whole process meanwhile, by about half a millisecond.
	dropSize = 8 * runtime.MiB
	// restoreLimit is the largest number of pages that are copied back one by one. Beyond it, they
	// are dropped, although the next run then takes a page fault for each page that it writes: that
	// returns unused memory to the system.
	restoreLimit = 1024
)

// meter counts copied bytes, and pauses after each piece.
type meter struct {
	pauser pauser
	bytes  int
}

func (m *meter) spend(n int) error {
	if m.bytes += n; m.bytes < pieceSize {
		return nil
	}
	m.bytes = 0
	return m.pauser.pause()
}

// copy copies len(dst) bytes.
func (m *meter) copy(dst, src []byte) error {
	for len(dst) > 0 {
		n := copy(dst[:min(len(dst), pieceSize)], src)
		dst, src = dst[n:], src[n:]
		if err := m.spend(n); err != nil {
			return err
		}
	}
	return nil
}

// growth is what all kinds of memory have in common: size and limit.
type growth struct {
	size, limit int
	refused     bool
}

func (g *growth) setLimit(n int) { g.limit, g.refused = n, false }

func (g *growth) denied() bool { return g.refused }

// grow reports whether the memory may have size bytes, and records the new size. An instance starts
// with the size of the image, whatever the module declares.
func (g *growth) grow(size uint64, max int) bool {
	if size <= uint64(g.size) {
		return true
	}
	if size > uint64(max) || size > uint64(g.limit) {
		g.refused = true
		return false
	}
	g.size = int(size)
	return true
}
