//go:build linux

package packages

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/test/process"
)

var (
	native = flag.String("native", "", "path of a native Python 3.13: run the programs by it and rewrite the expected values")
	write  = flag.Bool("write", false, "write docs/packages.md and the table of fas packages")
	more   = flag.Bool("more", false, "run the programs of names-more.txt, too")
)

const (
	root         = "../.."
	cache        = root + "/.cache/packages"
	documentFile = root + "/docs/packages.md"
	tableFile    = root + "/cmd/fas/packages.tsv"
	programsDir  = "programs"
	expectedDir  = "expected"

	namesFile     = "names.txt"
	lockFile      = "packages.txt"
	moreNamesFile = "names-more.txt"
	moreLockFile  = "packages-more.txt"
	topFile       = "top300.txt"
	topNeedsFile  = "top300-needs.txt"
	resultsFile   = "top300.tsv"
	topRanking    = "as of 1 April 2026"

	fetchTimeout  = 15 * time.Minute
	deployTimeout = 3 * time.Minute
)

func TestMain(m *testing.M) { process.Main(m) }

// readAll returns the packages that have programs and the wheels that they need.
func readAll(t *testing.T) ([]Package, []Wheel) {
	t.Helper()
	wheels, err := ReadWheels(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	further, err := ReadWheels(moreLockFile)
	if err != nil {
		t.Fatal(err)
	}
	wheels = append(wheels, further...)
	packages, err := ReadPackages(programsDir, wheels)
	if err != nil {
		t.Fatal(err)
	}
	return packages, wheels
}

// selected returns the packages to run and the wheels that they need: those of names.txt, unless more
// are asked for.
func selected(t *testing.T) ([]Package, []Wheel) {
	t.Helper()
	packages, wheels := readAll(t)
	if *more {
		return packages, wheels
	}
	names, err := ReadNames(namesFile)
	if err != nil {
		t.Fatal(err)
	}
	packages = slices.DeleteFunc(packages, func(p Package) bool { return !slices.Contains(names, p.Name) })
	if wheels, err = ReadWheels(lockFile); err != nil {
		t.Fatal(err)
	}
	return packages, wheels
}

// TestPackages deploys each package with a program, runs it, and compares its result with that of native
// CPython. A package that needs native code must be refused, with its name.
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("installs and deploys packages")
	}
	packages, wheels := selected(t)
	folder := fetch(t, "wheels", wheels)
	if *native != "" {
		writeExpected(t, packages, folder)
	}
	env := append(os.Environ(), "PIP_NO_INDEX=1", "PIP_FIND_LINKS="+folder, "UV_NO_INDEX=1", "UV_OFFLINE=1", "UV_FIND_LINKS="+folder)
	server := process.NewSite(t, "--memory-budget", "2000MB").Serve(t)
	for _, p := range packages {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), p.Name)
			writeFile(t, filepath.Join(dir, "main.py"), p.Program)
			writeFile(t, filepath.Join(dir, "requirements.txt"), p.Name+"=="+p.Version+"\n")
			out, err := deploy(t, server, dir, env)
			if p.Status == needsNative {
				if says := "the package " + p.Detail + " needs native code"; err == nil || !strings.Contains(out, says) {
					t.Fatalf("the deployment does not say %q: %v\n%s", says, err, out)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			r, err := server.Do(t.Context(), "POST", "/v1/sync/functions/"+p.Name+"/rpc/", "{}")
			if err != nil || r.Status != 200 {
				t.Fatalf("%v: %d %s", err, r.Status, r.Body)
			}
			expected, err := os.ReadFile(filepath.Join(expectedDir, p.Name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, expected), decode(t, r.Body)); diff != "" {
				t.Errorf("native CPython (-) and the function (+) differ:\n%s", diff)
			}
		})
	}
}

// TestProgramsAreNamed verifies that each program is of a package in one list of names, and that each
// name has a program.
func TestProgramsAreNamed(t *testing.T) {
	packages, _ := readAll(t)
	var named []string
	for _, list := range []string{namesFile, moreNamesFile} {
		names, err := ReadNames(list)
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, names...)
	}
	slices.Sort(named)
	var programs []string
	for _, p := range packages {
		programs = append(programs, p.Name)
	}
	if diff := cmp.Diff(named, programs); diff != "" {
		t.Errorf("the names (-) and the programs (+) differ:\n%s", diff)
	}
}

