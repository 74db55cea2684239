package storage

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// withoutTables returns a disk on which no table can be created while full is set. It counts the
// attempts.
func withoutTables(mem vfs.FS, full *atomic.Bool, attempts *atomic.Int64) vfs.FS {
	return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && full.Load() {
			attempts.Add(1)
			return syscall.ENOSPC
		}
		return nil
	}))
}

// A disk that takes the log, but no tables, blocks no call forever: Close returns and says why it
// could not flush, and every acknowledged change exists when the disk works again. Attempts have
// pauses between them, and only the first failure is logged.
func TestTablesThatCannotBeCreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var full atomic.Bool
		var attempts atomic.Int64
		var log bytes.Buffer
		o := options(withoutTables(mem, &full, &attempts), "store")
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s, err := Open(o)
		must(t, err)
		must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a")))
		full.Store(true)
		_, err = s.db.AsyncFlush()
		must(t, err)
		time.Sleep(time.Minute)
		if n := attempts.Load(); n < 2 || n > 2*int64(time.Minute/disk.TablePause)+2 { // each one is tried twice
			t.Errorf("it was attempted %d times in a minute", n)
		}
		wantCode(t, s.Health(), runtime.CodeUnavailable)
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
			t.Errorf("Close returned %v", err)
		}
		if n := strings.Count(log.String(), "a flush or compaction failed"); n != 1 {
			t.Errorf("the failure is logged %d times:\n%s", n, log.String())
		}
		full.Store(false)
		s, err = Open(o)
		must(t, err)
		if _, err := s.GetFunctionByName("a", "one"); err != nil {
			t.Error(err)
		}
		checkInvariants(t, s)
		must(t, s.Close())
	})
}

// Close does not return a failure that passes.
func TestTableCreatedOnRetry(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var attempts atomic.Int64
	var log bytes.Buffer
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && full.CompareAndSwap(true, false) {
			attempts.Add(1)
			return syscall.EIO
		}
		return nil
	}))
	o := options(fs, "store")
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := Open(o)
	must(t, err)
	must(t, s.PutSetting("x", []byte("y")))
	full.Store(true)
	must(t, s.Close())
	if attempts.Load() != 1 || !strings.Contains(log.String(), "work again") {
		t.Errorf("%d attempts failed, the log says\n%s", attempts.Load(), log.String())
	}
}

// A store whose records are only in the log cannot be opened on such a disk: the process ends and
// says why. This test runs itself as that process.
func TestLogThatCannotBeFlushed(t *testing.T) {
	alone(t, "another process opens its folder, without the log")
	t.Parallel()
	var full atomic.Bool
	var attempts atomic.Int64
	full.Store(true)
	if dir := os.Getenv("FAASPOT_TEST_FULL"); dir != "" {
		o := Options{Dir: dir, FS: withoutTables(vfs.Default, &full, &attempts), Log: slog.New(slog.NewTextHandler(os.Stdout, nil))}
		_, err := Open(o)
		t.Fatalf("the process continues with %v", err)
	}
	dir := killed(t)
	out, err := runSelf("TestLogThatCannotBeFlushed", "FAASPOT_TEST_FULL="+dir)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("cannot open the data folder "+dir+": no space is left on the disk; free some space")) {
		t.Errorf("it ended with %v and printed\n%s", err, out)
	}
	wantHeldOrRefused(t, dir, false)
}

func TestFolderOnAFullDisk(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var attempts atomic.Int64
	full.Store(true)
	wantRefusal(t, options(withoutTables(vfs.NewMem(), &full, &attempts), "store"), "no space is left")
}

// While no table can be created, ends of executions are accepted as long as memory has room for
// them, then refused. No call waits without end: executions can be read and cancelled all the time,
// and the ends are accepted once the disk works.
func TestReadsContinueWhileTablesFail(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var attempts atomic.Int64
	s, c := openOn(t, withoutTables(vfs.NewMem(), &full, &attempts), "store"), newClerk()
	const runs = 60
	var all []runtime.Execution
	for range runs {
		all = append(all, begin(t, s, c))
	}
	full.Store(true)
	finish := func(x runtime.Execution) error {
		x = ended(x)
		x.State, x.Failure = runtime.StateSucceeded, nil
		x.Result = storetest.Noise(runtime.MiB)
		settled, err := s.Finish([]runtime.Execution{x}, c.at)
		if err == nil {
			err = settled[0].Err
		}
		return err
	}
	taken := 0
	for ; taken < runs; taken++ {
		if err := finish(all[taken]); err != nil {
			wantCode(t, err, runtime.CodeUnavailable)
			break
		}
	}
	if taken == 0 || taken == runs {
		t.Fatalf("%d of %d ends were accepted", taken, runs)
	}
	for i, x := range all {
		got, err := s.GetExecution(x.Tenant, x.ID)
		must(t, err)
		if got.State.Terminal() != (i < taken) {
			t.Errorf("run %d is read as %s", i, got.State)
		}
	}
	_, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 10)
	must(t, err)
	if x, changed, err := s.Cancel(all[taken].Tenant, all[taken].ID, c.at); err != nil || !changed || x.State != runtime.StateCancelling {
		t.Errorf("cancelled: %s, %v, %v", x.State, changed, err)
	}

	full.Store(false)
	for i := taken; i < runs; i++ {
		for err := finish(all[i]); err != nil; err = finish(all[i]) {
			wantCode(t, err, runtime.CodeUnavailable)
			time.Sleep(time.Millisecond)
		}
	}
	checkInvariants(t, s)
}
