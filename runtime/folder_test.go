package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestClearFolder checks that a folder and a link to a folder stay, empty, and that nothing behind a link
// in them is removed.
func TestClearFolder(t *testing.T) {
	top := t.TempDir()
	path := func(name string) string { return filepath.Join(top, name) }
	if err := errors.Join(
		os.MkdirAll(path("disk/full/deep"), 0o700), os.WriteFile(path("disk/full/deep/file"), nil, 0o600), os.WriteFile(path("disk/file"), nil, 0o600),
		os.Mkdir(path("other"), 0o700), os.WriteFile(path("other/file"), nil, 0o600), os.Symlink(path("other"), path("disk/link")),
		os.Symlink("disk", path("data")),
	); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(runtime.ClearFolder(path("data")), runtime.ClearFolder(path("none"))); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(path("data")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if left, err := os.ReadDir(path("disk")); err != nil || len(left) != 0 {
		t.Errorf("the folder has %v, %v", left, err)
	}
	if _, err := os.Stat(path("other/file")); err != nil {
		t.Error(err)
	}
	if err := runtime.ClearFolder(path("other/file")); err == nil {
		t.Error("a file was cleared")
	}
}
