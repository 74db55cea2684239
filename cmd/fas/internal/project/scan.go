package project

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
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/secretfile"
	"github.com/faaspot/faaspot/runtime"
)

const (
	codeSuffix    = ".py"
	contextSuffix = ".context"
	dotEnv        = ".env"
	// JobFile is the name of the file with the job of a folder.
	JobFile = "job.toml"
	// MaxJobFile is the largest size of a job file in bytes, with room for tasks of triggers.
	MaxJobFile = 2 * runtime.MiB
	// maxFunctions bounds the functions of a project.
	maxFunctions = 1000
	// maxFolderFiles bounds the files of a folder that are looked at for changes.
	maxFolderFiles = 2 * runtime.MaxBundleFiles
	// maxProjectFile bounds the file of a project, in bytes.
	maxProjectFile = MaxJobFile
)

// Function is one function of a project.
type Function struct {
	Name     string
	Path     string // of its file, or of its folder
	Folder   bool
	Context  string // path of the file with its context; empty: there is none
	Settings jobfile.Settings
	// Values are set in the context, in addition to those of the file and in place of them.
	Values map[string]json.RawMessage
}

// Project is what is served or deployed.
type Project struct {
	Root      string // folder that has all of it
	Single    bool   // it is one file, so that nothing else in the folder belongs to it
	Several   bool   // it is a folder with several functions, each of a file or a folder of its own
	Named     bool   // the folder has a file faaspot.toml
	Functions []Function
	Jobs      []*jobfile.File // in the order of their names
	EnvFile   string          // path of the file that Values of the functions are from; empty: there is none
}

// Options of [Scan]. Path and Name must be set.
type Options struct {
	Path string // a Python file or a folder
	// Name returns the name of the function in a file or folder with a name.
	Name func(base string) (string, error)
	// Env looks up the environment variables of secrets of jobs that are not in a file. Nil: there are none.
	Env func(string) (string, bool)
	// EnvFile is the path of a file with values of the context of each function, as `fas secrets import`
	// takes it. They are variables of Env, too, unless it has them.
	EnvFile string
	// DotEnv says that the file is .env of the folder if EnvFile is empty and there is that file.
	DotEnv bool
}

// hasMain matches code that defines a main on its first level.
var hasMain = regexp.MustCompile(`(?m)^(?:(?:async\s+)?def\s+main\s*\(|main\s*=)`)

// Scan returns the project at a path: a Python file; a folder with main.py, which is one function; or a
// folder with a Python file for each function, and those of its project file. A folder may have jobs, in
// job.toml and in the project file.
func Scan(o Options) (p Project, err error) {
	whole, err := filepath.Abs(o.Path)
	if err != nil {
		return Project{}, err
	}
	info, err := os.Stat(whole)
	if err != nil {
		return Project{}, clierror.Usagef("give a Python file, or a folder", "cannot open it: %v", err)
	}
	p.Root, p.Single = whole, !info.IsDir()
	if p.Single {
		p.Root = filepath.Dir(whole)
	}
	values, err := p.readValues(o)
	if err != nil {
		return p, err
	}
	env := o.lookup(values)
	switch {
	case p.Single:
		err = p.addFunction(Function{Path: whole, Context: contextOf(whole)}, strings.TrimSuffix(filepath.Base(whole), codeSuffix), o)
	case exists(filepath.Join(whole, runtime.BundleMain)):
		err = p.scanFolder(o)
	default:
		p.Several = true
		err = p.scanFiles(env)
	}
	if err == nil && !p.Single {
		err = p.addJob(env)
	}
	for i := range p.Functions {
		p.Functions[i].Values = values
	}
	return p, err
}

// Is reports whether a path is that of a folder with several functions and a file faaspot.toml.
func Is(path string) bool {
	return exists(filepath.Join(path, jobfile.FunctionFile)) && !exists(filepath.Join(path, runtime.BundleMain))
}

// Names returns the names of the functions and the jobs of a project, each once.
func (p *Project) Names() (all []string) {
	for _, f := range p.Functions {
		all = append(all, f.Name)
	}
	for _, j := range p.Jobs {
		if !slices.Contains(all, j.Name) {
			all = append(all, j.Name)
		}
	}
	return all
}

// readValues reads the file with values of contexts, if there is one.
func (p *Project) readValues(o Options) (map[string]json.RawMessage, error) {
	path := o.EnvFile
	if path == "" && o.DotEnv && exists(filepath.Join(p.Root, dotEnv)) {
		path = filepath.Join(p.Root, dotEnv)
	}
	if path == "" {
		return nil, nil
	}
	data, err := readSmall(path, runtime.MaxContext)
	switch {
	case err != nil:
		return nil, err
	case data == nil:
		return nil, clierror.Usagef("name a file with lines NAME=value", "there is no file %s", path)
	case o.EnvFile == "" && len(bytes.TrimSpace(data)) == 0:
		return nil, nil
	}
	p.EnvFile = path
	return secretfile.Parse(path, string(data))
}

// lookup returns the function that looks up a variable: in the environment, then in the values that are
// strings.
func (o Options) lookup(values map[string]json.RawMessage) func(string) (string, bool) {
	return func(name string) (value string, ok bool) {
		if o.Env != nil {
			if value, ok = o.Env(name); ok {
				return value, true
			}
		}
		raw, has := values[name]
		ok = has && json.Unmarshal(raw, &value) == nil
		return value, ok
	}
}

