package sandbox

import "github.com/tetratelabs/wazero/experimental"

// pageSize is the granularity at which memory is compared and restored. It is
// the size of a kernel page on the systems that have the fast path.
const pageSize = 4096

// memory is the linear memory of one slot: it can be laid out as an image and
// put back to it after a run. One goroutine at a time.
type memory interface {
	experimental.LinearMemory

	// data is all of the memory at its present size.
	data() []byte
	// lay makes the memory a fresh copy of the image: nothing of what was in
	// it before remains.
	lay(img *image) error
	// swap makes the memory a copy of another image of the same size. It must
	// be as its present image has it: just laid, or restored.
	swap(img *image) error
	// restore puts the memory back to the image that was laid, which the
	// memory must not have outgrown, and counts the pages put back.
	restore() (pages int, err error)
	// watch is called before the guest runs, and unwatch when it has ended: a run
	// that writes nowhere new in between is restored at less cost. The goroutine
	// keeps its thread until unwatch. A run that goes on for long, or waits, is
	// not watched to its end: unwatch(false). What is over is not ended again.
	watch()
	unwatch(ended bool)
	// dirty calls f with every stretch that may differ from the image laid.
	dirty(f func(start, end int)) error
	// setLimit sets how large the guest may grow the memory, in bytes.
	setLimit(n int)
	// denied says whether the guest was refused growth since setLimit.
	denied() bool
	// close frees the memory. No guest code may run in it any more.
	close()
}

// growth is what the kinds of memory have in common: size and limit.
type growth struct {
	size, limit int
	refused     bool
}

func (g *growth) setLimit(n int) { g.limit, g.refused = n, false }

func (g *growth) denied() bool { return g.refused }

// grow answers whether the memory may have size bytes, and takes note. The size
// that an instance starts with is that of the image, whatever the module says.
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
