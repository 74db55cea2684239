package storage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
)

// runSelf runs one test of this package in a process of its own.
func runSelf(test string, env ...string) (stdout []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+test+"$")
	// The race detector lets a process linger for a second at its end.
	cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	return cmd.Output()
}

// fastDir is a folder in memory, where there is one: what survives the end of a
// process, unlike what survives lost power, does not depend on the disk, and
// syncs take no time there.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "faaspot-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

const (
	envFailAt  = "FAASPOT_TEST_FAIL_AT"
	envFailDir = "FAASPOT_TEST_FAIL_DIR"
	// failChanges is how many changes the process makes that is to fail.
	failChanges = 4
	// exitNoFailure is its exit status when it made fewer writes than that.
	exitNoFailure = 42
)

// Every k-th write of the disk fails, for all k until a process makes fewer
// writes than that. A write that fails in the log ends the process, partly by
// errors of Go that no test can catch: each k has a process of its own. It
// tells what it acknowledged, and that must be there when the disk works again.
func TestFailingWrites(t *testing.T) {
	if at := os.Getenv(envFailAt); at != "" {
		failingProcess(t, at)
		return
	}
	base := fastDir(t)
	for k := 0; ; k++ {
		dir := filepath.Join(base, strconv.Itoa(k))
		out, err := runSelf("TestFailingWrites", envFailAt+"="+strconv.Itoa(k), envFailDir+"="+dir)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() {
			t.Fatalf("write %d failed and the process hung: %v", k, err)
		}
		before, after := acknowledged(t, out)
		s, openErr := Open(onDisk(dir))
		if openErr != nil {
			t.Fatalf("write %d failed, and the store cannot be opened: %v", k, openErr)
		}
		if got := contents(t, s); !got.equal(before) && !got.equal(after) {
			t.Errorf("write %d failed and left neither what was acknowledged: %s\nnor that and the change under way: %s",
				k, cmp.Diff(before.shape(), got.shape()), cmp.Diff(after.shape(), got.shape()))
		}
		checkInvariants(t, s)
		must(t, s.Close())
		must(t, os.RemoveAll(dir))
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitNoFailure {
			if k < 15 || len(before) == 0 {
				t.Fatalf("only %d writes could fail, and %d functions were made", k, len(before))
			}
			return
		}
	}
}

// failingProcess makes changes on a disk whose write with the given index
// fails, and prints a line for each that it acknowledges or refuses.
func failingProcess(t *testing.T, at string) {
	k, err := strconv.Atoi(at)
	must(t, err)
	failure := []error{syscall.EIO, syscall.ENOSPC}[k%2]
	var writes atomic.Int32
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && int(writes.Add(1))-1 == k {
			return failure
		}
		return nil
	}))
	s, err := Open(Options{Dir: os.Getenv(envFailDir), FS: fs, Log: quiet})
	if err != nil {
		os.Exit(1)
	}
	rng, m := rand.New(rand.NewPCG(7, 7)), model{}
	for i := range failChanges {
		c := randomChange(rng, m, i)
		if err := c.do(s); err != nil {
			fmt.Println("refused")
		} else {
			m = c.after
			fmt.Println("done")
		}
		if i == failChanges/2 {
			_ = s.guarded(s.db.Flush)
		}
	}
	_ = s.Close()
	if int(writes.Load()) <= k {
		os.Exit(exitNoFailure)
	}
	os.Exit(0)
}

// acknowledged is the model of what a failing process said that it did, and the
// one that has the change beyond that as well.
func acknowledged(t *testing.T, out []byte) (before, after model) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	before = model{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for i := range failChanges {
		c := randomChange(rng, before, i)
		if !lines.Scan() {
			return before, c.after
		}
		switch lines.Text() {
		case "done":
			before = c.after
		case "refused":
		default:
			t.Fatalf("the process said %q", lines.Text())
		}
	}
	return before, before
}
