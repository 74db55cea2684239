// Package listener starts servers on loopback for tests.
package listener

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// TCP starts a server that calls serve for each connection, on a goroutine of its own, and closes the
// connection afterwards. At the end of the test ctx ends, and connections with it; then the test waits until
// all calls have returned.
func TCP(t testing.TB, serve func(ctx context.Context, c net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				defer func() { _ = c.Close() }()
				serve(ctx, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); cancel(); serving.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}
