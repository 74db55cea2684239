package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// platform is what a base image keeps for mapped memories.
type platform struct {
	file    int // sealed memfd with the bytes of baseImage.view
	pagemap *pagemap
}

// mappedMemory is linear memory over an address range reserved once. The image
// is mapped over its start copy-on-write, so that laying it costs a system call
// and no copying, and the kernel knows which pages a run has written: those that
// are no longer the image file's.
type mappedMemory struct {
	growth
	region []byte // all of the reserved range
	base   *baseImage
	laid   *image
	scan   dirtyScan
}

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
	m := &mappedMemory{region: region, base: base}
	m.growth = growth{size: base.size, limit: max}
	m.scan.init(base.pagemap)
	return m, nil
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

func (m *mappedMemory) lay(img *image) error {
	// Beyond the file the range is anonymous: dropping its pages makes them
	// zero. Over the file, a new mapping drops all that was written.
	used := len(m.base.view)
	if free := m.region[used:m.size]; len(free) > 0 {
		if err := unix.Madvise(free, unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("dropping memory beyond the image: %w", err)
		}
	}
	if _, err := unix.MmapPtr(m.base.file, 0, unsafe.Pointer(&m.region[0]), uintptr(used),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mapping the base image: %w", err)
	}
	m.laid = img
	img.apply(m.region)
	return nil
}

func (m *mappedMemory) restore() (int, error) {
	pages := 0
	err := m.scan.each(m.data(), func(start, end int) {
		if pages += (end - start) / pageSize; pages <= restoreLimit {
			m.laid.copyTo(m.region, start, end)
		}
	})
	if err == nil && pages > restoreLimit {
		err = m.lay(m.laid)
	}
	return pages, err
}

func (m *mappedMemory) dirty(f func(start, end int)) error { return m.scan.each(m.data(), f) }

func (m *mappedMemory) close() {
	if m.region != nil {
		unix.Munmap(m.region)
		m.region, m.size = nil, 0
	}
}

// pagemap is an open /proc/self/pagemap, shared by all memories.
type pagemap struct {
	f     *os.File
	fd    uintptr
	ioctl bool // PAGEMAP_SCAN works here
}

// dirtyScan finds the pages that were written in a private mapping. It asks the
// kernel by the PAGEMAP_SCAN ioctl (Linux 6.7), else reads /proc/self/pagemap.
// The format is that of the kernel's Documentation/admin-guide/mm/pagemap.rst.
type dirtyScan struct {
	pagemap *pagemap
	arg     *pmScanArg
	regions []pmRegion
	entries []uint64
}

// struct pm_scan_arg of linux/fs.h.
type pmScanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	categoryInverted, categoryMask, categoryAnyof, returned uint64
}

// struct page_region of linux/fs.h.
type pmRegion struct{ start, end, categories uint64 }

const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // the kernel's shared zero page: read, never written

	// Bits of an entry of /proc/PID/pagemap.
	entryFile    = 1 << 61
	entrySwapped = 1 << 62
	entryPresent = 1 << 63

	// scanRegions is how many stretches one ioctl can return. A trivial run
	// leaves about 50; more are fetched by another call.
	scanRegions = 512
	// scanEntries is how many pages one read of the pagemap covers.
	scanEntries = 8192
)

func (s *dirtyScan) init(p *pagemap) {
	s.pagemap = p
	if p.ioctl {
		s.regions = make([]pmRegion, scanRegions)
		s.arg = &pmScanArg{}
	} else {
		s.entries = make([]uint64, scanEntries)
	}
}

// each calls f with every stretch of mem whose pages are present or swapped and
// not the file's, as offsets into mem.
func (s *dirtyScan) each(mem []byte, f func(start, end int)) error {
	if s.pagemap.ioctl {
		return s.eachScanned(mem, f)
	}
	return s.eachEntry(mem, f)
}

func (s *dirtyScan) eachScanned(mem []byte, f func(start, end int)) error {
	base := uint64(uintptr(unsafe.Pointer(&mem[0])))
	start, end := base, base+uint64(len(mem))
	for start < end {
		*s.arg = pmScanArg{
			size: uint64(unsafe.Sizeof(pmScanArg{})), start: start, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&s.regions[0]))), vecLen: uint64(len(s.regions)),
			categoryInverted: pageIsFile | pageIsZero, categoryMask: pageIsFile | pageIsZero,
			categoryAnyof: pageIsPresent | pageIsSwapped, returned: pageIsPresent,
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, s.pagemap.fd, pagemapScan, uintptr(unsafe.Pointer(s.arg)))
		if errno != 0 {
			return fmt.Errorf("asking the kernel for written pages: %w", errno)
		}
		for _, r := range s.regions[:n] {
			f(int(r.start-base), int(r.end-base))
		}
		start = s.arg.walkEnd
	}
	return nil
}

func (s *dirtyScan) eachEntry(mem []byte, f func(start, end int)) error {
	first := uint64(uintptr(unsafe.Pointer(&mem[0]))) / pageSize
	pages := len(mem) / pageSize
	from := -1 // start of the stretch that is open
	for done := 0; done < pages; {
		n := min(pages-done, len(s.entries))
		buf := unsafe.Slice((*byte)(unsafe.Pointer(&s.entries[0])), n*8)
		if got, err := s.pagemap.f.ReadAt(buf, int64(first+uint64(done))*8); got != len(buf) {
			return fmt.Errorf("reading the kernel's page map: %w", err)
		}
		for i, e := range s.entries[:n] {
			written := e&(entryPresent|entrySwapped) != 0 && e&entryFile == 0
			switch at := (done + i) * pageSize; {
			case written && from < 0:
				from = at
			case !written && from >= 0:
				f(from, at)
				from = -1
			}
		}
		done += n
	}
	if from >= 0 {
		f(from, len(mem))
	}
	return nil
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
	b.pagemap, err = openPagemap()
	return err
}

func (b *baseImage) closeMapping() {
	if b.view != nil {
		unix.Munmap(b.view)
		b.view = nil
	}
	if b.pagemap != nil {
		b.pagemap.f.Close()
		b.pagemap = nil
	}
	if b.file > 0 {
		unix.Close(b.file)
		b.file = 0
	}
}

// openPagemap opens the kernel's page map and finds out by a trial what it is
// good for: a written page must be told from one that was not.
func openPagemap() (*pagemap, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	p := &pagemap{f: f, fd: f.Fd(), ioctl: true}
	if err = p.try(); err != nil {
		p.ioctl = false
		err = p.try()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *pagemap) try() error {
	const pages = 4
	file, err := unix.MemfdCreate("faaspot-trial", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	if err := unix.Ftruncate(file, pages*pageSize); err != nil {
		return err
	}
	mem, err := unix.Mmap(file, 0, pages*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(mem)
	mem[2*pageSize] = mem[pageSize] + 1 // page 1 is read, page 2 written
	var s dirtyScan
	s.init(p)
	var got [][2]int
	if err := s.each(mem, func(start, end int) { got = append(got, [2]int{start, end}) }); err != nil {
		return err
	}
	if len(got) != 1 || got[0] != [2]int{2 * pageSize, 3 * pageSize} {
		return fmt.Errorf("the kernel's page map does not tell written pages")
	}
	return nil
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
