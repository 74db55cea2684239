package storage

import (
	"os"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/storage/replog/mem"
)

// envLog is the variable that makes all stores of the tests replicas of logs in memory.
const envLog = "FAASPOT_TEST_LOG"

// logs has the logs of the tests' stores.
var logs = struct {
	sync.Mutex
	all map[logKey]*mem.Log
}{all: map[logKey]*mem.Log{}}

type logKey struct {
	fs  vfs.FS
	dir string
}

// replication returns the log of a folder, which a test may open several times, or nil without envLog.
func replication(fs vfs.FS, dir string) *Replication {
	if os.Getenv(envLog) == "" || fs == nil {
		return nil
	}
	logs.Lock()
	defer logs.Unlock()
	key := logKey{rootOf(fs), dir}
	if logs.all[key] == nil {
		logs.all[key] = mem.New()
	}
	return &Replication{Log: logs.all[key].Client(), Generation: 1, Node: "test"}
}

// alone skips a test of what only a store without a log does, and says why.
func alone(t *testing.T, why string) {
	t.Helper()
	if os.Getenv(envLog) != "" {
		t.Skip(why)
	}
}

// rootOf returns the file system below all wrappers.
func rootOf(fs vfs.FS) vfs.FS {
	for {
		switch wrapper := fs.(type) {
		case sizedFS:
			fs = wrapper.FS
		case totalFS:
			fs = wrapper.FS
		default:
			if fs.Unwrap() == nil {
				return fs
			}
			fs = fs.Unwrap()
		}
	}
}

// crashClone returns what a loss of power leaves of a disk. The logs are elsewhere, and lose nothing.
func crashClone(fs *vfs.MemFS, cfg vfs.CrashCloneCfg) *vfs.MemFS {
	clone := fs.CrashClone(cfg)
	logs.Lock()
	defer logs.Unlock()
	for key, log := range logs.all {
		if key.fs == vfs.FS(fs) {
			logs.all[logKey{clone, key.dir}] = log.Clone()
		}
	}
	return clone
}
