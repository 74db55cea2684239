//go:build amd64 || arm64

package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// crash ends the process so that the kernel writes a core dump to its data folder if it may. The
// process is confined if the site has a folder outside.
func crash(s site) map[string]string {
	var limit unix.Rlimit
	err := errors.Join(os.Chdir(s.Data), unix.Getrlimit(unix.RLIMIT_CORE, &limit))
	limit.Cur = limit.Max
	if err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_CORE, &limit)); err != nil {
		panic(err)
	}
	if s.Outside != "" {
		Process(s.options())
	}
	debug.SetTraceback("crash")
	panic("the process crashes")
}

// dumpLimits reports what bounds the core dumps of a confined process.
func dumpLimits(s site) map[string]string {
	Process(s.options())
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &limit)
	filter, readErr := os.ReadFile("/proc/self/coredump_filter")
	if err := errors.Join(err, readErr); err != nil {
		panic(err)
	}
	return map[string]string{"limit": fmt.Sprint(limit), "filter": strings.TrimSpace(string(filter))}
}

// lowDumpLimits is dumpLimits in a process that a service manager has started with a limit of 0.
func lowDumpLimits(s site) map[string]string {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		panic(err)
	}
	goruntime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil { // with CAP_SYS_RESOURCE, the process could raise the limit
		panic(err)
	}
	return dumpLimits(s)
}

// dumps lets a process crash and returns the core dumps in its data folder.
func dumps(t *testing.T, s site) []string {
	t.Helper()
	folders, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), taskVar+"=crash in "+string(folders))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the process did not crash: %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGABRT {
		t.Fatalf("the process ended with %v:\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(s.Data, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNoCoreDump(t *testing.T) {
	needWalls(t)
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || strings.ContainsAny(string(pattern), "|@/") {
		t.Skipf("core dumps do not go to the working directory, but to %q (%v)", pattern, err)
	}
	if len(dumps(t, site{Data: t.TempDir()})) == 0 {
		t.Skip("processes write no core dumps here")
	}
	if files := dumps(t, newSite(t)); len(files) > 0 {
		t.Errorf("a confined process has left %v", files)
	}
}

// TestDumpsHaveNoMemory checks which core dumps a confined process permits the kernel to write, of
// which one wall is enough.
func TestDumpsHaveNoMemory(t *testing.T) {
	needWalls(t)
	for task, want := range map[string]string{"limits": "{1 1}", "low limits": "{0 0}"} {
		got := inside(t, task, newSite(t))
		if got["limit"] != want || got["filter"] != "00000000" {
			t.Errorf("%s: got %v", task, got)
		}
	}
}
