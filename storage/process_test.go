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
	"strings"
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
	// The race detector would delay the end of the process by a second.
	cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	return cmd.Output()
}

// fastDir returns a folder in memory, if there is one. Unlike the data that survives lost power,
// the data that survives a process does not depend on the disk, and syncs take no time there.
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
	// failChanges is the number of changes of the process that fails.
	failChanges = 4
	// exitNoFailure is its exit status if it made fewer writes than that.
	exitNoFailure = 42
)

// Every k-th write of the disk fails during changes of functions.
func TestFailingWrites(t *testing.T) {
	alone(t, "another process opens its folder, without the log")
	t.Parallel()
	rng, m := rand.New(rand.NewPCG(7, 7)), model{}
	if at := os.Getenv(envFailAt); at != "" {
		i := 0
		onFailingDisk(t, at, failChanges, func(s *Store) error {
			c := randomChange(rng, m, i)
			i++
			err := c.do(s)
			if err == nil {
				m = c.after
			}
			return err
		})
	}
	eachFailure(t, "TestFailingWrites", func(k int, out []byte, s *Store) (made int) {
		rng := rand.New(rand.NewPCG(7, 7))
		before, after := acknowledged(t, out, failChanges, model{}, func(before model, i int) model {
			return randomChange(rng, before, i).after
		})
		said := strings.Fields(string(out))
		for i, made := range changesLeft(t, s, failChanges) {
			if i < len(said) && made != (said[i] == "done") || i > len(said) && made {
				t.Errorf("write %d failed; change %d is recorded: %v, but the process printed %q", k, i, made, said)
			}
		}
		if got := contents(t, s); !got.equal(before) && !got.equal(after) {
			t.Errorf("write %d failed, and the store matches neither the acknowledged changes: %s\nnor those and the change in progress: %s",
				k, cmp.Diff(before.shape(), got.shape()), cmp.Diff(after.shape(), got.shape()))
		}
		return len(before)
	})
}

// eachFailure fails the k-th write of the disk, for all k (of shortened tests, for each fourth) until a process makes fewer writes than
// that. A write that fails in the log ends the process, so each k has a process of its own, in
// which the test calls onFailingDisk. The process prints what it acknowledged, and that must exist
// when the disk works again: check checks it, and returns how much was made.
func eachFailure(t *testing.T, test string, check func(k int, out []byte, s *Store) (made int)) {
	t.Helper()
	base, step := fastDir(t), 1
	if testing.Short() {
		step = 4 // so that each kind of failure has its turn
	}
	folder := func(k int) string { return filepath.Join(base, strconv.Itoa(k)) }
	type ended struct {
		out []byte
		err error
	}
	// Some processes run ahead of the checks: they wait most of the time.
	const ahead = 8
	var running []chan ended
	begin := func(k int) {
		end := make(chan ended, 1)
		running = append(running, end)
		go func() {
			out, err := runSelf(test, envFailAt+"="+strconv.Itoa(k), envFailDir+"="+folder(k))
			end <- ended{out, err}
		}()
	}
	defer func() {
		for _, end := range running {
			<-end
		}
	}()
	for i := range ahead {
		begin(i * step)
	}
	for k := 0; ; k += step {
		begin(k + ahead*step)
		dir, e := folder(k), <-running[0]
		running = running[1:]
		out, err := e.out, e.err
		exit, failed := errors.AsType[*exec.ExitError](err)
		if failed && !exit.Exited() {
			t.Fatalf("write %d failed and the process hung: %v", k, err)
		}
		if failed && exit.ExitCode() != 1 && exit.ExitCode() != exitNoFailure {
			t.Errorf("write %d failed, and the process ended with %v, not with a reason:\n%.3000s", k, err, exit.Stderr)
		}
		s, openErr := Open(onDisk(dir))
		if openErr != nil {
			t.Fatalf("write %d failed, and the store cannot be opened: %v", k, openErr)
		}
		checkInvariants(t, s)
		made := check(k, out, s)
		must(t, s.Close())
		must(t, os.RemoveAll(dir))
		if failed && exit.ExitCode() == exitNoFailure {
			if k < 15 || made == 0 {
				t.Fatalf("only %d writes could fail, and %d changes were made", k, made)
			}
			return
		}
	}
}

// onFailingDisk takes steps on a disk whose write with the given index fails, prints a line for
// each step that is acknowledged or refused, and ends the process.
func onFailingDisk(t *testing.T, at string, steps int, step func(s *Store) error) {
	k, err := strconv.Atoi(at)
	must(t, err)
	// On a disk that was remounted read-only all further writes fail, too.
	failure := []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS}[k%3]
	var writes atomic.Int32
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		if at := int(writes.Add(1)) - 1; at == k || at > k && failure == syscall.EROFS {
			return failure
		}
		return nil
	}))
	s, err := Open(Options{Dir: os.Getenv(envFailDir), FS: fs, Log: quiet, Ballast: smallBallast})
	if err != nil {
		os.Exit(1)
	}
	for i := range steps {
		if err := step(s); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("done")
		}
		if i == steps/2 {
			_ = s.flush()
		}
	}
	_ = s.Close()
	if int(writes.Load()) <= k {
		os.Exit(exitNoFailure)
	}
	os.Exit(0)
}

// acknowledged returns the model of the steps that a failing process acknowledged, and the model
// with the step after them.
func acknowledged[M any](t *testing.T, out []byte, steps int, before M, step func(before M, i int) (after M)) (said, beyond M) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(out))
	for i := range steps {
		after := step(before, i)
		if !lines.Scan() {
			return before, after
		}
		switch lines.Text() {
		case "done":
			before = after
		case "refused":
		default:
			t.Fatalf("the process printed %q", lines.Text())
		}
	}
	return before, before
}
