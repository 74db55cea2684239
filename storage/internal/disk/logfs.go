package disk

import (
	"errors"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// roomPause is the time between two attempts to write to a log on a full disk.
const roomPause = 100 * time.Millisecond

// IsFull reports whether an operation failed because the disk, or a quota, is used up.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// CheckpointNames are the names of the folders with the files of backups, in the folder of a store: one
// for each backup at a time.
var CheckpointNames = [2]string{"checkpoint", "checkpoint-2"}

// logFS is a file system that reports every failed operation on a log of Pebble after the log was
// created. What the disk holds is then unknown, and Pebble panics: with locks held, or, where it
// switches to the next log, on a goroutine on which nothing can recover. Pebble's events report a
// log that cannot be created.
//
// A write on a full disk does not fail: nothing was written beyond what it returned, so it continues
// when there is room. The same holds for the manifests. Copies in a backup are files as any other.
type logFS struct {
	vfs.FS
	failed func(err error) // must not return once the store is open
	full   func() bool     // reports whether to wait for room; called before each attempt
	roomy  func()          // called when a write that had to wait has ended
}

func (fs logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	for waits(name) && err != nil && IsFull(err) && fs.full() {
		time.Sleep(roomPause)
		if f, err = fs.FS.Create(name, category); err == nil {
			fs.roomy()
		}
	}
	return fs.watch(name)(f, err)
}

func (fs logFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.watch(newName)(fs.FS.ReuseForWrite(oldName, newName, category))
}

// IsLog reports whether a file is a log of Pebble.
func IsLog(name string) bool { return strings.HasSuffix(name, ".log") }

// copied reports whether a file belongs to a backup.
func copied(name string) bool { return slices.Contains(CheckpointNames[:], path.Base(path.Dir(name))) }

// waits reports whether writes to a file wait for room.
func waits(name string) bool {
	return !copied(name) && (IsLog(name) || strings.HasPrefix(path.Base(name), "MANIFEST-"))
}

func (fs logFS) watch(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err == nil && waits(name) {
			f = patientFile{f, fs}
		}
		if err == nil && IsLog(name) && !copied(name) {
			f = logFile{f, fs.failed}
		}
		return f, err
	}
}

// patientFile is a file whose writes wait while the disk is full.
type patientFile struct {
	vfs.File
	fs logFS
}

func (f patientFile) Write(p []byte) (n int, err error) {
	n, err = f.File.Write(p)
	for waited := false; ; waited = true {
		if err == nil || !IsFull(err) || !f.fs.full() {
			if waited {
				f.fs.roomy()
			}
			return n, err
		}
		time.Sleep(roomPause)
		var more int
		more, err = f.File.Write(p[n:])
		n += more
	}
}

// Preallocate reports no lack of room: the writes find out.
func (f patientFile) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); err != nil && !IsFull(err) {
		return err
	}
	return nil
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
