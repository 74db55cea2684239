package sandbox

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/faaspot/faaspot/runtime"
)

// Disk creates files on disk for images or for unpacked bundles. Its methods may be called
// concurrently.
type Disk interface {
	// Room returns the largest number of bytes that all files may have now. Zero: there is no disk.
	Room() int64
	// Create creates a file of size bytes. The error is ErrNoRoom if that is more than Room leaves.
	Create(size int) (DiskFile, error)
	// Close ends the use of the disk. All files are closed.
	Close() error
}

// DiskFile is a file on disk that is written once, from its start to its end, and then read.
type DiskFile interface {
	io.Writer
	// Finish returns the file for reading and mapping, after all of its bytes were written. The caller
	// closes it.
	Finish() (*os.File, error)
	// Close returns the space of the file to the disk. What Finish has returned was closed before.
	io.Closer
}

// ErrNoRoom is the error of a Disk whose files have as many bytes as they may have.
var ErrNoRoom = errors.New("images take all of their share of files and disk")

// storeRoom is the number of bytes that images leave free on the disk above its floor, for the store.
const storeRoom = 192 * runtime.MiB

// diskShare is the divisor of a disk's free space that gives what images take there by default.
const diskShare = 8

// imagePrefix begins the names of the files, which they have for a moment.
const imagePrefix = "image-"

// Folder is a Disk in a folder. Its files have no name, so nobody can open them. It does not sum up
// their sizes: the caller does.
type Folder struct {
	dir   string
	most  int64
	leave int64 // bytes that stay free on the disk
}

// OpenFolder returns a Disk in dir for at most most bytes of images or bundles, as what says; zero
// stands for an eighth of what is free on the disk. Its files leave 192 MiB free above the floor of the
// disk, in bytes, below which the server accepts nothing new. The folder is created with mode 0700, and files
// that an earlier process has left in it are removed. The result is nil, and the log has the reason,
// if dir is empty or in memory, or cannot be used.
func OpenFolder(what, dir string, most, floor int64, log *slog.Logger) *Folder {
	if dir == "" {
		return nil
	}
	free, err := prepareDisk(dir)
	if err != nil {
		log.Warn(what+" of functions cannot be stored on disk; "+withoutDisk, "dir", dir, "reason", err)
		return nil
	}
	if most == 0 {
		most = free / diskShare
	}
	return &Folder{dir: dir, most: most, leave: floor + storeRoom}
}

// prepareDisk makes dir a folder without files of ours and returns the number of bytes that are free on its disk.
func prepareDisk(dir string) (free int64, err error) {
	if err := runtime.ClearFolder(dir, imagePrefix); err != nil {
		return 0, err
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil {
		return 0, err
	}
	return freeDisk(dir)
}

// Room implements [Disk].
func (d *Folder) Room() int64 { return d.most }

// Close removes files that have got a name since the folder was opened.
func (d *Folder) Close() error { return runtime.ClearFolder(d.dir, imagePrefix) }

// Create implements [Disk]. It fails if the disk has too little room for size bytes.
func (d *Folder) Create(size int) (DiskFile, error) {
	f, err := d.create(size, nil)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// CreateLent creates a file of size bytes for another process: writing is for this one, and the other
// reads and maps reading. The caller closes both. To truncate writing to zero bytes returns the space
// to the disk although the other process has the file open.
func (d *Folder) CreateLent(size int) (writing, reading *os.File, err error) {
	f, err := d.create(size, func(name string) error {
		reading, err = os.Open(name)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return f.file, reading, nil
}

// create creates a file, which has its name until visit has returned.
func (d *Folder) create(size int, visit func(name string) error) (*unnamedFile, error) {
	if free, err := freeDisk(d.dir); err != nil {
		return nil, err
	} else if free-int64(size) < d.leave {
		return nil, fmt.Errorf("%d bytes are free on the disk of %s, of which %d are for other data", free, filepath.Base(d.dir), d.leave)
	}
	file, err := os.CreateTemp(d.dir, imagePrefix)
	if err != nil {
		return nil, err
	}
	if visit != nil {
		err = visit(file.Name())
	}
	if err = errors.Join(err, os.Remove(file.Name())); err != nil {
		file.Close()
		return nil, err
	}
	return &unnamedFile{file: file}, nil
}

// unnamedFile is a file in a Folder.
type unnamedFile struct {
	file *os.File // nil: finished or closed
}

// Write implements [DiskFile].
func (f *unnamedFile) Write(p []byte) (int, error) {
	if f.file == nil {
		return 0, os.ErrClosed
	}
	return f.file.Write(p)
}

// Finish implements [DiskFile].
func (f *unnamedFile) Finish() (*os.File, error) {
	if f.file == nil {
		return nil, os.ErrClosed
	}
	file := f.file
	f.file = nil
	return file, nil
}

// Close implements [DiskFile]. A file that is not open any more has no space.
func (f *unnamedFile) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
