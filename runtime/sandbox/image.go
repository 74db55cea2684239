package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime"
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
	files   *wasi.State  // what the module body left in /tmp and open; nil if nothing
	bundle  *bundleFiles // which the files refer to; nil: none
	imports *runImports  // nil: its runs report none
	holders atomic.Int32

	// hot has the numbers of pages of the stretch that runs write to; nil: not known yet.
	hot atomic.Pointer[[]uint32]

	account   *imageAccount      // holds the image's cost; nil: none does
	tenant    runtime.Tenant     // whose function it is of
	use       *runtime.TenantUse // which counts what it keeps in memory
	forgotten atomic.Bool        // it will not be used again
}

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
		for _, own := range from.pages {
			if i, found := slices.BinarySearch(pages, own.number); !found {
				pages = slices.Insert(pages, i, own.number)
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

// newImage returns the image of a memory with the given layout, and stores its content in c, which
// it frees after an error. If the pages are many, the memory surrenders them as they are copied, so
// that they are not held twice.
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
	if err := w.writeLines(img.pages); err != nil {
		return err
	}
	w.at = img.stretchAt()
	if err := w.writeStretch(img.stretch); err != nil {
		return err
	}
	return img.finish()
}

// copyInto returns a copy of the image whose content is stored in c, which it frees after an error.
func (img *image) copyInto(ctx context.Context, c content) (*image, error) {
	made := &image{base: img.base, size: img.size, layout: img.layout, content: c, files: img.files, bundle: img.bundle, imports: img.imports}
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
	made.bundle.retain()
	if made.account = img.account; made.account != nil {
		_, heap := made.cost()
		made.account.heap.Add(heap)
	}
	made.tenant, made.use = img.tenant, img.use
	return made, nil
}

// imageWriter copies parts of a memory to the content of an image, one after the other.
type imageWriter struct {
	content *content
	memory  guestMemory
	move    bool // the memory surrenders what was copied
	at      int  // offset of the next byte
	meter   *meter
}

func (w *imageWriter) writeLines(pages []ownPage) error {
	mem := w.memory.data()
	var lines []byte
	surrendered := 0 // number of pages
	for i, own := range pages {
		own.eachRun(func(at, n int) { lines = append(lines, mem[own.at()+at:own.at()+at+n]...) })
		last := i == len(pages)-1
		if last || len(lines) >= pieceSize {
			if err := w.write(lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
		if last || pages[i+1].number != own.number+1 || i-surrendered >= pieceSize/pageSize {
			if err := w.surrender(byteRange{pages[surrendered].at(), own.at() + pageSize}); err != nil {
				return err
			}
			surrendered = i + 1
		}
		if err := w.meter.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

func (w *imageWriter) writeStretch(part byteRange) error {
	mem := w.memory.data()
	for part.len() > 0 {
		piece := byteRange{part.start, part.start + min(part.len(), pieceSize)}
		if err := w.write(mem[piece.start:piece.end]); err != nil {
			return err
		}
		if err := w.surrender(piece); err != nil {
			return err
		}
		if err := w.meter.spend(piece.len()); err != nil {
			return err
		}
		part.start = piece.end
	}
	return nil
}

func (w *imageWriter) write(p []byte) error {
	if err := w.content.write(p, w.at); err != nil {
		return fmt.Errorf("storing an image: %w", err)
	}
	w.at += len(p)
	return nil
}

func (w *imageWriter) surrender(part byteRange) error {
	if !w.move {
		return nil
	}
	return w.memory.surrender(part.start, part.end)
}

// cost returns the number of bytes of memory that the image takes: outside of Go's heap, and on it.
func (img *image) cost() (mapped, heap int64) { return imageCost(&img.layout, img.onDisk(), img.files) }

// kept returns the bytes that count as those that the image keeps in memory for its tenant: none if it is
// on disk.
func (img *image) kept() int64 {
	if img.onDisk() {
		return 0
	}
	mapped, heap := img.cost()
	return mapped + heap
}

// imageCost returns the cost of an image. What it has on disk is cached by the system as long as
// nothing else needs that memory, so it costs none.
func imageCost(l *layout, onDisk bool, files *wasi.State) (mapped, heap int64) {
	if !onDisk {
		mapped = int64(l.bytes())
	}
	heap = l.heap()
	if files != nil { // so it may be one of a bundle
		heap += files.Size() + runImportsCost
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
		kept := img.kept()
		img.free()
		if img.account != nil {
			img.account.give(mapped, heap)
			img.use.GiveImages(kept)
		}
		img.bundle.release()
	}
}

// apply changes a memory to the image, in which the stretch is mapped and all other pages are the
// base image's.
func (img *image) apply(mem []byte, m *meter) error {
	for i := range img.pages {
		own := &img.pages[i]
		img.patch(mem[own.at():own.at()+pageSize], own)
		if err := m.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// patch changes a page that is the base image's to the image's.
func (img *image) patch(page []byte, own *ownPage) { own.patch(page, img.data) }

// patch copies the lines of the page that differ, from the content that has them all, to a page that
// has the others.
func (p *ownPage) patch(page, content []byte) {
	lines := content[int(p.first)*lineSize:]
	p.eachRun(func(at, n int) {
		copy(page[at:at+n], lines)
		lines = lines[n:]
	})
}

// page returns the content of the page at an offset, perhaps in buf.
func (img *image) page(at int, buf *[pageSize]byte) []byte {
	if img.stretch.contains(at) {
		i := img.stretchAt() + at - img.stretch.start
		return img.data[i : i+pageSize]
	}
	i := img.search(at / pageSize)
	if i == len(img.pages) || img.pages[i].at() != at {
		return img.base.page(at)
	}
	copy(buf[:], img.base.page(at))
	img.patch(buf[:], &img.pages[i])
	return buf[:]
}

// undo changes the pages of a memory that apply has changed back to the base image's, except for
// those in a part of it.
func (img *image) undo(mem []byte, except byteRange, m *meter) error {
	for i := range img.pages {
		own := &img.pages[i]
		if except.contains(own.at()) {
			continue
		}
		page, content := mem[own.at():own.at()+pageSize], img.base.page(own.at())
		own.eachRun(func(at, n int) { copy(page[at:at+n], content[at:]) })
		if err := m.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// search returns the index of the first own page that is not before a page.
func (img *image) search(number int) int {
	i, _ := slices.BinarySearchFunc(img.pages, number, func(own ownPage, number int) int { return int(own.number) - number })
	return i
}

// copier copies parts of an image's content to a memory. The parts are whole pages and ascend.
type copier struct {
	img   *image
	mem   []byte
	next  int // index of the first own page that is not before the next part
	meter *meter
}

// copyTo copies the image's content over mem[start:end], which are whole pages.
func (img *image) copyTo(mem []byte, start, end int, m *meter) error {
	c := copier{img: img, mem: mem, next: img.search(start / pageSize), meter: m}
	return c.copy(byteRange{start, end})
}

func (c *copier) copy(part byteRange) error {
	mapped := part.and(c.img.stretch)
	if mapped.len() == 0 {
		return c.copyOutside(part)
	}
	if err := c.copyOutside(byteRange{part.start, mapped.start}); err != nil {
		return err
	}
	if err := c.meter.copy(c.mem[mapped.start:mapped.end], c.img.data[c.img.stretchAt()+mapped.start-c.img.stretch.start:]); err != nil {
		return err
	}
	return c.copyOutside(byteRange{mapped.end, part.end})
}

// copyOutside is copy for a part without pages of the stretch.
func (c *copier) copyOutside(part byteRange) error {
	if err := c.img.base.copyTo(c.mem, part.start, part.end, c.meter); err != nil {
		return err
	}
	for pages := c.img.pages; c.next < len(pages) && pages[c.next].at() < part.end; c.next++ {
		if own := &pages[c.next]; own.at() >= part.start {
			c.img.patch(c.mem[own.at():own.at()+pageSize], own)
		}
	}
	return nil
}
