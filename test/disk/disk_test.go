//go:build linux

package disk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/test/process"
)

// memoryDisk mounts a file system in memory of the given size. It skips the test if that is not
// possible, such as without root.
func memoryDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("faaspot-test", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	process.Until(t, dir+" is unmounted", func() bool {
		err := unix.Unmount(dir, 0)
		if err != nil && !errors.Is(err, unix.EBUSY) { // a process that has just ended may still hold it
			t.Fatalf("unmount %s: %v", dir, err)
		}
		return err == nil
	})
}

// brittleDisk is a file system in a sparse file on a smaller disk. It fails once that disk is full.
type brittleDisk struct {
	behind string // folder of the file, on the smaller disk
	file   string
	dir    string // where it is mounted
}

// newBrittleDisk creates a brittle disk, or skips the test.
func newBrittleDisk(t *testing.T) *brittleDisk {
	t.Helper()
	behind := memoryDisk(t, "128m")
	d := &brittleDisk{behind: behind, file: filepath.Join(behind, "disk"), dir: t.TempDir()}
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.file, 1<<30); err != nil {
		t.Fatal(err)
	}
	// A small journal, completely written now, so that later failures are not deferred work of
	// mkfs.
	d.tool(t, "mkfs.ext4", "-q", "-J", "size=8", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.file)
	d.mount(t)
	t.Cleanup(func() { d.unmount(t) })
	return d
}

// tool runs a program of the system, or skips the test if it fails.
func (d *brittleDisk) tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Skipf("cannot create a disk that fails: %s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func (d *brittleDisk) mount(t *testing.T) {
	t.Helper()
	d.tool(t, "mount", "-o", "loop,errors=remount-ro", d.file, d.dir)
}

func (d *brittleDisk) unmount(t *testing.T) {
	t.Helper()
	unmount(t, d.dir)
}

// mend repairs the disk and keeps its content.
func (d *brittleDisk) mend(t *testing.T) {
	t.Helper()
	d.unmount(t)
	if err := os.Remove(filepath.Join(d.behind, fillerName)); err != nil {
		t.Fatal(err)
	}
	// Status 1 means that errors were corrected, see e2fsck(8).
	out, err := exec.Command("e2fsck", "-p", d.file).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatalf("e2fsck: %v: %s", err, out)
	}
	d.mount(t)
}

// fillerName is the name of the file that fills a disk.
const fillerName = "filler"

// fill writes a file until only the given number of bytes is left in a file system, and returns its
// name.
func fill(t *testing.T, dir string, left uint64) (name string) {
	t.Helper()
	name = filepath.Join(dir, fillerName)
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		free := room(t, dir)
		if free <= left {
			return name
		}
		n, err := f.Write(block[:min(uint64(len(block)), free-left)])
		if err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		if n == 0 {
			return name
		}
	}
}

// room returns the number of bytes that are left in a file system.
func room(t *testing.T, dir string) uint64 {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return s.Bavail * uint64(s.Bsize)
}
