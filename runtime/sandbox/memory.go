package sandbox

import "github.com/tetratelabs/wazero/experimental"

// pageSize is the unit in bytes in which memory is compared and restored. It is the kernel's page
// size on the systems that support mappedMemory.
const pageSize = 4096

// memory is the linear memory of one slot: an image can be loaded into it, and restored after a
// run. One goroutine at a time.
type memory interface {
	experimental.LinearMemory

	// data returns all of the memory at its present size.
	data() []byte
	// load makes the memory a fresh copy of the image. Nothing of the previous content remains.
	load(img *image) error
	// swap makes the memory a copy of another image of the same size. The memory must equal its
	// present image: just loaded, or restored.
	swap(img *image) error
	// restore resets the memory to the loaded image, which the memory must not have outgrown, and
	// returns the number of pages that it copied.
	restore() (pages int, err error)
	// watch is called before the guest runs, and unwatch when it has ended: a run that writes no
	// page that was not written before costs less to restore. The goroutine is locked to its thread
	// until unwatch. A run that takes long, or waits, is not watched to its end and calls
	// unwatch(false) earlier. Further calls of unwatch do nothing.
	watch()
	unwatch(finished bool)
	// dirty calls f with every range that may differ from the loaded image.
	dirty(f func(start, end int)) error
	// setLimit sets the largest size in bytes to which the guest may grow the memory.
	setLimit(n int)
	// denied reports whether the guest was refused growth since setLimit.
	denied() bool
	// close frees the memory. No guest code may run in it any more.
	close()
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
