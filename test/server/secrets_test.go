//go:build linux

package server

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// canary is in every secret, and in nothing else.
const canary = "canary-5be1f0a7"

// filesWith returns the files of a folder, and the nameless ones that a process has open, that
// contain a text.
func filesWith(t *testing.T, l *process.Server, dir, text string) (found []string) {
	t.Helper()
	look := func(path string) {
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			look(path)
		}
		return nil // files come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", l.Cmd.Process.Pid))
	for _, f := range files {
		if target, err := os.Readlink(f); err == nil && strings.HasPrefix(target, dir) {
			look(f)
		}
	}
	return found
}

// secretly deploys and runs what has secrets, some of which fails.
func secretly(t *testing.T, l *process.Server) {
	t.Helper()
	l.Deploy(t, "uses", "import os\ndef main(args, context):\n    if args.get('fail'): raise ValueError('it failed')\n    return len(context['key']) + len(os.environ.get('KEY', ''))",
		"context", map[string]string{"key": canary + "-context"})
	l.Must(t, "POST", "/v0/jobs", `{"metadata": {"name": "uses"}, "spec": {"function": "uses",
		"runtime": {"maxRetries": 0, "envs": [{"name": "KEY", "value": "`+canary+`-env", "secret": true}]},
		"triggers": [{"id": "go", "type": "http-async", "configuration": {"path": "/go", "callbackUrl": "http://127.0.0.1:9/", "callbackSecret": "`+canary+`-callback"}}]}}`)
}

// runSecretly runs them, and checks that they have their secrets.
func runSecretly(t *testing.T, l *process.Server) {
	t.Helper()
	if x := l.WaitEnd(t, l.Submit(t, "uses", `{}`)); x.Status != process.Success || !strings.Contains(x.Text, fmt.Sprint(len(canary+"-context"))) {
		t.Fatalf("the run: %s", x.Text)
	}
	if x := l.WaitEnd(t, l.Submit(t, "uses", `{"fail": true}`)); x.Status == process.Success || strings.Contains(x.Text, canary) {
		t.Fatalf("the failing run: %s", x.Text)
	}
	started := l.Must(t, "POST", "/v0/jobs/uses/executions", `{"tasks": [{}, {"fail": true}], "env": {"MORE": "`+canary+`-more"}}`)
	id := process.Decode[struct{ ExecutionID string }](t, started).ExecutionID
	done := l.Must(t, "GET", "/v0/jobs/uses/executions/"+id+"?wait=60", "")
	if text := string(done.Body); !strings.Contains(text, `"success":1`) || strings.Contains(text, canary) {
		t.Fatalf("the job: %s", text)
	}
}

// Secrets are in no file of the server, whatever was done with them, and rotating their keys leaves
// them readable.
func TestSecretsAreInNoFile(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--log-level", "debug", "--access-log")
	l := s.Serve(t)
	secretly(t, l)
	runSecretly(t, l)
	if found := filesWith(t, l, s.Data, canary); len(found) > 0 {
		t.Errorf("while the server runs, secrets are in %v", found)
	}
	if strings.Contains(l.Log(t), canary) {
		t.Error("the log has secrets")
	}
	rotate := func() (string, error) {
		cmd := exec.Command(process.Binary(t), "secrets", "rotate", "--data", s.Data)
		cmd.Env = append(os.Environ(), "HOME="+s.Home, "FAASPOT_DIR="+s.Home)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	keys := filepath.Join(s.Data, "secrets.keys")
	before, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := rotate(); err == nil || !strings.Contains(out, "another process uses it") {
		t.Errorf("rotating while the server runs: %v, %s", err, out)
	}
	if after, err := os.ReadFile(keys); err != nil || !bytes.Equal(after, before) {
		t.Errorf("a refused rotation has changed the keys, or removed them: %v", err)
	}
	l.Kill()
	out, err := rotate()
	if err != nil || !strings.HasSuffix(out, " encrypted\n") || strings.HasPrefix(out, "0 ") {
		t.Fatalf("rotating: %v, %s", err, out)
	}
	if after, err := os.ReadFile(keys); err != nil || bytes.Equal(after, before) || bytes.Count(after, []byte("\n")) != bytes.Count(before, []byte("\n")) {
		t.Errorf("the keys did not change, or the old one is left: %v", err)
	}
	if info, err := os.Stat(keys); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys are %v, %v", info, err)
	}

	l = s.Serve(t)
	runSecretly(t, l)
	if found := filesWith(t, l, s.Data, canary); len(found) > 0 {
		t.Errorf("after the rotation, secrets are in %v", found)
	}
	l.Kill()
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	refusesFolder(t, s, "its secrets are encrypted with keys that are not given")
	if _, err := os.Stat(keys); err == nil {
		t.Error("a new key was made, which decrypts nothing")
	}
}

// The server ends by a signal for which Go prints all goroutines, as it does for a panic, while it handles
// requests and runs that have secrets. The dump has none of them.
func TestDumpsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	for _, workers := range []string{"0", "1"} {
		l := process.NewSite(t, "--log-level", "debug", "--workers", workers).Serve(t)
		secretly(t, l)
		runSecretly(t, l)
		l.Deploy(t, "stays", "import time\ndef main(args, context):\n    time.sleep(args.get('seconds', 0))\n    raise ValueError(context['key'] + args['key'])",
			"context", map[string]string{"key": canary + "-context"})
		l.WaitStatus(t, l.Submit(t, "stays", `{"seconds":100,"key":"`+canary+`-arg"}`), process.Started)
		waiting := process.InBackground(func() (process.Reply, error) {
			return l.Do(context.Background(), "POST", fmt.Sprintf(runPath, "stays"), `{"seconds":100,"key":"`+canary+`-arg"}`, "X-Secret", canary+"-header")
		})
		process.Until(t, "both runs are seen", func() bool { return len(l.List(t, map[string][]string{"status": {"Started"}})) == 2 })
		l.Signal(t, syscall.SIGQUIT)
		l.Wait(t)
		<-waiting
		dump, err := os.ReadFile(l.LogFile)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(dump, []byte("\ngoroutine ")); n < 10 {
			t.Errorf("with %s workers the dump has %d goroutines", workers, n)
		}
		for _, secret := range []string{canary, l.Site.Token} {
			if i := bytes.Index(dump, []byte(secret)); i >= 0 {
				t.Errorf("with %s workers the dump has a secret: %.300s", workers, dump[max(0, i-150):])
			}
		}
		l.RemoveLog(t)
	}
}

// TestSearchForSecretsFindsThem checks the search that the other test relies on.
func TestSearchForSecretsFindsThem(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	l := s.Serve(t)
	l.Deploy(t, "echo", process.EchoCode+" # "+canary)
	if found := filesWith(t, l, s.Data, canary); len(found) == 0 {
		t.Error("code is not found either")
	}
}
