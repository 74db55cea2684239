//go:build linux

package server

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// refusesFolder checks that a server on the site does not start, and that it says why.
func refusesFolder(t *testing.T, s *process.Site, why string) {
	t.Helper()
	l := s.Launch(t)
	if l.Ready(t, nil) {
		t.Fatalf("the server starts although: %s", why)
	}
	l.WaitExit(t, process.ExitUnavailable)
	store := filepath.Join(s.Data, "store")
	if said := l.Log(t); !strings.Contains(said, why) || !strings.Contains(said, store) || !strings.Contains(said, "hint:") {
		t.Errorf("the log:\n%s\nwant %q, %q and a hint", said, why, store)
	}
}

// contents returns the contents of all files of a folder.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A second server on the same folder does not start, and the first continues.
func TestSecondServerOnAFolder(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	first := s.Serve(t)
	first.Deploy(t, "echo", process.EchoCode)
	second := *s
	second.Home = t.TempDir()
	for range 3 {
		refusesFolder(t, &second, "another process uses it")
		if x := first.WaitEnd(t, first.Submit(t, "echo", `{"n":3}`)); x.Status != process.Success {
			t.Errorf("the first: %s", x.Text)
		}
	}
	first.Kill()
	next := second.Serve(t) // the lock is released
	if n := len(next.List(t, map[string][]string{"include_completed": {"1"}, "function": {"echo"}})); n != 4 {
		t.Errorf("%d executions are listed", n)
	}
}

// A damaged or foreign store is refused and not changed.
func TestServerOnADamagedFolder(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	server.WaitAll(t, server.SubmitBulk(t, "echo", process.NumberedArgs(100)))
	server.Kill()
	store := filepath.Join(s.Data, "store")
	whole := filepath.Join(s.Home, "whole")
	if err := os.CopyFS(whole, os.DirFS(store)); err != nil {
		t.Fatal(err)
	}
	files := func(pattern string) []string {
		all, err := filepath.Glob(filepath.Join(store, pattern))
		if err != nil || len(all) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		return all
	}
	for name, harm := range map[string]struct {
		why string
		do  func() error
	}{
		"no manifest": {"is missing", func() error { return os.Remove(files("MANIFEST-*")[0]) }},
		"no marker":   {"damaged", func() error { return os.Remove(files("marker.manifest.*")[0]) }},
		"no log":      {"damaged", func() error { return removeAll(files("*.log")) }},
		"no tables":   {"", func() error { return removeAll(files("*.sst")) }},
		"manifest cut": {"damaged", func() error {
			return os.Truncate(files("MANIFEST-*")[0], 20)
		}},
		"foreign":     {"not a store of faaspot", func() error { return os.WriteFile(filepath.Join(store, "thesis.txt"), nil, 0o600) }},
		"open to all": {"every user of this machine may write to it", func() error { return os.Chmod(store, 0o777) }},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(store); err != nil {
				t.Fatal(err)
			}
			if name != "foreign" {
				if err := os.CopyFS(store, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Mkdir(store, process.DataMode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(store, process.DataMode); err != nil {
				t.Fatal(err)
			}
			if err := harm.do(); err != nil {
				t.Fatal(err)
			}
			before := contents(t, store)
			refusesFolder(t, s, harm.why)
			after := contents(t, store)
			for path, data := range before {
				if !bytes.Equal(after[path], data) && filepath.Base(path) != "LOCK" {
					t.Errorf("%s was changed", path)
				}
			}
		})
	}
}

func removeAll(files []string) error {
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// Machine code in a damaged cache is not executed: the server compiles the guest again.
func TestServerOnADamagedCache(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	cache := filepath.Join(s.Data, "cache")
	if err := os.Remove(cache); err != nil { // a link to the shared one
		t.Fatal(err)
	}
	if err := os.CopyFS(cache, os.DirFS(process.Guest(t))); err != nil {
		t.Fatal(err)
	}
	var largest string
	var code []byte
	for path, data := range contents(t, cache) {
		if len(data) > len(code) {
			largest, code = path, data
		}
	}
	good := bytes.Clone(code)
	code[len(code)/2] ^= 0xFF
	if err := os.WriteFile(largest, code, 0o600); err != nil {
		t.Fatal(err)
	}
	server := s.Serve(t)
	server.WaitLog(t, "the compilation cache has changed since it was written; compiling again")
	server.Deploy(t, "echo", process.EchoCode)
	if x := server.WaitEnd(t, server.Submit(t, "echo", `{"n":3}`)); x.Status != process.Success {
		t.Errorf("got %s", x.Text)
	}
	if again, err := os.ReadFile(largest); err != nil || !bytes.Equal(again, good) {
		t.Errorf("the compiled code differs from the original: %v", err)
	}
	server.Kill()
	again := s.Serve(t)
	if said := again.Log(t); strings.Contains(said, "cache") {
		t.Errorf("the log of the next start:\n%s", said)
	}
}
