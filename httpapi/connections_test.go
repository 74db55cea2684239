package httpapi_test

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// silentClients open connections that never complete a request.
var silentClients = map[string]string{
	"nothing":       "",
	"half a header": "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\nX: ",
	"half a body":   "POST /v1/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{",
	"after 200":     "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	"after 401":     "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n\r\n",
}

// TestStrangersMakeRoom floods the server with connections without a token: it holds no more of them
// than allowed, and serves each client that sends a request.
func TestStrangersMakeRoom(t *testing.T) {
	t.Parallel()
	for name, send := range silentClients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 16
			ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) { o.MaxConns, o.HeaderTimeout = most, 2*time.Second })
			for range 8 * most {
				apitest.DialRaw(t, ts.Addr).Send(t, send)
				if a := ts.Do(t, "GET", "/v1/functions/", "", apitest.Header{"Connection": "close"}); a.Status != 200 {
					t.Fatalf("a good client gets %+v", a)
				}
			}
			// The listener counts as one.
			apitest.Eventually(t, func() bool { return ts.OpenConnections() <= most+1 })
		})
	}
}

// TestStrangersOfOneAddress are fewer than strangers in all, once they were silent for a while.
func TestStrangersOfOneAddress(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	for range httpapi.MaxPerAddress + 20 {
		apitest.DialRaw(t, ts.Addr)
	}
	apitest.Eventually(t, func() bool {
		time.Sleep(20 * time.Millisecond) // or there are too many that are not silent for long enough
		apitest.DialRaw(t, ts.Addr)
		return ts.OpenConnections() <= httpapi.MaxPerAddress+1
	})
}

// TestCallersBehindAProxy opens many more connections with a token from one address than may be open
// without one, and uses all of them twice.
func TestCallersBehindAProxy(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) { o.MaxConns = 8 })
	conns := make([]*apitest.RawConn, 2*httpapi.MaxPerAddress)
	for i := range conns {
		conns[i] = apitest.DialRaw(t, ts.Addr)
		conns[i].Send(t, apitest.ListAll)
		if got, _ := conns[i].Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
			t.Fatalf("connection %d: %+v", i, got)
		}
	}
	for i, c := range conns {
		c.Send(t, apitest.ListAll)
		if got, _ := c.Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
			t.Fatalf("connection %d, again: %+v", i, got)
		}
	}
}

// TestNoRoomForAConnection has all strangers wait for the server, so that none can make room.
func TestNoRoomForAConnection(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) {
		o.MaxConns = 2
		o.Ready = func() error { asked.Add(1); <-open; return nil }
	})
	t.Cleanup(release)
	for range 2 {
		apitest.DialRaw(t, ts.Addr).Send(t, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	apitest.Eventually(t, func() bool { return asked.Load() == 2 })
	got, closed := apitest.DialRaw(t, ts.Addr).Answers(t, -1)
	if len(got) != 1 || !closed {
		t.Fatalf("got %+v, closed %v", got, closed)
	}
	apitest.WantError(t, got[0], 503, "unavailable")
	if got[0].Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	release()
	// The strangers still have to read the answers to their requests.
	apitest.Eventually(t, func() bool { return ts.Do(t, "GET", "/v1/functions/", "", nil).Status == 200 })
}

// TestOneAddressIsRefused has many strangers of one address wait for the server, so that none can make
// room: another one is refused, although there is room for strangers of other addresses.
func TestOneAddressIsRefused(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	apitest.StartOn(t, ln, ln.dial, &apitest.Fake{}, func(o *httpapi.Options) {
		o.Ready = func() error { <-open; return nil }
	})
	t.Cleanup(func() { close(open) })
	refused := 0
	for range httpapi.BurstPerAddress + 10 {
		c, err := ln.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write([]byte("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d connections are refused", refused)
	}
}

// TestIdleConnectionsMakeRoom opens as many connections with a token as there is memory for: idle
// ones are closed for new ones, and the budget is kept.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	b := memory.New(16*runtime.MiB, nil)
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) { o.Memory = b })
	for i := range int(b.Total() / 2 / httpapi.ConnBytes) {
		c := apitest.DialRaw(t, ts.Addr)
		c.Send(t, apitest.ListAll)
		if got, _ := c.Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
			t.Fatalf("connection %d: %+v", i, got)
		}
		if used := b.Used(); used > b.Total()/2 {
			t.Fatalf("%d bytes are used", used)
		}
	}
}

