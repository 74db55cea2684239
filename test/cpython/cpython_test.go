//go:build linux

package cpython

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

var (
	all    = flag.Bool("all", false, "run all modules, not only those of the general section that are not slow")
	only   = flag.String("modules", "", "run these modules, separated by commas")
	native = flag.String("native", "", "path of a native Python of the same source, in which modules run as well")
	write  = flag.Bool("write", false, "write the expectations and, of all modules, docs/python-compatibility.md")
	resume = flag.Bool("resume", false, "take outcomes from an earlier run of this test, where they are stored")
)

const (
	root = "../.."
	// cache is the folder of the sources and of the outcomes of the last run.
	cache            = root + "/.cache/cpython"
	documentFile     = root + "/docs/python-compatibility.md"
	expectationsFile = "expectations.txt"
	modulesFile      = "modules.txt"
	reasonsFile      = "reasons.txt"
	pythonVersion    = "3.13.5"
	sourcesTimeout   = 5 * time.Minute
	outcomesOfGuest  = "outcomes/guest"
	outcomesOfNative = "outcomes/native"
)

func TestMain(m *testing.M) { process.Main(m) }

// TestCPython runs CPython's tests in functions and fails if one does not pass that passed before.
func TestCPython(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for minutes")
	}
	selected, omitted := selection(t)
	hand, err := ReadReasons(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	expectations, err := ReadExpectations(expectationsFile)
	if err != nil {
		t.Fatal(err)
	}
	lib := sources(t)

	server := process.NewSite(t, "--memory-budget", "2600MB").Serve(t)
	server.Deploy(t, functionName, driver, "memory", runMemory, "timeout", runTimeout)
	modules := runAll(t, inGuest(server.Client), lib, selected, nil, outcomesOfGuest)
	if *native != "" {
		some, ids := notPassed(modules)
		addNative(modules, runAll(t, inNative(*native, t.TempDir()), lib, some, ids, outcomesOfNative))
	}
	for i := range modules {
		m := &modules[i]
		if *native == "" {
			expectations[m.Name].keepNative(m)
		}
		Classify(m, hand)
		if testing.Verbose() {
			printModule(t, *m)
		}
	}
	if *write {
		writeAll(t, modules, omitted, hand)
		return
	}
	for _, m := range modules {
		expected, ok := expectations[m.Name]
		if !ok {
			t.Errorf("%s has no module %s: write it with `make test-cpython`", expectationsFile, m.Name)
			continue
		}
		worse, better := expected.Compare(m, hand)
		for _, text := range worse {
			t.Error(text)
		}
		for _, text := range better {
			t.Logf("better than expected: %s", text)
		}
	}
}

// selection returns the modules to run and those that never run.
func selection(t *testing.T) (selected, omitted []Selection) {
	t.Helper()
	lines, err := ReadModules(modulesFile)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range strings.Split(*only, ",") {
		names[name] = name != ""
	}
	for _, s := range lines {
		switch {
		case s.Omitted != "":
			omitted = append(omitted, s)
		case *only != "" && names[s.Name], *only == "" && (*all || s.Section == general && !s.Slow):
			selected = append(selected, s)
			delete(names, s.Name)
		}
	}
	for name, missing := range names {
		if missing {
			t.Fatalf("%s has no module %s", modulesFile, name)
		}
	}
	return selected, omitted
}

// sources returns the folder Lib/test of the pinned source, which fetch.sh downloads once.
func sources(t *testing.T) string {
	t.Helper()
	lib := filepath.Join(cache, "source", "Lib", "test")
	missing := t.Skipf
	if os.Getenv("CI") != "" || *all {
		missing = t.Fatalf
	}
	ctx, cancel := context.WithTimeout(t.Context(), sourcesTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "fetch.sh") // does nothing if everything is there
	if out, err := cmd.CombinedOutput(); err != nil {
		missing("cannot download CPython's tests: %v\n%s", err, out)
	}
	if err := checkSources(lib); err != nil {
		t.Fatal(err)
	}
	return lib
}

// notPassed returns the modules of the general section with tests that do not pass, and the ids of
// these tests; none of a module that could not be loaded as a whole. They are the ones for which the outcome in
// native CPython matters.
func notPassed(modules []Module) (some []Selection, ids map[string][]string) {
	ids = map[string][]string{}
	for _, m := range modules {
		if m.Section != general {
			continue
		}
		whole := false
		for _, t := range m.Tests {
			if t.Outcome != Passed {
				ids[m.Name] = append(ids[m.Name], t.ID)
				whole = whole || notLoaded(t.ID)
			}
		}
		if len(ids[m.Name]) > 0 {
			some = append(some, m.Selection)
		}
		if whole {
			ids[m.Name] = nil
		}
	}
	return some, ids
}

