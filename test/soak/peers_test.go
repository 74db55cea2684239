//go:build linux

package soak

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/listener"
)

// peers are servers that no client likes.
var peers = map[string]func(context.Context, net.Conn){
	"silent": func(ctx context.Context, _ net.Conn) { <-ctx.Done() },
	"endless": func(_ context.Context, c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for block := strings.Repeat("x", 1<<16); ; {
			if _, err := io.WriteString(c, block); err != nil {
				return
			}
		}
	},
	"slow": func(ctx context.Context, c net.Conn) {
		for _, b := range "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000) {
			if _, err := io.WriteString(c, string(b)); err != nil || !pause(ctx, 100*time.Millisecond) {
				return
			}
		}
	},
	"reset": func(_ context.Context, c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
	"echo":  func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) },
}

// startPeers starts the peers, and returns their ports.
func startPeers(t *testing.T) map[string]int {
	ports := map[string]int{}
	for kind, serve := range peers {
		ports[kind] = int(listener.TCP(t, serve).Port())
	}
	return ports
}
