package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestClearFolder checks that a link to a folder stays, and loses no other files than those with the
// prefix, even if an operator lets it lead to the wrong place.
func TestClearFolder(t *testing.T) {
	top := t.TempDir()
	path := func(name string) string { return filepath.Join(top, name) }
	if err := errors.Join(
		os.Mkdir(path("disk"), 0o700), os.WriteFile(path("disk/image-1"), nil, 0o600), os.WriteFile(path("disk/other"), nil, 0o600),
		os.Symlink(path("disk/other"), path("disk/image-2")), os.Symlink("disk", path("data")),
	); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(runtime.ClearFolder(path("data"), "image-"), runtime.ClearFolder(path("none"), "image-")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(path("data")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if left, err := os.ReadDir(path("disk")); err != nil || len(left) != 1 || left[0].Name() != "other" {
		t.Errorf("the folder has %v, %v", left, err)
	}
	if err := runtime.ClearFolder(path("disk/other"), ""); err == nil {
		t.Error("a file was cleared")
	}
}
