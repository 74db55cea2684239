package sandbox

import (
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracker knows how this kernel tells which pages of a private mapping were
// written. Shared by all memories.
type tracker struct {
	kind    trackerKind
	pagemap *os.File
	fd      uintptr // of pagemap
	faults  int     // userfaultfd, for trackWritten
	counted bool    // page faults are counted per thread
}

// trackerKind is a way to tell written pages. All tell the same; they differ in
// what asking costs. Figures are for the 14 MiB of a base image of which some
// hundred pages were written.
type trackerKind uint8

const (
	// trackWritten: pages are marked as unwritten with userfaultfd, in its
	// asynchronous mode, in which the kernel itself takes the mark away at the
	// first write; PAGEMAP_SCAN then looks at page table entries alone
	// (Linux 6.7, if userfaultfd is permitted). About 10 µs.
	trackWritten trackerKind = iota
	// trackFile: PAGEMAP_SCAN tells pages that are no longer the file's, which
	// makes it look up each page that is present (Linux 6.7). About 30 µs.
	trackFile
	// trackEntries: the same from the entries of /proc/self/pagemap. About 80 µs.
	trackEntries
	trackerKinds
)

// The kernel's interfaces, from linux/fs.h and linux/userfaultfd.h; see the
// kernel's Documentation/admin-guide/mm/pagemap.rst and userfaultfd.rst.
const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsWritten = 1 << 1
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // the kernel's shared page of zeros: read, never written

	// Bits of an entry of /proc/PID/pagemap.
	entryFile    = 1 << 61
	entrySwapped = 1 << 62
	entryPresent = 1 << 63

	faultAPI          = 0xaa
	faultUserModeOnly = 1
	faultSetup        = 0xc018aa3f // UFFDIO_API
	faultRegister     = 0xc020aa00 // UFFDIO_REGISTER
	faultWriteProtect = 0xc018aa06 // UFFDIO_WRITEPROTECT
	faultModeWP       = 1 << 1     // UFFDIO_REGISTER_MODE_WP
	faultProtect      = 1 << 0     // UFFDIO_WRITEPROTECT_MODE_WP
	// Write-protection of shared memory files, of pages not yet there, and
	// resolved without asking anybody.
	faultFeatures = 1<<12 | 1<<13 | 1<<15

	// scanRegions is how many stretches one ioctl can return. A trivial run
	// leaves about 50; more are fetched by another call.
	scanRegions = 512
	// scanEntries is how many pages one read of the pagemap covers.
	scanEntries = 8192
)

// struct pm_scan_arg of linux/fs.h.
type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	inverted, mask, anyOf, returned                         uint64
}

// struct page_region of linux/fs.h.
type scanRegion struct{ start, end, categories uint64 }

// openTracker finds by a trial which is the cheapest way that works here.
func openTracker() (*tracker, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	t := &tracker{pagemap: f, fd: f.Fd(), faults: -1}
	for ; t.kind < trackerKinds; t.kind++ {
		if err = t.try(); err == nil {
			t.counted, err = t.tryCounting()
			return t, err
		}
	}
	t.close()
	return nil, err
}

func (t *tracker) close() {
	t.pagemap.Close()
	if t.faults >= 0 {
		unix.Close(t.faults)
		t.faults = -1
	}
}

// try tells whether the tracker's kind works: written pages must be told, be
// they read before or not, and no others.
func (t *tracker) try() error {
	if t.kind == trackWritten {
		if err := t.openFaults(); err != nil {
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
	for range 2 { // the second time after dropping what was written
		if err := t.arm(mem); err != nil {
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
			return fmt.Errorf("the kernel does not tell written pages (told %v)", got)
		}
		if err := unix.Madvise(mem, unix.MADV_DONTNEED); err != nil {
			return err
		}
	}
	return nil
}

// trialMapping makes a registered mapping like that of a slot, of so many pages,
// which the caller unmaps.
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

// tryCounting tells whether the first write to a page counts as a fault of the
// thread.
func (t *tracker) tryCounting() (bool, error) {
	mem, err := t.trialMapping(64)
	if err != nil {
		return false, err
	}
	defer unix.Munmap(mem)
	if err := t.arm(mem); err != nil {
		return false, err
	}
	var counter faultCounter
	var read byte
	for at := 0; at < len(mem); at += pageSize {
		if at/pageSize%2 == 1 {
			read += mem[at] // before it is written
		}
		counter.start()
		mem[at] = read + 1
		if counter.stop() {
			return false, nil
		}
	}
	return true, nil
}

// A faultCounter tells whether a goroutine has had a page fault. From start to
// stop the goroutine keeps its thread, for the kernel counts by thread.
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

// stop reports whether there has surely been no fault since start.
func (c *faultCounter) stop() (none bool) {
	c.on = false
	after, known := threadFaults()
	goruntime.UnlockOSThread()
	return c.known && known && after == c.before
}

// threadFaults counts the page faults of this thread, see getrusage(2).
func threadFaults() (n int64, known bool) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &usage); err != nil {
		return 0, false
	}
	return usage.Minflt + usage.Majflt, true
}

func (t *tracker) openFaults() error {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, faultUserModeOnly|unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return fmt.Errorf("userfaultfd: %w", errno)
	}
	t.faults = int(fd)
	// struct uffdio_api: api, features, ioctls.
	setup := [3]uint64{faultAPI, faultFeatures, 0}
	return t.fault(faultSetup, unsafe.Pointer(&setup))
}

func (t *tracker) fault(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.faults), request, uintptr(arg)); errno != 0 {
		return fmt.Errorf("userfaultfd request %#x: %w", request, errno)
	}
	return nil
}

// register makes a new mapping known. It ends with the mapping.
func (t *tracker) register(mem []byte) error {
	if t.kind != trackWritten {
		return nil
	}
	// struct uffdio_register: start, len, mode, ioctls.
	arg := [4]uint64{uint64(uintptr(unsafe.Pointer(&mem[0]))), uint64(len(mem)), faultModeWP, 0}
	return t.fault(faultRegister, unsafe.Pointer(&arg))
}

// arm marks all of a registered mapping as unwritten.
func (t *tracker) arm(mem []byte) error {
	if t.kind != trackWritten {
		return nil
	}
	// struct uffdio_writeprotect: start, len, mode.
	arg := [3]uint64{uint64(uintptr(unsafe.Pointer(&mem[0]))), uint64(len(mem)), faultProtect}
	return t.fault(faultWriteProtect, unsafe.Pointer(&arg))
}

// scan asks a tracker. One goroutine at a time.
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

// each calls f with every stretch of region[start:end] that was written, as
// offsets into region. armed says that all of it is a mapping that was armed;
// else it is anonymous memory, where every page that is there was written, or,
// for the kinds that do not arm, either.
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
			// In just this form the kernel looks at one bit per page.
			s.arg.mask, s.arg.returned = pageIsWritten, pageIsWritten
		case s.tracker.kind == trackWritten:
			s.arg.mask, s.arg.inverted, s.arg.returned = pageIsZero, pageIsZero, pageIsWritten
			s.arg.anyOf = pageIsPresent | pageIsSwapped
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
	from := -1 // start of the stretch that is open
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
