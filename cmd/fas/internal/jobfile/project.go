package jobfile

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

// Project is the file of a folder with several functions: what all of them have, the functions that
// have settings of their own, and jobs.
type Project struct {
	Settings  Settings
	Functions map[string]ProjectFunction // by name
	Jobs      []*File                    // in the order of their names
}

// ProjectFunction is one function in the file of a project. What the file does not name is zero.
type ProjectFunction struct {
	Settings
	Path    string // of its file or its folder, from the folder of the project; empty: the usual one
	Context string // of the file with its context, likewise
}

// ParseProject reads the file of a project, in TOML. The error has all that is wrong with it. The
// settings of a function are those of the project where it has none of its own. env looks up the
// environment variables of secrets of jobs that are not in the file.
func ParseProject(path string, data []byte, env func(string) (string, bool)) (p Project, err error) {
	document, err := stricttoml.Parse(data, strictjson.DefaultMaxDepth)
	if err != nil {
		at := position{}
		if e, ok := errors.AsType[*stricttoml.Error](err); ok {
			at = positionAt(data, int64(e.Offset))
		}
		return p, wrong(path, at, "", "%v", err)
	}
	r := reader{file: &File{path: path, places: tomlPlaces(data)}, env: env}
	t := r.table("", document.Map())
	p = Project{Settings: t.settings(), Functions: make(map[string]ProjectFunction)}
	functions := t.inner("functions")
	for _, name := range slices.Sorted(maps.Keys(functions.left)) {
		if err := runtime.ValidateName(name); err != nil {
			coded, _ := runtime.AsError(err)
			functions.fail(name, coded.Hint, "%s: %s", functions.at(name), coded.Message)
			delete(functions.left, name)
			continue
		}
		in := functions.inner(name)
		f := ProjectFunction{Path: in.local("path"), Context: in.local("context"), Settings: in.settings()}
		in.end()
		p.Functions[name] = f.with(p.Settings)
	}
	functions.end()
	if p.Jobs, err = t.jobs(); err != nil {
		return p, err
	}
	t.end()
	return p, r.errs.Err()
}

// jobs reads the jobs of a project.
func (t *table) jobs() (all []*File, err error) {
	jobs := t.inner("jobs")
	for _, name := range slices.Sorted(maps.Keys(jobs.left)) {
		if err := runtime.ValidateJobName(name); err != nil {
			coded, _ := runtime.AsError(err)
			jobs.fail(name, coded.Hint, "%s: %s", jobs.at(name), coded.Message)
			delete(jobs.left, name)
			continue
		}
		f := &File{path: t.file.path, places: t.file.places}
		if err := f.take(t.job(jobs.inner(name), name), jobs.at(name)); err != nil && t.errs.Err() == nil {
			return nil, err // a number that is not finite is an error in the file
		}
		all = append(all, f)
	}
	jobs.end()
	return all, nil
}

// settings reads the settings of a function.
func (t *table) settings() (s Settings) {
	s.Timeout = t.duration("timeout", runtime.MinTimeout.Seconds(), runtime.MaxTimeout.Seconds())
	s.Memory = t.whole("memory", runtime.MinMemory/runtime.MiB, runtime.MaxMemory/runtime.MiB)
	if t.has("retries") {
		n := t.whole("retries", 0, runtime.MaxRetries)
		s.Retries = &n
	}
	if t.has("allow") {
		s.Allow = t.rules("allow")
	}
	return s
}

// local reads the path of a file below the folder of the project.
func (t *table) local(key string) string {
	path := t.text(key)
	if path != "" && !filepath.IsLocal(path) {
		t.fail(key, "name a file below the folder of the project", "%s leads out of the folder", t.at(key))
		return ""
	}
	return path
}

// with returns the function with the settings of the project in place of those that it does not have.
func (f ProjectFunction) with(s Settings) ProjectFunction {
	if f.Timeout == 0 {
		f.Timeout = s.Timeout
	}
	if f.Memory == 0 {
		f.Memory = s.Memory
	}
	if f.Retries == nil {
		f.Retries = s.Retries
	}
	if f.Allow == nil {
		f.Allow = s.Allow
	}
	return f
}
