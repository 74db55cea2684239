//go:build linux

package network

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// serversLock has the wheels of the servers of PyPI.
const serversLock = "servers.txt"

var installing sync.Mutex

// python returns a command of the machine's Python that finds the servers of PyPI.
func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	site, err := filepath.Abs(filepath.Join(cache, "servers"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(serversLock)
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(site, serversLock)
	if have, _ := os.ReadFile(installed); string(have) != string(lock) {
		os.RemoveAll(site)
		ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile",
			"--only-binary", ":all:", "--require-hashes", "--target", site, "--requirement", serversLock)
		if out, err := cmd.CombinedOutput(); err != nil {
			unavailable(t, "cannot install the servers of PyPI: %v\n%s", err, out)
		}
		write(t, installed, string(lock))
	}
	cmd := exec.Command("/usr/bin/python3", args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+site)
	return cmd
}

// startS3 starts Moto's S3, and a proxy of it with TLS.
func startS3(t *testing.T, c certificates) map[string]int {
	port := freePort(t)
	start(t, syscall.SIGTERM, python(t, "-m", "moto.server", "-H", "127.0.0.1", "-p", strconv.Itoa(port)), port)
	return map[string]int{"s3": port, "s3_tls": proxyTLS(t, c, port)}
}

// startSMTP starts a server that answers each message with its sender, its recipients and the SHA-256 of
// its content. It takes mail after a login; one port has STARTTLS, the other one TLS from the start.
func startSMTP(t *testing.T, c certificates) map[string]int {
	port, encrypted := freePort(t), freePort(t)
	start(t, syscall.SIGTERM, python(t, "servers/smtp.py", strconv.Itoa(port), strconv.Itoa(encrypted), c.server, c.serverKey), port, encrypted)
	return map[string]int{"smtp": port, "smtp_tls": encrypted}
}

// startWebSocket starts a server that sends back what it receives.
func startWebSocket(t *testing.T, c certificates) map[string]int {
	port, encrypted := freePort(t), freePort(t)
	start(t, syscall.SIGTERM, python(t, "servers/websocket.py", strconv.Itoa(port), strconv.Itoa(encrypted), c.server, c.serverKey), port, encrypted)
	return map[string]int{"websocket": port, "websocket_tls": encrypted}
}
