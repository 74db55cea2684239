//go:build linux

package network

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/freeport"
)

const (
	installTimeout = 5 * time.Minute
	startTimeout   = time.Minute
	stopTimeout    = 20 * time.Second
)

// unavailable skips the test, or fails it in CI.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// debian are the packages of Debian that have the servers.
var debian = []string{"redis-server", "postgresql-15", "mariadb-server", "nats-server", "mosquitto", "tinyproxy-bin"}

// install installs the servers of Debian, in CI and if the expected values are written.
func install(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") == "" && *native == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "../packages.sh", debian...).CombinedOutput(); err != nil {
		t.Fatalf("cannot install the servers: %v\n%s", err, out)
	}
}

// program returns the path of an installed program, which may be a pattern. It skips the test if there is none.
func program(t *testing.T, path string) string {
	t.Helper()
	found, err := filepath.Glob(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		unavailable(t, "%s is missing: test/packages.sh %s", path, strings.Join(debian, " "))
	}
	return found[len(found)-1]
}

// freePort returns a port of the loopback interface that is free.
func freePort(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start starts a server and waits until it accepts connections at all its ports. When the test ends, it
// sends it the signal, and waits until it has ended.
func start(t *testing.T, stop syscall.Signal, cmd *exec.Cmd, ports ...int) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", cmd.Path, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(stop)
		select {
		case <-exited:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, output.Bytes())
		}
	})
	late := time.After(startTimeout)
	for _, port := range ports {
		for !accepts(port) {
			select {
			case <-exited:
				t.Fatalf("%s has ended", cmd.Path)
			case <-late:
				t.Fatalf("%s accepts no connection at port %d", cmd.Path, port)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// accepts reports whether a port of the loopback interface accepts a connection.
func accepts(port int) bool {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// connected reports whether a client is connected to one of some ports.
func connected(t *testing.T, ports map[string]int) bool {
	t.Helper()
	const established = "01"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for line := range strings.Lines(read(t, table)) {
			fields := strings.Fields(line)
			_, port, _ := strings.Cut(fields[2], ":")
			for _, server := range ports {
				if fields[3] == established && port == fmt.Sprintf("%04X", server) {
					return true
				}
			}
		}
	}
	return false
}

// run runs a command that prepares a server.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
}

// write writes a file, which all may read.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
