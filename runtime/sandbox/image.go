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
	pages   []uint32    // numbers of the pages that differ from the base, ascending
	data    []byte      // contents of pages, one after the other, outside the Go heap
	files   *wasi.State // what the module body left in /tmp and open; nil if nothing
	holders atomic.Int32

	account   *imageAccount // holds the image's cost; nil: none does
	forgotten atomic.Bool   // it will not be used again
}

// findPages returns the pages of a memory, into which from was loaded, that differ from the base
// image, in ascending order.
func findPages(base *baseImage, from *image, m guestMemory, p pauser) ([]uint32, error) {
	mem := m.data()
	var pages []uint32
	if from != nil {
		pages = append(pages, from.pages...)
	}
	err := m.dirty(func(start, end int) {
		for at := start; at < end; at += pageSize {
			pages = append(pages, uint32(at/pageSize))
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(pages)
	pages = slices.Compact(pages)
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
	mem := m.data()
	img := &image{base: base, size: len(mem), files: files, pages: pages}
	img.holders.Store(1)
	var err error
	if img.data, err = newPages(len(pages)); err != nil {
		return nil, err
	}
	move := len(pages) > restoreLimit
	steps := meter{pauser: p}
	first := 0 // of the pages that the memory has not given up yet
	for i, page := range pages {
		copy(img.own(i), mem[int(page)*pageSize:][:pageSize])
		last := i == len(pages)-1 || pages[i+1] != page+1
		if move && (last || i-first >= pieceSize/pageSize) {
			err = m.surrender(int(pages[first])*pageSize, (int(page)+1)*pageSize)
			first = i + 1
		}
		if err == nil {
			err = steps.spend(pageSize)
		}
		if err != nil {
			img.release()
			return nil, err
		}
	}
	return img, nil
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
	mapped, heap := imageCost(len(img.pages), img.files)
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
		if img.account != nil {
			img.account.give(imageCost(len(img.pages), img.files))
		}
	}
}

// apply writes the image's own pages over a memory that holds the base image.
func (img *image) apply(mem []byte, m *meter) error {
	for i, p := range img.pages {
		copy(mem[int(p)*pageSize:], img.own(i))
		if err := m.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// copyTo copies the image's content over mem[start:end], which are whole pages.
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
