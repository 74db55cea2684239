//go:build linux

package wasi

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// check compares the whole trees and verifies the counters.
func (m *model) check(*rapid.T) {
	if err := m.r.sys.audit(m.r.kept); err != nil {
		m.t.Fatal(err)
	}
	ours := dump(m.r.sys)
	theirs := map[string]string{}
	walkMachine(m.t, m.root, "", theirs)
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		for p := range ours {
			if ours[p] != theirs[p] {
				m.t.Fatalf("%s differs: %.50q, the machine %.50q", p, ours[p], theirs[p])
			}
		}
		m.t.Fatalf("the guest has %d files, the machine %d", len(ours), len(theirs))
	}
}

func walkMachine(t *rapid.T, dir int, at string, all map[string]string) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "dir")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := make([]byte, 100)
		if n, err := unix.Readlinkat(fd, name, text); err == nil {
			all[at+"/"+name] = "link " + string(text[:n])
			continue
		}
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			all[at+"/"+name] = "dir"
			walkMachine(t, sub, at+"/"+name, all)
			unix.Close(sub)
			continue
		}
		if !errors.Is(err, unix.ENOTDIR) {
			t.Fatal(err)
		}
		content, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
		if err != nil {
			t.Fatal(err)
		}
		all[at+"/"+name] = "file " + string(content)
	}
}

// TestAgainstTheMachine applies the same random operations to /tmp and to a directory of this
// machine, and compares the results.
func TestAgainstTheMachine(t *testing.T) {
	r := newRig(t)
	rapid.Check(t, func(t *rapid.T) {
		base, err := os.MkdirTemp("", "wasi")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(base)
		root, err := unix.Open(base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.reset(nil)
		tmp := r.mustOpen("tmp", openDirectory, forReading)
		m := &model{t: t, r: r, root: root, tmp: tmp, fds: map[uint32]int{}, dirs: map[uint32]int{tmp: root}}
		defer func() {
			for _, fds := range []map[uint32]int{m.fds, m.dirs} {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}
		}()
		recapture := func(*rapid.T) {
			// A capture in the middle must not affect the run.
			state := r.capture()
			if rapid.Bool().Draw(t, "reset") {
				r.reset(state)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(*rapid.T) { m.open() }, "open again": func(*rapid.T) { m.open() }, "close": func(*rapid.T) { m.close() },
			"close directory": func(*rapid.T) { m.closeDir() },
			"write":           func(*rapid.T) { m.write() }, "pwrite": func(*rapid.T) { m.pwrite() },
			"read": func(*rapid.T) { m.read() }, "pread": func(*rapid.T) { m.pread() },
			"seek": func(*rapid.T) { m.seek() }, "truncate": func(*rapid.T) { m.truncate() }, "allocate": func(*rapid.T) { m.allocate() },
			"mkdir": func(*rapid.T) { m.mkdir() }, "rmdir": func(*rapid.T) { m.rmdir() },
			"unlink": func(*rapid.T) { m.unlink() }, "rename": func(*rapid.T) { m.rename() }, "stat": func(*rapid.T) { m.stat() },
			"symlink": func(*rapid.T) { m.symlink() }, "link": func(*rapid.T) { m.link() }, "readlink": func(*rapid.T) { m.readlink() },
			"dup":     func(*rapid.T) { m.dup() },
			"park":    func(*rapid.T) { m.park() },
			"capture": recapture, "": m.check,
		})
	})
}
