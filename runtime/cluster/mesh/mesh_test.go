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

// owner is a node that owns the data, with a server that answers with its name, and echoes messages.
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
		TLS: secure(t, secret), Log: quiet, Requests: func() *mesh.Queue { return o.queue }, Link: echo,
		Status: func() cluster.Status { return cluster.Status{Node: name, Address: o.address, Owns: true, Epoch: 3} },
	})
	t.Cleanup(func() { _ = l.Close() })
	serveHTTP(t, name, o.queue)
	return o
}

// message is a message of a link.
type message struct{ Text string }

// echo answers each message of a link with its text and the name of the node that has sent it.
func echo(kind, node string, conn net.Conn) {
	l := mesh.NewLink(conn)
	defer l.Close()
	for {
		var m message
		if l.Receive(&m, patience) != nil || l.Send(message{kind + " " + node + " " + m.Text}, patience) != nil {
			return
		}
	}
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

// follower is a node that forwards requests to an owner.
type follower struct {
	*mesh.Forwarder
	owner atomic.Pointer[owner]
}

func newFollower(t *testing.T, secret string) *follower {
	t.Helper()
	f := new(follower)
	f.Forwarder = mesh.NewForwarder(mesh.ForwarderOptions{Dialer: mesh.Dialer{TLS: secure(t, secret)}, Log: quiet, Owner: func() (s cluster.Status, ok bool) {
		o := f.owner.Load()
		if o == nil {
			return s, false
		}
		return cluster.Status{Node: o.name, Address: o.address, Owns: true}, true
	}})
	t.Cleanup(f.Close)
	return f
}

var client = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}

// do forwards a request.
func (f *follower) do(t *testing.T, method, path string, body io.Reader) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return f.Forward(r, client, "")
}

// get forwards a request, and returns all of the answer.
func (f *follower) get(t *testing.T, method, path string, body io.Reader) string {
	t.Helper()
	r, err := f.do(t, method, path, body)
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

// A tenant that floods a node with requests which last, from many addresses, leaves places for others, and gets them again when
// its requests have ended.
func TestFloodsOfTenants(t *testing.T) {
	o, f := newOwner(t, "a", ""), newFollower(t, "")
	f.owner.Store(o)
	f.Bound(16)
	send := func(from int, tenant, path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.Forward(r, &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(from)), Port: 1}, tenant)
	}
	var streams []*http.Response
	for from := range 40 {
		r, err := send(from, "flood", "/events?then=wait")
		if err == nil {
			streams = append(streams, r)
		} else if !errors.Is(err, mesh.ErrNoPlace) {
			t.Fatal(err)
		}
	}
	if len(streams) != 8 {
		t.Errorf("the flood has %d places, want 8 of 16", len(streams))
	}
	if _, err := f.Hold(client, "flood"); !errors.Is(err, mesh.ErrNoPlace) {
		t.Errorf("a request of the flood may wait: %v", err)
	}
	leave, err := f.Hold(client, "other")
	if err != nil {
		t.Fatalf("a request of another tenant may not wait: %v", err)
	}
	leave()
	for from := range 4 {
		r, err := send(100+from, "other", "/name")
		if err != nil {
			t.Fatalf("another tenant: %v", err)
		}
		defer func() { _ = r.Body.Close() }()
	}
	if r, err := send(200, "", "/name"); err != nil {
		t.Errorf("a request of nobody: %v", err)
	} else {
		_ = r.Body.Close()
	}
	for _, r := range streams {
		_ = r.Body.Close()
	}
	if r, err := send(0, "flood", "/name"); err != nil {
		t.Errorf("after the flood: %v", err)
	} else {
		_ = r.Body.Close()
	}
}

// Requests, uploads and streams arrive at the owner, on one connection as long as one is enough.
func TestRequestsAreForwarded(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o, f := newOwner(t, "a", secret), newFollower(t, secret)
			f.owner.Store(o)
			first := f.get(t, http.MethodGet, "/name", nil)
			for range 3 {
				if got := f.get(t, http.MethodGet, "/name", nil); got != first || !strings.HasPrefix(got, "a ") {
					t.Errorf("got %q after %q", got, first)
				}
			}
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			if got, want := f.get(t, http.MethodPost, "/hash", bytes.NewReader(body)), sha256.Sum256(body); got != string(want[:]) {
				t.Errorf("an upload of %d bytes arrived as another one", len(body))
			}
			// An event arrives although nothing follows it.
			r, err := f.do(t, http.MethodGet, "/events?then=wait", nil)
			if err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 8)
			if _, err := io.ReadFull(r.Body, line); err != nil || string(line) != "event 0\n" {
				t.Errorf("got %q, %v", line, err)
			}
			r.Body.Close()
			if n := f.Forwarded(); n != 0 {
				t.Errorf("%d requests are under way", n)
			}
		})
	}
}

// Nothing is sent while no node owns the data, and while the owner does not answer or does not own them any more.
func TestWithoutAnOwner(t *testing.T) {
	f := newFollower(t, "k")
	nothing := func(why string) {
		t.Helper()
		if r, err := f.do(t, http.MethodGet, "/name", nil); !errors.Is(err, mesh.ErrNoOwner) {
			t.Errorf("%s: %v, %v", why, r, err)
		}
	}
	nothing("there is none")
	ln := listen(t)
	f.owner.Store(&owner{name: "gone", address: ln.Addr().String()})
	ln.Close()
	nothing("it is gone")
	o := newOwner(t, "a", "k")
	f.owner.Store(o)
	if got := f.get(t, http.MethodGet, "/name", nil); !strings.HasPrefix(got, "a ") {
		t.Error(got)
	}
	other := newOwner(t, "b", "k")
	other.queue.Close()
	f.owner.Store(other)
	nothing("it is the owner no more")
	f.owner.Store(newOwner(t, "foreign", "x"))
	nothing("it has another key")
}

