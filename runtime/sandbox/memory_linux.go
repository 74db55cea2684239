package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// platform is the part of a base image that mapped memories need.
type platform struct {
	file    int // sealed memfd with the bytes of baseImage.view
	tracker *tracker

	// images is a memfd with the extents of all images. An offset is used once, so a freed extent is
	// never the content of another image.
	images     int
	imagesSize atomic.Int64
}

// mappedMemory is linear memory over an address range that is reserved once. The image file is
// mapped copy-on-write over its start. Loading an image therefore costs a system call and no
// copying, and the kernel knows which pages a run has written: those that no longer belong to the
// file.
type mappedMemory struct {
	growth
	region []byte // all of the reserved range
	base   *baseImage
	mapped bool     // the image file is mapped
	fresh  bool     // no page is present
	gone   bool     // pages were surrendered
	loaded *image   // nil if no image is loaded
	shared []extent // of an image, mapped over the memory
	scan   scan

	// Ranges written since the image was loaded, as of the last scan. The list stays complete while
	// runs have no page fault: the first write to a page that was not written before causes one.
	written      []byteRange
	writtenKnown bool
	scans        int // number of scans by the kernel
	faults       faultCounter
	// After a swap, more pages count as written than runs of the image write, for some runs.
	wide    int      // number of runs that are left of them
	numbers []uint32 // buffer of widen
	paused  bool     // the run was watched until pause
	kept    int      // number of pages, of those that count as unwritten, that the memory has all the same
}

// byteRange is a part of the memory, as offsets.
type byteRange struct{ start, end int }

// newMappedMemory reserves max bytes of address space. The memory has the base image's size from
// the start.
func newMappedMemory(base *baseImage, max int) (*mappedMemory, error) {
	region, err := unix.Mmap(-1, 0, max, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving %d bytes of addresses: %w", max, err)
	}
	if err := avoidHugePages(region); err != nil {
		unix.Munmap(region)
		return nil, err
	}
	m := &mappedMemory{region: region, base: base, fresh: true}
	m.growth = growth{size: base.size, limit: max}
	m.scan.init(base.tracker)
	return m, nil
}

// avoidHugePages disables huge pages for a mapping, because one fault makes all of a huge page
// writable. Kernels without huge pages refuse the advice, which is no error.
func avoidHugePages(mem []byte) error {
	if err := unix.Madvise(mem, unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("disabling huge pages: %w", err)
	}
	return nil
}

// Reallocate implements experimental.LinearMemory.
func (m *mappedMemory) Reallocate(size uint64) []byte {
	if !m.grow(size, len(m.region)) {
		return nil
	}
	return m.region[:m.size:len(m.region)]
}

// Free implements experimental.LinearMemory. wazero calls it at a time of its own choosing, so it
// does nothing; close frees the mapping.
func (m *mappedMemory) Free() {}

func (m *mappedMemory) data() []byte { return m.region[:m.size] }

// file returns the part of the memory over which the base image's file is mapped.
func (m *mappedMemory) file() []byte { return m.region[m.base.start:][:len(m.base.view)] }

func (m *mappedMemory) load(img *image, p pauser) error {
	if err := m.mapFile(); err != nil {
		return err
	}
	if err := m.drop(); err != nil {
		return err
	}
	m.fresh = false
	for _, x := range img.shared {
		m.shared = append(m.shared, x)
		at := m.region[x.start:][:x.length]
		_, err := unix.MmapPtr(m.base.images, x.at, unsafe.Pointer(&at[0]), uintptr(len(at)),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
		if err != nil {
			return fmt.Errorf("mapping an image: %w", err)
		}
		if err := avoidHugePages(at); err != nil {
			return err
		}
	}
	return m.finishLoad(img, p)
}

// mapFile maps the base image's file over the memory, once.
func (m *mappedMemory) mapFile() error {
	if m.mapped {
		return nil
	}
	file := m.file()
	_, err := unix.MmapPtr(m.base.file, 0, unsafe.Pointer(&file[0]), uintptr(len(file)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("mapping the base image: %w", err)
	}
	if err := avoidHugePages(file); err != nil {
		return err
	}
	m.mapped = true
	return m.base.tracker.register(file)
}

func (m *mappedMemory) drop() error {
	m.loaded, m.writtenKnown, m.gone, m.kept = nil, false, false, 0
	if m.fresh {
		return nil
	}
	// Where the file is mapped, the next access reads the file's page again; elsewhere it reads
	// zeros.
	if err := returnPages(m.data()); err != nil {
		return fmt.Errorf("dropping the memory of a slot: %w", err)
	}
	for _, x := range m.shared {
		at := m.region[x.start:][:x.length]
		_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&at[0]), uintptr(len(at)),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			return fmt.Errorf("removing an image from the memory of a slot: %w", err)
		}
		if err := avoidHugePages(at); err != nil {
			return err
		}
	}
	m.shared = m.shared[:0]
	m.fresh = true
	return nil
}

