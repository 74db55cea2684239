package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mappedMemory is linear memory over an address range that is reserved once. The base image's file
// is mapped copy-on-write over its start, and the stretch of an image's file over that and what
// follows. Loading an image therefore costs some system calls and the copying of few pages, and the
// kernel knows which pages a run has written: those that no longer belong to a file.
type mappedMemory struct {
	growth
	region  []byte // all of the reserved range
	base    *baseImage
	mapped  bool      // the base image's file is mapped
	fresh   bool      // no page is present, and no stretch is mapped
	gone    bool      // pages were surrendered
	loaded  *image    // nil if no image is loaded
	placed  byteRange // where the stretch of an image is mapped
	touched []uint32  // pages that were copied when it was mapped
	scan    scan

	// Ranges written since the image was loaded, as of the last scan. The list stays complete while
	// runs have no page fault: the first write to a page that was not written before causes one.
	written      []byteRange
	writtenKnown bool
	scans        int  // number of scans by the kernel
	scanned      bool // the list is of a scan since the last restore
	faults       faultCounter
	// After a swap, more pages count as written than runs of the image write, for some runs.
	wide    int         // number of runs that are left of them
	numbers []uint32    // buffer of widen
	ranges  []byteRange // buffer of forget
	paused  bool        // the run was watched until pause
	kept    int         // number of pages, of those that count as unwritten, that the memory has all the same
}

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

func (m *mappedMemory) load(img *image, p pauser) error {
	if err := m.mapFile(); err != nil {
		return err
	}
	if err := m.drop(); err != nil {
		return err
	}
	m.fresh = false
	if err := m.place(img); err != nil {
		return err
	}
	return m.finishLoad(img, p)
}

// mapFile maps the base image's file over the memory, once.
func (m *mappedMemory) mapFile() error {
	if m.mapped {
		return nil
	}
	m.mapped = true
	return m.mapBase(m.file())
}

// file returns the part of the memory over which the base image's file is mapped, where no stretch
// is.
func (m *mappedMemory) file() byteRange {
	return byteRange{m.base.start, m.base.start + len(m.base.view)}
}

// bytes returns a part of the memory.
func (m *mappedMemory) bytes(r byteRange) []byte { return m.region[r.start:r.end] }

// mapBase maps the base image's file over a part of the memory that lies within file, or again. All
// pages count as unwritten.
func (m *mappedMemory) mapBase(r byteRange) error {
	if r.len() == 0 {
		return nil
	}
	if err := m.mapOver(r, m.base.file, int64(r.start-m.base.start), 0); err != nil {
		return fmt.Errorf("mapping the base image: %w", err)
	}
	if err := m.base.tracker.register(m.bytes(r)); err != nil {
		return err
	}
	return m.scan.arm(m.bytes(r))
}

