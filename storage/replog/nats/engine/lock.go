package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lockName is the name of the file whose lock keeps other processes from a folder.
const lockName = "LOCK"

// errHeld reports that a folder is in use.
var errHeld = errors.New("another process uses it, or it cannot be locked: stop the other one, or give each server a folder of its own")

// lock takes the lock of a folder, which it makes if there is none, until the closer is closed, or the process ends. It does not wait.
func lock(folder string) (io.Closer, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	held, err := vfs.Default.Lock(filepath.Join(folder, lockName))
	if err != nil {
		return nil, fmt.Errorf("the data folder %s: %w (%w)", folder, errHeld, err)
	}
	return held, nil
}
