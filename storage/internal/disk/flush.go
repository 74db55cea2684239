package disk

import (
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// flushFailures is the number of failures in a row after which nothing waits for a flush any
	// longer. The first failure may be chance.
	flushFailures = 2
	// TablePause is the time between two attempts to write tables after a failure. Pebble retries
	// at once, and without end.
	TablePause = 200 * time.Millisecond
)

// Flush waits until everything that was written is in tables, or until the disk has failed
// flushFailures times.
func (h *Health) Flush(db *pebble.DB) error {
	failed := h.nextFailure()
	done, err := db.AsyncFlush()
	if err != nil {
		return err
	}
	for failures := 1; ; failures++ {
		select {
		case <-done:
			return nil
		case <-failed:
		}
		if failures == flushFailures {
			return h.lastFailure()
		}
		failed = h.nextFailure()
	}
}

// tableFS is a file system that pauses before it creates a table while flushes or compactions fail.
type tableFS struct {
	vfs.FS
	health *Health
}

func (fs tableFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && fs.health.Failing() {
		time.Sleep(TablePause)
	}
	return fs.FS.Create(name, category)
}
