package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the folder of this repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := moduleRoot()
	must(t, err)
	return dir
}

// source returns the wazero release in the module cache.
func source(t *testing.T) (dir, version string) {
	t.Helper()
	out, err := goCommand(root(t), "list", "-m", "-f", "{{.Dir}} {{.Version}}", module)
	must(t, err)
	dir, version, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return dir, version
}

// TestChecksumIsThatOfGoSum compares with the checksum that the go command has written.
func TestChecksumIsThatOfGoSum(t *testing.T) {
	dir, version := source(t)
	files, err := readTree(dir)
	must(t, err)
	goSum, err := os.ReadFile(filepath.Join(root(t), "go.sum"))
	must(t, err)
	if line := module + " " + version + " " + checksum(files, version); !strings.Contains(string(goSum), line+"\n") {
		t.Errorf("go.sum has no line %q", line)
	}
}

// TestPatchIsAppliedAsGitDoes compares with git apply, for all files that the patch names.
func TestPatchIsAppliedAsGitDoes(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	dir, _ := source(t)
	files, err := readTree(dir)
	must(t, err)
	before := maps.Clone(files)
	must(t, apply(files, wazeroPatch))
	work := t.TempDir()
	changed := 0
	for name, content := range files {
		if bytes.Equal(content, before[name]) {
			continue
		}
		changed++
		must(t, os.MkdirAll(filepath.Join(work, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(work, name), before[name], 0o644))
	}
	if named := bytes.Count(wazeroPatch, []byte("\n+++ b/")); changed != named {
		t.Fatalf("%d files changed, the patch names %d", changed, named)
	}
	cmd := exec.Command("git", "apply", "-")
	cmd.Dir, cmd.Stdin = work, bytes.NewReader(wazeroPatch)
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(work))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := readTree(work)
	must(t, err)
	for name, content := range want {
		if !bytes.Equal(files[name], content) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestPatchMustFitExactly(t *testing.T) {
	const patch = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
	for name, c := range map[string]struct{ file, patch string }{
		"other context":    {"ONE\ntwo\nthree\n", patch},
		"other removed":    {"one\nTWO\nthree\n", patch},
		"moved by a line":  {"zero\none\ntwo\nthree\n", patch},
		"file too short":   {"one\ntwo\n", patch},
		"patch too short":  {"one\ntwo\nthree\n", patch[:len(patch)-len(" three\n")]},
		"another file":     {"one\ntwo\nthree\n", strings.ReplaceAll(patch, "/f", "/g")},
		"counts too small": {"one\ntwo\nthree\n", strings.Replace(patch, "+1,3", "+1,1", 1)},
		"no target":        {"one\ntwo\nthree\n", strings.Replace(patch, "+++ b/f\n", "", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := apply(map[string][]byte{"f": []byte(c.file)}, []byte(c.patch)); err == nil {
				t.Error("the patch was applied")
			}
		})
	}
	files := map[string][]byte{"f": []byte("one\ntwo\nthree\nfour\n")}
	must(t, apply(files, []byte(patch)))
	if got := string(files["f"]); got != "one\n2\nthree\nfour\n" {
		t.Errorf("got %q", got)
	}
}

// TestChangedSourceIsRefused changes what is in the module cache.
func TestChangedSourceIsRefused(t *testing.T) {
	source := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(source, filepath.Dir(idFile)), 0o755))
	must(t, os.WriteFile(filepath.Join(source, idFile), []byte("package wazevo\n"), 0o644))
	patch := []byte("--- a/" + idFile + "\n+++ b/" + idFile + "\n@@ -1,1 +1,2 @@\n package wazevo\n+" + unsetID + "\n")
	files, err := readTree(source)
	must(t, err)
	goSum := []byte(module + " v1.0.0 " + checksum(files, "v1.0.0") + "\n")
	dir := filepath.Join(t.TempDir(), "copy")
	prepareAgain := func() error { return prepareCopy(dir, source, "v1.0.0", goSum, patch, "0123") }
	content := func() string {
		b, err := os.ReadFile(filepath.Join(dir, idFile))
		must(t, err)
		return string(b)
	}
	must(t, prepareAgain())
	const want = "package wazevo\nconst patchID = \"0123\"\n"
	if got := content(); got != want {
		t.Fatalf("the copy has %q", got)
	}
	// A copy that was changed is made again.
	must(t, os.WriteFile(filepath.Join(dir, idFile), []byte("package changed\n"), 0o644))
	must(t, prepareAgain())
	if got := content(); got != want {
		t.Fatalf("the changed copy was kept: %q", got)
	}
	must(t, os.RemoveAll(dir))
	must(t, os.WriteFile(filepath.Join(source, "more.go"), []byte("package wazero\n"), 0o644))
	if err := prepareAgain(); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a changed source: %v", err)
	}
}

