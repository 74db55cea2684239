package storage

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFS is a disk that tells of the first thing that fails with a log of Pebble
// once it is made. What the disk holds is not known then, and Pebble panics: with
// locks held, or, where it goes over to the next log, in a way that nobody can
// recover from. Of a log that cannot be made Pebble's events tell.
type logFS struct {
	vfs.FS
	failed func(err error) // must not return, once the store is open
}

func (fs logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.watch(name)(fs.FS.Create(name, category))
}

func (fs logFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.watch(newName)(fs.FS.ReuseForWrite(oldName, newName, category))
}

func (fs logFS) watch(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err == nil && strings.HasSuffix(name, ".log") {
			f = logFile{f, fs.failed}
		}
		return f, err
	}
}

type logFile struct {
	vfs.File
	failed func(err error)
}

func (f logFile) tell(err error) error {
	if err != nil {
		f.failed(err)
	}
	return err
}

func (f logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.tell(err)
}

func (f logFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.tell(err)
}

func (f logFile) Preallocate(offset, length int64) error {
	return f.tell(f.File.Preallocate(offset, length))
}
func (f logFile) Sync() error     { return f.tell(f.File.Sync()) }
func (f logFile) SyncData() error { return f.tell(f.File.SyncData()) }
func (f logFile) Close() error    { return f.tell(f.File.Close()) }
