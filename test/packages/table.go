package packages

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The statuses of packages.
const (
	works         = "works"
	imports       = "imports"
	differs       = "differs"
	needsNative   = "needs native code"
	notImportable = "not importable"
)

// Package is a package that was tested.
type Package struct {
	Name, Version string
	Status        string   // one of the statuses above
	Detail        string   // how it differs, the package that has the native code, or why nothing can be imported
	Modules       []string // that are imported from it, if it is one of the most downloaded
	Program       string   // the source, if it has one
}

// Wheel is a line of a lock file, such as packages.txt.
type Wheel struct {
	Name, Version, SHA256 string

	Sdist bool // it has no wheel for CPython 3.13 on Linux
}

// ReadWheels reads a lock file.
func ReadWheels(path string) ([]Wheel, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var wheels []Wheel
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, pinned := strings.Cut(line, "==")
		rest, sdist := strings.CutSuffix(rest, " # sdist")
		version, hash, hashed := strings.Cut(rest, " --hash=sha256:")
		if !pinned || !hashed {
			return nil, fmt.Errorf("%s: %q is not a version with its hash", path, line)
		}
		wheels = append(wheels, Wheel{name, version, hash, sdist})
	}
	return wheels, nil
}

// Requirements returns wheels as a requirements file.
func Requirements(wheels []Wheel) string {
	var b strings.Builder
	for _, w := range wheels {
		fmt.Fprintf(&b, "%s==%s --hash=sha256:%s\n", w.Name, w.Version, w.SHA256)
	}
	return b.String()
}

// ReadNames reads the names of packages from a file such as names.txt.
func ReadNames(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			name, _, _ := strings.Cut(line, "<")
			names = append(names, name)
		}
	}
	return names, nil
}

// ReadPackages reads the programs of a folder. The first line of a program may have its status.
func ReadPackages(folder string, wheels []Wheel) ([]Package, error) {
	versions := make(map[string]string)
	for _, w := range wheels {
		versions[w.Name] = w.Version
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.py"))
	if err != nil {
		return nil, err
	}
	var packages []Package
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p := Package{Name: strings.TrimSuffix(filepath.Base(file), ".py"), Status: works, Program: string(text)}
		if p.Version = versions[p.Name]; p.Version == "" {
			return nil, fmt.Errorf("%s: packages.txt does not have the package %s", file, p.Name)
		}
		if comment, ok := strings.CutPrefix(p.Program, "# "); ok {
			line, _, _ := strings.Cut(comment, "\n")
			p.Status, p.Detail, _ = strings.Cut(line, ": ")
			if p.Status != differs && p.Status != needsNative || p.Detail == "" {
				return nil, fmt.Errorf("%s: the first line has no status", file)
			}
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// ReadResults reads the packages that Lines wrote to a file.
func ReadResults(path string) ([]Package, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packages []Package
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("%s: %q has not five fields", path, line)
		}
		packages = append(packages, Package{Name: f[0], Version: f[1], Status: f[2], Detail: f[3], Modules: strings.Fields(f[4])})
	}
	return packages, nil
}

// Merge returns the packages with programs and the others, sorted by name. A program says more than an
// import, unless the import is that of another version, which needs native code.
func Merge(programs, imported []Package) []Package {
	merged := make(map[string]Package, len(programs)+len(imported))
	for _, p := range imported {
		merged[p.Name] = p
	}
	for _, p := range programs {
		other := merged[p.Name]
		p.Modules = other.Modules
		switch {
		case other.Status == differs && p.Detail == "":
			p.Detail = other.Detail
		case other.Status != needsNative:
		case p.Status == needsNative:
			p.Detail = other.Detail
		default:
			p.Detail = strings.TrimPrefix(p.Detail+"; version "+other.Version+" needs native code: "+other.Detail, "; ")
		}
		merged[p.Name] = p
	}
	return slices.SortedFunc(maps.Values(merged), func(a, b Package) int { return cmp.Compare(a.Name, b.Name) })
}

var (
	refusedAsNative = regexp.MustCompile(`(?m)the package (\S+) needs native code, and a function runs Python only: use (.+?)(?: \(line \d+\))?$`)
	refusedError    = regexp.MustCompile(`(?m)^error: (.+?)(?: \(line \d+\))?$`)
)

// Refusal returns the status of a package whose deployment was refused, and the reason, from what
// "fas deploy" printed. The status is empty if the text has no reason.
func Refusal(text string) (status, detail string) {
	if m := refusedAsNative.FindStringSubmatch(text); m != nil {
		return needsNative, m[1] + "; use " + m[2]
	}
	if m := refusedError.FindStringSubmatch(text); m != nil {
		return differs, "it cannot be imported: " + m[1]
	}
	return "", ""
}

// maxNamed is the number of names that a detail has at most.
const maxNamed = 6

// Imported returns the status of a package that was imported, and how it differs: names that its modules
// lack, and modules in them that cannot be imported without its extension modules. A package that lacks
// half of those is of no use.
func Imported(name string, lacks, failed []string, inner int) (status, detail string) {
	if 2*len(failed) > inner {
		return needsNative, name + " for " + shortened(failed)
	}
	var parts []string
	if len(lacks) > 0 {
		parts = append(parts, "it lacks "+shortened(lacks))
	}
	if len(failed) > 0 {
		parts = append(parts, "native code is needed for "+shortened(failed))
	}
	if parts == nil {
		return imports, ""
	}
	return differs, strings.Join(parts, "; ")
}

// shortened returns names as a list of at most maxNamed.
func shortened(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Lines returns the packages as lines of fields that are separated by tabs.
func Lines(packages []Package) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Version, p.Status, p.Detail, strings.Join(p.Modules, " "))
	}
	return b.String()
}

const introduction = `# Packages

Packages of PyPI that were deployed as a user would do it: with ` + "`fas deploy`" + ` of a folder with a
` + "`requirements.txt`" + ` ([functions.md](functions.md#bundles)). Among them are the %d most downloaded, %s.
` + "`fas packages`" + ` prints the table, and ` + "`fas packages NAME`" + ` the row of a package or of a module. It is written
by ` + "`make test-packages`" + `; do not edit it.

| result | packages | |
|---|---|---|
| works | %d | its program in ` + "`test/packages/programs`" + ` returns what it returns in native CPython 3.13, with the same wheels |
| imports | %d | its modules can be imported, and have the same public names as in native CPython; if it has extension modules, those that are directly in its modules can be imported, too |
| differs | %d | the table says how |
| needs native code | %d | its modules, or most of those in them, cannot be imported: the deployment of a function that does is refused, and the message names the package that needs native code, with an alternative where one is known |
| not importable | %d | native CPython cannot import it either, or it has no modules |

A package that is not in the table works if it is Python code, or has Python code beside its extension
modules, and needs neither threads nor processes.

| package | version | result | |
|---|---|---|---|
`

// Document returns docs/packages.md. ranking says of when the list of the most downloaded packages is.
func Document(packages []Package, ranked int, ranking string) string {
	count := make(map[string]int)
	for _, p := range packages {
		count[p.Status]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, introduction, ranked, ranking, count[works], count[imports], count[differs], count[needsNative], count[notImportable])
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`)
	for _, p := range packages {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Version, p.Status, cell.Replace(p.Detail))
	}
	return b.String()
}
