//go:build linux

package server

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// writeSettings replaces a file of settings as programs that manage configuration do: by another file.
func writeSettings(t *testing.T, path string, lines ...string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// A confined server reads log_level and access_log again at SIGHUP, from a file that was replaced. A file with mistakes
// changes nothing, and the log has each of them; other settings that have changed wait for the next start.
func TestSettingsAreReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "faasd.toml")
	writeSettings(t, path, `log_level = "error"`)
	l := process.NewSite(t, "--config", path).Serve(t)
	l.Must(t, "POST", "/v1/server/backup", "")
	if log := l.Log(t); log != "" {
		t.Fatalf("the log has\n%s", log)
	}

	writeSettings(t, path, `log_level = "debug"`, `workers = "many"`, `gracee = "1s"`)
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, "workers is a string")
	l.WaitLog(t, "there is no setting gracee")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, "cannot read the settings of the server")
	if log := l.Log(t); strings.Contains(log, `"level":"INFO"`) || strings.Contains(log, `"level":"DEBUG"`) {
		t.Errorf("a file with mistakes has changed the level:\n%s", log)
	}

	writeSettings(t, path, `log_level = "debug"`, `access_log = true`, `grace = "7s"`, `workers = 2`)
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, `"at_the_next_start":"grace,workers"`)
	l.Must(t, "GET", "/v1/functions/", "")
	l.WaitLog(t, `"path":"/v1/functions/"`)
	l.Must(t, "POST", "/v1/server/backup", "")
	l.WaitLog(t, `"msg":"made a backup"`)

	writeSettings(t, path, `log_level = "error"`)
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, `"log_level":"error","access_log":false`)
	before := l.Log(t)
	l.Must(t, "GET", "/v1/functions/", "")
	l.Signal(t, syscall.SIGTERM)
	l.WaitExit(t, process.ExitOK)
	if after, _ := strings.CutPrefix(l.Log(t), before); after != "" {
		t.Errorf("with the level error, the log has\n%s", after)
	}
}

// What a flag has set stays, whatever the file says; the levels of the log are each for themselves.
func TestFlagsOverrideSettingsThatAreReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "faasd.toml")
	writeSettings(t, path, `access_log = false`)
	l := process.NewSite(t, "--config", path, "--log-level", "info").Serve(t)
	writeSettings(t, path, `access_log = true`, `log_level = "error"`)
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, `"log_level":"info","access_log":true`)
	if log := l.Log(t); strings.Contains(log, "at_the_next_start") {
		t.Errorf("the log has\n%s", log)
	}
	l.Signal(t, syscall.SIGHUP) // with nothing new
	l.Signal(t, syscall.SIGTERM)
	l.WaitExit(t, process.ExitOK)
	if log := l.Log(t); !strings.Contains(log, `"msg":"stopped"`) {
		t.Errorf("the log has\n%s", log)
	}
}

// A confined server can read the folder of its settings, but not a whole home folder: settings there are read again
// only if the file is the same.
func TestSettingsInTheHomeFolder(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	path := filepath.Join(s.Home, "faasd.toml")
	if err := os.WriteFile(path, []byte("log_level = \"info\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := s.Serve(t, "--config", path)
	checkConfined(t, l)
	if err := os.WriteFile(path, []byte("log_level = \"warn\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, `"log_level":"warn"`)
	writeSettings(t, path, `log_level = "info"`)
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, "permission denied")
	if log := l.Log(t); !regexp.MustCompile(`"hint":"[^"]*in a folder `).MatchString(log) {
		t.Errorf("the log has\n%s", log)
	}
}
