package engine

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lockName is the name of the file whose lock keeps other processes from a folder.
const lockName = "LOCK"

// errHeld reports that a folder is in use.
var errHeld = errors.New("another process uses it, or it cannot be locked: stop the other one, or give each server a folder of its own")

// lock takes the lock of a folder until the closer is closed, or the process ends. It does not wait.
func lock(folder string) (io.Closer, error) {
	held, err := vfs.Default.Lock(filepath.Join(folder, lockName))
	if err != nil {
		return nil, fmt.Errorf("the data folder %s: %w (%w)", folder, errHeld, err)
	}
	return held, nil
}
