package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// dirMode gives access to the owner alone: contexts hold secrets.
const dirMode fs.FileMode = 0o700

// makeDir creates a directory and its parents, so that they survive a lost machine: each one is
// synced into its parent.
func makeDir(fsys vfs.FS, dir string) error {
	_, err := fsys.Stat(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	around := fsys.PathDir(dir)
	if around != dir {
		if err := makeDir(fsys, around); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	parent, err := fsys.OpenDir(around)
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// checkDir refuses a path that is not a directory, and a directory that every user can write to. A
// directory that others can read is logged, not refused: volume drivers and restored backups often
// leave it so.
func checkDir(fsys vfs.FS, dir string, log *slog.Logger) error {
	info, err := fsys.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return errExposed
	case mode&^dirMode != 0 && fsys == vfs.Default:
		log.Warn("storage: users other than the owner can read the data folder; remove this access with chmod 700",
			"dir", dir, "mode", mode)
	}
	return nil
}
