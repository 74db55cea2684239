package egress

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/faaspot/faaspot/runtime"
)

func newPoster(t *testing.T, o Options) *Poster {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hook starts a receiver that counts the requests that reach it.
func hook(t *testing.T, handler http.HandlerFunc) (url string, reached *atomic.Int32) {
	t.Helper()
	reached = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, reached
}

func accept(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// TestDeniedAddresses writes addresses outside of the public internet in many ways: none is
// dialled.
func TestDeniedAddresses(t *testing.T) {
	url, reached := hook(t, accept)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	p := newPoster(t, Options{Timeout: 5 * time.Second})
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
		"169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[fc00::1]",
		"224.0.0.1", "255.255.255.255", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "localhost", "localhost.", "LOCALHOST",
	} {
		status, err := p.Post(context.Background(), runtime.Post{URL: "http://" + host + ":" + port + "/"})
		if err == nil || status != 0 {
			t.Errorf("%s was reached: %d", host, status)
		}
		if strings.Contains(err.Error(), port) && strings.Contains(runtimeMessage(err), port) {
			t.Errorf("%s: the error reveals the network around the server: %v", host, runtimeMessage(err))
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

func runtimeMessage(err error) string {
	if e, ok := err.(*runtime.Error); ok {
		return e.Message
	}
	return "not a *runtime.Error: " + err.Error()
}

// TestOwnAddresses checks that the addresses of the machine itself are denied even if they are
// public.
func TestOwnAddresses(t *testing.T) {
	p := newPoster(t, Options{})
	const own = "203.0.114.7" // public, as far as the registries know
	if err := p.control("tcp4", own+":80", nil); err != nil {
		t.Fatalf("%s is denied: %v", own, err)
	}
	p.guard.own = ownAddresses(func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP(own), Mask: net.CIDRMask(24, 32)}}, nil
	})
	if p.control("tcp4", own+":80", nil) == nil || p.control("tcp4", "203.0.114.8:80", nil) != nil {
		t.Error("only the machine's own address must be denied")
	}
	for _, address := range []string{"", "x", "1.2.3.4", "[::1%lo]:80", "168.63.129.16:80"} {
		if p.control("tcp", address, nil) == nil {
			t.Errorf("%q is allowed", address)
		}
	}
}

func TestAllowList(t *testing.T) {
	url, _ := hook(t, accept)
	host := strings.TrimPrefix(url, "http://")
	byName := strings.Replace(url, "127.0.0.1", "localhost", 1)
	for _, test := range []struct {
		allow, url string
		reached    bool
	}{
		{"127.0.0.1", url, true},
		{"127.0.0.0/8", url, true},
		{host, url, true},
		{"127.0.0.1:1", url, false}, // another port
		{"10.0.0.0/8", url, false},
		{strings.TrimPrefix(byName, "http://"), byName, true},
		{"localhost", strings.Replace(byName, "localhost", "LocalHost", 1), true},
		{"localhost", url, false}, // a host matches only as it is written
		{"localhost:1", byName, false},
	} {
		status, err := newPoster(t, Options{Allow: []string{test.allow}}).Post(context.Background(), runtime.Post{URL: test.url, Body: []byte("{}")})
		if (err == nil) != test.reached || test.reached && status != http.StatusNoContent {
			t.Errorf("with %s allowed, %s: %d, %v", test.allow, test.url, status, err)
		}
	}
	for _, text := range []string{"", "/8", "http://a", "a:b", "a:0", "a:70000", "*.example.com", "a b", "10.0.0.0/33"} {
		if _, err := New(Options{Allow: []string{text}}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q can be allowed: %v", text, err)
		}
	}
}

// TestNamesThatResolveToDeniedAddresses uses a name that resolves to a denied address at the time
// of the dial: the check applies to the address that is dialled.
func TestNamesThatResolveToDeniedAddresses(t *testing.T) {
	url, reached := hook(t, accept)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	var resolved atomic.Int32
	p := newPoster(t, Options{Timeout: 5 * time.Second, Resolver: resolverTo(t, func() netip.Addr {
		resolved.Add(1)
		return netip.MustParseAddr("127.0.0.1")
	})})
	for range 3 {
		if _, err := p.Post(context.Background(), runtime.Post{URL: "http://rebinding.example.com:" + port}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("the error is %v", err)
		}
	}
	if resolved.Load() == 0 || reached.Load() != 0 {
		t.Errorf("resolved %d times, reached %d times", resolved.Load(), reached.Load())
	}
}

// resolverTo returns a resolver that resolves every name to an address.
func resolverTo(t *testing.T, address func() netip.Addr) *net.Resolver {
	t.Helper()
	records := func() []dnsmessage.ResourceBody { return fixed(address().String())() }
	r, _ := zone{"rebinding.example.com.": records, "hooks.internal.": records}.resolver(t)
	return r
}

func readFull(c net.Conn, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.Read(b[n:])
		n += m
	}
	return n, err
}

