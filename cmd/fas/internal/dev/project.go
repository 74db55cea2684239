package dev

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/runtime"
)

const (
	codeSuffix    = ".py"
	contextSuffix = ".context"
	// maxFunctions bounds the functions of a project.
	maxFunctions = 1000
	// maxFolderFiles bounds the files of a folder that are looked at for changes.
	maxFolderFiles = 2 * runtime.MaxBundleFiles
	// maxProjectFile bounds the file of a project, in bytes.
	maxProjectFile = 64 * runtime.KiB
)

// Function is one function of a project.
type Function struct {
	Name     string
	Path     string // of its file, or of its folder
	Folder   bool
	Context  string // path of the file with its context; empty: there is none
	Settings jobfile.Settings
}

// Project is what is served.
type Project struct {
	Root      string // folder that has all of it
	Single    bool   // it is one file, so that nothing else in the folder belongs to it
	Functions []Function
}

// hasMain matches code that defines a main on its first level.
var hasMain = regexp.MustCompile(`(?m)^(?:(?:async\s+)?def\s+main\s*\(|main\s*=)`)

// Scan returns the project at a path: a Python file; a folder with main.py, which is one function; or a
// folder with a Python file for each function, and those of its project file. name returns the name of the
// function in a file or folder with a name.
func Scan(path string, name func(base string) (string, error)) (Project, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return Project{}, err
	}
	info, err := os.Stat(whole)
	switch {
	case err != nil:
		return Project{}, clierror.Usagef("give a Python file, or a folder", "cannot open it: %v", err)
	case !info.IsDir():
		f := Function{Path: whole}
		if f.Name, err = name(strings.TrimSuffix(filepath.Base(whole), codeSuffix)); err != nil {
			return Project{}, err
		}
		f.Context = contextOf(whole)
		return Project{Root: filepath.Dir(whole), Single: true, Functions: []Function{f}}, nil
	case exists(filepath.Join(whole, runtime.BundleMain)):
		return scanFolder(whole, name)
	}
	return scanFiles(whole)
}

// scanFolder returns the project of a folder that is one function.
func scanFolder(dir string, name func(string) (string, error)) (p Project, err error) {
	p.Root = dir
	f := Function{Path: dir, Folder: true, Context: contextOf(filepath.Join(dir, runtime.BundleMain))}
	if f.Name, err = name(filepath.Base(dir)); err != nil {
		return p, err
	}
	path := filepath.Join(dir, jobfile.FunctionFile)
	data, err := readSmall(path, maxProjectFile)
	if err == nil && data != nil {
		f.Settings, err = jobfile.ParseSettings(path, data)
	}
	p.Functions = []Function{f}
	return p, err
}

// scanFiles returns the project of a folder with several functions.
func scanFiles(dir string) (p Project, err error) {
	p.Root = dir
	file := jobfile.Project{}
	path := filepath.Join(dir, jobfile.FunctionFile)
	data, err := readSmall(path, maxProjectFile)
	if err == nil && data != nil {
		file, err = jobfile.ParseProject(path, data)
	}
	if err != nil {
		return p, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return p, clierror.Usagef("", "cannot read the folder: %v", err)
	}
	for _, e := range entries {
		base, isCode := strings.CutSuffix(e.Name(), codeSuffix)
		_, named := file.Functions[base]
		if !isCode || named || e.IsDir() || runtime.ValidateName(base) != nil {
			continue
		}
		path := filepath.Join(dir, e.Name())
		// A file that cannot be read now is looked at again when it changes.
		if code, err := readSmall(path, runtime.MaxSource); err == nil && hasMain.Match(code) {
			p.Functions = append(p.Functions, Function{Name: base, Path: path, Context: contextOf(path), Settings: file.Settings})
		}
	}
	for name, f := range file.Functions {
		path := filepath.Join(dir, cmp.Or(f.Path, usualPath(dir, name)))
		info, err := os.Stat(path)
		if err != nil {
			return p, clierror.Usagef("correct the path in "+jobfile.FunctionFile, "the function %s has no file: %v", name, err)
		}
		one := Function{Name: name, Path: path, Folder: info.IsDir(), Context: contextOf(path), Settings: f.Settings}
		if f.Context != "" {
			one.Context = filepath.Join(dir, f.Context)
		}
		p.Functions = append(p.Functions, one)
	}
	slices.SortFunc(p.Functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	if len(p.Functions) > maxFunctions {
		return p, clierror.Usagef("give a folder with fewer", "the folder has more than %d functions", maxFunctions)
	}
	return p, nil
}

// usualPath returns the path of a function for which the file of the project has none: the folder of its
// name, if that has main.py, else the file.
func usualPath(dir, name string) string {
	if exists(filepath.Join(dir, name, runtime.BundleMain)) {
		return name
	}
	return name + codeSuffix
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// contextOf returns the path of the context beside a file of code, empty if there is none.
func contextOf(path string) string {
	if beside := strings.TrimSuffix(path, codeSuffix) + contextSuffix; exists(beside) {
		return beside
	}
	return ""
}

// readSmall reads a file, nil if there is none.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, clierror.Usagef("", "cannot read it: %v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, clierror.Usagef("", "cannot read it: %v", err)
	case int64(len(data)) > limit:
		return nil, clierror.Usagef("", "%s has more than %s bytes", path, runtime.SizeText(int(limit)))
	}
	return data, nil
}

// fingerprint changes with the function: with the content of its file and its context, with its settings, and of
// a folder with the names, sizes and times of its files.
func (f *Function) fingerprint() ([sha256.Size]byte, error) {
	h := sha256.New()
	if err := f.describe(h); err != nil {
		return [sha256.Size]byte{}, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func (f *Function) describe(h hash.Hash) error {
	settings, err := json.Marshal(f.Settings)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%q %q %s\n", f.Path, f.Context, settings)
	if f.Context != "" {
		context, err := readSmall(f.Context, runtime.MaxContext)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%d\n%s", len(context), context)
	}
	if !f.Folder {
		code, err := readSmall(f.Path, runtime.MaxSource)
		if err == nil && code == nil {
			err = clierror.Usagef("", "the file %s is gone", f.Path)
		}
		_, _ = h.Write(code)
		return err
	}
	n := 0
	return filepath.WalkDir(f.Path, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that is being replaced: its folder changes again
		}
		if n++; n > maxFolderFiles {
			return fs.SkipAll
		}
		if e.IsDir() {
			if path != f.Path && unwatched(e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := e.Info(); err == nil {
			fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
}

// code returns the code of a function of one file, and the context of any.
func (f *Function) texts() (code, context string, err error) {
	if !f.Folder {
		data, err := readSmall(f.Path, runtime.MaxSource)
		if err != nil {
			return "", "", err
		}
		code = string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	}
	if f.Context != "" {
		data, err := readSmall(f.Context, runtime.MaxContext)
		if err != nil {
			return "", "", err
		}
		context = string(data)
	}
	return code, context, nil
}
