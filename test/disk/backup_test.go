//go:build linux

package disk

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A disk that gets full ends a backup, its check and its restoration. Nothing is left of them, so that they can be
// repeated; a restoration does not touch what another one writes.
func TestBackupsOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	l := s.Serve(t)
	noise := make([]byte, 100_000) // which cannot be compressed
	_, _ = rand.Read(noise)        // never fails
	l.Deploy(t, "echo", process.EchoCode+"\n# "+hex.EncodeToString(noise))
	l.Kill()
	admin := func(args ...string) *exec.Cmd {
		cmd := exec.Command(process.Binary(t), append([]string{"admin"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+s.Home, "FAASPOT_DIR="+s.Home)
		return cmd
	}
	file := filepath.Join(s.Home, "backup.tar")
	if out, err := admin("backup", file, "--data", s.Data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	full := memoryDisk(t, "64k")
	for _, failing := range []struct {
		args []string
		why  string
	}{
		{[]string{"backup", filepath.Join(full, "backup.tar"), "--data", s.Data}, "no space left on device"},
		{[]string{"verify", file, "--temp-dir", full}, "KB free, and the next file has"}, // which is known before
		{[]string{"restore", file, "--data", full}, "KB free, and the next file has"},
	} {
		args := failing.args
		if out, err := admin(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), failing.why) {
			t.Errorf("%s: %v, %s", args[0], err, out)
		}
		if left, err := os.ReadDir(full); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", args[0], left, err)
		}
	}

	// A restoration that was killed is not taken for data, and another one does not touch what it has written.
	target := filepath.Join(s.Home, "target")
	killed := admin("restore", "-", "--data", target)
	in, err := killed.StdinPipe()
	if err == nil {
		err = killed.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(archive[:len(archive)/2]); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(target, "store.restoring")
	process.Until(t, "the restoration has begun", func() bool {
		files, _ := os.ReadDir(half)
		return len(files) > 0
	})
	refused := func(what string) {
		t.Helper()
		before, _ := os.ReadDir(half)
		out, err := admin("restore", file, "--data", target).CombinedOutput()
		after, _ := os.ReadDir(half)
		if err == nil || !strings.Contains(string(out), "was interrupted: in that case delete") || len(after) < len(before) {
			t.Errorf("beside a restoration that %s: %v, %s; it has %d files, had %d", what, err, out, len(after), len(before))
		}
	}
	refused("runs")
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	refused("was killed")
	if err := os.RemoveAll(half); err != nil {
		t.Fatal(err)
	}
	if out, err := admin("restore", file, "--data", target).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
