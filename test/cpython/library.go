package cpython

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// LibraryModule is a module of the standard library and what functions have of it.
type LibraryModule struct {
	Name string
	// Status is works, differs or absent.
	Status string
	// Note says how it differs, or why it is absent.
	Note string
	// Body exercises the module, see library.txt; empty for an absent one.
	Body string
}

// The states of a module.
const (
	works   = "works"
	differs = "differs"
	absent  = "absent"
)

// ReadLibrary reads library.txt.
func ReadLibrary(file string) ([]LibraryModule, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var modules []LibraryModule
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := LibraryModule{}
		fields := strings.Split(line, "\t")
		if len(fields) > 1 {
			m.Name = fields[0]
			m.Status, m.Note, _ = strings.Cut(fields[1], ": ")
		}
		if len(fields) == 3 {
			m.Body = fields[2]
		}
		wrong := m.Name == "" || len(fields) > 3 || (m.Body == "") != (m.Status == absent) || (m.Note == "") != (m.Status == works) ||
			!slices.Contains([]string{works, differs, absent}, m.Status)
		if wrong || len(modules) > 0 && modules[len(modules)-1].Name >= m.Name {
			return nil, fmt.Errorf("%s:%d is not the line of a module in the order of names", file, n+1)
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// libraryTitle is the heading of the section that WriteLibrary writes.
const libraryTitle = "## Modules of the standard library\n"

// WriteLibrary writes the section of the document about the modules of the standard library.
func WriteLibrary(w io.Writer, modules []LibraryModule) error {
	count := map[string]int{}
	for _, m := range modules {
		count[m.Status]++
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nEvery public module, and its well-known parts: %d work as on Linux, %d differ, %d are absent. Each of the\nfirst two kinds is imported and exercised in a function by `TestLibrary`, with a statement that holds in\nnative CPython as well; the import of an absent one raises `ModuleNotFoundError` or `ImportError`.\n\n| module | status | how it differs, or why it is absent |\n|---|---|---|\n",
		libraryTitle, count[works], count[differs], count[absent])
	for _, m := range modules {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, m.Status, m.Note)
	}
	_, err := b.WriteTo(w)
	return err
}