func (m *mappedMemory) surrender(start, end int) error {
	m.gone = true
	return unix.Madvise(m.region[start:end], unix.MADV_DONTNEED)
}

func (m *mappedMemory) swap(img *image, p pauser) error {
	steps := meter{pauser: p}
	var failed error
	copyTo := func(start, end int) {
		if failed == nil {
			failed = img.copyTo(m.region, start, end, &steps)
		}
	}
	before := 0
	if err := m.dirty(func(start, end int) { before += (end - start) / pageSize; copyTo(start, end) }); err != nil {
		return err
	}
	before += len(m.loaded.pages)
	for _, page := range m.loaded.pages {
		copyTo(int(page)*pageSize, (int(page)+1)*pageSize)
	}
	if failed != nil {
		return failed
	}
	if !m.base.tracker.countsFaults || !m.widen(m.loaded.pages, img.pages) {
		m.kept = min(m.kept+before, m.size/pageSize)
		return m.finishLoad(img, p)
	}
	m.loaded = img
	return img.apply(m.region, &meter{pauser: p})
}

const (
	// swapLimit is the largest number of pages that count as written after a swap.
	swapLimit = 192
	// wideRuns is the number of runs of one image after which the pages that only swaps have written
	// count as unwritten again.
	wideRuns = 32
)

// widen adds the pages that a swap writes to those that count as written, and reports whether they
// are few: to mark them as unwritten, and the page faults that follow, then cost more than to copy
// them back after each run.
func (m *mappedMemory) widen(before, after []uint32) bool {
	m.numbers = m.numbers[:0]
	for _, w := range m.written {
		for at := w.start; at < w.end; at += pageSize {
			m.numbers = append(m.numbers, uint32(at/pageSize))
		}
	}
	if len(m.numbers)+len(before)+len(after) > 3*swapLimit {
		return false // no need to look at all of them
	}
	m.numbers = append(append(m.numbers, before...), after...)
	slices.Sort(m.numbers)
	m.numbers = slices.Compact(m.numbers)
	if len(m.numbers) > swapLimit {
		return false
	}
	m.written = m.written[:0]
	for _, page := range m.numbers {
		at := int(page) * pageSize
		if n := len(m.written); n > 0 && m.written[n-1].end == at {
			m.written[n-1].end += pageSize
		} else {
			m.written = append(m.written, byteRange{at, at + pageSize})
		}
	}
	m.wide = wideRuns
	return true
}

// finishLoad applies the image's own pages over the base. Where the tracker allows it, these pages
// count as unwritten afterwards, so that restoring a run copies only the pages that the run itself
// has written.
func (m *mappedMemory) finishLoad(img *image, p pauser) error {
	m.loaded, m.writtenKnown, m.wide = img, false, 0
	if err := img.apply(m.region, &meter{pauser: p}); err != nil {
		return err
	}
	return m.scan.arm(m.file())
}

func (m *mappedMemory) maps() bool { return true }

func (m *mappedMemory) restore(p pauser) (int, bool, error) {
	if len(m.shared) > 0 {
		return 0, false, nil // the tracker does not find the written pages of extents
	}
	pages := 0
	if err := m.dirty(func(start, end int) { pages += (end - start) / pageSize }); err != nil {
		return 0, false, err
	}
	if m.gone || pages > restoreLimit {
		return pages, false, nil
	}
	steps := meter{pauser: p}
	for _, w := range m.written {
		if err := m.loaded.copyTo(m.region, w.start, w.end, &steps); err != nil {
			return pages, false, err
		}
	}
	if m.wide > 0 {
		if m.wide--; m.wide == 0 {
			m.writtenKnown = false
			m.kept = min(m.kept+pages, m.size/pageSize)
			return pages, true, m.scan.arm(m.file())
		}
	}
	return pages, true, nil
}

func (m *mappedMemory) watch() {
	if m.base.tracker.countsFaults {
		m.faults.start()
	} else {
		m.writtenKnown = false
	}
}

func (m *mappedMemory) unwatch(finished bool) {
	if m.paused {
		m.paused, m.writtenKnown = false, false
	}
	if m.faults.on && (!m.faults.stop() || !finished) {
		m.writtenKnown = false
	}
}

