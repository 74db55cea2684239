//go:build linux

package network

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// wheels returns the paths of the wheels of the lock file by the names of their packages, and downloads
// those that are missing.
func wheels(t *testing.T) map[string]string {
	t.Helper()
	lock := read(t, lockFile)
	wanted := strings.Count(lock, "--hash=sha256:")
	found := matching(t, lock)
	if len(found) != wanted {
		ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "../packages/fetch.sh", lockFile, cache, "--no-deps")
		if out, err := cmd.CombinedOutput(); err != nil {
			unavailable(t, "cannot download the packages: %v\n%s", err, out)
		}
		found = matching(t, lock)
	}
	if len(found) != wanted {
		t.Fatalf("%s has %d wheels of %s, which has %d", cache, len(found), lockFile, wanted)
	}
	return found
}

// matching returns the wheels in the cache that a lock file has.
func matching(t *testing.T, lock string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	files, err := filepath.Glob(filepath.Join(cache, "*.whl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(lock, fmt.Sprintf("--hash=sha256:%x\n", sha256.Sum256([]byte(read(t, file))))) {
			name, _, _ := strings.Cut(filepath.Base(file), "-")
			found[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = file
		}
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// function is a program as a function.
type function struct {
	name   string
	files  map[string]string // content of the files of the bundle, beside those of the wheels
	wheels []string          // paths
	ports  map[string]int    // that it may reach, by their names in the module servers
	tls    bool              // its args say whether to use TLS
}

// newFunction returns the function of a program that may reach some ports.
func newFunction(t *testing.T, name string, c certificates, ports map[string]int, packages map[string]string) *function {
	t.Helper()
	f := &function{name: name, files: make(map[string]string), ports: ports}
	module := "import os\n\nfolder = os.path.dirname(__file__)\n"
	for _, server := range slices.Sorted(maps.Keys(ports)) {
		module += fmt.Sprintf("%s = %d\n", server, ports[server])
	}
	for variable, path := range map[string]string{"ca": c.ca, "certificate": c.client, "key": c.clientKey} {
		f.files[variable+".pem"] = read(t, path)
		module += fmt.Sprintf("%s = os.path.join(folder, %q)\n", variable, variable+".pem")
	}
	f.files["servers.py"] = module
	f.files[runtime.BundleMain] = read(t, filepath.Join(programsDir, name+".py"))
	f.tls = strings.Contains(f.files[runtime.BundleMain], `args["tls"]`)
	first, _, _ := strings.Cut(f.files[runtime.BundleMain], "\n")
	needs, ok := strings.CutPrefix(first, "# wheels:")
	if !ok {
		t.Fatalf("the first line of %s does not name the wheels that it needs", name)
	}
	for need := range strings.FieldsSeq(needs) {
		if packages[need] == "" {
			t.Fatalf("%s needs %s, which %s does not have", name, need, lockFile)
		}
		f.wheels = append(f.wheels, packages[need])
	}
	return f
}

// unpack calls add with each file of the function. Extension modules are those of native CPython.
func (f *function) unpack(t *testing.T, extensions bool, add func(name string, content io.Reader)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		add(name, strings.NewReader(f.files[name]))
	}
	for _, wheel := range f.wheels {
		r, err := zip.OpenReader(wheel)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range r.File {
			if strings.HasSuffix(entry.Name, "/") || strings.HasSuffix(entry.Name, ".so") && !extensions {
				continue
			}
			content, err := entry.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(entry.Name, content)
			content.Close()
		}
		r.Close()
	}
}

// deploy deploys the function with its allow list.
func (f *function) deploy(t *testing.T, server *process.Server) {
	t.Helper()
	var bundle bytes.Buffer
	w := zip.NewWriter(&bundle)
	f.unpack(t, false, func(name string, content io.Reader) {
		entry, err := w.Create(name)
		if err == nil {
			_, err = io.Copy(entry, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server.Must(t, "PUT", "/v1/functions/"+f.name+"/bundle?timeout=60&memory=512", bundle.String(), "Content-Type", "application/zip")
	var allowed []string
	for _, port := range f.ports {
		allowed = append(allowed, fmt.Sprintf("localhost:%d", port))
	}
	settings, err := json.Marshal(map[string]any{"allow": allowed})
	if err != nil {
		t.Fatal(err)
	}
	server.Must(t, "PATCH", "/v1/functions/"+f.name, string(settings))
}

// args returns the args of a run.
func args(tls bool) string { return fmt.Sprintf(`{"tls": %t}`, tls) }

// expected returns the path of the value that a run returns in native CPython.
func (f *function) expected(tls bool) string {
	if tls {
		return filepath.Join(expectedDir, f.name+"_tls.json")
	}
	return filepath.Join(expectedDir, f.name+".json")
}

// check runs the function and compares its results with the expected value. Its connections end with it.
func (f *function) check(t *testing.T, server *process.Server, tls bool) {
	t.Helper()
	want := read(t, f.expected(tls))
	for n := range runs {
		r, err := server.Do(t.Context(), "POST", "/v1/sync/functions/"+f.name+"/rpc/", args(tls))
		if err != nil || r.Status != http.StatusOK {
			t.Fatalf("run %d: %v: %d %s", n, err, r.Status, r.Body)
		}
		if diff := cmp.Diff(decode(t, want), decode(t, string(r.Body))); diff != "" {
			t.Fatalf("run %d: native CPython (-) and the function (+) differ:\n%s", n, diff)
		}
		process.Until(t, "the connections of the run have ended", func() bool { return !connected(t, f.ports) })
	}
}

func decode(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// writeExpected runs the program by native CPython, with the same servers, and stores what it returns.
func (f *function) writeExpected(t *testing.T) {
	t.Helper()
	site := t.TempDir()
	f.unpack(t, true, func(name string, content io.Reader) {
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(site, filepath.FromSlash(name)), string(text))
	})
	for _, tls := range []bool{false, true} {
		if tls && !f.tls {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), nativeTimeout)
		cmd := exec.CommandContext(ctx, *native, "../packages/native.py", filepath.Join(site, runtime.BundleMain), args(tls))
		cmd.Env = []string{"HOME=" + site, "LANG=C.UTF-8", "USER=user", "PYTHONPATH=" + site, "PYTHONDONTWRITEBYTECODE=1"}
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		cancel()
		if err != nil {
			t.Fatalf("%s in native CPython: %v", args(tls), err)
		}
		write(t, f.expected(tls), string(out))
	}
}
