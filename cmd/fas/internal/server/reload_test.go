package server

import (
	"os"
	"path/filepath"
	"testing"
)

// A confined server reads the folder of its settings, unless that is a home folder or has one below it: its own, by
// whatever path, or one of another user; also if it does not know its own.
func TestFoldersWithHomes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"data/alice/conf", "data/bob", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("data", filepath.Join(dir, "homes")); err != nil {
		t.Fatal(err)
	}
	passwd := filepath.Join(dir, "passwd")
	lines := "daemon:x:1:1:daemon:/:/bin/false\n+:::::\nbob:x:1001:1001::" + filepath.Join(dir, "data/bob") + ":/bin/sh\n"
	if err := os.WriteFile(passwd, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "homes/alice")
	for _, test := range []struct {
		own, folder string
		want        bool
	}{
		{own, filepath.Join(dir, "homes/alice"), true},
		{own, filepath.Join(dir, "data/alice"), true},
		{filepath.Join(dir, "data/alice"), filepath.Join(dir, "homes/alice"), true},
		{own, filepath.Join(dir, "data"), true},
		{own, dir, true},
		{own, filepath.Join(dir, "etc"), false},
		{own, filepath.Join(dir, "data/alice/conf"), false},
		{"", filepath.Join(dir, "homes/bob"), true},
		{"", filepath.Join(dir, "etc"), false},
		{"", "/", true},
		{"", "/root", true},
		{"", "/home", true},
		{"/", filepath.Join(dir, "etc"), false},
		{"..", filepath.Join(dir, "etc"), false},
	} {
		if got := hasHome(test.folder, homeFolders(test.own, passwd)); got != test.want {
			t.Errorf("with the home %q, hasHome(%q) = %v, want %v", test.own, test.folder, got, test.want)
		}
	}
}
