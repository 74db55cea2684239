package disk

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFS is a file system that reports every failed operation on a log of Pebble after the log was
// created. What the disk holds is then unknown, and Pebble panics: with locks held, or, where it
// switches to the next log, on a goroutine on which nothing can recover. Pebble's events report a
// log that cannot be created.
type logFS struct {
	vfs.FS
	failed func(err error) // must not return once the store is open
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

func (f logFile) report(err error) error {
	if err != nil {
		f.failed(err)
	}
	return err
}

func (f logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.report(err)
}

func (f logFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.report(err)
}

func (f logFile) Preallocate(offset, length int64) error {
	return f.report(f.File.Preallocate(offset, length))
}
func (f logFile) Sync() error     { return f.report(f.File.Sync()) }
func (f logFile) SyncData() error { return f.report(f.File.SyncData()) }
func (f logFile) Close() error    { return f.report(f.File.Close()) }