// build builds a command of this repository with wazero as released and with the patched copy.
func build(t *testing.T, pkg string) (stock, patched string) {
	t.Helper()
	modfile, err := prepare(root(t), wazeroPatch)
	must(t, err)
	dir := t.TempDir()
	stock, patched = filepath.Join(dir, "stock"), filepath.Join(dir, "patched")
	_, err = goCommand(root(t), "build", "-o", stock, pkg)
	must(t, err)
	_, err = goCommand(root(t), "build", "-modfile="+modfile, "-o", patched, pkg)
	must(t, err)
	return stock, patched
}

// TestBinariesReportThePatch checks what "fas version" prints.
func TestBinariesReportThePatch(t *testing.T) {
	_, version := source(t)
	stock, patched := build(t, "./cmd/fas")
	for binary, want := range map[string]string{stock: "", patched: patchID(wazeroPatch)} {
		out, err := exec.Command(binary, "version", "--json", "--url", "http://127.0.0.1:1").Output()
		must(t, err)
		var got struct {
			Wazero string `json:"wazero"`
			Patch  string `json:"wazero_patch"`
		}
		must(t, json.Unmarshal(out, &got))
		if got.Wazero != version || got.Patch != want {
			t.Errorf("%s reports %+v, want %s, patch %q", filepath.Base(binary), got, version, want)
		}
	}
}

// writeModules writes modules that need no imports to a folder.
func writeModules(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// A memory of one page, and f(x i32) i32 { return load(x) }.
	must(t, os.WriteFile(filepath.Join(dir, "load.wasm"), []byte("\x00asm\x01\x00\x00\x00"+
		"\x01\x06\x01\x60\x01\x7f\x01\x7f"+"\x03\x02\x01\x00"+"\x05\x03\x01\x00\x01"+
		"\x07\x05\x01\x01f\x00\x00"+"\x0a\x09\x01\x07\x00\x20\x00\x28\x02\x00\x0b"), 0o644))
	return dir
}

// TestCodeOfOtherCompilersIsNotLoaded lets both compilers use one cache: each must miss the code of
// the other, and find its own.
func TestCodeOfOtherCompilersIsNotLoaded(t *testing.T) {
	stock, patched := build(t, "./runtime/sandbox/wazeropatch/wasmrun")
	modules, cache := writeModules(t), t.TempDir()
	cached := func() int {
		files, err := readTree(cache)
		must(t, err)
		return len(files)
	}
	for i, want := range []int{1, 2, 2, 2} {
		binary := []string{stock, patched}[i%2]
		out, err := exec.Command(binary, "-cache", cache, modules).CombinedOutput()
		if err != nil || !bytes.HasPrefix(out, []byte("load.wasm ok, ok, out of bounds memory access")) &&
			!bytes.HasPrefix(out, []byte("load.wasm ok, ok, wasm error: out of bounds memory access")) {
			t.Fatalf("%s: %v: %s", filepath.Base(binary), err, out)
		}
		if got := cached(); got != want {
			t.Errorf("after run %d the cache has %d files, want %d", i+1, got, want)
		}
	}
}
