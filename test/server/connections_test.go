//go:build linux

package server

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

var floodConns = flag.Int("flood.conns", 2000, "number of connections of strangers that a test opens")

// strangers are connections that never complete a request, or whose client does not read the answer. What
// they send comes first; some then close their half, or go away without a word.
var strangers = []struct {
	name, send string
	end        func(*net.TCPConn) error
}{
	{"nothing", "", nil},
	{"half a line", "GET /v1/func", nil},
	{"half a header", "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\nX: ", nil},
	{"half a body", "POST /v1/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{", nil},
	{"chunks without end", "POST /v1/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", nil},
	{"waits for 100", "POST /v1/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", nil},
	{"wrong token", "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token x\r\n\r\n", nil},
	{"answers not read", strings.Repeat("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 500), nil},
	{"half closed", "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n", (*net.TCPConn).CloseWrite},
	{"half closed, silent", "", (*net.TCPConn).CloseWrite},
	{"reset", "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n", func(c *net.TCPConn) error { return c.SetLinger(0) }},
}

const (
	// strangersAtOnce is the number of connections that stay open at the side of the strangers: more than
	// the server keeps.
	strangersAtOnce = 8000
	// strangersPerAddress is the number of connections from one address of this machine.
	strangersPerAddress = 250
)

// openStrangers opens connections of all kinds, from many addresses, and closes all at the end, those that
// were opened first when there are too many.
func openStrangers(t *testing.T, address string, n int) (closeAll func()) {
	t.Helper()
	var mu sync.Mutex
	var open []net.Conn
	next := make(chan int)
	var opening sync.WaitGroup
	for range 16 {
		opening.Go(func() {
			for i := range next {
				at := i / strangersPerAddress
				d := net.Dialer{Timeout: process.Patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(at/250), byte(1+at%250))}}
				c, err := d.DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					continue
				}
				kind := strangers[i%len(strangers)]
				_ = c.SetWriteDeadline(time.Now().Add(process.Patience))
				_, err = io.WriteString(c, kind.send) // it may be refused
				if err == nil && kind.end != nil {
					_ = kind.end(c.(*net.TCPConn))
				}
				mu.Lock()
				if open = append(open, c); kind.name == "reset" {
					_ = c.Close()
				}
				if len(open) > strangersAtOnce {
					_ = open[0].Close()
					open = open[1:]
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	opening.Wait()
	return func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
}

// Strangers open 2,000 connections of every silent and half-open kind from many addresses, with
// -flood.conns 50000 as many as that. A customer gets each result meanwhile, on kept and on new connections,
// the server holds no more descriptors than strangers may have, and afterwards what it held before.
func TestFloodOfStrangers(t *testing.T) {
	t.Parallel()
	const most = 1000 // more than this budget allows strangers
	server := process.NewSite(t, "--memory-budget", "400MB").Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	before := server.Descriptors(t)
	ctx, stop := context.WithCancel(t.Context())
	var customer sync.WaitGroup
	served, lost, peak := 0, 0, 0
	customer.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			call := func(client *process.Client) (process.Reply, error) {
				return client.Do(context.Background(), "POST", fmt.Sprintf(runPath, "echo"), fmt.Sprintf(`{"n":%d}`, n))
			}
			r, err := call(server.Client)
			for tries := 0; n%2 == 0 && tries < 5; tries++ {
				client := process.NewClient(server.Base, server.Token)
				r, err = call(client)
				client.Close()
				if err == nil {
					break
				}
				lost++ // the connection was the one that has waited longest, before its request arrived
			}
			if want := fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n); err != nil || string(r.Body) != want {
				t.Errorf("a customer gets %d %s, %v; want %s", r.Status, r.Body, err, want)
			}
			served++
			peak = max(peak, server.Descriptors(t))
		}
	})
	closeAll := openStrangers(t, strings.TrimPrefix(server.Base, "http://"), *floodConns)
	stop()
	customer.Wait()
	t.Logf("%d connections; the customer got %d results, and lost %d new connections; the server had %d descriptors, before %d", *floodConns, served, lost, peak, before)
	if served == 0 || lost > 1+served/10 || peak > before+most {
		t.Errorf("the customer got %d results, and lost %d new connections; the server had %d descriptors", served, lost, peak)
	}
	closeAll()
	process.Until(t, "all connections are closed", func() bool { return server.Descriptors(t) <= before+4 })
}
