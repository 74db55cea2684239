package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestRunsReportTheirImports runs a bundle that imports lazily: its first runs report what they import,
// later runs leave nothing, and a single file reports nothing.
func TestRunsReportTheirImports(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	files := map[string]string{
		"main.py": `
import os, early
def main(args, context):
    if args.get("fail"):
        raise ValueError("no")
    __import__(args["module"])
    return [early.value, sorted(os.listdir("/tmp")), os.environ.get("X"), context]
`, "early.py": "value = 1\n", "pkg/__init__.py": "", "pkg/lazy.py": "import wave\n",
	}
	p := deployedBundle(t, box, store, files)
	if got := box.RunImports(p.FunctionID, p.Version); len(got) > 0 {
		t.Errorf("before any run: %v", got)
	}
	for _, module := range []string{"pkg.lazy", "pkg", "early", "wave", "colorsys"} { // the last two do not report
		if got := result(t, box, p, `{"module":"`+module+`"}`); got != `[1,[],null,{}]` {
			t.Errorf("%s: got %s", module, got)
		}
	}
	got := box.RunImports(p.FunctionID, p.Version)
	if !slices.Contains(got, "pkg.lazy") || !slices.Contains(got, "wave") || slices.Contains(got, "early") || slices.Contains(got, "colorsys") {
		t.Errorf("imported %v", got)
	}
	// Another image learns again, of runs with an environment too, and not of those that fail.
	p = deployedBundle(t, box, store, files)
	if f := run(t, box, p, `{"fail":1}`).Failure; f == nil {
		t.Error("no failure")
	}
	outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(`{"module":"colorsys"}`), Context: []byte(`{"a":1}`), Env: []byte(`{"X":"y"}`)})
	if err != nil || string(outcome.Result) != `[1,[],"y",{"a":1}]` {
		t.Errorf("%v %s %+v", err, outcome.Result, outcome.Failure)
	}
	if got := box.RunImports(p.FunctionID, p.Version); !slices.Equal(got, []string{"colorsys"}) {
		t.Errorf("imported %v", got)
	}
	box.Forget(p.FunctionID, p.Version)
	if got := box.RunImports(p.FunctionID, p.Version); len(got) > 0 {
		t.Errorf("a version that was forgotten: %v", got)
	}
	single := deployed(t, box, "def main(args, context): import colorsys\n", runtime.Limits{})
	result(t, box, single, "{}")
	if got := box.RunImports(single.FunctionID, single.Version); len(got) > 0 {
		t.Errorf("a single file: %v", got)
	}
}

// TestReportedImportsAreBounded lets functions write what they like as their imports.
func TestReportedImportsAreBounded(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	source := `
import os, sys
class Hostile(dict):
    def __iter__(self): raise KeyboardInterrupt
def main(args, context):
    kind = args["kind"]
    if kind == "many":
        for n in range(10_000): sys.modules["m%d" % n] = sys
    elif kind == "names":
        for name in ("../x", "a b", "x\n\ny", "\x1b[31m", "é", "a..b", ".a", "a.", "", "1a", "ok.name", "z" * 9000): sys.modules[name] = sys
    elif kind == "long":
        for n in range(100): sys.modules["x" * 100 + str(n)] = sys
    elif kind == "link":
        os.symlink("/function/main.py", "/tmp/.faaspot-imports")
    elif kind == "folder":
        os.mkdir("/tmp/.faaspot-imports")
    elif kind == "no names":
        sys.modules[7] = sys
    elif kind == "hostile":
        sys.modules = Hostile()
    elif kind == "open":
        import builtins
        builtins.open = None
    return 1
`
	for kind, want := range map[string]func(names []string) bool{
		"many": func(names []string) bool { return len(names) == maxImports },
		"names": func(names []string) bool {
			return slices.Equal(names, []string{"x", "y", "ok.name"}) || len(names) == 0
		},
		"long":     func(names []string) bool { return len(names) <= maxImportBytes/100 },
		"link":     func(names []string) bool { return len(names) == 0 },
		"folder":   func(names []string) bool { return len(names) == 0 },
		"no names": func(names []string) bool { return len(names) == 0 },
		"hostile":  func(names []string) bool { return len(names) == 0 },
		"open":     func(names []string) bool { return len(names) == 0 },
	} {
		p := deployedBundle(t, box, store, map[string]string{"main.py": source})
		for range learningRuns + 1 {
			outcome := run(t, box, p, `{"kind":"`+kind+`"}`)
			if string(outcome.Result) != "1" && kind != "hostile" {
				t.Errorf("%s: %s %+v", kind, outcome.Result, outcome.Failure)
			}
		}
		got := box.RunImports(p.FunctionID, p.Version)
		if !want(got) || len(strings.Join(got, "")) > maxImportBytes {
			t.Errorf("%s: %d names, %.200q", kind, len(got), got)
		}
	}
}
