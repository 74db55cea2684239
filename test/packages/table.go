package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The statuses of packages.
const (
	works       = "works"
	differs     = "differs"
	needsNative = "needs native code"
)

// Package is a package that a program uses.
type Package struct {
	Name, Version string
	Status        string // works, differs or needsNative
	Detail        string // how it differs, or the package that has the native code
	Program       string // the source
}

// Wheel is a line of packages.txt.
type Wheel struct{ Name, Version, SHA256 string }

// ReadWheels reads packages.txt.
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
		version, hash, hashed := strings.Cut(rest, " --hash=sha256:")
		if !pinned || !hashed {
			return nil, fmt.Errorf("%s: %q is not a version with its hash", path, line)
		}
		wheels = append(wheels, Wheel{name, version, hash})
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

// Lines returns the packages as lines of fields that are separated by tabs.
func Lines(packages []Package) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", p.Name, p.Version, p.Status, p.Detail)
	}
	return b.String()
}

const introduction = `# Packages

Packages of PyPI that are deployed and run on each change of faaspot, as a user would do it: with
` + "`fas deploy`" + ` of a folder with a ` + "`requirements.txt`" + ` ([functions.md](functions.md#bundles)). What each program
in ` + "`test/packages/programs`" + ` returns is compared with native CPython 3.13 and the same wheels.
` + "`fas packages`" + ` prints the table. It is written by ` + "`make test-packages`" + `; do not edit it.

A package *works* if its program returns the same. One *differs* as the table says. One that *needs native
code* is refused at deployment, with a message that names it, and an alternative where one is known. A
package that is not in the table works if it is Python code, or has Python code beside its extension
modules, and needs neither network, threads nor processes.

| package | version | status | |
|---|---|---|---|
`

// Document returns docs/packages.md.
func Document(packages []Package) string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, p := range packages {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Version, p.Status, p.Detail)
	}
	return b.String()
}
