package storage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// failMoves is how many moves the process makes that is to fail.
const failMoves = 12

// failPlayer plays a game without moves that may be lost: what a process that
// ended acknowledged is then all there.
func failPlayer() *player {
	p := newPlayer(11)
	p.soft = false
	return p
}

// Every k-th write of the disk fails amid moves of executions, as it does amid
// changes of functions in TestFailingWrites.
func TestFailingWritesAmidExecutions(t *testing.T) {
	if at := os.Getenv(envFailAt); at != "" {
		failingMoves(t, at)
		return
	}
	base := fastDir(t)
	for k := 0; ; k++ {
		dir := filepath.Join(base, strconv.Itoa(k))
		out, err := runSelf("TestFailingWritesAmidExecutions", envFailAt+"="+strconv.Itoa(k), envFailDir+"="+dir)
		exit, failed := errors.AsType[*exec.ExitError](err)
		if failed && !exit.Exited() {
			t.Fatalf("write %d failed and the process hung: %v", k, err)
		}
		before, after := acknowledgedMoves(t, out)
		s, openErr := Open(onDisk(dir))
		if openErr != nil {
			t.Fatalf("write %d failed, and the store cannot be opened: %v", k, openErr)
		}
		checkInvariants(t, s)
		got := holding(t, s)
		if diff, also := before.diff(got, false), after.diff(got, false); diff != "" && also != "" {
			t.Errorf("write %d failed and left neither what was acknowledged:\n%s\nnor that and the move under way:\n%s", k, diff, also)
		}
		must(t, s.Close())
		must(t, os.RemoveAll(dir))
		if failed && exit.ExitCode() == exitNoFailure {
			if k < 15 || len(before.all) == 0 {
				t.Fatalf("only %d writes could fail, and %d executions were made", k, len(before.all))
			}
			return
		}
	}
}

// failingMoves makes moves on a disk whose write with the given index fails, and
// prints a line for each that it acknowledges or refuses.
func failingMoves(t *testing.T, at string) {
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
	p, l := failPlayer(), newLedger()
	for i := range failMoves {
		m := p.move(l)
		if err := m.do(s); err != nil {
			fmt.Println("refused")
		} else {
			l = m.after
			fmt.Println("done")
		}
		if i == failMoves/2 {
			_ = s.guarded(s.db.Flush)
		}
	}
	_ = s.Close()
	if int(writes.Load()) <= k {
		os.Exit(exitNoFailure)
	}
	os.Exit(0)
}

// acknowledgedMoves is the ledger of what a failing process said that it did,
// and the one that has the move beyond that as well.
func acknowledgedMoves(t *testing.T, out []byte) (before, after ledger) {
	t.Helper()
	p := failPlayer()
	before = newLedger()
	lines := bufio.NewScanner(bytes.NewReader(out))
	for range failMoves {
		m := p.move(before)
		if !lines.Scan() {
			return before, m.after
		}
		switch lines.Text() {
		case "done":
			before = m.after
		case "refused":
		default:
			t.Fatalf("the process said %q", lines.Text())
		}
	}
	return before, before
}