// addFunction adds a function with the name that its file or folder has.
func (p *Project) addFunction(f Function, base string, o Options) (err error) {
	if f.Name, err = o.Name(base); err != nil {
		return err
	}
	p.Functions = append(p.Functions, f)
	return nil
}

// scanFolder reads a folder that is one function.
func (p *Project) scanFolder(o Options) error {
	f := Function{Path: p.Root, Folder: true, Context: contextOf(filepath.Join(p.Root, runtime.BundleMain))}
	path := filepath.Join(p.Root, jobfile.FunctionFile)
	data, err := readSmall(path, maxProjectFile)
	if p.Named = data != nil; err == nil && p.Named {
		f.Settings, err = jobfile.ParseSettings(path, data)
	}
	if err != nil {
		return err
	}
	return p.addFunction(f, filepath.Base(p.Root), o)
}

// scanFiles reads a folder with several functions.
func (p *Project) scanFiles(env func(string) (string, bool)) error {
	file := jobfile.Project{}
	path := filepath.Join(p.Root, jobfile.FunctionFile)
	data, err := readSmall(path, maxProjectFile)
	if p.Named = data != nil; err == nil && p.Named {
		file, err = jobfile.ParseProject(path, data, env)
	}
	if err != nil {
		return err
	}
	p.Jobs = file.Jobs
	entries, err := os.ReadDir(p.Root)
	if err != nil {
		return clierror.Usagef("", "cannot read the folder: %v", err)
	}
	for _, e := range entries {
		base, isCode := strings.CutSuffix(e.Name(), codeSuffix)
		_, named := file.Functions[base]
		if !isCode || named || e.IsDir() || runtime.ValidateName(base) != nil {
			continue
		}
		path := filepath.Join(p.Root, e.Name())
		// A file that cannot be read now is looked at again when it changes.
		if code, err := readSmall(path, runtime.MaxSource); err == nil && hasMain.Match(code) {
			p.Functions = append(p.Functions, Function{Name: base, Path: path, Context: contextOf(path), Settings: file.Settings})
		}
	}
	for name, f := range file.Functions {
		path := filepath.Join(p.Root, cmp.Or(f.Path, usualPath(p.Root, name)))
		info, err := os.Stat(path)
		if err != nil {
			return clierror.Usagef("correct the path in "+jobfile.FunctionFile, "the function %s has no file: %v", name, err)
		}
		one := Function{Name: name, Path: path, Folder: info.IsDir(), Context: contextOf(path), Settings: f.Settings}
		if f.Context != "" {
			one.Context = filepath.Join(p.Root, f.Context)
		}
		p.Functions = append(p.Functions, one)
	}
	slices.SortFunc(p.Functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	if len(p.Functions) > maxFunctions {
		return clierror.Usagef("give a folder with fewer", "the folder has more than %d functions", maxFunctions)
	}
	return nil
}

// addJob adds the job of the folder's job.toml, if there is one.
func (p *Project) addJob(env func(string) (string, bool)) error {
	path := filepath.Join(p.Root, JobFile)
	data, err := readSmall(path, MaxJobFile)
	if data == nil || err != nil {
		return err
	}
	j, err := jobfile.Parse(path, data, env)
	if err != nil {
		return err
	}
	at, twice := slices.BinarySearchFunc(p.Jobs, j.Name, func(j *jobfile.File, name string) int { return strings.Compare(j.Name, name) })
	if twice {
		return clierror.Usagef("leave it out of one of them", "the job %s is in %s and in %s", j.Name, JobFile, jobfile.FunctionFile)
	}
	p.Jobs = slices.Insert(p.Jobs, at, j)
	return nil
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
		return nil, clierror.Usagef("check that it is a file that you may read", "cannot read it: %v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, clierror.Usagef("check that it is a file that you may read", "cannot read it: %v", err)
	case int64(len(data)) > limit:
		return nil, clierror.Usagef("shorten it", "%s has more than %s bytes", path, runtime.SizeText(int(limit)))
	}
	return data, nil
}

// Fingerprint changes with the function: with the content of its file and its context, with its settings, and of
// a folder with the names, sizes and times of its files.
func (f *Function) Fingerprint() ([sha256.Size]byte, error) {
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
	values, err := json.Marshal(f.Values)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%q %q %s %s\n", f.Path, f.Context, settings, values)
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
			if path != f.Path && Unwatched(e.Name()) {
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

// Texts returns the code of a function of one file, and the context of any. context is empty if the function
// has none.
func (f *Function) Texts() (code, context string, err error) {
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
	if len(f.Values) == 0 {
		return code, context, nil
	}
	all, err := secretfile.ParseContext(f.Context, context)
	if err != nil {
		return "", "", err
	}
	maps.Copy(all, f.Values)
	text, err := json.Marshal(all)
	return code, string(text), err
}

// HasContext reports whether the project says what the context of the function is.
func (f *Function) HasContext() bool { return f.Context != "" || len(f.Values) > 0 }

// unwatchedFolders have no code of the author, and change often.
var unwatchedFolders = []string{"node_modules", "venv", "__pycache__"}

// Unwatched reports whether changes in a folder with a name, below that of a project, are none of the project.
func Unwatched(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains(unwatchedFolders, name)
}
