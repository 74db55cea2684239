package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

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
	base *baseImage
	size int // bytes of the whole memory; more than the base's if it has grown
	layout
	content
	files   *wasi.State // what the module body left in /tmp and open; nil if nothing
	holders atomic.Int32

	account   *imageAccount // holds the image's cost; nil: none does
	forgotten atomic.Bool   // it will not be used again
}

// byteRange is a part of a memory, as offsets.
type byteRange struct{ start, end int }

func (r byteRange) len() int { return r.end - r.start }

func (r byteRange) contains(at int) bool { return r.start <= at && at < r.end }

// and returns the part of r that is in o.
func (r byteRange) and(o byteRange) byteRange {
	start, end := max(r.start, o.start), min(r.end, o.end)
	return byteRange{start, max(start, end)}
}

// without returns the parts of r that are not in o: none, one or two.
func (r byteRange) without(o byteRange) []byteRange {
	if r.and(o).len() == 0 {
		o = byteRange{r.end, r.end}
	}
	var parts []byteRange
	for _, part := range []byteRange{{r.start, o.start}, {o.end, r.end}} {
		if part.len() > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// layout says how the pages of an image that differ from the base image are loaded. Loading copies
// most pages of a small image, and maps most pages of a large one. An image has one stretch at most:
// the number of mappings that a process may have is limited.
type layout struct {
	pages   []uint32  // numbers of the pages that loads copy, ascending
	stretch byteRange // the part that loads map, copy-on-write; empty: none
}

// minStretch is the smallest number of pages by which the copied pages must become fewer for a
// stretch to be mapped. To load another image costs as much with a stretch as with some hundred
// copied pages.
const minStretch = 128

// layoutOf returns the layout of an image with the given pages, in ascending order. The stretch has
// at most one page that does not differ from the base image for each that does, because it takes
// memory for all of its pages. The C stack is never part of it.
func layoutOf(base *baseImage, pages []uint32, p pauser) (layout, error) {
	steps := meter{pauser: p}
	// Find the part with the largest difference between the pages that differ and those that do not.
	var gain, best, first, from, to int
	for i, page := range pages {
		if int(page)*pageSize < base.start {
			first = i + 1
			continue
		}
		if i > first {
			gain -= int(page - pages[i-1] - 1)
		}
		if gain <= 0 {
			gain, first = 0, i
		}
		if gain++; gain > best {
			best, from, to = gain, first, i+1
		}
		if err := steps.spend(int(unsafe.Sizeof(page))); err != nil {
			return layout{}, err
		}
	}
	if best < minStretch {
		return layout{pages: pages}, nil
	}
	return layout{
		pages:   slices.Concat(pages[:from], pages[to:]),
		stretch: byteRange{int(pages[from]) * pageSize, (int(pages[to-1]) + 1) * pageSize},
	}, nil
}

// bytes returns the size of the content of an image with this layout.
func (l *layout) bytes() int { return l.stretchAt() + l.stretch.len() }

// stretchAt returns the offset of the stretch in the content.
func (l *layout) stretchAt() int { return len(l.pages) * pageSize }

// heap returns the memory in bytes that the layout takes on Go's heap.
func (l *layout) heap() int64 { return int64(len(l.pages)) * int64(unsafe.Sizeof(l.pages[0])) }

// findPages returns the pages of a memory, into which from was loaded, that differ from the base
// image, in ascending order. from has no stretch.
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

// newImage returns the image of a memory with the given layout, and stores its pages in c, which it
// frees after an error. If the pages are many, the memory surrenders them as they are copied, so that
// they are not held twice.
func newImage(base *baseImage, m guestMemory, l layout, c content, files *wasi.State, p pauser) (*image, error) {
	img := &image{base: base, size: len(m.data()), layout: l, content: c, files: files}
	img.holders.Store(1)
	complete := false
	defer func() {
		if !complete { // an error, or a panic
			img.release()
		}
	}()
	if err := img.store(m, &meter{pauser: p}); err != nil {
		return nil, err
	}
	complete = true
	return img, nil
}

// store writes the content of the image.
func (img *image) store(m guestMemory, steps *meter) error {
	w := imageWriter{content: &img.content, memory: m, move: img.bytes() > restoreLimit*pageSize, meter: steps}
	for i := 0; i < len(img.pages); {
		// Pages that follow each other are written together.
		n := 1
		for i+n < len(img.pages) && img.pages[i+n] == img.pages[i]+uint32(n) {
			n++
		}
		at := int(img.pages[i]) * pageSize
		if err := w.write(byteRange{at, at + n*pageSize}); err != nil {
			return err
		}
		i += n
	}
	if err := w.write(img.stretch); err != nil {
		return err
	}
	return img.finish()
}

// copyInto returns a copy of the image whose content is stored in c, which it frees after an error.
func (img *image) copyInto(ctx context.Context, c content) (*image, error) {
	made := &image{base: img.base, size: img.size, layout: img.layout, content: c, files: img.files}
	for at := 0; at < len(img.data); at += pieceSize {
		err := ctx.Err()
		if err == nil {
			err = made.write(img.data[at:min(at+pieceSize, len(img.data))], at)
		}
		if err != nil {
			made.free()
			return nil, fmt.Errorf("storing an image: %w", err)
		}
	}
	if err := made.finish(); err != nil {
		made.free()
		return nil, err
	}
	made.holders.Store(1)
	if made.account = img.account; made.account != nil {
		_, heap := made.cost()
		made.account.heap.Add(heap)
	}
	return made, nil
}

// imageWriter copies parts of a memory to the content of an image, one after the other.
type imageWriter struct {
	content *content
	memory  guestMemory
	move    bool // the memory surrenders what was copied
	at      int  // bytes written so far
	meter   *meter
}

func (w *imageWriter) write(part byteRange) error {
	mem := w.memory.data()
	for part.len() > 0 {
		n := min(part.len(), pieceSize)
		if err := w.content.write(mem[part.start:part.start+n], w.at); err != nil {
			return fmt.Errorf("storing an image: %w", err)
		}
		if w.move {
			if err := w.memory.surrender(part.start, part.start+n); err != nil {
				return err
			}
		}
		if err := w.meter.spend(n); err != nil {
			return err
		}
		part.start += n
		w.at += n
	}
	return nil
}

// own returns the content of the i-th page that loads copy.
func (img *image) own(i int) []byte { return img.data[i*pageSize : (i+1)*pageSize] }

// cost returns the number of bytes of memory that the image takes: outside of Go's heap, and on it.
func (img *image) cost() (mapped, heap int64) { return imageCost(&img.layout, img.onDisk(), img.files) }

// imageCost returns the cost of an image. What it has on disk is cached by the system as long as
// nothing else needs that memory, so it costs none.
func imageCost(l *layout, onDisk bool, files *wasi.State) (mapped, heap int64) {
	if !onDisk {
		mapped = int64(l.bytes())
	}
	heap = l.heap()
	if files != nil {
		heap += files.Size()
	}
	return mapped, heap
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
		mapped, heap := img.cost()
		img.free()
		if img.account != nil {
			img.account.give(mapped, heap)
		}
	}
}

// apply copies the image's own pages, except for the stretch, over a memory in which the stretch is
// mapped and all other pages are the base image's.
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
	for start < end {
		if img.stretch.contains(start) {
			stop := min(end, img.stretch.end)
			if err := m.copy(mem[start:stop], img.data[img.stretchAt()+start-img.stretch.start:]); err != nil {
				return err
			}
			start = stop
			continue
		}
		stop := end
		if start < img.stretch.start {
			stop = min(end, img.stretch.start)
		}
		if err := img.copyOutside(mem, start, stop, m); err != nil {
			return err
		}
		start = stop
	}
	return nil
}

// copyOutside is copyTo for a range without pages of the stretch.
func (img *image) copyOutside(mem []byte, start, end int, m *meter) error {
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
