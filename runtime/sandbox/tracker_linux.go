package sandbox

import (
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracker finds the written pages of private mappings in the cheapest way that this kernel offers.
// It is shared by all memories.
type tracker struct {
	kind         trackerKind
	pagemap      *os.File
	fd           uintptr // of pagemap
	uffd         int     // userfaultfd, for trackWritten; -1 if not open
	countsFaults bool    // page faults are counted per thread
}

// trackerKind is a way to find written pages. All kinds find the same pages; they differ in the
// cost of a scan. The figures are for the 14 MiB of a base image of which some hundred pages were
// written.
type trackerKind uint8

const (
	// trackWritten marks pages as unwritten with userfaultfd, in its asynchronous mode, in which
	// the kernel itself removes the mark at the first write; PAGEMAP_SCAN then reads only page
	// table entries (Linux 6.7, if userfaultfd is permitted). About 10 µs.
	trackWritten trackerKind = iota
	// trackFile lets PAGEMAP_SCAN find the pages that no longer belong to the file, for which it
	// looks up each present page (Linux 6.7). About 30 µs.
	trackFile
	// trackEntries finds the same pages in the entries of /proc/self/pagemap. About 80 µs.
	trackEntries
	trackerKinds
)

// Kernel interfaces, from linux/fs.h and linux/userfaultfd.h; see the kernel's
// Documentation/admin-guide/mm/pagemap.rst and userfaultfd.rst.
const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	scanProtect = 1 << 0 // PM_SCAN_WP_MATCHING
	scanCheck   = 1 << 1 // PM_SCAN_CHECK_WPASYNC

	pageIsWritten = 1 << 1
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // the kernel's shared page of zeros: read, never written

	// Bits of an entry of /proc/PID/pagemap.
	entryFile    = 1 << 61
	entrySwapped = 1 << 62
	entryPresent = 1 << 63

	uffdAPI          = 0xaa
	uffdUserModeOnly = 1
	uffdioAPI        = 0xc018aa3f // UFFDIO_API
	uffdioRegister   = 0xc020aa00 // UFFDIO_REGISTER
	uffdModeWP       = 1 << 1     // UFFDIO_REGISTER_MODE_WP
	// Write protection of shared memory files, write protection of pages that are not present, and
	// faults that the kernel resolves itself.
	uffdFeatures = 1<<12 | 1<<13 | 1<<15

	// scanRegions is the largest number of ranges that one ioctl returns. A trivial run leaves
	// about 50; further calls fetch the rest.
	scanRegions = 512
	// scanEntries is the number of pages that one read of the pagemap covers.
	scanEntries = 8192
)

// scanArg is struct pm_scan_arg of linux/fs.h.
type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	inverted, mask, anyOf, returned                         uint64
}

// scanRegion is struct page_region of linux/fs.h.
type scanRegion struct{ start, end, categories uint64 }

// openTracker finds the cheapest kind that works on this kernel by trying each.
func openTracker() (*tracker, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	t := &tracker{pagemap: f, fd: f.Fd(), uffd: -1}
	for ; t.kind < trackerKinds; t.kind++ {
		if err = t.try(); err == nil {
			t.countsFaults, err = t.tryCounting()
			return t, err
		}
	}
	t.close()
	return nil, err
}

func (t *tracker) close() {
	t.pagemap.Close()
	if t.uffd >= 0 {
		unix.Close(t.uffd)
		t.uffd = -1
	}
}

// try returns nil if the tracker's kind works: it must find written pages, whether read before or
// not, and no others.
func (t *tracker) try() error {
	if t.kind == trackWritten {
		if err := t.openUserfaultfd(); err != nil {
			return err
		}
	}
	mem, err := t.trialMapping(8)
	if err != nil {
		return err
	}
	defer unix.Munmap(mem)
	var s scan
	s.init(t)
	for range 2 { // the second time after the written pages were dropped
		if err := s.arm(mem); err != nil {
			return err
		}
		mem[2*pageSize] = mem[pageSize] + mem[3*pageSize] + 1 // 1 and 3 are read, 2 is written
		mem[5*pageSize] = mem[5*pageSize] + 1                 // read, then written
		var got []int
		err := s.each(mem, 0, len(mem), true, func(start, end int) {
			for ; start < end; start += pageSize {
				got = append(got, start/pageSize)
			}
		})
		if err != nil {
			return err
		}
		if len(got) != 2 || got[0] != 2 || got[1] != 5 {
			return fmt.Errorf("the kernel does not report written pages correctly: it reports %v, want [2 5]", got)
		}
		if err := unix.Madvise(mem, unix.MADV_DONTNEED); err != nil {
			return err
		}
	}
	return nil
}

// trialMapping returns a registered mapping of the given number of pages, similar to a slot's. The
// caller unmaps it.
func (t *tracker) trialMapping(pages int) ([]byte, error) {
	file, err := unix.MemfdCreate("faaspot-trial", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(file)
	if err := unix.Ftruncate(file, int64(pages)*pageSize); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(file, 0, pages*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	if err := t.register(mem); err != nil {
		unix.Munmap(mem)
		return nil, err
	}
	return mem, nil
}

// tryCounting reports whether the first write to a page counts as a page fault of the thread.
func (t *tracker) tryCounting() (bool, error) {
	mem, err := t.trialMapping(64)
	if err != nil {
		return false, err
	}
	defer unix.Munmap(mem)
	var s scan
	s.init(t)
	if err := s.arm(mem); err != nil {
		return false, err
	}
	var counter faultCounter
	var read byte
	for at := 0; at < len(mem); at += pageSize {
		if at/pageSize%2 == 1 {
			read += mem[at] // read before it is written
		}
		counter.start()
		mem[at] = read + 1
		if counter.stop() {
			return false, nil
		}
	}
	return true, nil
}

// faultCounter detects whether a goroutine has had a page fault. The goroutine is locked to its
// thread from start to stop, because the kernel counts per thread.
type faultCounter struct {
	on     bool
	known  bool
	before int64
}

func (c *faultCounter) start() {
	goruntime.LockOSThread()
	c.on = true
	c.before, c.known = threadFaults()
}

// stop reports whether there has certainly been no fault since start.
func (c *faultCounter) stop() (none bool) {
	c.on = false
	after, known := threadFaults()
	goruntime.UnlockOSThread()
	return c.known && known && after == c.before
}

// threadFaults returns the number of page faults of this thread, see getrusage(2).
func threadFaults() (n int64, known bool) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &usage); err != nil {
		return 0, false
	}
	return usage.Minflt + usage.Majflt, true
}

