package cpython

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestArchiveHasWhatAModuleNames packs a module that names a helper, which names another test, a
// module of the package support, which names another helper, and a folder of data.
func TestArchiveHasWhatAModuleNames(t *testing.T) {
	lib := t.TempDir()
	for name, text := range map[string]string{
		"__init__.py":              "",
		"support/__init__.py":      "from test import unused",
		"support/os_helper.py":     "from test import sub_helper",
		"support/unused_helper.py": "from test import unused",
		"test_a.py":                "from test.support import os_helper\nfrom test import list_tests\nopen('somedata/x')",
		"list_tests.py":            "from test.test_b import T",
		"sub_helper.py":            "",
		"unused.py":                "",
		"somedata/x":               "1",
		"test_b/__init__.py":       "",
		"test_b/test_c.py":         "",
		"test_b/__pycache__/c.pyc": "",
		"test_d.py":                "",
	} {
		file := filepath.Join(lib, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := archive(lib, "test_a")
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.File {
		got = append(got, f.Name)
	}
	want := []string{
		"test/__init__.py", "test/list_tests.py", "test/somedata/x", "test/sub_helper.py",
		"test/support/__init__.py", "test/support/os_helper.py", "test/support/unused_helper.py",
		"test/test_a.py", "test/test_b/__init__.py", "test/test_b/test_c.py",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the archive has\n%q, want\n%q", got, want)
	}
}
