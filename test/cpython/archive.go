package cpython

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// support is the package of helpers in Lib/test that every module needs.
const support = "support"

// collector finds the files of the folder Lib/test that the tests of a module need.
type collector struct {
	lib     string
	tests   map[string]string // entries of Lib/test with tests, by the name of the module
	helpers map[string]string // all other entries, by name, with and without .py
	support map[string]bool   // modules of the package support; true: it has been read
	entries []string          // entries to pack, in the order in which they were found
}

// archive returns a zip of what the tests of a module need of the folder Lib/test: the package
// support, the module, and all helper modules and data whose names occur in their sources.
func archive(lib, module string) ([]byte, error) {
	top, _, _ := strings.Cut(module, ".")
	c, err := newCollector(lib)
	if err != nil {
		return nil, err
	}
	c.add("__init__.py")
	c.add(support)
	c.add(c.tests[top])
	files, err := c.collect()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
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

func newCollector(lib string) (*collector, error) {
	c := &collector{lib: lib, tests: map[string]string{}, helpers: map[string]string{}, support: map[string]bool{}}
	entries, err := os.ReadDir(lib)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		module, source := strings.CutSuffix(name, ".py")
		switch {
		case name == "__pycache__":
		case strings.HasPrefix(name, "test_") && (source || e.IsDir()):
			c.tests[module] = name
		default:
			c.helpers[name] = name
			c.helpers[module] = name
		}
	}
	modules, err := os.ReadDir(filepath.Join(lib, support))
	if err != nil {
		return nil, err
	}
	for _, e := range modules {
		if module, source := strings.CutSuffix(e.Name(), ".py"); source && module != "__init__" {
			c.support[module] = false
		}
	}
	return c, nil
}

// add adds an entry of Lib/test, once.
func (c *collector) add(entry string) {
	if entry != "" && !slices.Contains(c.entries, entry) {
		c.entries = append(c.entries, entry)
	}
}

// collect returns the files of all entries, sorted, with those that they name.
func (c *collector) collect() (files []string, err error) {
	for i := 0; i < len(c.entries); i++ { // reading a file adds entries
		err := filepath.WalkDir(filepath.Join(c.lib, c.entries[i]), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == "__pycache__" {
					return fs.SkipDir
				}
				return nil
			}
			name, err := filepath.Rel(c.lib, file)
			if err != nil {
				return err
			}
			files = append(files, name)
			if c.entries[i] == support { // its modules are read when a test names them
				return nil
			}
			return c.read(name)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return files, nil
}

// read adds what a file names, if it is a Python source.
func (c *collector) read(name string) error {
	if !strings.HasSuffix(name, ".py") {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.lib, name))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		beside := strings.Contains(line, "dirname(__file__)") // a path to data of another module
		imported := strings.HasPrefix(strings.TrimSpace(line), "from test import ")
		for _, word := range strings.FieldsFunc(line, endsWord) {
			word, dotted := strings.CutPrefix(word, "test.")
			c.add(c.helpers[word])
			word = strings.TrimPrefix(word, support+".")
			word, _, _ = strings.Cut(word, ".")
			c.add(c.helpers[word])
			if imported || dotted || beside {
				c.add(c.tests[word])
			}
			if read, ok := c.support[word]; ok && !read {
				c.support[word] = true
				if err := c.read(filepath.Join(support, word+".py")); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// endsWord reports whether a character ends what may be the name of a module or a file.
func endsWord(r rune) bool {
	return r != '_' && r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// checkSources returns an error unless lib is the folder Lib/test of CPython.
func checkSources(lib string) error {
	if _, err := os.Stat(filepath.Join(lib, support, "__init__.py")); err != nil {
		return fmt.Errorf("%s does not have CPython's tests: %w", lib, err)
	}
	return nil
}
