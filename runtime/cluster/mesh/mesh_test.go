package mesh_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// patience bounds what a test waits for.
const patience = 20 * time.Second

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func secure(t *testing.T, secret string) *tls.Config {
	t.Helper()
	if secret == "" {
		return nil
	}
	k, err := key.New([]byte(strings.Repeat(secret, 64)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// owner is a node that owns the data, with a server that answers with its name.
type owner struct {
	name    string
	address string
	queue   *mesh.Queue
}

func newOwner(t *testing.T, name, secret string) *owner {
	t.Helper()
	ln := listen(t)
	o := &owner{name: name, address: ln.Addr().String(), queue: mesh.NewQueue(ln.Addr())}
	l := mesh.Listen(ln, mesh.ListenOptions{
		TLS: secure(t, secret), Log: quiet, Tunnels: func() *mesh.Queue { return o.queue },
		Status: func() cluster.Status { return cluster.Status{Node: name, Address: o.address, Owns: true, Epoch: 3} },
	})
	t.Cleanup(func() { _ = l.Close() })
	serveHTTP(t, name, o.queue)
	return o
}

// serveHTTP serves requests on a listener.
func serveHTTP(t *testing.T, name string, ln net.Listener) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/name", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name, " ", r.RemoteAddr) })
	mux.HandleFunc("/hash", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		_, _ = io.Copy(h, r.Body)
		w.Write(h.Sum(nil))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "event %d\n", i); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			if line := r.FormValue("then"); line == "wait" {
				<-r.Context().Done()
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		fmt.Fprint(w, "too large")
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// follower is a node that leads its clients to an owner.
type follower struct {
	*mesh.Front
	url   string
	owner atomic.Pointer[owner]
}

func newFollower(t *testing.T, secret string) *follower {
	t.Helper()
	return newFollowerWith(t, secret, func(*mesh.Front) {})
}

func newFollowerWith(t *testing.T, secret string, change func(*mesh.Front)) *follower {
	t.Helper()
	ln := listen(t)
	f := &follower{url: "http://" + ln.Addr().String()}
	f.Front = mesh.NewFront(ln, mesh.FrontOptions{Dialer: mesh.Dialer{TLS: secure(t, secret)}, Log: quiet, Owner: func() (s cluster.Status, ok bool) {
		o := f.owner.Load()
		if o == nil {
			return s, false
		}
		return cluster.Status{Node: o.name, Address: o.address, Owns: true}, true
	}})
	change(f.Front)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Serve()
	}()
	t.Cleanup(func() {
		_ = f.Close()
		<-done
	})
	serveHTTP(t, "standby", f.Standby())
	return f
}

// newClient returns a client with connections of its own.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Requests, uploads and streams arrive at the owner as they are, from the address of the client.
func TestConnectionsAreLed(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o, f, c := newOwner(t, "a", secret), newFollower(t, secret), newClient(t)
			f.owner.Store(o)
			var local atomic.Value
			c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil {
					local.Store(conn.LocalAddr().String())
				}
				return conn, err
			}
			for range 3 {
				if got := get(t, c, f.url+"/name"); got != "a "+local.Load().(string) {
					t.Errorf("got %q from %v", got, local.Load())
				}
			}
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			r, err := c.Post(f.url+"/hash", "", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if want := sha256.Sum256(body); err != nil || !bytes.Equal(got, want[:]) {
				t.Errorf("an upload of %d bytes arrived as another one: %v", len(body), err)
			}
			// An event arrives although nothing follows it.
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/events?then=wait", nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err = c.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 8)
			if _, err := io.ReadFull(r.Body, line); err != nil || string(line) != "event 0\n" {
				t.Errorf("got %q, %v", line, err)
			}
			r.Body.Close()
		})
	}
}

