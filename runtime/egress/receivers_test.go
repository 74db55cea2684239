package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
)

// TestHostileReceivers posts to receivers of every hostile kind at once, over HTTP and TLS. Each post ends,
// with a status or with an error that says nothing about the network, a good receiver gets its post
// meanwhile, and nothing is left.
func TestHostileReceivers(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	sends := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
		}
	}
	again := func(text, more string, pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			for _, err := io.WriteString(c, text); err == nil; _, err = io.WriteString(c, more) {
				time.Sleep(pause)
			}
		}
	}
	const drop = 5 * time.Millisecond
	t.Run("receivers", func(t *testing.T) {
		p := newPoster(t, Options{Allow: []string{"127.0.0.1"}, Timeout: 2 * time.Second})
		var posts sync.WaitGroup
		for name, c := range map[string]struct {
			scheme string
			serve  func(net.Conn)
			status int // 0: an error
		}{
			"says nothing":       {"http", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 0},
			"hangs up":           {"http", func(net.Conn) {}, 0},
			"resets":             {"http", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, 0},
			"no HTTP":            {"http", sends("\x00\xff what?\r\n\r\n"), 0},
			"header in drops":    {"http", again("HTTP/1.1 200 OK\r\n", "X: y\r\n", drop), 0},
			"endless header":     {"http", again("HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 10_000), 0), 0},
			"endless line":       {"http", again("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 10_000), 0), 0},
			"endless continue":   {"http", again("", "HTTP/1.1 100 Continue\r\n\r\n", 0), 0},
			"endless hints":      {"http", again("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0), 0},
			"switches protocols": {"http", sends("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), 101},
			"body in drops":      {"http", again("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", " ", drop), 200},
			"endless body":       {"http", again("HTTP/1.1 204 No Content\r\nContent-Length: 100000000\r\n\r\n", strings.Repeat("x", 10_000), 0), 204},
			"endless chunks":     {"http", again("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 0), 200},
			"huge chunk":         {"http", sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx"), 200},
			"length and chunked": {"http", sends("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 200},
			"two lengths":        {"http", sends("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), 0},
			"gzip that is none":  {"http", sends("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"), 200},
			"pushes by HTTP/2":   {"http", sends(http2Push), 0},
			"pushes by h2c":      {"http", sends("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + http2Push), 101},
			"odd status":         {"http", sends("HTTP/1.1 -12 What\r\n\r\n"), 0},
			"silent TLS":         {"https", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 0},
			"TLS in drops":       {"https", again("", "\x16", drop), 0},
			"TLS that is none":   {"https", sends("HTTP/1.1 200 OK\r\n\r\n"), 0},
			"endless TLS":        {"https", again("", "\x16\x03\x03\x40\x00"+strings.Repeat("\x00", 1<<14), 0), 0},
		} {
			to := listen(t, c.serve)
			posts.Go(func() {
				status, err := p.Post(context.Background(), runtime.Post{URL: c.scheme + "://" + to.String() + "/", Body: []byte("{}")})
				if status != c.status || (err != nil) != (c.status == 0) {
					t.Errorf("%s: status %d, %v", name, status, err)
				}
				if err != nil && (strings.Contains(runtimeMessage(err), "127.0.0.1") || runtime.CodeOf(err) != runtime.CodeUnavailable) {
					t.Errorf("%s: the error is %v", name, err)
				}
			})
		}
		url, reached := hook(t, accept)
		for range 10 {
			if status, err := p.Post(context.Background(), runtime.Post{URL: url, Body: []byte("{}")}); err != nil || status != 204 {
				t.Errorf("a good receiver: %d, %v", status, err)
			}
		}
		if reached.Load() != 10 {
			t.Errorf("a good receiver was reached %d times", reached.Load())
		}
		posts.Wait()
	})
	goleak.VerifyNone(t, leaks)
}

// http2Push is a frame of settings and a promise to push, in HTTP/2.
const http2Push = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x07\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x82\x86\x84"

// TestCallbacksOfferNoHTTP2 checks that a receiver cannot choose HTTP/2, in which it could push.
func TestCallbacksOfferNoHTTP2(t *testing.T) {
	offered := make(chan []string, 1)
	to := listen(t, func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			offered <- hello.SupportedProtos
			return nil, errors.New("no")
		}}).Handshake()
	})
	if _, err := newPoster(t, Options{Allow: []string{"127.0.0.1"}}).Post(context.Background(), runtime.Post{URL: "https://" + to.String()}); err == nil {
		t.Error("a handshake that was refused succeeded")
	}
	if got := <-offered; slices.Contains(got, "h2") {
		t.Errorf("a callback offers %q", got)
	}
}
