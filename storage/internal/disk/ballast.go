package disk

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// BallastName is the name of the ballast in the folder of a store.
	BallastName = "ballast"
	// maxBallast bounds the ballast, in bytes. On small disks it is one ballastPart of the disk.
	maxBallast  = 32 << 20
	ballastPart = 16
)

// Ballast is a file that holds room for deletions and cancellations. It is removed when the disk is
// full, also if other processes have filled it, and written again when there is room.
type Ballast struct {
	fs   vfs.FS
	dir  string
	size int64 // bytes; 0: a part of the disk; negative: there is no ballast
	log  *slog.Logger

	mu       sync.Mutex
	held     int64 // bytes of the file; 0: there is none
	released bool  // it was removed because the disk was full
}

// NewBallast returns the ballast of a folder. A file of another size than the given one, if one is
// given, is removed.
func NewBallast(fs vfs.FS, dir string, size int64, log *slog.Logger) (*Ballast, error) {
	b := &Ballast{fs: fs, dir: dir, size: size, log: log}
	info, err := fs.Stat(b.path())
	if err != nil {
		return b, nil // there is none
	}
	if size != 0 && info.Size() != size {
		return b, fs.Remove(b.path())
	}
	b.held = info.Size()
	return b, nil
}

// Held returns the size of the file in bytes, 0 if there is none.
func (b *Ballast) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

func (b *Ballast) path() string { return b.fs.PathJoin(b.dir, BallastName) }

// Release removes the file, and reports whether there was one.
func (b *Ballast) Release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held == 0 {
		return false
	}
	b.held, b.released = 0, true
	if err := b.fs.Remove(b.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Error("storage: the ballast cannot be removed", "err", err)
		return false
	}
	b.log.Warn("storage: the disk is full; the ballast is removed, so that executions can be cancelled and dropped")
	return true
}

// Restore writes the file if the disk has room for it besides minFree bytes, and if it does not exist or
// is smaller than a part of the disk: a process that was killed has not written all of it.
func (b *Ballast) Restore(minFree uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size < 0 || b.size > 0 && b.held > 0 {
		return nil
	}
	u, err := b.fs.GetDiskUsage(b.dir)
	if err != nil {
		return nil // the size of the disk is not known
	}
	size := uint64(b.size)
	if size == 0 {
		size = min(maxBallast, u.TotalBytes/ballastPart)
	}
	if uint64(b.held) >= size || u.AvailBytes+uint64(b.held) < minFree+2*size {
		return nil
	}
	b.held = 0
	if err := b.write(int(size)); err != nil {
		return errors.Join(err, b.fs.Remove(b.path()))
	}
	b.held = int64(size)
	if b.released {
		b.released = false
		b.log.Info("storage: there is room again: the ballast is written", "bytes", size)
	}
	return nil
}

// write writes the file in full, because a sparse file holds no room.
func (b *Ballast) write(size int) (err error) {
	f, err := b.fs.Create(b.path(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for block := make([]byte, 1<<20); size > 0; {
		n, err := f.Write(block[:min(size, len(block))])
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}
