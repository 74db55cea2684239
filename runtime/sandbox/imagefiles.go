package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// content is the bytes of an image, outside of Go's heap: in memory that nothing else refers to, in
// a file in memory, or in a file on disk. Memories can map files only. The files have no name, and
// each has the content of one image, so no memory can ever map another image's.
type content struct {
	data    []byte   // read-only when it is complete
	file    *os.File // nil: none, or on disk and not complete
	stored  DiskFile // nil: not on disk
	written int      // bytes, on disk
	files   *imageFiles
	size    int
	disk    bool // the content is on disk
}

func (c *content) onDisk() bool { return c.disk }

// write stores bytes at an offset. On disk, the offsets ascend.
func (c *content) write(p []byte, at int) error {
	switch {
	case c.disk:
		return c.append(p, at)
	case c.file == nil:
		copy(c.data[at:], p)
		return nil
	}
	_, err := c.file.WriteAt(p, int64(at))
	return err
}

// append stores bytes on disk, and zeros between what is there and them.
func (c *content) append(p []byte, at int) error {
	if at < c.written {
		return fmt.Errorf("bytes at %d are stored after those before %d", at, c.written)
	}
	for _, part := range [...][]byte{make([]byte, at-c.written), p} {
		if len(part) == 0 {
			continue
		}
		n, err := c.stored.Write(part)
		if c.written += n; err != nil {
			return err
		}
	}
	return nil
}

// complete ends the writing of a content on disk.
func (c *content) complete() (err error) {
	if !c.disk {
		return nil
	}
	if err := c.append(nil, c.size); err != nil {
		return err
	}
	c.file, err = c.stored.Finish()
	return err
}

// finish makes the content readable, and in memory unchangeable.
func (c *content) finish() (err error) {
	if err := c.complete(); err != nil {
		return err
	}
	if c.file == nil {
		return nil
	}
	if !c.disk {
		if err := sealFile(c.file); err != nil {
			return err
		}
	}
	c.data, err = viewFile(c.file, c.size)
	return err
}

// free returns the memory or the disk space to the system.
func (c *content) free() {
	freePages(c.data)
	c.data = nil
	held := c.file != nil || c.stored != nil
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
	if c.stored != nil {
		c.stored.Close()
		c.stored = nil
	}
	if held {
		c.files.giveBack(c)
	}
}

// imageFiles creates the contents of images, and those of unpacked bundles.
type imageFiles struct {
	what  string // whose contents these are, for the log
	store Disk   // nil: nothing is stored on disk
	most  int    // open files
	log   *slog.Logger
	// writing has a token while an image is written to disk: one at a time, because that is as
	// fast, and the writer computes without a permit.
	writing chan struct{}

	mu     sync.Mutex
	files  int       // open ones
	disk   int64     // bytes on disk
	failed bool      // the last attempt to write to disk has failed
	retry  time.Time // when the next attempt may be made
}

const (
	// maxImageFiles is the largest number of images in files. Each takes a file descriptor and a
	// mapping, of which Linux allows a process 65,530 by default.
	maxImageFiles = 8192
	// diskPause is the time between two attempts to write to a disk after the first has failed.
	diskPause = time.Minute
)

// openImageFiles returns the files for images or for bundles, as what says, on a disk and in memory. A
// disk that is nil stores nothing.
func openImageFiles(what string, store Disk, log *slog.Logger) *imageFiles {
	return &imageFiles{what: what, store: store, most: min(maxImageFiles, openFileLimit()/filesShare), log: log, writing: make(chan struct{}, 1)}
}

// withoutDisk says what a server without a disk for its images or bundles does.
const withoutDisk = "they are kept in memory, and those for which there is no memory are made again for each run"

// filesShare is the divisor of the process's limit of open files that gives those of images.
const filesShare = 4

func (f *imageFiles) close() {
	if f.store == nil {
		return
	}
	if err := f.store.Close(); err != nil {
		f.log.Warn("cannot clear the folder of "+f.what, "reason", err)
	}
}

// mostDisk returns the largest number of bytes that may be on disk now.
func (f *imageFiles) mostDisk() int64 {
	if f.store == nil {
		return 0
	}
	return f.store.Room()
}

// beginWrite waits until its caller may write to disk. It reports false if ctx ends before.
func (f *imageFiles) beginWrite(ctx context.Context) bool {
	select {
	case f.writing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *imageFiles) endWrite() { <-f.writing }

// inMemory returns the layout of the image of a memory, of which the given pages differ from the
// base image, and an empty content in memory for it. Without a file for the image, it has no
// stretch.
func (f *imageFiles) inMemory(base *baseImage, m guestMemory, pages []uint32, p pauser) (layout, content, error) {
	l, err := layoutOf(base, m.data(), pages, m.maps(), p)
	if err != nil {
		return layout{}, content{}, err
	}
	if l.stretch.len() > 0 {
		if c, err := f.open(l.bytes(), false); err == nil {
			return l, c, nil
		}
		if l, err = layoutOf(base, m.data(), pages, false, p); err != nil {
			return layout{}, content{}, err
		}
	}
	data, err := newPages(l.bytes() / pageSize)
	return l, content{data: data, size: l.bytes()}, err
}

// onDisk returns an empty content on disk. Its caller has begun to write, and reports to wrote
// whether that has failed.
func (f *imageFiles) onDisk(size int) (content, error) {
	c, err := f.open(size, true)
	if err != nil && !errors.Is(err, ErrNoRoom) {
		f.wrote(err)
	}
	return c, err
}

// open creates a file for size bytes.
func (f *imageFiles) open(size int, disk bool) (c content, err error) {
	if !f.reserve(size, disk) {
		return content{}, ErrNoRoom
	}
	c = content{files: f, size: size, disk: disk}
	if disk {
		c.stored, err = f.store.Create(size)
	} else {
		c.file, err = newMemoryFile(size)
	}
	if err != nil {
		f.giveBack(&c)
		return content{}, err
	}
	return c, nil
}

// reserve reserves a file of size bytes.
func (f *imageFiles) reserve(size int, disk bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files >= f.most || disk && f.disk+int64(size) > f.mostDisk() {
		return false
	}
	f.files++
	if disk {
		f.disk += int64(size)
	}
	return true
}

// giveBack returns what was reserved for a file.
func (f *imageFiles) giveBack(c *content) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files--
	if c.disk {
		f.disk -= int64(c.size)
	}
}

// lacks returns the numbers of bytes and files by which images on disk must become fewer before one
// more of size bytes fits. Those that are not positive lack nothing.
func (f *imageFiles) lacks(size int) (bytes int64, files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.disk + int64(size) - f.mostDisk(), f.files + 1 - f.most
}

// diskRoom returns the size of the largest image that may be stored on disk now, if no other is:
// zero if there is no disk, or if writing to it has failed lately.
func (f *imageFiles) diskRoom(now time.Time) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed && now.Before(f.retry) {
		return 0
	}
	return f.mostDisk()
}

// wrote notes the result of an attempt to write an image to disk. Of failures in a row it logs the
// first.
func (f *imageFiles) wrote(err error) {
	f.mu.Lock()
	first := err != nil && !f.failed
	f.failed, f.retry = err != nil, time.Now().Add(diskPause)
	f.mu.Unlock()
	if first {
		f.log.Warn(f.what+" of functions cannot be written to disk; "+withoutDisk, "reason", err)
	}
}
