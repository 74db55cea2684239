package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// platform is what a base image keeps for mapped memories.
type platform struct {
	file    int // sealed memfd with the bytes of baseImage.view
	tracker *tracker
}

// mappedMemory is linear memory over an address range reserved once. The image
// is mapped over its start copy-on-write, so that laying it costs a system call
// and no copying, and the kernel knows which pages a run has written: those that
// are no longer the image file's.
type mappedMemory struct {
	growth
	region []byte // all of the reserved range
	base   *baseImage
	laid   *image // nil before the first lay
	scan   scan

	// What was written since the image was laid, as the last scan told it. It
	// is still all if the runs since have not had a page fault: a page that
	// nobody has written to takes one when it is first written.
	written      []stretch
	writtenKnown bool
	scans        int // how often the kernel was asked
	faults       faultCounter
}

// stretch is a part of the memory, as offsets.
type stretch struct{ start, end int }

// restoreLimit is how many pages are copied back one by one. Beyond it, a fresh
// mapping is the cheaper way, though the next run then takes a page fault for
// each page it writes; and the slot gives back the memory it has no use for.
const restoreLimit = 1024

// newMappedMemory reserves max bytes of addresses. The memory has the base
// image's size from the start.
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
	m := &mappedMemory{region: region, base: base}
	m.growth = growth{size: base.size, limit: max}
	m.scan.init(base.tracker)
	return m, nil
}

// avoidHugePages keeps huge pages out of a mapping: one fault makes all of such
// a page writable. Kernels that have none refuse the advice.
func avoidHugePages(mem []byte) error {
	if err := unix.Madvise(mem, unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("keeping huge pages away: %w", err)
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

// Free implements experimental.LinearMemory. wazero calls it at a time of its
// own choosing; the mapping is freed by close alone.
func (m *mappedMemory) Free() {}

func (m *mappedMemory) data() []byte { return m.region[:m.size] }

// file is the part of the memory that the base image's file is mapped over.
func (m *mappedMemory) file() []byte { return m.region[m.base.start:][:len(m.base.view)] }

func (m *mappedMemory) lay(img *image) error {
	file := m.file()
	if m.laid == nil {
		_, err := unix.MmapPtr(m.base.file, 0, unsafe.Pointer(&file[0]), uintptr(len(file)),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
		if err != nil {
			return fmt.Errorf("mapping the base image: %w", err)
		}
		if err := avoidHugePages(file); err != nil {
			return err
		}
		if err := m.base.tracker.register(file); err != nil {
			return err
		}
	} else if err := unix.Madvise(m.data(), unix.MADV_DONTNEED); err != nil {
		// Every page goes: over the file, the next access gets the file's
		// page again, and elsewhere one of zeros.
		return fmt.Errorf("dropping the memory of a slot: %w", err)
	}
	return m.become(img)
}

func (m *mappedMemory) swap(img *image) error {
	if err := m.dirty(func(start, end int) { img.copyTo(m.region, start, end) }); err != nil {
		return err
	}
	for _, p := range m.laid.pages {
		at := int(p) * pageSize
		img.copyTo(m.region, at, at+pageSize)
	}
	return m.become(img)
}

// become takes the last step to being a copy of an image. The image's own pages
// count as unwritten afterwards where the tracker can tell, so that a run has
// only what it writes itself put back.
func (m *mappedMemory) become(img *image) error {
	m.laid, m.writtenKnown = img, false
	img.apply(m.region)
	return m.base.tracker.arm(m.file())
}

func (m *mappedMemory) restore() (int, error) {
	pages := 0
	err := m.dirty(func(start, end int) {
		if pages += (end - start) / pageSize; pages <= restoreLimit {
			m.laid.copyTo(m.region, start, end)
		}
	})
	if err == nil && pages > restoreLimit {
		err = m.lay(m.laid)
	}
	return pages, err
}

func (m *mappedMemory) watch() {
	if m.base.tracker.counted {
		m.faults.start()
	} else {
		m.writtenKnown = false
	}
}

func (m *mappedMemory) unwatch(ended bool) {
	if m.faults.on && (!m.faults.stop() || !ended) {
		m.writtenKnown = false
	}
}

func (m *mappedMemory) dirty(f func(start, end int)) error {
	if !m.writtenKnown {
		m.written = m.written[:0]
		m.scans++
		if err := m.scanAll(func(start, end int) { m.written = append(m.written, stretch{start, end}) }); err != nil {
			return err
		}
		m.writtenKnown = true
	}
	for _, w := range m.written {
		f(w.start, w.end)
	}
	return nil
}

// scanAll calls f with every stretch that was written since the image was laid.
func (m *mappedMemory) scanAll(f func(start, end int)) error {
	start, end := m.base.start, m.base.start+len(m.base.view)
	if m.base.tracker.kind != trackWritten {
		return m.scan.each(m.region, 0, m.size, false, f)
	}
	// The C stack, the file, the heap beyond it.
	return errors.Join(
		m.scan.each(m.region, 0, start, false, f),
		m.scan.each(m.region, start, end, true, f),
		m.scan.each(m.region, end, m.size, false, f))
}

func (m *mappedMemory) close() {
	if m.region != nil {
		unix.Munmap(m.region)
		m.region, m.size = nil, 0
	}
}

// prepareMapping makes a base image fit for mapped memories: its bytes go into
// a sealed memfd. It fails where the kernel offers too little.
func (b *baseImage) prepareMapping(content []byte) (err error) {
	if os.Getpagesize() != pageSize {
		return fmt.Errorf("pages are %d bytes here", os.Getpagesize())
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
	b.tracker, err = openTracker()
	return err
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
	if b.file > 0 {
		unix.Close(b.file)
		b.file = 0
	}
}

// newPages gives memory outside the Go heap, so that keeping many images does
// not make the garbage collector let as much garbage pile up.
func newPages(n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	p, err := unix.Mmap(-1, 0, n*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("getting memory for an image: %w", err)
	}
	return p, nil
}

func freePages(p []byte) {
	if p != nil {
		unix.Munmap(p)
	}
}
