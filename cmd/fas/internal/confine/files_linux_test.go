//go:build amd64 || arm64

package confine

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// outside are uses of files outside of the data folder, or of a kind that the server does not make.
func outside(s site, folder int) map[string]func() error {
	secret, other := filepath.Join(s.Outside, "secret"), filepath.Join(s.Outside, "other")
	own := filepath.Join(s.Data, "file")
	read := func(path string) func() error {
		return func() error {
			_, err := os.ReadFile(path)
			return err
		}
	}
	return map[string]func() error{
		"read":             read(secret),
		"read by a link":   read(filepath.Join(s.Data, "deep", "link")),
		"read by the root": read("/proc/self/root" + secret),
		"read by dots":     read(s.Data + "/../" + filepath.Base(s.Outside) + "/secret"),
		"read by a folder": func() error {
			fd, err := unix.Openat(folder, "secret", unix.O_RDONLY, 0)
			if err == nil {
				unix.Close(fd)
			}
			return err
		},
		"read a process":    read("/proc/1/environ"),
		"read the accounts": read("/etc/shadow"),
		"read the program":  read("/proc/self/exe"),
		"list": func() error {
			_, err := os.ReadDir(s.Outside)
			return err
		},
		"write": func() error { return os.WriteFile(secret, []byte("x"), 0o600) },
		"append": func() error {
			f, err := os.OpenFile(secret, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				f.Close()
			}
			return err
		},
		"truncate":         func() error { return os.Truncate(secret, 0) },
		"create":           func() error { return os.WriteFile(other, nil, 0o600) },
		"make a folder":    func() error { return os.Mkdir(other, 0o700) },
		"remove":           func() error { return os.Remove(secret) },
		"rename":           func() error { return os.Rename(secret, other) },
		"move out":         func() error { return os.Rename(own, other) },
		"move in":          func() error { return os.Rename(secret, filepath.Join(s.Data, "moved")) },
		"link in":          func() error { return os.Link(secret, filepath.Join(s.Data, "linked")) },
		"link":             func() error { return os.Symlink(secret, filepath.Join(s.Data, "linked")) },
		"pipe":             func() error { return unix.Mkfifo(filepath.Join(s.Data, "pipe"), 0o600) },
		"device":           func() error { return unix.Mknod(filepath.Join(s.Data, "null"), unix.S_IFCHR|0o600, 0x103) },
		"change the owner": func() error { return os.Chown(own, 1, 1) },
		"execute":          func() error { return exec.Command(own).Run() },
		"write a setting":  func() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0) },
		"listen for others": func() error {
			l, err := net.Listen("unix", filepath.Join(s.Data, "socket"))
			if err == nil {
				l.Close()
			}
			return err
		},
		"read what it creates": func() error {
			_, err := os.ReadDir(s.Create)
			return err
		},
	}
}

// within are uses of files that a server needs.
func within(s site) map[string]func() error {
	own, sub := filepath.Join(s.Data, "file"), filepath.Join(s.Data, "sub")
	read := func(path string) func() error {
		return func() error {
			_, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // on this machine
			}
			return err
		}
	}
	return map[string]func() error{
		"use the data": func() error {
			moved := filepath.Join(sub, "moved")
			return errors.Join(os.WriteFile(own, []byte("#!/bin/sh\n"), 0o700), os.Truncate(own, 5), os.Mkdir(sub, 0o700), os.Rename(own, moved),
				os.Link(moved, own), os.Remove(moved), os.RemoveAll(sub))
		},
		"use what a link in the data names": func() error { return os.WriteFile(filepath.Join(s.Data, "disk", "image"), nil, 0o600) },
		"replace a file": func() error {
			made := filepath.Join(s.Create, "address")
			return errors.Join(os.WriteFile(made+".tmp", nil, 0o600), os.Rename(made+".tmp", made))
		},
		"use a temporary file without a name": func() error {
			f, err := os.CreateTemp(s.Data, "image-")
			if err != nil {
				return err
			}
			return errors.Join(os.Remove(f.Name()), f.Truncate(1<<20), f.Close())
		},
		"read its memory use": read("/proc/self/smaps_rollup"),
		"read the resolver":   read("/etc/resolv.conf"),
		"read the hosts":      read("/etc/hosts"),
		"write nowhere":       func() error { return os.WriteFile(os.DevNull, []byte("x"), 0) },
		"resolve": func() error {
			_, err := (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), "localhost")
			return err
		},
		"load certificates": func() error {
			if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
				return nil
			}
			pool, err := x509.SystemCertPool()
			if err == nil && pool.Equal(x509.NewCertPool()) {
				return errors.New("no certificates")
			}
			return err
		},
	}
}

// tryFiles reports the outcome of uses of files behind the walls.
func tryFiles(s site) map[string]string {
	folder, err := unix.Open(s.Outside, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	Process(s.options())
	report := make(map[string]string)
	for name, try := range within(s) {
		report["within: "+name] = outcome(try())
	}
	if err := os.WriteFile(filepath.Join(s.Data, "file"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		panic(err)
	}
	for name, try := range outside(s, folder) {
		err := try()
		report["outside: "+name] = outcome(err)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EXDEV) {
			report["outside: "+name] = "refused"
		}
	}
	return report
}

func filledSite(t *testing.T) site {
	t.Helper()
	s := newSite(t)
	deep, disk := filepath.Join(s.Data, "deep"), t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(s.Outside, "secret"), []byte("secret"), 0o600),
		os.Mkdir(deep, 0o700),
		os.Symlink(filepath.Join(s.Outside, "secret"), filepath.Join(deep, "link")),
		os.Symlink(disk, filepath.Join(s.Data, "disk")),
	); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFilesOutsideAreRefused(t *testing.T) {
	needWalls(t)
	s := filledSite(t)
	got := inside(t, "files", s)
	for name, result := range got {
		want := "done"
		if strings.HasPrefix(name, "outside: ") {
			want = "refused"
		}
		if result != want && !strings.HasSuffix(result, "/etc/shadow: no such file or directory") {
			t.Errorf("%s: %s, want %s", name, result, want)
		}
	}
	if want := len(outside(s, 0)) + len(within(s)); len(got) != want {
		t.Errorf("%d uses were tried, want %d", len(got), want)
	}
	if secret, err := os.ReadFile(filepath.Join(s.Outside, "secret")); err != nil || string(secret) != "secret" {
		t.Errorf("the file outside is %q now: %v", secret, err)
	}
}

// tryNarrow reports what a process can do before and after it gives up its folder of Create.
func tryNarrow(s site) map[string]string {
	r := Process(s.options())
	create := func() error { return os.WriteFile(filepath.Join(s.Create, "address"), nil, 0o600) }
	report := map[string]string{"create before": outcome(create())}
	report["narrow"] = outcome(r.Narrow(s.options()))
	report["create after"] = outcome(create())
	report["data"] = outcome(os.WriteFile(filepath.Join(s.Data, "file"), nil, 0o600))
	report["signal"] = errno(unix.SYS_TKILL, uintptr(os.Getppid()), 0)
	report["filter"] = errno(unix.SYS_SECCOMP, 99)
	return report
}

func TestNarrow(t *testing.T) {
	needWalls(t)
	got := inside(t, "narrow", newSite(t))
	for name, want := range map[string]string{
		"create before": "done", "narrow": "done", "create after": "permission denied", "data": "done",
		"signal": unix.EPERM.Error(), "filter": unix.EPERM.Error(),
	} {
		if !strings.HasSuffix(got[name], want) {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}