// mapOver maps a file over a part of the memory, copy-on-write, or anonymous memory if flags say
// so.
func (m *mappedMemory) mapOver(r byteRange, file int, at int64, flags int) error {
	if r.len() == 0 {
		return nil
	}
	mem := m.bytes(r)
	_, err := unix.MmapPtr(file, at, unsafe.Pointer(&mem[0]), uintptr(len(mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|flags)
	if err != nil {
		return err
	}
	return avoidHugePages(mem)
}

// place maps the stretch of an image, if it has one, and removes the present one. What the image's
// stretch does not cover of that becomes the base image's again.
func (m *mappedMemory) place(img *image) error {
	if err := m.unplace(img.stretch); err != nil {
		return err
	}
	if img.stretch.len() == 0 {
		return nil
	}
	m.placed = img.stretch
	if err := m.mapOver(img.stretch, int(img.file.Fd()), int64(img.stretchAt()), 0); err != nil {
		return fmt.Errorf("mapping an image: %w", err)
	}
	m.touch(img)
	return nil
}

// maxHot is the largest number of pages that are copied when a stretch is mapped.
const maxHot = 32

// touch copies the pages of a stretch that was just mapped to which earlier runs have written. A
// run that reads such a page first takes two page faults for it, and the second interrupts the
// other processors.
func (m *mappedMemory) touch(img *image) {
	hot := img.hot.Load()
	if hot == nil {
		return
	}
	m.touched = *hot
	content := img.data[img.stretchAt():]
	for _, page := range m.touched {
		at := int(page) * pageSize
		m.region[at] = content[at-img.stretch.start]
	}
}

// learn notes to which pages of the stretch runs have written since the image was loaded.
func (m *mappedMemory) learn() {
	m.numbers = m.numbers[:0]
	for _, w := range m.written {
		for part := w.and(m.placed); part.len() > 0 && len(m.numbers) <= maxHot; part.start += pageSize {
			m.numbers = append(m.numbers, uint32(part.start/pageSize))
		}
	}
	known := 0
	if hot := m.loaded.hot.Load(); hot != nil {
		known = len(*hot)
	}
	if n := len(m.numbers); n > known && n <= maxHot {
		hot := slices.Clone(m.numbers)
		m.loaded.hot.Store(&hot)
	}
}

// unplace removes the present stretch where another one will not be mapped.
func (m *mappedMemory) unplace(next byteRange) error {
	file := m.file()
	for _, part := range m.placed.without(next) {
		// Anonymous memory takes the place of the stretch, or the base image's file where that is.
		for _, beyond := range part.without(file) {
			if err := m.mapOver(beyond, -1, 0, unix.MAP_ANON|unix.MAP_NORESERVE); err != nil {
				return fmt.Errorf("removing an image from the memory of a slot: %w", err)
			}
		}
		if err := m.mapBase(part.and(file)); err != nil {
			return err
		}
	}
	m.placed, m.touched = byteRange{}, nil
	return nil
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
	if err := m.unplace(byteRange{}); err != nil {
		return err
	}
	m.fresh = true
	return nil
}

func (m *mappedMemory) surrender(start, end int) error {
	m.gone = true
	return unix.Madvise(m.region[start:end], unix.MADV_DONTNEED)
}

func (m *mappedMemory) swap(img *image, p pauser) error {
	before := m.loaded
	m.loaded = nil // unless all of this succeeds
	if before.stretch.len() > 0 || img.stretch.len() > 0 {
		m.forget(before.stretch)
		m.forget(img.stretch)
		if err := m.place(img); err != nil {
			return err
		}
	}
	steps := meter{pauser: p}
	if err := before.undo(m.region, img.stretch, &steps); err != nil {
		return err
	}
	if !m.writtenKnown || !m.base.tracker.countsFaults || !m.widen(before, img) {
		m.kept = m.present(before)
		return m.finishLoad(img, p)
	}
	m.loaded = img
	return img.apply(m.region, &steps)
}

// forget removes from the known written ranges what lies in a part of the memory that is mapped
// anew.
func (m *mappedMemory) forget(part byteRange) {
	m.ranges = append(m.ranges[:0], m.written...)
	m.written = m.written[:0]
	for _, w := range m.ranges {
		for _, left := range w.without(part) {
			if left.len() > 0 {
				m.written = append(m.written, left)
			}
		}
	}
}

const (
	// swapLimit is the largest number of pages that count as written after a swap.
	swapLimit = 192
	// wideRuns is the number of runs of one image after which the pages that only swaps have
	// written count as unwritten again.
	wideRuns = 32
)

// widen adds the pages that a swap writes to those that count as written, and reports whether they
// are few: to mark them as unwritten, and the page faults that follow, then cost more than to copy
// them back after each run.
func (m *mappedMemory) widen(before, after *image) bool {
	m.numbers = m.numbers[:0]
	for _, w := range m.written {
		for at := w.start; at < w.end; at += pageSize {
			m.numbers = append(m.numbers, uint32(at/pageSize))
		}
	}
	if len(m.numbers)+len(before.pages)+len(after.pages) > 3*swapLimit {
		return false // no need to look at all of them
	}
	for _, img := range []*image{before, after} {
		for _, own := range img.pages {
			if !after.stretch.contains(own.at()) {
				m.numbers = append(m.numbers, own.number)
			}
		}
	}
	m.numbers = append(m.numbers, m.touched...)
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
	return m.arm()
}

// arm marks all pages of the base image's mapping as unwritten.
func (m *mappedMemory) arm() error {
	for _, part := range m.file().without(m.placed) {
		if err := m.scan.arm(m.bytes(part)); err != nil {
			return err
		}
	}
	return nil
}

func (m *mappedMemory) maps() bool { return true }

func (m *mappedMemory) restore(p pauser) (int, bool, error) {
	pages := 0
	if err := m.dirty(func(start, end int) { pages += (end - start) / pageSize }); err != nil {
		return 0, false, err
	}
	if m.scanned && m.placed.len() > 0 {
		m.learn()
	}
	m.scanned = false
	steps := meter{pauser: p}
	switch {
	case m.gone:
		return pages, false, nil
	case pages > restoreLimit:
		err := m.dropWritten(&steps)
		return pages, err == nil, err
	}
	from := copier{img: m.loaded, mem: m.region, meter: &steps}
	for _, w := range m.written {
		if err := from.copy(w); err != nil {
			return pages, false, err
		}
	}
	if m.wide > 0 {
		if m.wide--; m.wide == 0 {
			m.writtenKnown = false
			m.kept = min(m.kept+pages, m.size/pageSize)
			return pages, true, m.arm()
		}
	}
	return pages, true, nil
}

// dropWritten returns the written pages to the system: the next access reads the pages of the
// files, and zeros elsewhere. The image's own pages among them are changed again.
func (m *mappedMemory) dropWritten(steps *meter) error {
	m.writtenKnown, m.wide = false, 0
	for _, w := range m.written {
		for part := w; part.len() > 0; {
			n := min(part.len(), dropSize)
			if err := unix.Madvise(m.region[part.start:part.start+n], unix.MADV_DONTNEED); err != nil {
				return fmt.Errorf("dropping the written pages of a slot: %w", err)
			}
			part.start += n
			// To return a page takes the system about a quarter of the time that a copy takes.
			if err := steps.spend(n / 4); err != nil {
				return err
			}
		}
		for i := m.loaded.search(w.start / pageSize); i < len(m.loaded.pages) && m.loaded.pages[i].at() < w.end; i++ {
			own := &m.loaded.pages[i]
			m.loaded.patch(m.bytes(byteRange{own.at(), own.at() + pageSize}), own)
			if err := steps.spend(pageSize); err != nil {
				return err
			}
		}
	}
	return m.arm()
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
		m.writtenKnown, m.scanned = true, true
	}
	for _, w := range m.written {
		f(w.start, w.end)
	}
	return nil
}

// scanAll calls f with every range written since the image was loaded.
func (m *mappedMemory) scanAll(f func(start, end int)) error {
	at := 0
	if m.base.tracker.kind == trackWritten {
		for _, part := range m.file().without(m.placed) {
			if part.len() == 0 {
				continue
			}
			// The C stack or the stretch, and then a part of the base image's file.
			err := errors.Join(m.scan.each(m.region, at, part.start, false, f), m.scan.each(m.region, part.start, part.end, true, f))
			if err != nil {
				return err
			}
			at = part.end
		}
	}
	return m.scan.each(m.region, at, m.size, false, f)
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
