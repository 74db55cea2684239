package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

const code = "def main(args, context):\n    return 1\n"

// project writes files below a new folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "proj")
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func same(base string) (string, error) { return base, nil }

func TestScan(t *testing.T) {
	files := map[string]string{
		"b.py": code, "a.py": "async  def main(args, context): pass", "assigned.py": "main = print\n", "helper.py": "def helper(): pass\n", "c.py": "  def main(): pass\n",
		"a.context": "k = 1", "notes.txt": code, "x y.py": code, "deep/d.py": code, "faaspot.toml": "timeout = 5\n[functions.far]\npath = \"deep/d.py\"\ncontext = \"a.context\"\n[functions.b]\nmemory = 64\n",
	}
	dir := project(t, files)
	p, err := Scan(dir, same)
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

	one, err := Scan(filepath.Join(dir, "a.py"), same)
	if err != nil || !one.Single || len(one.Functions) != 1 || one.Functions[0].Name != "a" || one.Functions[0].Context == "" {
		t.Errorf("%+v, %v", one, err)
	}
	write(t, filepath.Join(dir, "main.py"), code)
	if _, err := Scan(dir, same); err == nil { // its settings are those of one function now
		t.Error("a folder with main.py has functions of their own")
	}
	write(t, filepath.Join(dir, "faaspot.toml"), "memory = 64")
	whole, err := Scan(dir, same)
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
		if _, err := Scan(project(t, files), same); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFingerprints checks that each part of a function is one that changes are seen of, and nothing else.
func TestFingerprints(t *testing.T) {
	dir := project(t, map[string]string{"f.py": code, "f.context": "k = 1", "shop/main.py": code, "shop/lib/x.py": "x = 1", "faaspot.toml": "[functions.shop]"})
	prints := func() map[string][32]byte {
		t.Helper()
		p, err := Scan(dir, same)
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string][32]byte)
		for _, f := range p.Functions {
			if all[f.Name], err = f.fingerprint(); err != nil {
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
		write(t, filepath.Join(dir, c.file), c.text)
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

// TestWatch checks that changes of files, in new folders too, are reported, and those of ignored folders are
// not. A missing report would block it.
func TestWatch(t *testing.T) {
	dir := project(t, map[string]string{"f.py": code, "lib/x.py": "x = 1"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := watch(ctx, dir, true)
	for _, name := range []string{"f.py", "lib/x.py", "lib/y.py", "new/deep/z.py", "f.py"} {
		write(t, filepath.Join(dir, name), "changed")
		<-changes
	}
	if err := os.Rename(filepath.Join(dir, "f.py"), filepath.Join(dir, "g.py")); err != nil {
		t.Fatal(err)
	}
	<-changes
}

// TestPollReportsChanges checks the fallback.
func TestPollReportsChanges(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := make(chan time.Time, 1)
	go poll(ctx, changes)
	<-changes
	<-changes
}

func TestDifference(t *testing.T) {
	for _, c := range [][3]string{
		{"", "1", ""},
		{"1", "1", ""},
		{"1", "2", "-1\n+2\n"},
		{"{\n  \"a\": 1\n}", "{\n  \"a\": 2\n}", " {\n-  \"a\": 1\n+  \"a\": 2\n }\n"},
		{strings.Repeat("x", maxShownDiff+1), "1", ""},
	} {
		var before []byte
		if c[0] != "" {
			before = []byte(c[0])
		}
		got := difference(before, []byte(c[1]))
		if _, rest, ok := strings.Cut(got, "@@\n"); ok {
			got = rest
		}
		if got != c[2] {
			t.Errorf("%.40q: %q", c[0], got)
		}
	}
}

// TestTextIsOneLine checks that what others send cannot forge lines.
func TestTextIsOneLine(t *testing.T) {
	var out, talk strings.Builder
	show := &Text{Out: &out, Err: &talk}
	show.Request(Request{Method: "GET", Path: "/\nforged", Status: 404})
	show.Ran(Outcome{Function: "f", Args: []byte("{\n \"a\":\"" + strings.Repeat("é", 100) + "\"}"), Now: []byte("1"), Log: []client.LogEntry{{Text: "log\n"}}})
	lines := strings.Split(strings.TrimSpace(talk.String()), "\n")
	if len(lines) != 3 || strings.Contains(talk.String(), "forged") || out.String() != "1\n" || len(lines[1]) > 150 {
		t.Errorf("%q, %q", talk.String(), out.String())
	}
}
