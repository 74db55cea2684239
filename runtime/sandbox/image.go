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
func (b *baseImage) copyTo(mem []byte, start, end int) {
	for at := start; at < end; at += pageSize {
		copy(mem[at:at+pageSize], b.page(at))
	}
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
}

// newImage returns the image of a memory into which from was loaded: the pages that now differ from
// the base image.
func newImage(base *baseImage, from *image, m memory, files *wasi.State) (*image, error) {
	mem := m.data()
	img := &image{base: base, size: len(mem), files: files}
	img.holders.Store(1)
	if from != nil {
		img.pages = append(img.pages, from.pages...)
	}
	err := m.dirty(func(start, end int) {
		for at := start; at < end; at += pageSize {
			img.pages = append(img.pages, uint32(at/pageSize))
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(img.pages)
	img.pages = slices.DeleteFunc(slices.Compact(img.pages), func(p uint32) bool {
		at := int(p) * pageSize
		return bytes.Equal(mem[at:at+pageSize], base.page(at))
	})
	img.pages = slices.Clip(img.pages)
	if img.data, err = newPages(len(img.pages)); err != nil {
		return nil, err
	}
	for i, p := range img.pages {
		copy(img.own(i), mem[int(p)*pageSize:])
	}
	return img, nil
}

// own returns the content of the i-th page that differs from the base.
func (img *image) own(i int) []byte { return img.data[i*pageSize : (i+1)*pageSize] }

// cost returns the number of bytes of memory that the image takes.
func (img *image) cost() int64 {
	n := int64(len(img.data) + 4*len(img.pages))
	if img.files != nil {
		n += img.files.Size()
	}
	return n
}

// retain adds a holder. Only a holder may call it.
func (img *image) retain() *image {
	img.holders.Add(1)
	return img
}

// release drops one holder.
func (img *image) release() {
	if img.holders.Add(-1) == 0 {
		freePages(img.data)
		img.data = nil
	}
}

// apply writes the image's own pages over a memory that holds the base image.
func (img *image) apply(mem []byte) {
	for i, p := range img.pages {
		copy(mem[int(p)*pageSize:], img.own(i))
	}
}

// copyTo copies the image's content over mem[start:end], which are whole pages.
func (img *image) copyTo(mem []byte, start, end int) {
	i, _ := slices.BinarySearch(img.pages, uint32(start/pageSize))
	for start < end {
		// Up to the image's next own page the content is the base's.
		next := end
		if i < len(img.pages) {
			next = min(end, int(img.pages[i])*pageSize)
		}
		img.base.copyTo(mem, start, next)
		if start = next; start < end {
			start += copy(mem[start:], img.own(i))
			i++
		}
	}
}
