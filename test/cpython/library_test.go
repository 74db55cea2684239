//go:build linux

package cpython

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

const libraryFile = "library.txt"

//go:embed library.py
var libraryProgram string

func readLibrary(t *testing.T) []LibraryModule {
	t.Helper()
	modules, err := ReadLibrary(libraryFile)
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// TestLibrary imports and exercises every public module of the standard library in a function, and
// verifies that library.txt lists them all with what functions have of them.
func TestLibrary(t *testing.T) {
	modules := readLibrary(t)
	var args struct {
		Modules [][2]string `json:"modules"`
	}
	for _, m := range modules {
		args.Modules = append(args.Modules, [2]string{m.Name, m.Body})
	}
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "library", libraryProgram)
	r, err := server.Do(t.Context(), "POST", "/v1/sync/functions/library/rpc/", string(text))
	if err != nil || r.Status != 200 {
		t.Fatalf("%v: %d %s", err, r.Status, r.Body)
	}
	var result struct {
		Outcomes []string `json:"outcomes"`
		Missing  []string `json:"missing"`
	}
	if err := json.Unmarshal(r.Body, &result); err != nil || len(result.Outcomes) != len(modules) {
		t.Fatalf("%v: %s", err, r.Body)
	}
	for i, m := range modules {
		want := "passes"
		if m.Status == absent {
			want = "absent"
		}
		if result.Outcomes[i] != want {
			t.Errorf("%s, which %s: %s", m.Name, m.Status, result.Outcomes[i])
		}
	}
	for _, name := range result.Missing {
		t.Errorf("%s does not list %s", libraryFile, name)
	}
}

// TestLibraryIsDocumented verifies that the document has the section about library.txt; with -write it
// writes that section.
func TestLibraryIsDocumented(t *testing.T) {
	var want bytes.Buffer
	if err := WriteLibrary(&want, readLibrary(t)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), libraryTitle)
	section, after, _ := strings.Cut(rest, "\n## ")
	if ok && libraryTitle+section == want.String() {
		return
	}
	if !*write {
		t.Fatalf("%s is not what %s says: run go test ./test/cpython -run TestLibraryIsDocumented -write", documentFile, libraryFile)
	}
	if !ok {
		before, after, _ = strings.Cut(string(text), "\n## ")
		before += "\n"
	}
	if err := os.WriteFile(documentFile, []byte(before+want.String()+"\n## "+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
