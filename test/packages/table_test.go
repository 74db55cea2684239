package packages

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestResultsOfPackages verifies what becomes of a package that has a program, an import, or both.
func TestResultsOfPackages(t *testing.T) {
	programs := []Package{
		{Name: "a", Version: "1", Status: works, Program: "p"},
		{Name: "b", Version: "1", Status: works},
		{Name: "c", Version: "1", Status: needsNative, Detail: "c"},
		{Name: "d", Version: "1", Status: differs, Detail: "no network"},
		{Name: "f", Version: "1", Status: works},
	}
	imported := []Package{
		{Name: "a", Version: "2", Status: imports, Modules: []string{"a"}},
		{Name: "b", Version: "2", Status: needsNative, Detail: "z; use b<2", Modules: []string{"b"}},
		{Name: "c", Version: "2", Status: needsNative, Detail: "c; use json", Modules: []string{"c", "cc"}},
		{Name: "e", Version: "2", Status: notImportable, Detail: "it has no modules"},
		{Name: "f", Version: "1", Status: differs, Detail: "it lacks f.g", Modules: []string{"f"}},
	}
	want := []Package{
		{Name: "a", Version: "1", Status: works, Modules: []string{"a"}},
		{Name: "b", Version: "1", Status: works, Detail: "version 2 needs native code: z; use b<2", Modules: []string{"b"}},
		{Name: "c", Version: "1", Status: needsNative, Detail: "c; use json", Modules: []string{"c", "cc"}},
		{Name: "d", Version: "1", Status: differs, Detail: "no network"},
		{Name: "e", Version: "2", Status: notImportable, Detail: "it has no modules"},
		{Name: "f", Version: "1", Status: works, Detail: "it lacks f.g", Modules: []string{"f"}},
	}
	path := filepath.Join(t.TempDir(), "results.tsv")
	if err := os.WriteFile(path, []byte(Lines(Merge(programs, imported))), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadResults(path)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestRefusals verifies the results of deployments that were refused.
func TestRefusals(t *testing.T) {
	for text, want := range map[string][2]string{
		"error: ImportError: the module _x is missing: the package numpy needs native code, and a function runs Python only: use math (line 1)\nTraceback": {
			needsNative, "numpy; use math",
		},
		"note: the extension modules of x are left out\nerror: AttributeError: no such thing (line 2)\nTraceback (most recent call last):\nerror: no": {
			differs, "it cannot be imported: AttributeError: no such thing",
		},
		"killed\n": {},
	} {
		if status, detail := Refusal(text); [2]string{status, detail} != want {
			t.Errorf("%q is %q, %q; want %q", text, status, detail, want)
		}
	}
}

// TestImportedPackages verifies the results of packages whose modules were imported.
func TestImportedPackages(t *testing.T) {
	many := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for want, got := range map[[2]string][2]string{
		{imports, ""}:             pair(Imported("x", nil, nil, 0)),
		{differs, "it lacks x.C"}: pair(Imported("x", []string{"x.C"}, nil, 4)),
		{differs, "it lacks x.C; native code is needed for x.y"}: pair(Imported("x", []string{"x.C"}, []string{"x.y"}, 4)),
		{needsNative, "x for a, b, c, d, e, f and 2 more"}:       pair(Imported("x", nil, many, 9)),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func pair(a, b string) [2]string { return [2]string{a, b} }
