package storage

import (
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// flushFailures is how often a flush may fail before nobody waits for it any
	// more. The first time may have been chance.
	flushFailures = 2
	// tablePause is the time between two attempts to make tables, once that has
	// failed. Pebble tries again at once, and for ever.
	tablePause = 200 * time.Millisecond
)

// flush waits until all that was written is in tables, or until the disk has
// failed with that again and again.
func (s *Store) flush() error {
	failed := s.health.nextFailure()
	done, err := s.db.AsyncFlush()
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
			return s.health.lastFailure()
		}
		failed = s.health.nextFailure()
	}
}

// calmFS is a disk on which tables are made with pauses while that fails.
type calmFS struct {
	vfs.FS
	health *health
}

func (fs calmFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && fs.health.failing() {
		time.Sleep(tablePause)
	}
	return fs.FS.Create(name, category)
}
