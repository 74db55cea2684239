//go:build linux

package packages

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faaspot/faaspot/test/process"
)

var top = flag.Bool("top", false, "deploy the most downloaded packages and compare their modules with -native; with -write, record what they do")

// installTimeout bounds the installation of one package, importTimeout its import by native CPython, and
// runTimeout the run of its function.
const (
	installTimeout = 2 * time.Minute
	importTimeout  = 3 * time.Minute
	runTimeout     = "300" // seconds of a run that imports the modules in those of a package
)

// TestMostDownloaded deploys a function for each of the most downloaded packages, with a main.py that
// imports the package's modules and returns their names. Modules that native CPython cannot import are
// left out. It compares what happens with the results file, or writes it with -write, and what the
// deployments leave behind with nothing. A package alone runs with -run TestMostDownloaded/packages/NAME.
//
// It comes before TestPackagesAreDocumented, which reads the results.
func TestMostDownloaded(t *testing.T) {
	if !*top || *native == "" {
		t.Skip("needs -top and -native")
	}
	list, needs := readTop(t)
	i := newInstaller(t, slices.Concat(list, needs))
	server := process.NewSite(t, "--memory-budget", "3000MB").Serve(t)
	var mu sync.Mutex
	results := make(map[string]Package)
	t.Run("packages", func(t *testing.T) {
		for _, w := range list {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				p := i.try(t, server, w)
				t.Log(p.Status, p.Detail)
				mu.Lock()
				defer mu.Unlock()
				results[p.Name] = p
			})
		}
	})
	for _, folder := range []string{i.temp, "bundles", "images", "spool"} {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(server.Site.Data, folder)
		}
		process.Until(t, folder+" is empty", func() bool {
			files, err := os.ReadDir(folder)
			return err == nil && len(files) == 0
		})
	}
	if r := server.Must(t, "GET", "/v1/functions", ""); string(bytes.TrimSpace(r.Body)) != "[]" {
		t.Errorf("functions are left: %s", r.Body)
	}
	recorded, err := ReadResults(resultsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	updated := slices.Clone(recorded)
	for i, p := range updated {
		if now, ok := results[p.Name]; ok {
			updated[i] = now
			delete(results, p.Name)
		}
	}
	updated = slices.AppendSeq(updated, maps.Values(results))
	updated = slices.DeleteFunc(updated, func(p Package) bool {
		return !slices.ContainsFunc(list, func(w Wheel) bool { return w.Name == p.Name })
	})
	slices.SortFunc(updated, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	if *write {
		writeFile(t, resultsFile, Lines(updated))
	} else if diff := cmp.Diff(recorded, updated, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the recorded results (-) and those of this run (+) differ:\n%s", diff)
	}
}

// undeclared has packages that cannot be imported without others that they do not list, separated by spaces.
var undeclared = map[string]string{
	"httpx-sse":                              "httpx",
	"matplotlib-inline":                      "ipython matplotlib",
	"opentelemetry-instrumentation-requests": "requests",
	"opentelemetry-util-http":                "opentelemetry-semantic-conventions",
	"soupsieve":                              "beautifulsoup4",
}

// requirementsOf returns what installs a package, one requirement an element.
func requirementsOf(w Wheel) []string {
	return append([]string{w.Name + "==" + w.Version}, strings.Fields(undeclared[w.Name])...)
}

func readTop(t *testing.T) (list, needs []Wheel) {
	t.Helper()
	list, err := ReadWheels(topFile)
	if err != nil {
		t.Fatal(err)
	}
	if needs, err = ReadWheels(topNeedsFile); err != nil {
		t.Fatal(err)
	}
	return list, needs
}

// installer installs packages with uv, which is one of the wheels, from the folder of the wheels.
type installer struct {
	python string // path of the native Python
	temp   string // folder of temporary files
	env    []string
	uv     string
	sdists []string // names of packages that have no wheels
}

func newInstaller(t *testing.T, wheels []Wheel) *installer {
	t.Helper()
	folder := fetch(t, "top", wheels)
	bin := t.TempDir()
	i := &installer{python: *native, temp: t.TempDir(), uv: filepath.Join(bin, "uv")}
	unpackUV(t, folder, i.uv)
	for _, w := range wheels {
		if w.Sdist {
			i.sdists = append(i.sdists, w.Name)
		}
	}
	i.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+i.temp, "UV_CACHE_DIR="+t.TempDir(), "UV_NO_CONFIG=1",
		"UV_NO_INDEX=1", "UV_OFFLINE=1", "UV_FIND_LINKS="+folder, "UV_PYTHON="+i.python, "UV_PYTHON_DOWNLOADS=never")
	return i
}

// unpackUV writes the program of uv's wheel to a file.
func unpackUV(t *testing.T, folder, program string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "uv-*.whl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the wheels have uv %d times: %v", len(files), err)
	}
	r, err := zip.OpenReader(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, ".data/scripts/uv") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, content, 0o700); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the wheel of uv has no program")
}