// A request does not stay with a node that does not own the data any more: it may stand still.
func TestRequestsEndWhenTheOwnerChanges(t *testing.T) {
	a, b, f := newOwner(t, "a", "k"), newOwner(t, "b", "k"), newFollower(t, "k")
	f.owner.Store(a)
	for _, move := range []func(){func() { f.owner.Store(b) }, f.EndAll, func() { f.End("b") }} {
		r, err := f.do(t, http.MethodGet, "/events?then=wait", nil)
		if err != nil {
			t.Fatal(err)
		}
		move()
		if text, err := io.ReadAll(r.Body); err == nil || string(text) != "event 0\n" {
			t.Errorf("the stream has ended with %q, %v", text, err)
		}
		r.Body.Close()
	}
	if got := f.get(t, http.MethodGet, "/name", nil); !strings.HasPrefix(got, "b ") {
		t.Error(got)
	}
}

// Links carry messages both ways, and no message of any size.
func TestLinks(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o := newOwner(t, "a", secret)
			conn, err := (mesh.Dialer{TLS: secure(t, secret)}).Link(t.Context(), o.address, "echo", "me")
			if err != nil {
				t.Fatal(err)
			}
			l := mesh.NewLink(conn)
			defer l.Close()
			for i := range 3 {
				var got message
				sent := message{Text: strings.Repeat("x", i<<20)}
				if err := errors.Join(l.Send(sent, patience), l.Receive(&got, patience)); err != nil || got.Text != "echo me "+sent.Text {
					t.Fatalf("message %d: %d bytes, %v", i, len(got.Text), err)
				}
			}
			_ = l.Send(message{Text: strings.Repeat("x", 65<<20)}, patience)
			if err := l.Receive(new(message), patience); err == nil {
				t.Error("a message of 65 MiB was received")
			}
		})
	}
}

// A link says how large a message is before it takes memory for it, and receives none that is refused then, or that has no size.
func TestSizesOfMessages(t *testing.T) {
	own, other := net.Pipe()
	in, out := mesh.NewLink(own), mesh.NewLink(other)
	defer in.Close()
	defer out.Close()
	refused := errors.New("too large")
	var size int64
	in.OnMessage(func(bytes int64) error {
		if size = bytes; bytes > 1<<20 {
			return refused
		}
		return nil
	})
	for _, n := range []int{0, 1, 100, 120, 127, 128, 255, 256, 65535, 65536, 1 << 19, 1 << 20} {
		sent, got := message{strings.Repeat("x", n)}, message{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = out.Send(sent, patience)
		}()
		err := in.Receive(&got, patience)
		if err != nil {
			in.Close()
		}
		<-done
		if large := n == 1<<20; errors.Is(err, refused) != large || (err == nil) == large || !large && got != sent || size < int64(n) || size > int64(n)+100 {
			t.Errorf("a message of %d bytes: %d are announced, %d have come, %v", n, size, len(got.Text), err)
		}
	}
	for _, head := range []string{"\xf8\x7f\xff\xff\xff\xff\xff\xff\xff", "\xf8\xff\xff\xff\xff\xff\xff\xff\xff", "\x80", "\xf7", "\xfc\x04\x00\x00\x01"} {
		own, other := net.Pipe()
		go func() { _, _ = other.Write([]byte(head)) }()
		in := mesh.NewLink(own)
		in.OnMessage(func(bytes int64) error {
			t.Errorf("%q announces %d bytes", head, bytes)
			return nil
		})
		if err := in.Receive(new(message), patience); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", head, err)
		}
		in.Close()
		other.Close()
	}
}

// A front hands connections to the present server, and to the standby without one.
func TestFront(t *testing.T) {
	ln := listen(t)
	f := mesh.NewFront(ln, quiet)
	served := make(chan struct{})
	go func() {
		defer close(served)
		f.Serve()
	}()
	serveHTTP(t, "standby", f.Standby())
	want := func(name string) {
		t.Helper()
		transport := &http.Transport{DisableKeepAlives: true}
		r, err := (&http.Client{Transport: transport, Timeout: patience}).Get("http://" + ln.Addr().String() + "/name")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if text, err := io.ReadAll(r.Body); err != nil || !strings.HasPrefix(string(text), name+" ") {
			t.Errorf("%q, %v; want %s", text, err, name)
		}
	}
	want("standby")
	for _, name := range []string{"first", "second"} {
		own := f.Own()
		serveHTTP(t, name, own)
		want(name)
		own.Close()
		want("standby")
	}
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("a front that was stopped has accepted a connection")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

// Only nodes with the key ask, send requests and have links, and both sides must have it.
func TestOnlyNodesWithTheKeyConnect(t *testing.T) {
	o, open := newOwner(t, "a", "k"), newOwner(t, "open", "")
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
		for what, open := range map[string]func() (net.Conn, error){
			"requests": func() (net.Conn, error) { return test.dialer.Requests(t.Context(), test.to.address) },
			"a link":   func() (net.Conn, error) { return test.dialer.Link(t.Context(), test.to.address, "echo", "me") },
		} {
			conn, err := open()
			if (err == nil) != test.works {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// What does not say what it wants is not kept waiting for.
func TestNodesThatSayNothing(t *testing.T) {
	o := newOwner(t, "a", "")
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("x", 1000), "faaspot 1 link nowhere\n", "faaspot 1 tunnel 127.0.0.1:1\n", "faaspot 2 status\n", "\n"} {
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
		if _, err := (mesh.Dialer{}).Requests(t.Context(), address); err == nil || !strings.Contains(err.Error(), "there is no key") {
			t.Errorf("requests to %s: %v", address, err)
		}
	}
}
