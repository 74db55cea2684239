// Package projecttest writes folders for tests of projects.
package projecttest

import (
	"os"
	"path/filepath"
	"testing"
)

// Folder returns a new folder named proj with files, by their paths below it.
func Folder(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "proj")
	Write(t, dir, files)
	return dir
}

// Write writes files below a folder, which may be executed, and the folders that they are in.
func Write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