func (t *tracker) openUserfaultfd() error {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, uffdUserModeOnly|unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return fmt.Errorf("userfaultfd: %w", errno)
	}
	t.uffd = int(fd)
	// struct uffdio_api: api, features, ioctls.
	setup := [3]uint64{uffdAPI, uffdFeatures, 0}
	return t.ioctl(uffdioAPI, unsafe.Pointer(&setup))
}

func (t *tracker) ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.uffd), request, uintptr(arg)); errno != 0 {
		return fmt.Errorf("userfaultfd request %#x: %w", request, errno)
	}
	return nil
}

// register registers a new mapping with userfaultfd, until the mapping is removed.
func (t *tracker) register(mem []byte) error {
	if t.kind != trackWritten {
		return nil
	}
	// struct uffdio_register: start, len, mode, ioctls.
	arg := [4]uint64{uint64(uintptr(unsafe.Pointer(&mem[0]))), uint64(len(mem)), uffdModeWP, 0}
	return t.ioctl(uffdioRegister, unsafe.Pointer(&arg))
}

// scan holds the buffers for queries of a tracker. One goroutine at a time.
type scan struct {
	tracker *tracker
	arg     *scanArg
	regions []scanRegion
	entries []uint64
}

func (s *scan) init(t *tracker) {
	s.tracker = t
	if t.kind == trackEntries {
		s.entries = make([]uint64, scanEntries)
	} else {
		s.regions = make([]scanRegion, scanRegions)
		s.arg = &scanArg{}
	}
}

// arm marks all pages of a registered mapping as unwritten. It protects only those that are marked
// as written: to protect all with UFFDIO_WRITEPROTECT costs the kernel several times as much.
func (s *scan) arm(mem []byte) error {
	if s.tracker.kind != trackWritten || len(mem) == 0 {
		return nil
	}
	start := uint64(uintptr(unsafe.Pointer(&mem[0])))
	end := start + uint64(len(mem))
	*s.arg = scanArg{
		size: uint64(unsafe.Sizeof(scanArg{})), flags: scanProtect | scanCheck, start: start, end: end,
		mask: pageIsWritten, returned: pageIsWritten,
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, s.tracker.fd, pagemapScan, uintptr(unsafe.Pointer(s.arg)))
	if errno != 0 {
		return fmt.Errorf("marking pages as unwritten: %w", errno)
	}
	if s.arg.walkEnd != end {
		return fmt.Errorf("marking pages as unwritten: the kernel stopped after %d of %d bytes", s.arg.walkEnd-start, len(mem))
	}
	return nil
}

// each calls f with every range of region[start:end] that was written, as offsets into region.
// armed means that the range is a mapping that was armed; kinds that do not arm accept any.
// Otherwise a page that belongs to no file counts as written.
func (s *scan) each(region []byte, start, end int, armed bool, f func(start, end int)) error {
	switch {
	case start == end:
		return nil
	case s.tracker.kind == trackEntries:
		return s.eachEntry(region, start, end, f)
	}
	return s.eachScanned(region, start, end, armed, f)
}

func (s *scan) eachScanned(region []byte, from, to int, armed bool, f func(start, end int)) error {
	base := uint64(uintptr(unsafe.Pointer(&region[0])))
	start, end := base+uint64(from), base+uint64(to)
	for start < end {
		*s.arg = scanArg{
			size: uint64(unsafe.Sizeof(scanArg{})), start: start, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&s.regions[0]))), vecLen: uint64(len(s.regions)),
		}
		switch {
		case s.tracker.kind == trackWritten && armed:
			// With exactly these fields the kernel tests a single bit per page.
			s.arg.mask, s.arg.returned = pageIsWritten, pageIsWritten
		default:
			s.arg.mask, s.arg.inverted, s.arg.returned = pageIsFile|pageIsZero, pageIsFile|pageIsZero, pageIsFile
			s.arg.anyOf = pageIsPresent | pageIsSwapped
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, s.tracker.fd, pagemapScan, uintptr(unsafe.Pointer(s.arg)))
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

var errShortPagemap = errors.New("the kernel's page map ends early")

func (s *scan) eachEntry(region []byte, start, end int, f func(start, end int)) error {
	first := uint64(uintptr(unsafe.Pointer(&region[0]))) / pageSize
	from := -1 // start of the range being built, or -1
	for done := start / pageSize; done < end/pageSize; {
		n := min(end/pageSize-done, len(s.entries))
		buf := unsafe.Slice((*byte)(unsafe.Pointer(&s.entries[0])), n*8)
		if got, err := s.tracker.pagemap.ReadAt(buf, int64(first+uint64(done))*8); got != len(buf) {
			return errors.Join(errShortPagemap, err)
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
		f(from, end)
	}
	return nil
}
