//go:build linux

package network

import (
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

func startRedis(t *testing.T, c certificates) map[string]int {
	path := program(t, "/usr/bin/redis-server")
	port, encrypted := freePort(t), freePort(t)
	start(t, syscall.SIGTERM, exec.Command(path, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(),
		"--port", strconv.Itoa(port), "--tls-port", strconv.Itoa(encrypted),
		"--tls-cert-file", c.server, "--tls-key-file", c.serverKey, "--tls-ca-cert-file", c.ca, "--tls-auth-clients", "no"), port, encrypted)
	return map[string]int{"redis": port, "redis_tls": encrypted}
}
