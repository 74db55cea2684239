package sandbox

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// baseImage is the memory of an interpreter that has started and has imported the modules that most
// functions need, but runs no function yet. It is created once per server start and never written
// again.
type baseImage struct {
	view  []byte // memory from offset start on, read-only; all other bytes are zero
	start int    // offset of view; the C stack, which is empty, lies before it
	size  int    // bytes of the whole memory; the free heap lies after view
	stack uint64 // initial __stack_pointer
	platform
}

// zeroPage is the content of every page outside baseImage.view.
var zeroPage [pageSize]byte

// page returns the page at an offset.
func (b *baseImage) page(at int) []byte {
	if i := at - b.start; i >= 0 && i < len(b.view) {
		return b.view[i : i+pageSize]
	}
	return zeroPage[:]
}

// copyTo copies the image's content over mem[start:end], which are whole pages.
func (b *baseImage) copyTo(mem []byte, start, end int, m *meter) error {
	for at := start; at < end; at += pageSize {
		copy(mem[at:at+pageSize], b.page(at))
		if err := m.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// image is the memory that a function's runs start from: the base image with the pages that loading
// the function has changed. It is immutable, and freed when the last holder releases it.
type image struct {
	base    *baseImage
	size    int         // bytes of the whole memory; more than the base's if it has grown
	differ  int         // number of pages that differ from the base: pages and those of shared
	pages   []uint32    // numbers of the pages that loads copy, ascending
	data    []byte      // contents of pages, one after the other, outside the Go heap
	shared  []extent    // long stretches that loads map instead, ascending
	files   *wasi.State // what the module body left in /tmp and open; nil if nothing
	holders atomic.Int32

	account   *imageAccount // holds the image's cost; nil: none does
	forgotten atomic.Bool   // it will not be used again
}

// extent is a stretch of an image that is stored in a file, from which memories map it
// copy-on-write.
type extent struct {
	start, length int   // in the memory
	at            int64 // offset in the file
}

// minExtent is the smallest number of pages that are mapped instead of copied. Such an image has
// more pages than are copied back after a run, so mapping saves copying all of them for each run.
const minExtent = restoreLimit

// findPages returns the pages of a memory, into which from was loaded, that differ from the base
// image, in ascending order.
func findPages(base *baseImage, from *image, m guestMemory, p pauser) ([]uint32, error) {
	mem := m.data()
	var pages []uint32
	err := m.dirty(func(start, end int) {
		for at := start; at < end; at += pageSize {
			pages = append(pages, uint32(at/pageSize))
		}
	})
	if err != nil {
		return nil, err
	}
	if from != nil {
		// Few pages, inserted in order: sorting all would take milliseconds without a checkpoint.
		for _, page := range from.pages {
			if i, found := slices.BinarySearch(pages, page); !found {
				pages = slices.Insert(pages, i, page)
			}
		}
	}
	steps := meter{pauser: p}
	differ := pages[:0]
	for _, page := range pages {
		at := int(page) * pageSize
		if !bytes.Equal(mem[at:at+pageSize], base.page(at)) {
			differ = append(differ, page)
		}
		if err := steps.spend(pageSize); err != nil {
			return nil, err
		}
	}
	return slices.Clone(differ), nil
}

// newImage returns the image with the given pages of a memory. If they are many, the memory
// surrenders them as they are copied, so that they are not held twice.
func newImage(base *baseImage, m guestMemory, pages []uint32, files *wasi.State, p pauser) (*image, error) {
	img := &image{base: base, size: len(m.data()), files: files, differ: len(pages)}
	img.holders.Store(1)
	work := imageWork{img: img, memory: m, move: len(pages) > restoreLimit, meter: meter{pauser: p}}
	complete := false
	defer func() {
		if !complete { // an error, or a panic
			img.release()
		}
	}()
	if err := work.split(pages); err != nil {
		return nil, err
	}
	if err := work.copyPages(); err != nil {
		return nil, err
	}
	if err := work.storeExtents(); err != nil {
		return nil, err
	}
	complete = true
	return img, nil
}

// imageWork is the creation of an image.
type imageWork struct {
	img    *image
	memory guestMemory
	move   bool // the memory surrenders what was copied
	meter  meter
}

// split decides which pages loads will copy and which stretches they will map.
func (w *imageWork) split(pages []uint32) (err error) {
	img := w.img
	// Trackers watch the part of a memory over which the base image's file is mapped.
	behind := uint32((img.base.start + len(img.base.view)) / pageSize)
	copied := make([]uint32, 0, len(pages))
	for first := 0; first < len(pages); {
		next := first + 1
		for next < len(pages) && pages[next] == pages[next-1]+1 && pages[next] != behind {
			next++
		}
		if n := next - first; n >= minExtent && pages[first] >= behind && w.memory.maps() {
			img.shared = append(img.shared, extent{start: int(pages[first]) * pageSize, length: n * pageSize, at: img.base.allocate(n * pageSize)})
		} else {
			copied = append(copied, pages[first:next]...)
		}
		first = next
	}
	img.pages = slices.Clone(copied)
	img.data, err = newPages(len(copied))
	return err
}

func (w *imageWork) copyPages() error {
	mem := w.memory.data()
	first := 0 // of the pages that the memory has not surrendered yet
	for i, page := range w.img.pages {
		copy(w.img.own(i), mem[int(page)*pageSize:][:pageSize])
		last := i == len(w.img.pages)-1 || w.img.pages[i+1] != page+1
		if w.move && (last || i-first >= pieceSize/pageSize) {
			if err := w.memory.surrender(int(w.img.pages[first])*pageSize, (int(page)+1)*pageSize); err != nil {
				return err
			}
			first = i + 1
		}
		if err := w.meter.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

func (w *imageWork) storeExtents() error {
	mem := w.memory.data()
	for _, x := range w.img.shared {
		for done := 0; done < x.length; {
			n := min(x.length-done, pieceSize)
			at := x.start + done
			if err := w.img.base.store(mem[at:at+n], x.at+int64(done)); err != nil {
				return err
			}
			if err := w.memory.surrender(at, at+n); err != nil {
				return err
			}
			if err := w.meter.spend(n); err != nil {
				return err
			}
			done += n
		}
	}
	return nil
}

// own returns the content of the i-th page that differs from the base.
func (img *image) own(i int) []byte { return img.data[i*pageSize : (i+1)*pageSize] }

// imageCost returns the number of bytes of memory that an image takes: outside of Go's heap, and on
// it.
func imageCost(pages int, files *wasi.State) (mapped, heap int64) {
	heap = int64(4 * pages)
	if files != nil {
		heap += files.Size()
	}
	return int64(pages) * pageSize, heap
}

// cost returns the number of bytes of memory that the image takes.
func (img *image) cost() int64 {
	mapped, heap := imageCost(img.differ, img.files)
	return mapped + heap
}

// retain adds a holder. Only a holder may call it.
func (img *image) retain() *image {
	img.holders.Add(1)
	return img
}

// release drops one holder. The last one returns the image's memory to the system, which takes
// about 50 µs per MiB.
func (img *image) release() {
	if img.holders.Add(-1) == 0 {
		freePages(img.data)
		img.data = nil
		for _, x := range img.shared {
			img.base.free(x.at, x.length)
		}
		if img.account != nil {
			img.account.give(imageCost(img.differ, img.files))
		}
	}
}

// apply copies pages of the image over a memory that holds the base image.
func (img *image) apply(mem []byte, m *meter) error {
	for i, p := range img.pages {
		copy(mem[int(p)*pageSize:], img.own(i))
		if err := m.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// copyTo copies the image's content over mem[start:end], which are whole pages. The image has no
// extents.
func (img *image) copyTo(mem []byte, start, end int, m *meter) error {
	i, _ := slices.BinarySearch(img.pages, uint32(start/pageSize))
	for start < end {
		// Up to the image's next own page the content is the base's.
		next := end
		if i < len(img.pages) {
			next = min(end, int(img.pages[i])*pageSize)
		}
		if err := img.base.copyTo(mem, start, next, m); err != nil {
			return err
		}
		if start = next; start < end {
			start += copy(mem[start:], img.own(i))
			i++
			if err := m.spend(pageSize); err != nil {
				return err
			}
		}
	}
	return nil
}
