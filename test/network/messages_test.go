//go:build linux

package network

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// startNATS starts two servers: NATS has one port, with or without TLS.
func startNATS(t *testing.T, c certificates) map[string]int {
	path := program(t, "/usr/sbin/nats-server")
	port, encrypted := freePort(t), freePort(t)
	common := []string{"--addr", "127.0.0.1", "--jetstream", "--store_dir"}
	start(t, syscall.SIGTERM, exec.Command(path, append(common, t.TempDir(), "--port", strconv.Itoa(port))...), port)
	start(t, syscall.SIGTERM, exec.Command(path, append(common, t.TempDir(), "--port", strconv.Itoa(encrypted),
		"--tls", "--tlscert", c.server, "--tlskey", c.serverKey)...), encrypted)
	return map[string]int{"nats": port, "nats_tls": encrypted}
}

// startMQTT starts Mosquitto.
func startMQTT(t *testing.T, c certificates) map[string]int {
	path := program(t, "/usr/sbin/mosquitto")
	port, encrypted := freePort(t), freePort(t)
	config := filepath.Join(t.TempDir(), "mosquitto.conf")
	write(t, config, fmt.Sprintf(`user root
allow_anonymous true
listener %d 127.0.0.1
listener %d 127.0.0.1
certfile %s
keyfile %s
`, port, encrypted, c.server, c.serverKey))
	start(t, syscall.SIGTERM, exec.Command(path, "-c", config), port, encrypted)
	return map[string]int{"mqtt": port, "mqtt_tls": encrypted}
}
