package engine_test

import (
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// envLog is the variable that makes all stores of the tests replicas of logs in memory.
const envLog = "FAASPOT_TEST_LOG"

// logs has the logs of the tests' stores.
var logs = struct {
	sync.Mutex
	all map[vfs.FS]*mem.Log
}{all: map[vfs.FS]*mem.Log{}}

// replication returns the log of the store on a disk, which a test may open several times, or nil without
// envLog.
func replication(fs *vfs.MemFS) *storage.Replication {
	if os.Getenv(envLog) == "" {
		return nil
	}
	logs.Lock()
	defer logs.Unlock()
	if logs.all[fs] == nil {
		logs.all[fs] = mem.New()
	}
	return &storage.Replication{Log: logs.all[fs].Client(), Generation: 1, Node: "test"}
}

// crashClone returns what a loss of power leaves of a disk. The log is elsewhere, and loses nothing.
func crashClone(fs *vfs.MemFS, cfg vfs.CrashCloneCfg) *vfs.MemFS {
	clone := fs.CrashClone(cfg)
	logs.Lock()
	defer logs.Unlock()
	if log := logs.all[fs]; log != nil {
		logs.all[clone] = log.Clone()
	}
	return clone
}
