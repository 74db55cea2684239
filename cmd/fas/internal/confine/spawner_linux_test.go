//go:build amd64 || arm64

package confine

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// startItself starts the program of this process with a task, and returns what it reports.
func startItself(s site, task string) (report map[string]string, err error) {
	folders, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(ownProgram)
	cmd.Env = append(os.Environ(), taskVar+"="+task+" in "+string(folders))
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return report, json.Unmarshal(out, &report)
}

// beyondSpawner are uses that neither a spawner nor what it starts may make.
func beyondSpawner(s site) map[string]func() error {
	return map[string]func() error{
		"execute a program":  func() error { return exec.Command("/bin/true").Run() },
		"execute its copy":   func() error { return exec.Command(filepath.Join(s.Data, "copy")).Run() },
		"write a file":       func() error { return os.WriteFile(filepath.Join(s.Outside, "new"), nil, 0o600) },
		"remove a file":      func() error { return os.Remove(filepath.Join(s.Outside, "secret")) },
		"read its parent":    func() error { return readable("/proc/1/environ") },
		"make a socket":      func() error { return socket(unix.AF_INET) },
		"make a local one":   func() error { return socket(unix.AF_UNIX) },
		"trace a process":    func() error { return unix.PtraceAttach(os.Getppid()) },
		"make a namespace":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"use another's file": func() error { _, err := unix.PidfdGetfd(0, 0, 0); return err },
	}
}

func readable(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func socket(family int) error {
	_, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	return err
}

func tryBeyond(s site, report map[string]string, prefix string) {
	for name, try := range beyondSpawner(s) {
		err := try()
		report[prefix+name] = outcome(err)
		if errors.Is(err, fs.ErrPermission) {
			report[prefix+name] = "refused"
		}
	}
}

// tryStarted reports what a process can do that a spawner has started.
func tryStarted(s site) map[string]string {
	report := make(map[string]string)
	tryBeyond(s, report, "")
	return report
}

// trySpawner reports what a spawner can do, whose program was replaced, and what it starts.
func trySpawner(s site) map[string]string {
	must(os.WriteFile(filepath.Join(s.Data, "copy"), []byte("#!/bin/true\n"), 0o700))
	program, err := os.Executable()
	must(err)
	must(os.Remove(program)) // a copy of the test's
	must(os.WriteFile(program, []byte("#!/bin/true\n"), 0o700))
	report := make(map[string]string)
	r := Spawner(Options{Write: []string{s.Data}})
	for _, m := range r.Missing {
		report["missing"] += m.What + ": " + m.Reason.Error() + "\n"
	}
	report["write within"] = outcome(os.WriteFile(filepath.Join(s.Data, "new"), nil, 0o600))
	started, err := startItself(s, "started")
	report["start itself"] = outcome(err)
	for name, result := range started {
		report["started: "+name] = result
	}
	tryBeyond(s, report, "itself: ")
	return report
}

// TestSpawnerIsConfined checks that a spawner starts its own program, also after its file was replaced,
// and nothing else, and that the same holds for what it starts.
func TestSpawnerIsConfined(t *testing.T) {
	needWalls(t)
	s := filledSite(t)
	own := filepath.Join(t.TempDir(), "program")
	content, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(own, content, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := insideOf(t, own, "spawner", s)
	if got["missing"] != "" {
		t.Errorf("missing: %s", got["missing"])
	}
	want := map[string]string{"write within": "done", "start itself": "done"}
	for name := range beyondSpawner(s) {
		want["itself: "+name], want["started: "+name] = "refused", "refused"
	}
	for name, result := range want {
		if got[name] != result {
			t.Errorf("%s: %q, want %q", name, got[name], result)
		}
	}
}
