//go:build linux

package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	differencesFile = "differences.json"
	document        = "../../docs/python-differences.md"
)

// values are the texts in JSON of a value that differs.
type values struct {
	Native string `json:"native"`
	Guest  string `json:"guest"`
}

// difference is one way in which functions differ from native CPython on Linux.
type difference struct {
	// Subject is what differs: a module, a function, a part of the language.
	Subject string `json:"subject"`
	// Linux and Here say what CPython on Linux does and what a function sees.
	Linux string `json:"linux"`
	Here  string `json:"here"`
	// Fault marks a difference that is to be removed. It is not in the document.
	Fault bool `json:"fault,omitempty"`
	// Values are the values that differ, by program and path.
	Values map[string]map[string]values `json:"values"`
}

func readDifferences(t *testing.T) (known []difference) {
	t.Helper()
	text, err := os.ReadFile(differencesFile)
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// problems returns what is wrong with the known differences, given those that were found: reasons
// that are missing, and every value that is in only one of both.
func problems(known []difference, found map[string]map[string]values) (all []string) {
	listed := map[string]map[string]values{}
	for _, d := range known {
		if d.Subject == "" || d.Linux == "" || d.Here == "" {
			all = append(all, fmt.Sprintf("%s lists a difference without a reason: %v", differencesFile, slices.Sorted(maps.Keys(d.Values))))
		}
		for name, paths := range d.Values {
			if listed[name] == nil {
				listed[name] = map[string]values{}
			}
			maps.Copy(listed[name], paths)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		paths := found[name]
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			if v := paths[path]; listed[name][path] != v {
				all = append(all, fmt.Sprintf("%s: %s\n  native   %s\n  function %s", name, path, v.Native, v.Guest))
			}
		}
		for _, path := range slices.Sorted(maps.Keys(listed[name])) {
			if v := listed[name][path]; paths[path] != v {
				all = append(all, fmt.Sprintf("%s: %s does not differ any more as %s says (go test ./test/corpus -update removes it)\n  listed   %s", name, path, differencesFile, v.Guest))
			}
		}
	}
	return all
}

// updated returns the known differences that were found, and those that are new without a subject.
func updated(known []difference, found map[string]map[string]values) []difference {
	unexplained := difference{Values: map[string]map[string]values{}}
	for name, paths := range found {
		for path, v := range paths {
			if !slices.ContainsFunc(known, func(d difference) bool { _, ok := d.Values[name][path]; return ok }) {
				if unexplained.Values[name] == nil {
					unexplained.Values[name] = map[string]values{}
				}
				unexplained.Values[name][path] = v
			}
		}
	}
	known = slices.DeleteFunc(known, func(d difference) bool {
		for name, paths := range d.Values {
			if found[name] == nil && *only != "" {
				continue
			}
			for path := range paths {
				if v, ok := found[name][path]; ok {
					paths[path] = v
				} else {
					delete(paths, path)
				}
			}
			if len(paths) == 0 {
				delete(d.Values, name)
			}
		}
		return len(d.Values) == 0
	})
	if len(unexplained.Values) > 0 {
		known = append(known, unexplained)
	}
	return known
}

func writeDifferences(t *testing.T, known []difference) {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(known); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(differencesFile, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, []byte(renderDifferences(known)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// renderDifferences returns the document.
func renderDifferences(known []difference) string {
	var text strings.Builder
	text.WriteString(`# Differences from CPython on Linux

Functions run CPython 3.13 compiled to WebAssembly. A corpus of programs runs both in functions and
in native CPython 3.13 on Linux (x86-64), and every value is compared. These are the differences; a
test fails when another one appears, or when one of these disappears. The table is generated from
` + "`test/corpus/differences.json`" + `. What is absent altogether, such as processes and sockets, is in
[functions.md](functions.md#differences-from-linux).

| subject | CPython on Linux | in a function |
|---|---|---|
`)
	for _, d := range known {
		if !d.Fault {
			fmt.Fprintf(&text, "| %s | %s | %s |\n", d.Subject, d.Linux, d.Here)
		}
	}
	return text.String()
}
