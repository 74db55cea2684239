package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// The file has tokens: only its owner may read it.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Update changes or creates the file at path. It takes the lock of all writers, reads the file,
// calls change, and replaces the file in one step. An absent folder is created with mode 0700; a
// written file has mode 0600. If change fails or changes nothing, the file does not change.
func Update(path string, change func(*File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return fmt.Errorf("create the folder of the profile file: %w", err)
	}
	// The file may be a symbolic link, which is preserved.
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target = path
	} else if err != nil {
		return fmt.Errorf("find the profile file: %w", err)
	}
	unlock, err := lockedfile.MutexAt(target + ".lock").Lock()
	if err != nil {
		return fmt.Errorf("lock the profile file: %w", err)
	}
	defer unlock()

	before, err := os.ReadFile(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the profile file: %w", err)
	}
	f, err := parse(path, before)
	if err != nil {
		return err
	}
	unchanged, err := f.encode()
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	after, err := f.encode()
	if err != nil {
		return err
	}
	if bytes.Equal(unchanged, after) {
		return nil
	}
	if err := replace(target, after); err != nil {
		return fmt.Errorf("write the profile file: %w", err)
	}
	return nil
}

// replace replaces the content of the file at path. Readers find either the old or the new content,
// even after a crash of the machine.
func replace(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err = tmp.Chmod(fileMode); err != nil {
		return err
	}
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if d, openErr := os.Open(dir); openErr == nil {
		// Not every file system syncs a folder; the content is safe either way.
		_ = d.Sync()
		d.Close()
	}
	return nil
}
