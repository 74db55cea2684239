package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/console"
)

// Limits of the compressed files, in bytes: all of them, and those before an editor or a chart is shown.
const (
	maxAll   = 200_000
	maxFirst = 20_000
)

func manifest(t *testing.T) console.Manifest {
	t.Helper()
	m, err := console.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFilesAreSmall holds the files to their limits.
func TestFilesAreSmall(t *testing.T) {
	t.Parallel()
	m := manifest(t)
	all, first := 0, 0
	for name, e := range m.Files {
		f, err := console.Lookup(name)
		if err != nil || f == nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum := sha256.Sum256(f.Plain)
		if len(f.Plain) != e.Bytes || hex.EncodeToString(sum[:]) != e.SHA256 {
			t.Errorf("%s is not the one of the manifest", name)
		}
		all += len(f.Compressed)
		if slices.Contains(m.First, name) {
			first += len(f.Compressed)
		}
	}
	t.Logf("%d bytes compressed, of which %d are loaded first", all, first)
	if all > maxAll || first > maxFirst {
		t.Errorf("%d bytes compressed, of which %d are loaded first; want at most %d and %d", all, first, maxAll, maxFirst)
	}
}

// TestFilesAreThoseOfTheSources checks that the sources have not changed since they were compiled. That they
// compile to these files is for `make console-check`.
func TestFilesAreThoseOfTheSources(t *testing.T) {
	t.Parallel()
	paths := []string{"build.mjs", "package-lock.json"}
	var sources []string
	err := filepath.WalkDir("src", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			sources = append(sources, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(sources)
	all := sha256.New()
	for _, path := range append(paths, sources...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(all, "%s\n%x\n", path, sha256.Sum256(text))
	}
	if got := hex.EncodeToString(all.Sum(nil)); got != manifest(t).Sources {
		t.Error("the sources have changed since they were compiled: run `make console`")
	}
}

// TestFilesNeedNoOtherServer checks that no file loads anything from elsewhere, or has code or styles inline.
func TestFilesNeedNoOtherServer(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`https?://[a-zA-Z0-9.-]+`)
	for name := range manifest(t).Files {
		f, err := console.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "licences.txt" {
			if !strings.Contains(string(f.Plain), "preact") || !strings.Contains(string(f.Plain), "@codemirror/view") {
				t.Error("the licences are not those of the packages")
			}
			continue
		}
		for _, found := range address.FindAllString(string(f.Plain), -1) {
			if found != "http://www.w3.org" { // names of XML, which nothing loads
				t.Errorf("%s names %s", name, found)
			}
		}
		if name == "index.html" && (strings.Contains(string(f.Plain), "<style") || strings.Contains(string(f.Plain), " style=") || strings.Contains(string(f.Plain), "<script>")) {
			t.Error("the index has something inline")
		}
	}
}