// shortListener fails to accept a few times.
type shortListener struct {
	net.Listener
	fails atomic.Int32
}

func (l *shortListener) Accept() (net.Conn, error) {
	if n := l.fails.Add(1); n <= 4 {
		return nil, &net.OpError{Op: "accept", Err: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.EPROTO}[n-1]}
	}
	return l.Listener.Accept()
}

// pipeListener accepts pipes, on which a write waits until the other end reads.
type pipeListener struct {
	conns chan net.Conn
	close sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.close.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// TestStrangersThatDoNotReadMakeRoom has as many strangers as allowed that send requests and read no
// answer: they are closed for one that reads.
func TestStrangersThatDoNotReadMakeRoom(t *testing.T) {
	t.Parallel()
	const most = 2 * httpapi.SearchBound
	ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	ts := apitest.StartOn(t, ln, ln.dial, &apitest.Fake{}, func(o *httpapi.Options) {
		o.MaxConns, o.WriteTimeout, o.HeaderTimeout = most, time.Hour, time.Hour
	})
	ts.Client.Timeout = 2 * time.Second
	for range most {
		c, err := ln.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write([]byte("GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	apitest.Eventually(t, func() bool {
		time.Sleep(20 * time.Millisecond)
		req, err := http.NewRequest("GET", "http://api.test/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := ts.Client.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
}

// TestNoFileToAccept checks that a server serves again when it has file descriptors again.
func TestNoFileToAccept(t *testing.T) {
	t.Parallel()
	ln, dial := apitest.ListenTCP(t)
	ts := apitest.StartOn(t, &shortListener{Listener: ln}, dial, &apitest.Fake{}, nil)
	if a := ts.Do(t, "GET", "/v1/functions/", "", nil); a.Status != 200 {
		t.Errorf("got %+v", a)
	}
}

// TestHealthListenerWithoutMemory answers health checks when the memory budget is used up.
func TestHealthListenerWithoutMemory(t *testing.T) {
	t.Parallel()
	b := memory.New(16*runtime.MiB, nil)
	b.Open(memory.Options{Name: "others"}).Add(b.Total())
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) { o.Memory = b })
	ln, _ := apitest.ListenTCP(t)
	served := make(chan error, 1)
	go func() { served <- ts.ServeHealth(ln) }()
	for range 2 * httpapi.HealthConns {
		c := apitest.DialRaw(t, ln.Addr().String())
		c.Send(t, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
		if got, _ := c.Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
			t.Fatalf("got %+v", got)
		}
	}
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestHealthListener serves two paths without a token, while its own connections and those of the
// other listener are flooded, and says when the server stops.
func TestHealthListener(t *testing.T) {
	t.Parallel()
	finish := make(chan struct{})
	running := make(chan struct{})
	ts := apitest.StartTCP(t, apitest.BlockingFake(running, finish), func(o *httpapi.Options) { o.MaxConns = 4 })
	ln, _ := apitest.ListenTCP(t)
	served := make(chan error, 1)
	go func() { served <- ts.ServeHealth(ln) }()
	base := "http://" + ln.Addr().String()
	get := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequest(method, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for range 200 {
		apitest.DialRaw(t, ln.Addr().String())
	}
	for range 20 {
		apitest.DialRaw(t, ts.Addr)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/readyz/": 200, "/": 404, "/v1/functions/": 404, "/openapi.json": 404} {
		if got := get("GET", path); got != want {
			t.Errorf("GET %s: %d", path, got)
		}
	}
	if got := get("HEAD", "/healthz"); got != 200 {
		t.Errorf("HEAD: %d", got)
	}
	if got := get("POST", "/healthz"); got != 400 {
		t.Errorf("POST: %d", got)
	}

	c := apitest.DialRaw(t, ts.Addr)
	c.Send(t, apitest.RunLine+"Content-Length: 2\r\n\r\n{}")
	<-running
	down := make(chan error, 1)
	go func() { down <- ts.Shutdown(t.Context()) }()
	apitest.Eventually(t, ts.Closing)
	if got := get("GET", "/readyz"); got != 503 {
		t.Errorf("ready while it stops: %d", got)
	}
	if got := get("GET", "/healthz"); got != 200 {
		t.Errorf("health while it stops: %d", got)
	}
	close(finish)
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err == nil {
		c.Close()
		t.Error("it still accepts")
	}
}