// A client that sends no more gets its answer, and one that is refused while it sends gets the refusal.
func TestEndsOfConnections(t *testing.T) {
	o, f := newOwner(t, "a", "k"), newFollower(t, "k")
	f.owner.Store(o)
	exchange := func(send func(conn *net.TCPConn)) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		send(conn.(*net.TCPConn))
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("after %q: %v", text, err)
		}
		return string(text)
	}
	got := exchange(func(conn *net.TCPConn) {
		fmt.Fprint(conn, "POST /hash HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
		_ = conn.CloseWrite()
	})
	if want := sha256.Sum256([]byte("abc")); !strings.HasSuffix(got, string(want[:])) {
		t.Errorf("got %q", got)
	}
	got = exchange(func(conn *net.TCPConn) {
		fmt.Fprint(conn, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
		for range 64 {
			if _, err := conn.Write(make([]byte, 16<<10)); err != nil {
				break
			}
		}
	})
	if !strings.HasPrefix(got, "HTTP/1.1 413") || !strings.Contains(got, "too large") {
		t.Errorf("got %q", got)
	}
}

// While no node owns the data, and while its owner does not answer or does not own them any more, the standby
// answers.
func TestWithoutAnOwner(t *testing.T) {
	f, c := newFollower(t, "k"), newClient(t)
	want := func(name string) {
		t.Helper()
		c.CloseIdleConnections()
		if got := get(t, c, f.url+"/name"); !strings.HasPrefix(got, name+" ") {
			t.Errorf("%s answered, want %s", got, name)
		}
	}
	want("standby")
	ln := listen(t)
	f.owner.Store(&owner{name: "gone", address: ln.Addr().String()})
	ln.Close()
	want("standby")
	o := newOwner(t, "a", "k")
	f.owner.Store(o)
	want("a")
	o.queue.Close()
	want("standby")
	f.owner.Store(newOwner(t, "foreign", "x"))
	want("standby")
	own := f.Own()
	serveHTTP(t, "itself", own)
	want("itself")
	own.Close()
	want("standby")
}

// A connection does not stay with a node that does not own the data any more: it may stand still.
func TestConnectionsEndWhenTheOwnerChanges(t *testing.T) {
	a, b, f, c := newOwner(t, "a", "k"), newOwner(t, "b", "k"), newFollower(t, "k"), newClient(t)
	f.owner.Store(a)
	for _, move := range []func(){func() { f.owner.Store(b) }, func() { serveHTTP(t, "itself", f.Own()) }} {
		r, err := c.Get(f.url + "/events?then=wait")
		if err != nil {
			t.Fatal(err)
		}
		move()
		if text, err := io.ReadAll(r.Body); err == nil || string(text) != "event 0\n" {
			t.Errorf("the stream has ended with %q, %v", text, err)
		}
		r.Body.Close()
	}
	c.CloseIdleConnections()
	if got := get(t, c, f.url+"/name"); !strings.HasPrefix(got, "itself ") {
		t.Error(got)
	}
}

// Only nodes with the key ask and open tunnels, and both sides must have it.
func TestOnlyNodesWithTheKeyConnect(t *testing.T) {
	o, open := newOwner(t, "a", "k"), newOwner(t, "open", "")
	client := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for name, test := range map[string]struct {
		dialer mesh.Dialer
		to     *owner
		works  bool
	}{
		"the same key":       {mesh.Dialer{TLS: secure(t, "k")}, o, true},
		"another key":        {mesh.Dialer{TLS: secure(t, "x")}, o, false},
		"no key":             {mesh.Dialer{}, o, false},
		"no key, as all":     {mesh.Dialer{}, open, true},
		"the other has none": {mesh.Dialer{TLS: secure(t, "k")}, open, false},
	} {
		s, err := test.dialer.Ask(t.Context(), test.to.address)
		if (err == nil) != test.works || test.works && (s.Node != test.to.name || s.Epoch != 3) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		conn, err := test.dialer.Tunnel(t.Context(), test.to.address, client)
		if (err == nil) != test.works {
			t.Errorf("%s: a tunnel: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// What does not say what it wants is not kept waiting for.
func TestNodesThatSayNothing(t *testing.T) {
	o := newOwner(t, "a", "")
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("x", 1000), "faaspot 1 tunnel nowhere\n", "faaspot 2 status\n", "\n"} {
		conn, err := net.Dial("tcp", o.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(conn, text)
		answer, err := io.ReadAll(conn)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || len(answer) > 0 {
			t.Errorf("%.20q: %q, %v", text, answer, err)
		}
		conn.Close()
	}
}

// Without a key, anyone who reaches the bus can announce an address: no request is sent to another machine.
func TestWithoutAKeyNothingLeavesTheMachine(t *testing.T) {
	local := newOwner(t, "local", "")
	if s, err := (mesh.Dialer{}).Ask(t.Context(), local.address); err != nil || s.Node != "local" {
		t.Errorf("a loopback address: %+v, %v", s, err)
	}
	for _, address := range []string{"192.0.2.1:8788", "[2001:db8::1]:8788", "node.example.com:8788", "nowhere"} {
		if _, err := (mesh.Dialer{}).Ask(t.Context(), address); err == nil || !strings.Contains(err.Error(), "there is no key") {
			t.Errorf("the status of %s: %v", address, err)
		}
		if _, err := (mesh.Dialer{}).Tunnel(t.Context(), address, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); err == nil || !strings.Contains(err.Error(), "there is no key") {
			t.Errorf("a tunnel to %s: %v", address, err)
		}
	}
}
