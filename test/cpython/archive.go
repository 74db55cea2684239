package cpython

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	// importOf matches the name of a test module in an import statement or a dotted name.
	importOf = regexp.MustCompile(`\b(?:test\.|from test import (?:\w+, )*|from \.+ ?import |import_helper\.import_fresh_module\(['"]test\.)(test_\w+)`)
	// supportImport matches an import of modules of the package support.
	supportImport = regexp.MustCompile(`(?m)(?:from test\.support import|from test import|from test\.|import test\.)[ \t(]*(support\.\w+|[\w, \n]+)`)
	// word matches what may be the name of a helper module, a data file or a data folder.
	word = regexp.MustCompile(`[\w.-]+`)
)

// archive returns a zip of what the tests of a module need of the folder Lib/test: the package's
// helpers, the module, and all helper modules and data whose names occur in these.
func archive(lib, module string) ([]byte, error) {
	entries, err := os.ReadDir(lib)
	if err != nil {
		return nil, err
	}
	// helpers maps a word to the entry of Lib/test that it names.
	helpers := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if name == "__pycache__" || strings.HasPrefix(name, "test_") && (e.IsDir() || strings.HasSuffix(name, ".py")) {
			continue
		}
		helpers[name] = name
		helpers[strings.TrimSuffix(name, ".py")] = name
	}
	top, _, _ := strings.Cut(module, ".")
	var names []string // entries of Lib/test to pack, in the order in which they were found
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add("__init__.py")
	add("support")
	add(entryOf(lib, top))
	var files []string // relative to lib
	// read adds what the source of a module names.
	read := func(text string) {
		for _, w := range word.FindAllString(text, -1) {
			w = strings.TrimPrefix(w, "test.")
			head, _, _ := strings.Cut(w, ".")
			for _, name := range []string{helpers[w], helpers[head]} {
				if name != "" {
					add(name)
				}
			}
		}
		for _, m := range importOf.FindAllStringSubmatch(text, -1) {
			if name := entryOf(lib, m[1]); name != "" {
				add(name)
			}
		}
	}
	// support has modules that not every module uses, and these import more.
	var support []string // modules of the package support that are read
	readSupport := func(text string) error {
		for _, m := range supportImport.FindAllStringSubmatch(text, -1) {
			for _, w := range word.FindAllString(m[1], -1) {
				w = filepath.Join("support", strings.TrimPrefix(w, "support.")+".py")
				if slices.Contains(support, w) {
					continue
				}
				support = append(support, w)
				text, err := os.ReadFile(filepath.Join(lib, w))
				if errors.Is(err, fs.ErrNotExist) {
					continue // a name within a module
				}
				if err != nil {
					return err
				}
				read(string(text))
			}
		}
		return nil
	}
	for i := 0; i < len(names); i++ {
		err := filepath.WalkDir(filepath.Join(lib, names[i]), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == "__pycache__" {
					return fs.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(lib, p)
			if err != nil {
				return err
			}
			files = append(files, rel)
			if !strings.HasSuffix(p, ".py") || names[i] == "support" {
				return nil
			}
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			read(string(text))
			return readSupport(string(text))
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(lib, name))
		if err != nil {
			return nil, err
		}
		f, err := w.Create(path.Join("test", filepath.ToSlash(name)))
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// entryOf returns the name of the file or folder of a test module in Lib/test, empty if there is
// none.
func entryOf(lib, module string) string {
	for _, name := range []string{module + ".py", module} {
		if _, err := os.Stat(filepath.Join(lib, name)); err == nil {
			return name
		}
	}
	return ""
}

// source returns an error unless lib is the folder Lib/test of CPython.
func source(lib string) error {
	if _, err := os.Stat(filepath.Join(lib, "support", "__init__.py")); err != nil {
		return fmt.Errorf("%s does not have CPython's tests: %w", lib, err)
	}
	return nil
}