// runAll runs modules, parallelRuns at once, and returns them in the given order. ids has the tests
// to run by module; a module without ids runs all. It stores the outcomes with the tracebacks in the
// cache.
func runAll(t *testing.T, run runner, lib string, selected []Selection, ids map[string][]string, kind string) []Module {
	t.Helper()
	dir := filepath.Join(cache, kind)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	modules := make([]Module, len(selected))
	next := make(chan int)
	var workers sync.WaitGroup
	for range parallelRuns {
		workers.Go(func() {
			for i := range next {
				if t.Failed() {
					continue
				}
				file := filepath.Join(dir, selected[i].Name+".json")
				if *resume && readOutcomes(file, &modules[i]) {
					modules[i].Selection = selected[i]
					continue
				}
				began := time.Now()
				m, err := runModule(t.Context(), run, lib, selected[i], ids[selected[i].Name])
				if err != nil {
					t.Error(err)
					continue
				}
				m.Seconds = time.Since(began).Seconds()
				modules[i] = m
				if err := writeOutcomes(file, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range selected {
		next <- i
	}
	close(next)
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return modules
}

func readOutcomes(file string, m *Module) bool {
	text, err := os.ReadFile(file)
	return err == nil && json.Unmarshal(text, m) == nil
}

func writeOutcomes(file string, m Module) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// addNative sets the outcomes in native CPython.
func addNative(modules, native []Module) {
	for i := range modules {
		for j := range native {
			if modules[i].Name == native[j].Name {
				compareNative(&modules[i], native[j].Tests)
			}
		}
	}
}

// printModule prints the row of a module, and a line for each of its tests that does not pass and
// that Linux does not skip.
func printModule(t *testing.T, m Module) {
	t.Helper()
	var b strings.Builder
	c := m.Count()
	fmt.Fprintf(&b, "%-40s %5d passed %5d failed %5d skipped (%d on Linux, either)", m.Name, c.Passed, c.Failed, c.Skipped, c.Foreign)
	for _, x := range m.Tests {
		if x.Outcome != Passed && !x.Foreign() {
			fmt.Fprintf(&b, "\n    %-8s %s: %s", x.Outcome, x.ID, x.Reason)
			if x.Reason == Unexplained {
				fmt.Fprintf(&b, ": %s", x.Message)
			}
		}
	}
	t.Log(b.String())
}

// writeAll writes the expectations and the document.
func writeAll(t *testing.T, modules []Module, omitted []Selection, hand Reasons) {
	t.Helper()
	if !*all {
		t.Fatal("only the outcomes of all modules can be written: add -all")
	}
	for _, pattern := range hand.Unused() {
		t.Errorf("%s: no test that does not pass matches %s", reasonsFile, pattern)
	}
	var text bytes.Buffer
	if err := WriteExpectations(&text, modules); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(expectationsFile, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	text.Reset()
	document := NewDocument(pythonVersion, modules)
	if err := document.Write(&text, readLibrary(t), omitted); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(documentFile, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	f := document.Figure()
	t.Logf("%.1f %% of %d tests in %d modules pass", f.Percent(), f.Counted, f.Modules)
}

// TestEveryModuleIsListed checks that modules.txt has every module of the source, and no other.
func TestEveryModuleIsListed(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads the source")
	}
	lib := sources(t)
	lines, err := ReadModules(modulesFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, s := range lines {
		top, rest, _ := strings.Cut(s.Name, ".")
		listed[top] = true
		if _, err := os.Stat(filepath.Join(lib, top+".py")); err == nil && rest == "" {
			continue
		}
		dir := filepath.Join(lib, top, strings.ReplaceAll(rest, ".", "/"))
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		if _, err := os.Stat(dir + ".py"); err != nil {
			t.Errorf("%s lists %s, which does not exist", modulesFile, s.Name)
		}
	}
	entries, err := os.ReadDir(lib)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, source := strings.CutSuffix(e.Name(), ".py")
		if strings.HasPrefix(name, "test_") && (source || e.IsDir()) && !listed[name] {
			t.Errorf("%s does not list %s", modulesFile, name)
		}
	}
}
