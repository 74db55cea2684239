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
	fs  vfs.FS
	dir string
	log *slog.Logger

	mu   sync.Mutex
	held bool // the file exists
}

// NewBallast returns the ballast of a folder, which may exist.
func NewBallast(fs vfs.FS, dir string, log *slog.Logger) *Ballast {
	b := &Ballast{fs: fs, dir: dir, log: log}
	_, err := fs.Stat(b.path())
	b.held = err == nil
	return b
}

func (b *Ballast) path() string { return b.fs.PathJoin(b.dir, BallastName) }

// Release removes the file, and reports whether there was one.
func (b *Ballast) Release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return false
	}
	b.held = false
	if err := b.fs.Remove(b.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Error("storage: the ballast cannot be removed", "err", err)
		return false
	}
	b.log.Warn("storage: the disk is full; the ballast is removed, so that executions can be cancelled and dropped")
	return true
}

// Restore writes the file if it does not exist and the disk has room for it besides minFree bytes.
func (b *Ballast) Restore(minFree uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return nil
	}
	u, err := b.fs.GetDiskUsage(b.dir)
	if err != nil {
		return nil // the size of the disk is not known
	}
	size := min(maxBallast, u.TotalBytes/ballastPart)
	if size == 0 || u.AvailBytes < minFree+2*size {
		return nil
	}
	if err := b.write(int(size)); err != nil {
		return errors.Join(err, b.fs.Remove(b.path()))
	}
	b.held = true
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
