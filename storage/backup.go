package storage

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/backup"
	"github.com/faaspot/faaspot/storage/internal/disk"
)

// backupPatience is how long a backup waits for the disk to sync what was written before it began.
const backupPatience = time.Minute

// Backup writes a backup of the store to w, with the name of this release. It has everything that was
// durable when Backup was called, and no other state than one that the store had since then. Writes
// continue meanwhile. Tables are not copied on the disk, but what is deleted or compacted meanwhile takes
// room until Backup returns: it gives up if the disk gets too full for new work.
//
// Two backups are made at a time, so that a reader that is slow does not prevent another one; a further
// one fails with CodeConflict. Secrets are in a backup as they are stored: encrypted, unless a release that did not encrypt stored them; see [Inspect].
func (s *Store) Backup(ctx context.Context, release string, w io.Writer) error {
	const op = "storage.backup"
	place := 0
	for place < len(s.backing) && !s.backing[place].TryLock() {
		place++
	}
	if place == len(s.backing) {
		return fault(op, runtime.Errorf(runtime.CodeConflict, "%d other backups are in progress", len(s.backing)).WithHint("try again when one has ended"))
	}
	defer s.backing[place].Unlock()
	if err := s.Health(); err != nil {
		return err
	}
	began := time.Now()
	dir := s.fs.PathJoin(s.dir, disk.CheckpointNames[place])
	if err := s.checkpoint(dir); err != nil {
		return fault(op, s.checked(err))
	}
	defer func() {
		if err := s.fs.RemoveAll(dir); err != nil {
			s.log.Warn("storage: the files of a backup cannot be removed; the next start removes them", "err", err)
		}
	}()
	return fault(op, s.writeBackup(ctx, dir, backup.Info{Release: release, Time: began.UTC()}, w))
}

// checkpoint makes a folder with the present files of the store: tables have a second name there, logs
// are copied.
func (s *Store) checkpoint(dir string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	defer func() {
		if p := recover(); p != nil { // Pebble may be locked
			s.fatal(fmt.Sprintf("storage: a backup panicked: %v\n%s", p, debug.Stack()))
		}
	}()
	if !s.commits.Wait(s.commits.Visible(), backupPatience) {
		return s.health.Full()
	}
	// An earlier backup may have left files that it could not remove.
	if err := s.fs.RemoveAll(dir); err != nil {
		return err
	}
	if s.replica != nil { // whose writes are durable in its log, not on the disk
		return s.db.Checkpoint(dir, pebble.WithFlushedWAL())
	}
	return s.db.Checkpoint(dir)
}

func (s *Store) writeBackup(ctx context.Context, dir string, info backup.Info, w io.Writer) error {
	names, err := s.fs.List(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	b, err := backup.NewWriter(w, info)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.backUp(ctx, b, dir, name); err != nil {
			return err
		}
	}
	return b.Close()
}

// backUp adds a file to a backup.
func (s *Store) backUp(ctx context.Context, b *backup.Writer, dir, name string) error {
	f, err := s.fs.Open(s.fs.PathJoin(dir, name), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.Add(name, info.Size(), &backupReader{ctx: ctx, store: s, file: f})
}

// backupReader reads a file of a backup until it is abandoned, or until the disk is too full.
type backupReader struct {
	ctx   context.Context
	store *Store
	file  io.Reader
	left  int // bytes until the disk is looked at again
}

// backupChunk is the number of bytes of a backup between two looks at the disk.
const backupChunk = 8 << 20

func (r *backupReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, runtime.Errorf(runtime.CodeUnavailable, "the backup was abandoned: %v", r.ctx.Err()).WithHint("make another one")
	}
	if r.left <= 0 {
		if err := r.store.Health(); err != nil {
			return 0, err
		}
		r.left = backupChunk
	}
	n, err := r.file.Read(p)
	r.left -= n
	return n, err
}

// dropCheckpoints removes what backups have left of a process that was killed.
func dropCheckpoints(fs vfs.FS, dir string) error {
	for _, name := range disk.CheckpointNames {
		path := fs.PathJoin(dir, name)
		if _, err := fs.Stat(path); err != nil {
			continue
		}
		if err := fs.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// openToRead opens the database of a store that no process uses, and changes nothing.
func openToRead(fs vfs.FS, dir string) (*pebble.DB, error) {
	if _, err := fs.Stat(dir); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return nil, err
	}
	if !desc.Exists {
		return nil, fmt.Errorf("%w: it has no manifest", errForeign)
	}
	db, err := openPebble(dir, &pebble.Options{
		FS: fs, ReadOnly: true, ErrorIfNotExists: true, FormatMajorVersion: desc.FormatMajorVersion, Logger: silent{}, DisableTableStats: true,
		// Pebble's own listener ends the process.
		EventListener: &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}},
	})
	if err != nil {
		return nil, lockError(err)
	}
	return db, nil
}

// silent drops the messages of Pebble, whose errors are returned as well.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Errorf(format, args...))
}
