package runtime

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ClearFolder removes the files in a folder, if there is one, whose names have a prefix. The folder
// itself stays: it may be a link to another disk, or one that is mounted there.
func ClearFolder(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
