package sandbox

import (
	"math/bits"
	"unsafe"
)

// delta is what a run has changed in the memory of its image: the lines that differ. Its content is
// outside of Go's heap.
type delta struct {
	pages []ownPage
	data  []byte // the lines, and zeros up to the end of a page
}

// maxDelta is the largest number of written pages that a delta is made of. To compare them takes some
// 100 µs.
const maxDelta = 512

// makeDelta returns what differs between a memory and the image that is loaded, without the part of
// the C stack that is not in use. The caller frees it. ok is false if the memory has grown, or if too
// many pages were written.
func makeDelta(m guestMemory, img *image, stack uint64, p pauser) (d delta, ok bool, err error) {
	mem := m.data()
	if len(mem) != img.size {
		return delta{}, false, nil
	}
	n := 0
	if err := m.dirty(func(start, end int) { n += (end - start) / pageSize }); err != nil || n > maxDelta {
		return delta{}, false, err
	}
	written := make([]byteRange, 0, n)
	if err := m.dirty(func(start, end int) { written = append(written, byteRange{start, end}) }); err != nil {
		return delta{}, false, err
	}
	steps := meter{pauser: p}
	var patched [pageSize]byte
	d.pages = make([]ownPage, 0, n)
	lines := 0
	for _, w := range written {
		for at := max(w.start, int(stack)/pageSize*pageSize); at < w.end; at += pageSize {
			own := ownPage{number: uint32(at / pageSize), first: uint32(lines)}
			if own.lines = differingLines(mem[at:at+pageSize], img.page(at, &patched)); own.lines != 0 {
				d.pages = append(d.pages, own)
				lines += bits.OnesCount64(own.lines)
			}
			if err := steps.spend(pageSize); err != nil {
				return delta{}, false, err
			}
		}
	}
	if d.data, err = newPages((lines*lineSize + pageSize - 1) / pageSize); err != nil {
		return delta{}, false, err
	}
	to := d.data
	for i := range d.pages {
		own := &d.pages[i]
		own.eachRun(func(at, n int) {
			copy(to, mem[own.at()+at:own.at()+at+n])
			to = to[n:]
		})
	}
	return d, true, nil
}

// apply changes a memory that equals the image to what the delta was made of.
func (d *delta) apply(mem []byte, steps *meter) error {
	for i := range d.pages {
		own := &d.pages[i]
		own.patch(mem[own.at():own.at()+pageSize], d.data)
		if err := steps.spend(pageSize); err != nil {
			return err
		}
	}
	return nil
}

// moveTo is apply, and frees the delta.
func (d *delta) moveTo(mem []byte, steps *meter) error {
	defer d.free()
	return d.apply(mem, steps)
}

// size returns the number of bytes that the delta takes.
func (d *delta) size() int64 {
	return int64(len(d.data)) + int64(cap(d.pages))*int64(unsafe.Sizeof(ownPage{}))
}

// free frees the delta. Further calls do nothing.
func (d *delta) free() {
	freePages(d.data)
	*d = delta{}
}
