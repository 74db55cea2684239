package sandbox

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/faaspot/faaspot/runtime"
)

// delta is what a run has changed in the memory of its image: the lines that differ. Its content is
// outside of Go's heap.
type delta struct {
	pages []ownPage
	data  []byte // the lines
	from  *deltaPages
}

// maxDelta is the largest number of written pages that a delta is made of. To compare them takes some
// 100 µs.
const maxDelta = 512

// makeDelta returns what differs between a memory and the image that is loaded, without the part of
// the C stack that is not in use. The caller frees it. ok is false if the memory has grown, or if too
// many pages were written.
func makeDelta(m guestMemory, img *image, stack uint64, from *deltaPages, p pauser) (d delta, ok bool, err error) {
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
	d.from, d.pages = from, make([]ownPage, 0, n)
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
	if d.data, err = from.take((lines*lineSize + pageSize - 1) / pageSize); err != nil {
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
	if d.from != nil {
		d.from.put(d.data)
	}
	*d = delta{}
}

// deltaPages is the memory of deltas. It keeps some of what was freed, because to map memory and to
// unmap it interrupts the other processors, which was a fifth of the time of a run that waits once.
type deltaPages struct {
	mu   sync.Mutex
	free [deltaSizes][][]byte // by the logarithm of the number of pages; all zeros
	kept int                  // bytes
}

const (
	// deltaSizes is the number of sizes that are kept: powers of two, up to 32 pages.
	deltaSizes = 6
	// keptDeltas is the largest number of bytes that are kept, which are part of memory.Overhead.
	keptDeltas = 8 * runtime.MiB
)

// take returns memory of at least n pages.
func (f *deltaPages) take(n int) ([]byte, error) {
	size := sizeOf(n)
	if n == 0 || size >= deltaSizes {
		return newPages(n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	free := f.free[size]
	if len(free) == 0 {
		return newPages(1 << size)
	}
	p := free[len(free)-1]
	f.free[size] = free[:len(free)-1]
	f.kept -= len(p)
	return p, nil
}

// put frees memory that take has returned.
func (f *deltaPages) put(p []byte) {
	size := sizeOf(len(p) / pageSize)
	if len(p) > 0 && size < deltaSizes {
		clear(p)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.kept+len(p) <= keptDeltas {
			f.free[size] = append(f.free[size], p)
			f.kept += len(p)
			return
		}
	}
	freePages(p)
}

// close frees what is kept.
func (f *deltaPages) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for size, free := range f.free {
		for _, p := range free {
			freePages(p)
		}
		f.free[size] = nil
	}
	f.kept = 0
}

// sizeOf returns the logarithm of the smallest power of two that is not below n.
func sizeOf(n int) int { return bits.Len(uint(max(n, 1) - 1)) }