// TestPackagesAreDocumented verifies that the document and the table of fas packages list the packages
// of the programs and the most downloaded ones, each with what was recorded of it; with -write it
// writes them.
func TestPackagesAreDocumented(t *testing.T) {
	programs, _ := readAll(t)
	list, _ := readTop(t)
	results, err := ReadResults(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	recorded := make(map[string]string)
	for _, p := range results {
		recorded[p.Name] = p.Version
	}
	for _, w := range list {
		if recorded[w.Name] != w.Version {
			t.Errorf("%s has version %q of %s, not %s: run make test-packages", resultsFile, recorded[w.Name], w.Name, w.Version)
		}
	}
	if len(recorded) != len(list) {
		t.Errorf("%s has %d packages, and %s has %d", resultsFile, len(recorded), topFile, len(list))
	}
	packages := Merge(programs, results)
	for path, want := range map[string]string{documentFile: Document(packages, len(list), topRanking), tableFile: Lines(packages)} {
		if *write {
			writeFile(t, path, want)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s is not what the programs and %s say: run make test-packages (%v)", path, resultsFile, err)
		}
	}
}

// fetch returns the folder of a set of wheels. It downloads those that the folder does not have, and
// removes other files from it.
func fetch(t *testing.T, set string, wheels []Wheel) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(cache, set))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), fetchTimeout)
	defer cancel()
	for _, part := range distinct(missing(t, folder, wheels)) {
		list := filepath.Join(t.TempDir(), "requirements.txt")
		writeFile(t, list, Requirements(part))
		if out, err := exec.CommandContext(ctx, "./fetch.sh", list, folder, "--no-deps").CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" || *native != "" {
				t.Fatalf("cannot download the packages: %v\n%s", err, out)
			}
			t.Skipf("cannot download the packages: %v\n%s", err, out)
		}
	}
	if left := missing(t, folder, wheels); len(left) > 0 {
		t.Fatalf("%s lacks %v", folder, left)
	}
	return folder
}

// missing returns the wheels that a folder does not have, and removes all other files.
func missing(t *testing.T, folder string, wheels []Wheel) []Wheel {
	t.Helper()
	wanted := make(map[string]Wheel, len(wheels))
	for _, w := range wheels {
		if !w.Sdist {
			wanted[w.SHA256] = w
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		sum := fileSum(t, file)
		if _, ok := wanted[sum]; ok {
			delete(wanted, sum)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Collect(maps.Values(wanted))
}

// fileSum returns the SHA-256 of a file in hexadecimal.
func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// distinct splits wheels into parts that have each name once, as the installers want it.
func distinct(wheels []Wheel) (parts [][]Wheel) {
	seen := make(map[string]int)
	for _, w := range wheels {
		n := seen[w.Name]
		seen[w.Name]++
		if n == len(parts) {
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], w)
	}
	return parts
}

// deploy runs "fas deploy" in an environment, and returns what it prints.
func deploy(t *testing.T, server *process.Server, dir string, env []string, flags ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deployTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, process.Binary(t), append([]string{"deploy", dir, "--memory", "512"}, flags...)...)
	cmd.Env = append(slices.Clone(env), "FAASPOT_URL="+server.Base, "FAASPOT_TOKEN="+server.Token, "FAASPOT_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// writeExpected runs the programs by native CPython, with the files of all wheels, and stores the results.
func writeExpected(t *testing.T, packages []Package, wheels string) {
	t.Helper()
	site := t.TempDir()
	files, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		r, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			if strings.HasSuffix(f.Name, "/") {
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
			writeFile(t, filepath.Join(site, filepath.FromSlash(f.Name)), string(content))
		}
		r.Close()
	}
	for _, p := range packages {
		if p.Status == needsNative {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), deployTimeout)
		cmd := exec.CommandContext(ctx, *native, "native.py", filepath.Join(programsDir, p.Name+".py"))
		cmd.Env = append(os.Environ(), "PYTHONPATH="+site, "PYTHONDONTWRITEBYTECODE=1")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		cancel()
		if err != nil {
			t.Fatalf("%s in native CPython: %v", p.Name, err)
		}
		writeFile(t, filepath.Join(expectedDir, p.Name+".json"), string(out))
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
