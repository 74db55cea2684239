//go:build linux

package soak

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
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
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	for kind, serve := range peers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		ports[kind] = l.Addr().(*net.TCPAddr).Port
		serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer context.AfterFunc(ctx, func() { _ = c.Close() })()
					defer c.Close()
					serve(ctx, c)
				})
			}
		})
	}
	t.Cleanup(func() { stop(); serving.Wait() })
	return ports
}
