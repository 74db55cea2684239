//go:build linux

package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// envBinary names the binary under test.
	envBinary = "FAS_BINARY"
	// keptBinaries is the number of binaries, each with its compiled guest, that stay in the cache:
	// enough for the ones that test processes of the last builds may still run.
	keptBinaries = 4
)

// program is the binary under test with its compiled guest.
type program struct {
	path  string // of the binary, absolute
	guest string // folder of the compiled guest, a compilation cache of `fas serve`
}

var prepared = sync.OnceValues(prepare)

// Binary returns the path of the binary under test.
func Binary(t testing.TB) string {
	t.Helper()
	return fas(t).path
}

// Guest returns the folder with the compiled guest of the binary under test. All servers share it;
// a test that changes it works on a copy. Other binaries do not use it, see package guestcache: wazero keeps its version with the
// code, which a test binary does not know, and each would replace the code of the other.
func Guest(t testing.TB) string {
	t.Helper()
	return fas(t).guest
}

func fas(t testing.TB) program {
	t.Helper()
	p, err := prepared()
	if err != nil {
		t.Fatalf("cannot prepare the server under test: %v", err)
	}
	return p
}

// prepare builds the binary if need be and compiles its guest. A file lock admits one test process
// at a time; the ones behind it find everything done.
func prepare() (p program, err error) {
	root, err := moduleRoot()
	if err != nil {
		return p, err
	}
	if err := readSources(root); err != nil {
		return p, err
	}
	cache := filepath.Join(root, ".cache", "test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return p, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return p, err
	}
	defer lock.Close() // releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return p, err
	}
	built := os.Getenv(envBinary)
	if built == "" {
		built = filepath.Join(cache, "fas")
		if err := build(root, built); err != nil {
			return p, err
		}
	}
	if !filepath.IsAbs(built) {
		return p, fmt.Errorf("%s=%s is not an absolute path", envBinary, built)
	}
	sum, err := hashFile(built)
	if err != nil {
		return p, err
	}
	dir := filepath.Join(cache, sum)
	p = program{path: filepath.Join(dir, "fas"), guest: filepath.Join(dir, "guest")}
	if _, err := os.Stat(p.guest); errors.Is(err, fs.ErrNotExist) {
		err = p.create(built, dir)
		if err != nil {
			return p, err
		}
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return p, err
	}
	return p, prune(cache)
}

// moduleRoot returns the root folder of the source tree: the parent of this package's parent.
func moduleRoot() (string, error) {
	dir, err := os.Getwd() // go test runs a test in the folder of its package
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working folder")
		}
	}
}

// readSources lists all folders of the source tree. The go command records that, and so does not
// report the cached result of a test that ran against a binary built from other sources.
func readSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		return err
	})
}

// build builds the binary with the flags of `make build`. The go command is the one that runs this
// test, which go test puts first into PATH; it does nothing if the file is up to date.
func build(root, path string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/fas")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// create copies the binary to its folder in the cache and compiles its guest, by starting a server
// once. The guest's folder appears under its name only when it is complete.
func (p program) create(built, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := copyFile(built, p.path, 0o755); err != nil {
		return err
	}
	home, err := os.MkdirTemp(dir, "home-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	address, data := filepath.Join(home, "address"), filepath.Join(home, "data")
	cmd := exec.Command(p.path, "serve", "--listen", "127.0.0.1:0", "--data", data, "--address-file", address)
	// A test whose server reports to a service manager of its own may be the first that needs the guest.
	cmd.Env = append(os.Environ(), "HOME="+home, "FAASPOT_DIR="+home, envAdminToken+"="+token, "NOTIFY_SOCKET=")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }() // of no effect once the server has ended
	late := time.After(Patience)
	for {
		if _, err := os.Stat(address); err == nil {
			break
		}
		select {
		case err := <-exited:
			return fmt.Errorf("the server ended while it compiled the guest: %w\n%s", err, log.String())
		case <-late:
			return errors.New("the server did not compile the guest in time")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-exited:
		if err != nil {
			return fmt.Errorf("the server that compiled the guest: %w\n%s", err, log.String())
		}
	case <-late:
		return errors.New("the server that compiled the guest does not end")
	}
	return os.Rename(filepath.Join(data, "cache"), p.guest)
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// prune removes the folders of binaries that were used longest ago.
func prune(cache string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	type used struct {
		name string
		at   time.Time
	}
	var all []used
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			all = append(all, used{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, old := range all[min(len(all), keptBinaries):] {
		if err := os.RemoveAll(filepath.Join(cache, old.name)); err != nil {
			return err
		}
	}
	return nil
}
