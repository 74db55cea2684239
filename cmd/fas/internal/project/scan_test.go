package project

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/project/projecttest"
)

const code = "def main(args, context):\n    return 1\n"

func same(base string) (string, error) { return base, nil }

func TestScan(t *testing.T) {
	files := map[string]string{
		"b.py": code, "a.py": "async  def main(args, context): pass", "assigned.py": "main = print\n", "helper.py": "def helper(): pass\n", "c.py": "  def main(): pass\n",
		"a.context": "k = 1", "notes.txt": code, "x y.py": code, "deep/d.py": code, "faaspot.toml": "timeout = 5\n[functions.far]\npath = \"deep/d.py\"\ncontext = \"a.context\"\n[functions.b]\nmemory = 64\n",
	}
	dir := projecttest.Folder(t, files)
	p, err := Scan(Options{Path: dir, Name: same})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Functions {
		path, _ := filepath.Rel(dir, f.Path)
		got = append(got, fmt.Sprintf("%s=%s context=%s timeout=%g memory=%d", f.Name, path, filepath.Base(f.Context), f.Settings.Timeout, f.Settings.Memory))
	}
	want := "a=a.py context=a.context timeout=5 memory=0, assigned=assigned.py context=. timeout=5 memory=0, b=b.py context=. timeout=5 memory=64, far=deep/d.py context=a.context timeout=5 memory=0"
	if strings.Join(got, ", ") != want {
		t.Errorf("found %s", strings.Join(got, ", "))
	}

	one, err := Scan(Options{Path: filepath.Join(dir, "a.py"), Name: same})
	if err != nil || !one.Single || len(one.Functions) != 1 || one.Functions[0].Name != "a" || one.Functions[0].Context == "" {
		t.Errorf("%+v, %v", one, err)
	}
	projecttest.Write(t, dir, map[string]string{"main.py": code})
	if _, err := Scan(Options{Path: dir, Name: same}); err == nil { // its settings are those of one function now
		t.Error("a folder with main.py has functions of their own")
	}
	projecttest.Write(t, dir, map[string]string{"faaspot.toml": "memory = 64"})
	whole, err := Scan(Options{Path: dir, Name: same})
	if err != nil || len(whole.Functions) != 1 || !whole.Functions[0].Folder || whole.Functions[0].Name != "proj" || whole.Functions[0].Settings.Memory != 64 {
		t.Errorf("%+v, %v", whole, err)
	}
	for what, files := range map[string]map[string]string{
		"no such file":     {"faaspot.toml": "[functions.a]\npath = \"none.py\""},
		"leads out of":     {"faaspot.toml": "[functions.a]\npath = \"../a.py\""},
		"is not known":     {"faaspot.toml": "[function.a]"},
		"name is not":      {"faaspot.toml": "[functions.\"a b\"]"},
		"is a string, not": {"faaspot.toml": "[functions]\na = \"a.py\""},
	} {
		if _, err := Scan(Options{Path: projecttest.Folder(t, files), Name: same}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFingerprints checks that each part of a function is one that changes are seen of, and nothing else.
func TestFingerprints(t *testing.T) {
	dir := projecttest.Folder(t, map[string]string{"f.py": code, "f.context": "k = 1", "shop/main.py": code, "shop/lib/x.py": "x = 1", "faaspot.toml": "[functions.shop]"})
	prints := func() map[string][32]byte {
		t.Helper()
		p, err := Scan(Options{Path: dir, Name: same})
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string][32]byte)
		for _, f := range p.Functions {
			if all[f.Name], err = f.Fingerprint(); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	before := prints()
	for _, c := range []struct{ file, text, changes string }{
		{"other.txt", "x", ""},
		{"f.py", code, ""},
		{"f.py", code + "#", "f"},
		{"f.context", "k = 2", "f"},
		{"shop/lib/x.py", "x = 22", "shop"},
		{"shop/new.txt", "x", "shop"},
		{"shop/.git/index", "x", ""},
		{"shop/node_modules/x.js", "x", ""},
		{"faaspot.toml", "retries = 1\n[functions.shop]\nretries = 0", "f shop"},
	} {
		projecttest.Write(t, dir, map[string]string{c.file: c.text})
		now := prints()
		var changed []string
		for _, name := range []string{"f", "shop"} {
			if now[name] != before[name] {
				changed = append(changed, name)
			}
		}
		if strings.Join(changed, " ") != c.changes {
			t.Errorf("%s changes %q", c.file, changed)
		}
		before = now
	}
}

// TestValuesAndJobs reads values of all contexts, and jobs.
func TestValuesAndJobs(t *testing.T) {
	dir := projecttest.Folder(t, map[string]string{
		"a.py": code, "a.context": "k = 1\nB = \"of the file\"", "b.py": code, "c.py": code, "c.context": `{"k": [1]}`,
		".env":         "export B='of .env' # comment\nKEY=secret\n",
		"other.json":   `{"n": 1}`,
		"faaspot.toml": "[jobs.nightly]\nfunction = \"a\"\nenv = { X = { from_env = \"KEY\" }, Y = { from_env = \"B\" } }\n[[jobs.nightly.triggers]]\ntype = \"cron\"\nschedule = \"@daily\"\n",
		"job.toml":     "name = \"bills\"\nfunction = \"b\"\n",
	})
	env := func(name string) (string, bool) {
		if name == "B" {
			return "of the environment", true
		}
		return "", false
	}
	p, err := Scan(Options{Path: dir, Name: same, Env: env, DotEnv: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Functions {
		_, context, err := f.Texts()
		if err != nil || !f.HasContext() {
			t.Fatal(err)
		}
		got = append(got, f.Name+" "+context)
	}
	const want = `a {"B":"of .env","KEY":"secret","k":1}, b {"B":"of .env","KEY":"secret"}, c {"B":"of .env","KEY":"secret","k":[1]}`
	if strings.Join(got, ", ") != want {
		t.Errorf("the contexts are %s", strings.Join(got, ", "))
	}
	if len(p.Jobs) != 2 || p.Jobs[0].Name != "bills" || p.Jobs[1].Name != "nightly" || p.Jobs[1].Function != "a" || len(p.Jobs[1].Triggers) != 1 ||
		!strings.Contains(string(p.Jobs[1].Body), `{"name":"X","value":"secret","secret":true},{"name":"Y","value":"of the environment","secret":true}`) {
		t.Errorf("the jobs are %s", p.Jobs[1].Body)
	}
	// A file that is named takes the place of .env; without DotEnv there is none.
	if p, err := Scan(Options{Path: filepath.Join(dir, "b.py"), Name: same, EnvFile: filepath.Join(dir, "other.json"), DotEnv: true}); err != nil || string(p.Functions[0].Values["n"]) != "1" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := Scan(Options{Path: filepath.Join(dir, "b.py"), Name: same}); err != nil || p.Functions[0].HasContext() || len(p.Jobs) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
	projecttest.Write(t, dir, map[string]string{"job.toml": "name = \"nightly\"\nfunction = \"b\"\n"})
	if _, err := Scan(Options{Path: dir, Name: same, Env: env, DotEnv: true}); err == nil || !strings.Contains(err.Error(), "the job nightly is in job.toml and in faaspot.toml") {
		t.Error(err)
	}
	if _, err := Scan(Options{Path: dir, Name: same, Env: env}); err == nil || !strings.Contains(err.Error(), "faaspot.toml:3:15: the variable KEY is not set") {
		t.Error(err)
	}
	projecttest.Write(t, dir, map[string]string{".env": "not a line\n"})
	if _, err := Scan(Options{Path: dir, Name: same, DotEnv: true}); err == nil || strings.Contains(err.Error(), "not a line") {
		t.Error(err)
	}
	if _, err := Scan(Options{Path: dir, Name: same, EnvFile: filepath.Join(dir, "absent")}); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Error(err)
	}
}