// modules is what imports.py writes.
type modules struct {
	Modules map[string][]string `json:"modules"`
	Failed  map[string]string   `json:"failed"`
	Inner   []string            `json:"inner"`
	Stubs   bool                `json:"stubs"`

	NoWheel string `json:"-"` // the package that has no wheel, which the installation needs
}

// native installs a package for native CPython and imports its modules there.
func (i *installer) native(t *testing.T, w Wheel) (m modules) {
	t.Helper()
	site, err := os.MkdirTemp(i.temp, "native-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(site)
	install := append([]string{
		"pip", "install", "--quiet", "--target", site, "--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28",
	}, requirementsOf(w)...)
	if _, err = i.output(t, installTimeout, i.uv, install...); err != nil {
		for _, sdist := range i.sdists {
			if strings.Contains(err.Error(), sdist) {
				m.NoWheel = sdist
				return m
			}
		}
		t.Fatal(err)
	}
	out, err := i.output(t, importTimeout, i.python, "imports.py", site, w.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return m
}

// output returns what a program writes to stdout, or an error with what it writes to stderr.
func (i *installer) output(t *testing.T, timeout time.Duration, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var problems bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stderr = append(i.env, "PYTHONDONTWRITEBYTECODE=1"), &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", program, args, err, problems.Bytes())
	}
	return string(out), nil
}

// try deploys a function that imports the modules of a package, and returns what becomes of it.
func (i *installer) try(t *testing.T, server *process.Server, w Wheel) Package {
	t.Helper()
	p := Package{Name: w.Name, Version: w.Version, Status: imports}
	m := i.native(t, w)
	p.Modules = slices.Sorted(maps.Keys(m.Modules))
	switch {
	case m.NoWheel != "":
		p.Status, p.Detail = notImportable, m.NoWheel+" has no wheel for CPython 3.13 on Linux"
		return p
	case len(m.Modules) == 0 && len(m.Failed) > 0:
		p.Status = notImportable
		first := slices.Min(slices.Collect(maps.Keys(m.Failed)))
		p.Detail = "native CPython cannot import it either: " + m.Failed[first]
		return p
	case len(m.Modules) == 0:
		p.Status, p.Detail = notImportable, "it has no modules"
		if m.Stubs {
			p.Detail = "it has type stubs only"
		}
		return p
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "main.py"), importing(p.Modules, m.Inner))
	writeFile(t, filepath.Join(dir, "requirements.txt"), strings.Join(requirementsOf(w), "\n")+"\n")
	out, err := deploy(t, server, dir, i.env, "--name", w.Name, "--timeout", runTimeout)
	if err != nil {
		p.Status, p.Detail = Refusal(out)
		if p.Status == "" {
			t.Fatalf("%v\n%s", err, out)
		}
		return p
	}
	r := server.Must(t, "POST", "/v1/sync/functions/"+w.Name+"/rpc/", "{}")
	var got struct {
		Names  map[string][]string `json:"names"`
		Failed []string            `json:"failed"`
	}
	if err := json.Unmarshal(r.Body, &got); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	p.Status, p.Detail = Imported(w.Name, lacking(m.Modules, got.Names), got.Failed, len(m.Inner))
	if p.Status == needsNative { // which the message says of a function that imports such a module
		writeFile(t, filepath.Join(dir, "main.py"), importing(got.Failed[:1], nil))
		if out, err = deploy(t, server, dir, i.env, "--name", w.Name, "--timeout", runTimeout); err == nil {
			t.Errorf("%s is deployed and cannot be imported in a run", got.Failed[0])
		}
		if status, detail := Refusal(out); status == needsNative {
			p.Detail = detail
		}
	}
	server.Must(t, "DELETE", "/v1/functions/"+w.Name, "")
	return p
}

// importing returns a main.py that imports modules, and returns their public names and which of the
// modules in them cannot be imported.
func importing(modules, inner []string) string {
	var b strings.Builder
	b.WriteString("import importlib\n\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "import %s\n", m)
	}
	b.WriteString("\n\ndef main(args, context):\n    names = {\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "        %q: [n for n in dir(%s) if not n.startswith(\"_\")],\n", m, m)
	}
	b.WriteString("    }\n    failed = []\n    for name in [\n")
	for _, m := range inner {
		fmt.Fprintf(&b, "        %q,\n", m)
	}
	b.WriteString(`    ]:
        try:
            importlib.import_module(name)
        except Exception:
            failed.append(name)
    return {"names": names, "failed": failed}
`)
	return b.String()
}

// lacking returns the names that modules have in native CPython and not in the function.
func lacking(native, function map[string][]string) (lacks []string) {
	for _, module := range slices.Sorted(maps.Keys(native)) {
		for _, name := range native[module] {
			if !slices.Contains(function[module], name) {
				lacks = append(lacks, module+"."+name)
			}
		}
	}
	return lacks
}
