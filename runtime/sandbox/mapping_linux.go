package sandbox

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// platform is the part of a base image that mapped memories need.
type platform struct {
	file    int // sealed memfd with the bytes of baseImage.view
	tracker *tracker
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
		if len(p) > pieceSize {
			_ = returnPages(p) // for the speed of the others; removing the mapping is what counts
		}
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

// newMemoryFile creates a file in memory.
func newMemoryFile(size int) (*os.File, error) {
	fd, err := unix.MemfdCreate("faaspot-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "faaspot-image")
	if err := file.Truncate(int64(size)); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// sealFile makes a file in memory unchangeable.
func sealFile(file *os.File) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	return nil
}

// viewFile returns the content of a file.
func viewFile(file *os.File, size int) ([]byte, error) {
	view, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping a file: %w", err)
	}
	return view, nil
}

// freeDisk returns the number of bytes that are free on the disk of a folder. It fails if the
// folder is in memory.
func freeDisk(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	if stat.Type == unix.TMPFS_MAGIC || stat.Type == unix.RAMFS_MAGIC {
		return 0, errors.New("its file system is in memory")
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// openFileLimit returns the number of files that the process may have open.
func openFileLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32))
}
