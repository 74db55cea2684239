//go:build linux

package server

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// admin runs a command of `fas admin` against a server, nil: none.
func admin(t *testing.T, s *process.Site, l *process.Server, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(process.Binary(t), append([]string{"admin"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+s.Home, "FAASPOT_DIR="+s.Home)
	if l != nil {
		cmd.Env = append(cmd.Env, "FAASPOT_URL="+l.Base, "FAASPOT_TOKEN="+s.Token)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A backup is made under load. The server is killed, the backup is restored elsewhere, and everything
// that was accepted before the backup began is there and ends; no secret is in it.
func TestBackupUnderLoadIsRestoredElsewhere(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	l := s.Serve(t)
	secretly(t, l)
	runSecretly(t, l)
	l.Deploy(t, "echo", process.EchoCode)
	ids := l.SubmitBulk(t, "echo", process.NumberedArgs(500))
	ended := l.WaitEnd(t, ids[0])

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				_, _ = l.Do(ctx, "POST", "/v1/functions/echo/rpc/", `{"n": 1}`) // may be interrupted
			}
		})
	}
	file := filepath.Join(s.Home, "backup.tar")
	out, err := admin(t, s, l, "backup", file)
	if err != nil || !strings.HasPrefix(out, file+": ") {
		t.Fatalf("backup: %v, %s", err, out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v, %v", info, err)
	}
	if out, err := admin(t, s, l, "backup", file); err == nil || !strings.Contains(out, "already exists") {
		t.Errorf("a second backup to the same file: %v, %s", err, out)
	}
	l.Kill()
	stop()
	load.Wait()

	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(archive, []byte(canary)) {
		t.Error("the backup has a secret")
	}
	keys := filepath.Join(s.Data, "secrets.keys")
	if out, err := admin(t, s, nil, "verify", file, "--secrets-file", keys); err != nil || !strings.Contains(out, "the keys are right") {
		t.Errorf("verify: %v, %s", err, out)
	}
	elsewhere := process.NewSite(t)
	if out, err := admin(t, elsewhere, nil, "restore", file, "--data", elsewhere.Data); err == nil || !strings.Contains(out, "is not empty") {
		t.Errorf("restore to a folder that is not empty: %v, %s", err, out)
	}
	elsewhere.Data = filepath.Join(elsewhere.Home, "restored")
	if out, err := admin(t, elsewhere, nil, "restore", file, "--data", elsewhere.Data); err != nil || !strings.Contains(out, "copy the file with the keys") {
		t.Fatalf("restore: %v, %s", err, out)
	}
	if found := storedWith(t, elsewhere.Data, canary); len(found) > 0 {
		t.Errorf("secrets are in %v of the restored folder", found)
	}
	refusesFolder(t, elsewhere, "its secrets are encrypted with keys that are not given")
	text, err := os.ReadFile(keys)
	if err == nil {
		err = os.WriteFile(filepath.Join(elsewhere.Data, "secrets.keys"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(process.Guest(t), filepath.Join(elsewhere.Data, "cache")); err != nil {
		t.Fatal(err)
	}
	r := elsewhere.Serve(t)
	if x := r.Execution(t, ids[0]); x.Text != ended.Text {
		t.Errorf("an execution that had ended is %s, was %s", x.Text, ended.Text)
	}
	for i, x := range r.WaitAll(t, ids) {
		if x.Status != process.Success {
			t.Fatalf("execution %d: %s", i, x.Text)
		}
	}
	runSecretly(t, r)
	if out, err := admin(t, elsewhere, r, "df"); err != nil || !strings.Contains(out, "function\tdefault\techo\t") || !strings.HasPrefix(out, "tenant\tdefault\t") {
		t.Errorf("df: %v, %s", err, out)
	}
}

// storedWith returns the files below a folder that contain a text.
func storedWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%s has %d files, %v", dir, len(all), err)
	}
	for _, path := range all {
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
	}
	return found
}

// The same without a server; and no backup is made, verified or restored that is not complete.
func TestBackupOfAStoppedServer(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	l := s.Serve(t)
	secretly(t, l)
	file := filepath.Join(s.Home, "backup.tar")
	if out, err := admin(t, s, nil, "backup", file, "--data", s.Data); err == nil || !strings.Contains(out, "another process uses it") {
		t.Errorf("while the server runs: %v, %s", err, out)
	}
	l.Kill()
	for _, args := range [][]string{{"backup", file, "--data", s.Data}, {"verify", file}, {"df", "--data", s.Data}} {
		if out, err := admin(t, s, nil, args...); err != nil {
			t.Fatalf("%s: %v, %s", args[0], err, out)
		}
	}
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(s.Home, "target")
	for what, damage := range map[string][]byte{
		"cut":     archive[:len(archive)/2],
		"changed": bytes.Replace(archive, []byte("MANIFEST"), []byte("MANIFESt"), 1),
		"empty":   nil,
	} {
		if err := os.WriteFile(file, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"verify", file}, {"restore", file, "--data", target}} {
			if out, err := admin(t, s, nil, args...); err == nil || !strings.Contains(out, "the backup is damaged") {
				t.Errorf("%s, %s: %v, %s", what, args[0], err, out)
			}
		}
		if left, _ := filepath.Glob(target + "/*"); len(left) > 0 {
			t.Errorf("%s: a refused restore leaves %v", what, left)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(s.Home, ".*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}
