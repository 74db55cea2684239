//go:build linux

// Package release tests cmd/fas/release.sh. The script beside it tests a binary for linux/arm64.
package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleasesAreReproducible builds the archive and the package for linux/amd64 from two copies of the sources in
// different folders. The bytes must be equal. The binary must have the patched wazero, and the
// archive its licence.
func TestReleasesAreReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server twice")
	}
	if _, err := exec.LookPath("readelf"); err != nil && os.Getenv("CI") == "" {
		t.Skipf("install binutils: %v", err)
	}
	first, deb := release(t, "a")
	second, secondDeb := release(t, "another-folder")
	if !bytes.Equal(first, second) {
		t.Error("the archives of two folders differ")
	}
	if len(deb) == 0 || !bytes.Equal(deb, secondDeb) {
		t.Error("the packages of two folders differ")
	}
	files := contents(t, first)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	all := strings.Join(names, "\n") + "\n"
	for _, want := range []string{"README.md\n", "LICENSE\n", "licenses/guest/", "licenses/go/std/LICENSE\n", "licenses/go/github.com/tetratelabs/wazero@"} {
		if !strings.Contains(all, want) {
			t.Errorf("the archive has no %q:\n%s", want, all)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(files["fas"]))
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/tetratelabs/wazero" && dep.Replace == nil {
			t.Error("the binary has wazero as released")
		}
	}
}

// release copies the sources to a folder, as the only commit of a repository, and returns the archive and the
// package that the script makes there.
func release(t *testing.T, name string) (archive, deb []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	command := func(dir, name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2001-01-01T00:00:00Z")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
		}
		return out
	}
	const root = "../.."
	for _, file := range strings.Split(strings.TrimSuffix(string(command(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, file))
		if errors.Is(err, os.ErrNotExist) { // removed, but not yet committed
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	command(dir, "git", "init", "-q")
	command(dir, "git", "add", "-A")
	command(dir, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "test")
	command(dir, "cmd/fas/release.sh", "v0", "linux/amd64")
	archive, err := os.ReadFile(filepath.Join(dir, "dist", "fas_v0_linux_amd64.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	deb, err = os.ReadFile(filepath.Join(dir, "dist", "faaspot_0_amd64.deb"))
	if err != nil {
		t.Fatal(err)
	}
	return archive, deb
}

// contents returns the files of an archive by their names.
func contents(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