// TestRedirectsAreNotFollowed checks that the status of a redirect is returned.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inner, reached := hook(t, accept)
	for _, status := range []int{301, 302, 303, 307, 308} {
		outer, _ := hook(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner, status) })
		got, err := newPoster(t, Options{Allow: []string{"127.0.0.1"}}).Post(context.Background(), runtime.Post{URL: outer})
		if err != nil || got != status {
			t.Errorf("the status %d was returned as %d, %v", status, got, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestInvalidURLs(t *testing.T) {
	p := newPoster(t, Options{Allow: []string{"127.0.0.1"}})
	for _, url := range []string{"", "file:///etc/passwd", "gopher://127.0.0.1/", "http://user:password@127.0.0.1/", "http:///path", "//127.0.0.1", "http://127.0.0.1:99999/", "http://a\r\nb/"} {
		if status, err := p.Post(context.Background(), runtime.Post{URL: url}); err == nil {
			t.Errorf("a request to %q was sent: %d", url, status)
		}
	}
}

// TestRequestIsSentUnchanged checks the request on the wire. Proxies of the environment are
// ignored, and no connection is used twice.
func TestRequestIsSentUnchanged(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	from := map[string]bool{}
	url, reached := hook(t, func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		if r.Method != "POST" || r.Header.Get("X-Test") != "yes" || r.Header.Get("Cookie") != "" || r.Header.Get("Content-Type") != "application/json" || string(body[:n]) != `{"a":1}` {
			t.Errorf("%s %v %s", r.Method, r.Header, body[:n])
		}
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		w.WriteHeader(http.StatusTeapot)
	})
	p := newPoster(t, Options{Allow: []string{"127.0.0.1"}})
	for range 3 {
		if status, err := p.Post(context.Background(), runtime.Post{URL: url, Body: []byte(`{"a":1}`), Header: map[string]string{"X-Test": "yes"}}); err != nil || status != http.StatusTeapot {
			t.Fatal(status, err)
		}
	}
	if reached.Load() != 3 || len(from) != 3 {
		t.Errorf("reached %d times over %d connections", reached.Load(), len(from))
	}
}

// TestHostileResponses checks that slow, endless and very large responses end soon.
func TestHostileResponses(t *testing.T) {
	endless, _ := hook(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 64<<10)
		for range 100_000 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	p := newPoster(t, Options{Allow: []string{"127.0.0.1"}})
	if status, err := p.Post(context.Background(), runtime.Post{URL: endless}); err != nil || status != 200 {
		t.Errorf("an endless response: %d, %v", status, err)
	}
	stop := make(chan struct{})
	slow, _ := hook(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(stop) })
	p = newPoster(t, Options{Allow: []string{"127.0.0.1"}, Timeout: 50 * time.Millisecond})
	if _, err := p.Post(context.Background(), runtime.Post{URL: slow}); runtime.CodeOf(err) != runtime.CodeUnavailable || !strings.Contains(runtimeMessage(err), "in time") {
		t.Errorf("no response: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newPoster(t, Options{Allow: []string{"127.0.0.1"}}).Post(ctx, runtime.Post{URL: slow}); err == nil {
		t.Error("a cancelled request succeeded")
	}
	headers, _ := hook(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	if _, err := newPoster(t, Options{Allow: []string{"127.0.0.1"}}).Post(context.Background(), runtime.Post{URL: headers}); err == nil {
		t.Error("a header of a megabyte is accepted")
	}
}

// TestAdmitChoosesAddresses checks that a request asks before it connects, with the address that a
// name resolves to, and that nothing is sent to a refused address.
func TestAdmitChoosesAddresses(t *testing.T) {
	url, reached := hook(t, accept)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	for _, allow := range []string{"127.0.0.1", "hooks.internal"} { // a network and a host
		p := newPoster(t, Options{Allow: []string{allow}, Resolver: resolverTo(t, func() netip.Addr { return netip.MustParseAddr("127.0.0.1") })})
		for _, admitted := range []bool{true, false} {
			before := reached.Load()
			var asked []string
			status, err := p.Post(context.Background(), runtime.Post{URL: "http://hooks.internal:" + port, Admit: func(a netip.AddrPort) bool {
				asked = append(asked, a.String())
				return admitted
			}})
			if len(asked) != 1 || asked[0] != "127.0.0.1:"+port {
				t.Errorf("with %s allowed, it asked for %v", allow, asked)
			}
			if admitted && (err != nil || status != http.StatusNoContent) || !admitted && (runtime.CodeOf(err) != runtime.CodeTooBusy || reached.Load() != before) {
				t.Errorf("with %s allowed, admitted %v: %d, %v", allow, admitted, status, err)
			}
		}
	}
	p := newPoster(t, Options{})
	if _, err := p.Post(context.Background(), runtime.Post{URL: url, Admit: func(netip.AddrPort) bool {
		t.Error("it asked for an address that is denied")
		return true
	}}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("the error is %v", err)
	}
}
