package runtime

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ClearFolder removes everything in a folder, if there is one. The folder itself stays: it may be a link
// to another disk, or one that is mounted there.
func ClearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