func (m *mappedMemory) pause() {
	if !m.faults.on {
		return
	}
	m.paused = true
	if !m.faults.stop() {
		m.writtenKnown = false
	}
}

func (m *mappedMemory) resume() {
	if m.paused && m.writtenKnown { // perhaps since held
		m.faults.start()
	} else {
		m.writtenKnown = false
	}
	m.paused = false
}

func (m *mappedMemory) dirty(f func(start, end int)) error {
	if !m.writtenKnown {
		m.written = m.written[:0]
		m.scans++
		if err := m.scanAll(func(start, end int) { m.written = append(m.written, byteRange{start, end}) }); err != nil {
			return err
		}
		m.writtenKnown = true
	}
	for _, w := range m.written {
		f(w.start, w.end)
	}
	return nil
}

// scanAll calls f with every range written since the image was loaded.
func (m *mappedMemory) scanAll(f func(start, end int)) error {
	start, end := m.base.start, m.base.start+len(m.base.view)
	if m.base.tracker.kind != trackWritten {
		return m.scan.each(m.region, 0, m.size, false, f)
	}
	// The C stack, the file, and the heap beyond it.
	return errors.Join(
		m.scan.each(m.region, 0, start, false, f),
		m.scan.each(m.region, start, end, true, f),
		m.scan.each(m.region, end, m.size, false, f))
}

func (m *mappedMemory) close() {
	if m.region != nil {
		if !m.fresh {
			_ = returnPages(m.data()) // for the speed of the others; removing the mapping is what counts
		}
		unix.Munmap(m.region)
		m.region, m.size = nil, 0
	}
}

// prepareMapping prepares a base image for mapped memories: it copies the bytes into a sealed
// memfd. It fails where the kernel lacks a feature.
func (b *baseImage) prepareMapping(content []byte) (err error) {
	if os.Getpagesize() != pageSize {
		return fmt.Errorf("the kernel's pages are %d bytes, want 4096", os.Getpagesize())
	}
	b.file, err = unix.MemfdCreate("faaspot-base-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer func() {
		if err != nil {
			b.closeMapping()
		}
	}()
	for rest := content; len(rest) > 0; {
		n, err := unix.Write(b.file, rest)
		if err != nil {
			return fmt.Errorf("writing the base image: %w", err)
		}
		rest = rest[n:]
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err = unix.FcntlInt(uintptr(b.file), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sealing the base image: %w", err)
	}
	if b.view, err = unix.Mmap(b.file, 0, len(content), unix.PROT_READ, unix.MAP_PRIVATE); err != nil {
		return fmt.Errorf("mapping the base image: %w", err)
	}
	if b.images, err = unix.MemfdCreate("faaspot-images", unix.MFD_CLOEXEC); err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	b.tracker, err = openTracker()
	return err
}

// allocate returns an offset for a new extent of n bytes.
func (b *baseImage) allocate(n int) int64 { return b.imagesSize.Add(int64(n)) - int64(n) }

// store writes a part of an extent.
func (b *baseImage) store(content []byte, at int64) error {
	for len(content) > 0 {
		n, err := unix.Pwrite(b.images, content, at)
		if err != nil {
			return fmt.Errorf("storing an image: %w", err)
		}
		content, at = content[n:], at+int64(n)
	}
	return nil
}

// free returns the memory of an extent to the system, in pieces.
func (b *baseImage) free(at int64, length int) {
	for end := at + int64(length); at < end; at += dropSize {
		// It fails only for invalid arguments.
		_ = unix.Fallocate(b.images, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, min(dropSize, end-at))
	}
}

func (b *baseImage) closeMapping() {
	if b.view != nil {
		unix.Munmap(b.view)
		b.view = nil
	}
	if b.tracker != nil {
		b.tracker.close()
		b.tracker = nil
	}
	for _, file := range []*int{&b.file, &b.images} {
		if *file > 0 {
			unix.Close(*file)
			*file = 0
		}
	}
}

// newPages returns memory outside the Go heap, so that cached images do not raise the heap size at
// which the garbage collector starts.
func newPages(n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	p, err := unix.Mmap(-1, 0, n*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("allocating memory for an image: %w", err)
	}
	return p, nil
}

func freePages(p []byte) {
	if p != nil {
		_ = returnPages(p) // for the speed of the others; removing the mapping is what counts
		unix.Munmap(p)
	}
}

// returnPages returns the pages of a private mapping to the system, in pieces.
func returnPages(mem []byte) error {
	for len(mem) > 0 {
		n := min(len(mem), dropSize)
		if err := unix.Madvise(mem[:n], unix.MADV_DONTNEED); err != nil {
			return err
		}
		mem = mem[n:]
	}
	return nil
}
