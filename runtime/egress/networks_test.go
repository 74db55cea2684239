package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/listener"
)

// loopback is what the operator of these tests allows, so that servers of the tests can be reached.
const loopback = "127.0.0.0/8"

func newNetworks(t testing.TB, o NetworkOptions) *Networks {
	t.Helper()
	n, err := NewNetworks(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// open returns the network of a run of a function with an allow list.
func (n *Networks) open(t testing.TB, allow ...string) runtime.Network {
	t.Helper()
	normal, err := runtime.NormalAllow(allow)
	if err != nil {
		t.Fatal(err)
	}
	w := n.Open(&runtime.Program{Tenant: "a", FunctionID: "f", Allow: normal})
	t.Cleanup(func() { w.Close() })
	return w
}

// listen starts a server whose connections end with the test.
func listen(t testing.TB, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	return listener.TCP(t, func(_ context.Context, c net.Conn) { serve(c) })
}

// echo starts a server that sends back what it receives.
func echo(t testing.TB) netip.AddrPort { return listen(t, func(c net.Conn) { io.Copy(c, c) }) }

// dialled is a dialer that records addresses and connects to none of them.
type dialled struct {
	mu  sync.Mutex
	all []string
}

func (d *dialled) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, network+" "+address)
	return nil, syscall.ECONNREFUSED
}

func (d *dialled) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.all
	d.all = nil
	return all
}

// reach resolves a host and dials its addresses, as clients do.
func reach(w runtime.Network, network, host string, port uint16) (c runtime.Connection, err error) {
	addresses, err := w.Resolve(context.Background(), "ip", host)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		to := netip.AddrPortFrom(address, port)
		refused := w.Check(network, to)
		c, err = w.Dial(context.Background(), network, to)
		if code := runtime.CodeOf(err); (refused != nil) != (code == runtime.CodePermissionDenied || code == runtime.CodeTooBusy) {
			return nil, fmt.Errorf("Check says %w, Dial %w", refused, err)
		}
		if err == nil {
			return c, nil
		}
	}
	return nil, err
}

// wantCode checks the code of an error, and that it says what to do.
func wantCode(t *testing.T, what string, err error, code runtime.Code) {
	t.Helper()
	e, ok := runtime.AsError(err)
	if !ok || e.Code != code || e.Message == "" || code == runtime.CodePermissionDenied && !strings.Contains(e.Message, "--egress-allow") && e.Hint == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// TestRunsReachWhatTheyList checks which destinations an allow list opens: exactly those that it names.
func TestRunsReachWhatTheyList(t *testing.T) {
	public := fixed("203.0.114.7")
	z := zone{
		"api.example.com.": public, "a.b.example.com.": public, "example.com.": public, "example.com.evil.org.": public, "notexample.com.": public,
		"xn--bcher-kva.example.": public, "six.example.": fixed("2a00:1450::7"), "both.example.": fixed("203.0.114.7", "2a00:1450::7"),
	}
	resolver, asked := z.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver})
	d := &dialled{}
	n.direct = d
	for _, test := range []struct {
		allow, network, host string
		port                 uint16
		reached              string
	}{
		{"api.example.com:443", "tcp", "api.example.com", 443, "tcp 203.0.114.7:443"},
		{"api.example.com:443", "tcp", "API.example.COM.", 443, "tcp 203.0.114.7:443"},
		{"api.example.com:443", "tcp", "api.example.com", 80, ""},
		{"api.example.com:443", "udp", "api.example.com", 443, ""},
		{"udp:api.example.com:443", "udp", "api.example.com", 443, "udp 203.0.114.7:443"},
		{"udp:api.example.com:443", "tcp", "api.example.com", 443, ""},
		{"api.example.com:443", "tcp", "example.com", 443, ""},
		{"*.example.com:443", "tcp", "api.example.com", 443, "tcp 203.0.114.7:443"},
		{"*.example.com:443", "tcp", "a.b.example.com", 443, "tcp 203.0.114.7:443"},
		{"*.example.com:443", "tcp", "example.com", 443, ""},
		{"*.example.com:443", "tcp", "notexample.com", 443, ""},
		{"*.example.com:443", "tcp", "example.com.evil.org", 443, ""},
		{"example.com:443", "tcp", "example.com.evil.org", 443, ""},
		{"bücher.example:443", "tcp", "BÜCHER.example", 443, "tcp 203.0.114.7:443"},
		{"bücher.example:443", "tcp", "xn--bcher-kva.example", 443, "tcp 203.0.114.7:443"},
		{"six.example:443", "tcp", "six.example", 443, "tcp [2a00:1450::7]:443"},
		{"203.0.114.7:443", "tcp", "203.0.114.7", 443, "tcp 203.0.114.7:443"},
		{"203.0.114.7:443", "tcp", "[::ffff:203.0.114.7]", 443, "tcp 203.0.114.7:443"},
		{"203.0.114.7:443", "tcp", "203.0.114.8", 443, ""},
		{"203.0.114.7:443", "tcp", "203.0.114.7", 444, ""},
		{"203.0.114.0/24:443", "tcp", "203.0.114.200", 443, "tcp 203.0.114.200:443"},
		{"203.0.114.0/24:443", "tcp", "203.0.115.1", 443, ""},
		{"[2a00::/16]:443", "tcp", "2a00:1450::7", 443, "tcp [2a00:1450::7]:443"},
		{"[2a00::/16]:443", "tcp", "203.0.114.7", 443, ""},
		{"203.0.114.0/24:443", "tcp", "api.example.com", 443, ""}, // an address allows no name
		{"api.example.com:443", "tcp", "203.0.114.7", 443, ""},    // nor a name its addresses, before it is resolved
	} {
		w := n.open(t, test.allow)
		_, err := reach(w, test.network, test.host, test.port)
		var want []string
		if test.reached != "" {
			want = []string{test.reached}
		}
		if got := d.take(); !slices.Equal(got, want) {
			t.Errorf("with %s, %s port %d by %s: dialled %q", test.allow, test.host, test.port, test.network, got)
		}
		if test.reached == "" {
			wantCode(t, test.allow+" "+test.host, err, runtime.CodePermissionDenied)
		} else if wantCode(t, test.allow, err, runtime.CodeUnavailable); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: the error of the system is not in the chain: %v", test.allow, err)
		}
	}
	for _, name := range asked.list() {
		if name == "example.com." || name == "notexample.com." || name == "example.com.evil.org." {
			t.Errorf("the resolver was asked for %s, which no rule allows", name)
		}
	}
	w := n.open(t, "both.example:1")
	for family, want := range map[string]int{"ip": 2, "ip4": 1, "ip6": 1} {
		if got, err := w.Resolve(context.Background(), family, "both.example"); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", family, got, err)
		}
	}
	if got, err := w.Resolve(context.Background(), "ip6", "203.0.114.7"); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("an IPv6 address: %v, %v", got, err)
	}
	if _, err := n.open(t, "nowhere.example:1").Resolve(context.Background(), "ip", "nowhere.example"); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("a name that does not exist: %v", err)
	}
}

// internal are addresses that no function may reach, however it names them.
var internal = []string{
	"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0.0.0.0", "::", "::127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254",
	"fd20:ce::254", "100.100.100.200", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255", "fe80::1", "fe80::a9fe:a9fe", "febf::1",
	"fc00::1", "fdff::1", "fec0::1", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "64:ff9b::808:808", "2002:7f00:1::", "2001::1",
	"2001:db8::1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.192", "168.63.129.16", "100::1", "2001:10::1", "3fff::1", "5f00::1",
}

// TestNoRunReachesInternalAddresses uses a function that lists everything: addresses outside of the
// public internet are dialled neither as such nor by a name that resolves to them.
func TestNoRunReachesInternalAddresses(t *testing.T) {
	z := zone{}
	for i, address := range internal {
		z[fmt.Sprintf("n%d.example.", i)] = fixed(address)
		z[fmt.Sprintf("other%d.example.", i)] = fixed(fmt.Sprintf("n%d.example.", i)) // CNAME
	}
	z["metadata.google.internal."] = fixed("169.254.169.254")
	resolver, _ := z.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver})
	d := &dialled{}
	n.direct = d
	everything := []string{"0.0.0.0/0:80", "[::/0]:80", "udp:0.0.0.0/0:80", "udp:[::/0]:80", "*.example:80", "udp:*.example:80", "metadata.google.internal:80", "localhost:80"}
	hosts := []string{"metadata.google.internal", "localhost", "localhost.", "LOCALHOST"}
	for i, address := range internal {
		hosts = append(hosts, address, fmt.Sprintf("n%d.example", i), fmt.Sprintf("other%d.example", i))
	}
	for _, network := range []string{"tcp", "udp"} {
		for _, host := range hosts {
			_, err := reach(n.open(t, everything...), network, host, 80)
			wantCode(t, host, err, runtime.CodePermissionDenied)
			if got := d.take(); got != nil {
				t.Errorf("%s: dialled %q", host, got)
			}
		}
	}
	// An address that a run made up is checked as well, in any form.
	for _, to := range []netip.AddrPort{
		{},
		netip.MustParseAddrPort("[fe80::1%lo]:80"), netip.MustParseAddrPort("[2a00:1450::7%lo]:80"), netip.MustParseAddrPort("203.0.114.7:0"),
		netip.AddrPortFrom(netip.AddrFrom16(netip.MustParseAddr("127.0.0.1").As16()), 80),
	} {
		if c, err := n.open(t, everything...).Dial(context.Background(), "tcp", to); err == nil || c != nil || d.take() != nil {
			t.Errorf("%v is dialled", to)
		}
	}
	for _, network := range []string{"", "tcp4", "unix", "ip:1", "udp6"} {
		if _, err := n.open(t, everything...).Dial(context.Background(), network, netip.MustParseAddrPort("203.0.114.7:80")); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q is dialled: %v", network, err)
		}
	}
	// The machine's own addresses are internal, also if they are public.
	n.guard.own = ownAddresses(func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP("203.0.114.7"), Mask: net.CIDRMask(24, 32)}}, nil
	})
	_, err := reach(n.open(t, everything...), "tcp", "203.0.114.7", 80)
	wantCode(t, "own address", err, runtime.CodePermissionDenied)
	if reach(n.open(t, everything...), "tcp", "203.0.114.8", 80); len(d.take()) != 1 {
		t.Error("the neighbour of an own address is not dialled")
	}
}

// TestHostilesHosts resolves texts that are no names: the resolver is not asked for any of them.
func TestHostileHosts(t *testing.T) {
	resolver, asked := zone{}.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver})
	w := n.open(t, "*.example:80", "0.0.0.0/0:80")
	for _, host := range []string{
		"", ".", "..", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.1.example\x00.evil", "a.example\r\nHost: evil", "a.example:80", "user@a.example", "a.example/", "a.example#evil",
		"a..example", "a b.example", "%61.example", "[a.example]", "[::1", "fe80::1%lo", "*.example", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 150) + "example", "\xff.example", "1.example.1",
	} {
		if got, err := w.Resolve(context.Background(), "ip", host); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q resolves to %v, %v", host, got, err)
		}
	}
	for _, host := range []string{"evil.org", "example", "example.evil.org", "aexample", "ex\u0430mple"} {
		_, err := w.Resolve(context.Background(), "ip", host)
		wantCode(t, host, err, runtime.CodePermissionDenied)
	}
	if _, err := w.Resolve(context.Background(), "unix", "a.example"); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("a family that there is not: %v", err)
	}
	if names := asked.list(); len(names) > 0 {
		t.Errorf("the resolver was asked for %q", names)
	}
}

// TestRebinding flips what a name resolves to between a public address and one of this machine. The
// run connects only to the addresses that it got, and never to this machine.
func TestRebinding(t *testing.T) {
	const public = "203.0.114.7"
	for _, target := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "::1", "64:ff9b::7f00:1"} {
		z := zone{"flip.example.": flipping(public, target, public, target)}
		resolver, _ := z.resolver(t)
		n := newNetworks(t, NetworkOptions{Resolver: resolver})
		d := &dialled{}
		n.direct = d
		w := n.open(t, "flip.example:80")
		family := "ip4"
		if strings.Contains(target, ":") {
			family = "ip" // the first two questions go out together
		}
		for range 4 {
			addresses, err := w.Resolve(context.Background(), family, "flip.example")
			if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound { // each family has an answer of its own
				wantCode(t, target, err, runtime.CodePermissionDenied)
			}
			if slices.Contains(addresses, netip.MustParseAddr(target)) {
				t.Errorf("%s was given to the run", target)
			}
			_, err = w.Dial(context.Background(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(target), 80))
			wantCode(t, target, err, runtime.CodePermissionDenied)
			for _, address := range addresses {
				w.Dial(context.Background(), "tcp", netip.AddrPortFrom(address, 80))
			}
		}
		for _, address := range d.take() {
			if address != "tcp "+public+":80" {
				t.Errorf("%s was dialled", address)
			}
		}
	}
}

// TestRunsConnectToWhatTheyResolved checks that an address is allowed for the names that this run has
// resolved, and with the ports of their rules, and forgotten after many others.
func TestRunsConnectToWhatTheyResolved(t *testing.T) {
	z := zone{"a.example.": fixed("203.0.114.7"), "b.example.": fixed("203.0.114.7"), "c.example.": fixed("203.0.114.8")}
	for i := range maxResolved {
		z[fmt.Sprintf("n%d.many.example.", i)] = fixed(fmt.Sprintf("203.1.%d.%d", i/250, i%250))
	}
	resolver, _ := z.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver})
	d := &dialled{}
	n.direct = d
	w, other := n.open(t, "a.example:1", "b.example:2", "c.example:1", "*.many.example:1"), n.open(t, "a.example:1")
	dial := func(w runtime.Network, to string) runtime.Code {
		_, err := w.Dial(context.Background(), "tcp", netip.MustParseAddrPort(to))
		return runtime.CodeOf(err)
	}
	must := func(to string, allowed bool) {
		t.Helper()
		if code := dial(w, to); allowed != (code == runtime.CodeUnavailable) || !allowed && code != runtime.CodePermissionDenied {
			t.Errorf("%s: %s", to, code)
		}
	}
	resolve := func(name string) {
		t.Helper()
		if _, err := w.Resolve(context.Background(), "ip", name); err != nil {
			t.Fatal(err)
		}
	}
	must("203.0.114.7:1", false)
	resolve("a.example")
	must("203.0.114.7:1", true)
	d.take()
	must("[::ffff:203.0.114.7]:1", true)
	if got := d.take(); !slices.Equal(got, []string{"tcp 203.0.114.7:1"}) {
		t.Errorf("dialled %q", got)
	}
	must("203.0.114.7:2", false)
	must("203.0.114.8:1", false)
	resolve("b.example")
	must("203.0.114.7:1", true)
	must("203.0.114.7:2", true)
	if code := dial(other, "203.0.114.7:1"); code != runtime.CodePermissionDenied {
		t.Errorf("another run: %s", code)
	}
	for i := range maxResolved {
		resolve(fmt.Sprintf("n%d.many.example", i))
		if i == 0 {
			resolve("a.example") // it is remembered again
		}
	}
	must("203.0.114.7:1", true)
	must("203.0.114.7:2", false) // b.example is forgotten
	if r := w.(*network).resolved; len(r) != maxResolved {
		t.Errorf("%d addresses are remembered", len(r))
	}
}

// TestManyAddresses checks that a name with many addresses takes bounded room.
func TestManyAddresses(t *testing.T) {
	var all []string
	for i := range 3 * runtime.MaxAddresses {
		all = append(all, fmt.Sprintf("203.0.114.%d", i))
	}
	resolver, _ := zone{"many.example.": fixed(all...)}.resolver(t)
	got, err := newNetworks(t, NetworkOptions{Resolver: resolver}).open(t, "many.example:1").Resolve(context.Background(), "ip", "many.example")
	if err != nil || len(got) != runtime.MaxAddresses {
		t.Errorf("%d addresses, %v", len(got), err)
	}
}

// TestCeiling checks that the operator bounds what functions reach, when they are deployed and when
// they connect.
func TestCeiling(t *testing.T) {
	resolver, asked := zone{"api.example.com.": fixed("203.0.114.7"), "evil.org.": fixed("203.0.114.7")}.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Ceiling: []string{"*.example.com:443", "203.0.0.0/16:80"}})
	d := &dialled{}
	n.direct = d
	for _, test := range []struct {
		allow   string
		covered bool
	}{
		{"api.example.com:443", true},
		{"*.api.example.com:443", true},
		{"*.example.com:443", true},
		{"example.com:443", false},
		{"api.example.com:80", false},
		{"udp:api.example.com:443", false},
		{"evil.org:443", false},
		{"203.0.114.0/24:80", true},
		{"203.0.114.7:443", false},
		{"0.0.0.0/0:80", false},
	} {
		err := n.CheckAllow("", []string{test.allow})
		if test.covered != (err == nil) {
			t.Errorf("%s: %v", test.allow, err)
		}
		if err != nil {
			wantCode(t, test.allow, err, runtime.CodePermissionDenied)
		}
	}
	for _, to := range []struct {
		host string
		port uint16
		want int
	}{{"evil.org", 443, 0}, {"api.example.com", 81, 0}, {"203.0.114.7", 443, 0}, {"203.0.114.7", 80, 1}, {"api.example.com", 443, 1}} {
		// The function was deployed before there was a ceiling.
		w := n.open(t, "evil.org:443", "api.example.com:443", "api.example.com:81", "203.0.114.7:80", "0.0.0.0/0:443")
		_, err := reach(w, "tcp", to.host, to.port)
		if got := d.take(); len(got) != to.want {
			t.Errorf("%v: dialled %q, %v", to, got, err)
		}
		if to.want == 0 && (runtime.CodeOf(err) != runtime.CodePermissionDenied || !strings.Contains(err.Error(), "operator")) {
			t.Errorf("%v: %v", to, err)
		}
	}
	if slices.Contains(asked.list(), "evil.org.") {
		t.Error("a name beyond the ceiling was looked up")
	}
	none := newNetworks(t, NetworkOptions{Ceiling: []string{runtime.NoEgress}})
	if err := none.CheckAllow("", []string{"api.example.com:443"}); runtime.CodeOf(err) != runtime.CodePermissionDenied {
		t.Errorf("with a ceiling of nothing: %v", err)
	}
	_, err := reach(none.open(t, "203.0.114.7:80"), "tcp", "203.0.114.7", 80)
	wantCode(t, "nothing", err, runtime.CodePermissionDenied)
	for _, ceiling := range [][]string{{"x"}, {"none", "a:80"}, {""}} {
		if _, err := NewNetworks(NetworkOptions{Ceiling: ceiling}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("the ceiling %q: %v", ceiling, err)
		}
	}
}

// TestOperatorLiftsOnlyTheBan checks that the operator's allow list opens nothing that a function does
// not list.
func TestOperatorLiftsOnlyTheBan(t *testing.T) {
	z := zone{"db.internal.": fixed("10.0.0.7"), "cache.internal.": fixed("10.0.0.8"), "lifted.internal.": fixed("10.9.9.9"), "port.internal.": fixed("10.9.9.9")}
	resolver, _ := z.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{"10.0.0.7", "lifted.internal", "port.internal:5432", "64:ff9b::/96", "fd00::/8"}})
	d := &dialled{}
	n.direct = d
	for _, test := range []struct {
		allow, host string
		reached     bool
	}{
		{"db.internal:5432", "db.internal", true},
		{"10.0.0.7:5432", "10.0.0.7", true},
		{"db.internal:6379", "db.internal", false},
		{"other.internal:5432", "db.internal", false},
		{"cache.internal:5432", "cache.internal", false},
		{"lifted.internal:5432", "lifted.internal", true},
		{"10.9.9.9:5432", "10.9.9.9", false}, // the name is lifted, not its address
		{"port.internal:5432", "port.internal", true},
		{"[fd00::1]:5432", "fd00::1", true},
		{"[64:ff9b::/96]:5432", "64:ff9b::cb00:7207", true},
		{"[64:ff9b::/96]:5432", "64:ff9b::a00:7", true},
		{"[64:ff9b::/96]:5432", "64:ff9b::a00:8", false},
		{"[64:ff9b::/96]:5432", "64:ff9b::7f00:1", false},
	} {
		_, err := reach(n.open(t, test.allow), "tcp", test.host, 5432)
		if got := d.take(); (len(got) == 1) != test.reached {
			t.Errorf("with %s, %s: dialled %q, %v", test.allow, test.host, got, err)
		}
		if !test.reached {
			wantCode(t, test.allow, err, runtime.CodePermissionDenied)
		}
	}
}

// TestServerNames checks which names TLS may ask for over a connection.
func TestServerNames(t *testing.T) {
	to := echo(t)
	rule := func(host string) string { return hostPort(host, to.Port()) }
	z := zone{"a.example.": fixed("127.0.0.1"), "cdn.shared.example.": fixed("127.0.0.1")}
	resolver, _ := z.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{loopback}})
	w := n.open(t, rule("a.example"), rule("*.shared.example"), "other.example:1", "udp:udp.example:1")
	c, err := reach(w, "tcp", "a.example", to.Port())
	if err != nil {
		t.Fatal(err)
	}
	for name, allowed := range map[string]bool{
		"": true, "a.example": true, "A.EXAMPLE.": true, "x.shared.example": true,
		"other.example":  true, // through a proxy
		"shared.example": false, "evil.org": false, "udp.example": false, "127.0.0.1": false, "a.example.evil.org": false,
	} {
		for _, check := range []func(string) error{c.CheckServerName, w.CheckServerName} {
			if err := check(name); (err == nil) != allowed || err != nil && runtime.CodeOf(err) != runtime.CodePermissionDenied {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if err := c.CheckServerName("a\r\nb"); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("no name: %v", err)
	}
	w = n.open(t, rule("127.0.0.1"))
	if c, err = reach(w, "tcp", "127.0.0.1", to.Port()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "db.internal"} {
		if err := c.CheckServerName(name); err != nil {
			t.Errorf("over an address that is allowed as such, %q: %v", name, err)
		}
	}
	for name, allowed := range map[string]bool{"127.0.0.1": true, "127.0.0.2": false, "db.internal": false} {
		if err := w.CheckServerName(name); (err == nil) != allowed {
			t.Errorf("over a connection that is not known, %q: %v", name, err)
		}
	}
}

// TestUseIsCounted checks what a run is said to have used.
func TestUseIsCounted(t *testing.T) {
	to := echo(t)
	resolver, _ := zone{"a.example.": fixed("127.0.0.1")}.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{loopback}})
	w := n.open(t, hostPort("a.example", to.Port()), hostPort("127.0.0.1", to.Port()))
	for i := range 3 {
		host := "127.0.0.1"
		if i > 0 {
			host = "a.example"
		}
		c, err := reach(w, "tcp", host, to.Port())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("12345")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := raw.Write(func(fd uintptr) bool { n, err = syscall.Write(int(fd), []byte("abc")); return true }); err != nil || n != 3 {
			t.Fatal(n, err)
		}
		if err := c.Count(n, 0); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			c.Close()
			c.Close()
		}
	}
	if n.server.open != 2 {
		t.Errorf("%d connections are open, want 2", n.server.open)
	}
	used := w.Close()
	if len(used) != 2 {
		t.Fatalf("used: %+v", used)
	}
	for i, want := range []runtime.Egress{
		{Network: "tcp", Host: "127.0.0.1", Port: to.Port(), Connections: 1, Sent: 8, Received: 5},
		{Network: "tcp", Host: "a.example", Port: to.Port(), Connections: 2, Sent: 16, Received: 10},
	} {
		if used[i].Duration <= 0 {
			t.Errorf("no time was counted: %+v", used[i])
		}
		if used[i].Duration = 0; used[i] != want {
			t.Errorf("used %+v, want %+v", used[i], want)
		}
	}
	if again := w.Close(); len(again) != 2 {
		t.Errorf("a second Close: %+v", again)
	}
	if n.server.open != 0 {
		t.Errorf("after the end %d connections are open", n.server.open)
	}
}

// TestUseIsBounded connects to many destinations: the record of them is bounded, and nothing is lost.
func TestUseIsBounded(t *testing.T) {
	to := echo(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	w := n.open(t, "127.0.0.0/8:"+fmt.Sprint(to.Port()))
	const many = runtime.MaxEgress + 5
	for i := range many {
		c, err := n.direct.DialContext(context.Background(), "tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		network := w.(*network)
		if err := network.begin(); err != nil {
			t.Fatal(err)
		}
		k, err := network.add(target{network: "tcp", host: fmt.Sprint("h", i), to: to}, c, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	used := w.Close()
	var sent int64
	for _, e := range used {
		sent += e.Sent
	}
	if len(used) != runtime.MaxEgress+1 || sent != many {
		t.Fatalf("%d destinations, %d bytes", len(used), sent)
	}
	if last := used[runtime.MaxEgress]; last.Host != runtime.OtherHosts || last.Connections != 5 || last.Sent != 5 || last.Port != 0 || last.Network != "" {
		t.Errorf("the others: %+v", last)
	}
}

// TestLimits reaches each limit of a run, a function, a tenant and the server.
func TestLimits(t *testing.T) {
	to := echo(t)
	rule := hostPort("127.0.0.1", to.Port())
	at := time.Now()
	programs := []*runtime.Program{
		{Tenant: "a", FunctionID: "f", Allow: []string{rule}}, {Tenant: "a", FunctionID: "g", Allow: []string{rule}}, {Tenant: "b", FunctionID: "h", Allow: []string{rule}},
	}
	for _, test := range []struct {
		who string
		set func(o *NetworkOptions, l Limits)
		// shares has the programs whose runs share the limit with a run of the first one.
		shares []bool
	}{
		{"the run", func(o *NetworkOptions, l Limits) { o.Run = l }, []bool{false, false, false}},
		{"the function", func(o *NetworkOptions, l Limits) { o.Function = l }, []bool{true, false, false}},
		{"the tenant", func(o *NetworkOptions, l Limits) { o.Tenant = l }, []bool{true, true, false}},
		{"the server", func(o *NetworkOptions, l Limits) { o.Server, o.Tenant.Connections, o.Function.Connections = l, 10, 10 }, []bool{true, true, true}},
	} {
		for _, kind := range []string{"connections", "dials", "bytes"} {
			if kind == "bytes" && test.who == "the server" {
				continue
			}
			o := NetworkOptions{Allow: []string{loopback}, Now: func() time.Time { return at }}
			l, code := Limits{Connections: 3}, runtime.CodeTooBusy
			switch kind {
			case "dials":
				l = Limits{Dials: Rate{3, time.Minute}}
			case "bytes":
				l, code = Limits{Bytes: Rate{3 * countStep, time.Hour}}, runtime.CodeTooLarge
			}
			test.set(&o, l)
			n := newNetworks(t, o)
			first := n.Open(programs[0])
			var last runtime.Connection
			for range 3 {
				c, err := first.Dial(context.Background(), "tcp", to)
				if err != nil {
					t.Fatal(test.who, kind, err)
				}
				last = c
			}
			var err error
			if kind == "bytes" {
				if err := last.Count(countStep, 2*countStep); err != nil {
					t.Errorf("%s: %v at the limit", test.who, err)
				}
				err = last.Count(0, countStep)
			} else {
				_, err = first.Dial(context.Background(), "tcp", to)
			}
			if refused := first.Check("tcp", to); runtime.CodeOf(refused) != code {
				t.Errorf("%s, %s: checked: %v", test.who, kind, refused)
			}
			if runtime.CodeOf(err) != code || !strings.Contains(err.Error(), test.who) {
				t.Errorf("%s, %s: %v", test.who, kind, err)
			}
			if kind == "dials" {
				last.Close() // frees no dial
			}
			for i, shares := range test.shares {
				w := n.Open(programs[i])
				_, err := w.Dial(context.Background(), "tcp", to)
				if shares != (err != nil) || shares && runtime.CodeOf(err) != code {
					t.Errorf("%s, %s: program %d: %v", test.who, kind, i, err)
				}
				w.Close()
			}
			first.Close()
			if kind != "connections" {
				at = at.Add(time.Hour)
			}
			w := n.Open(programs[0])
			if _, err := w.Dial(context.Background(), "tcp", to); err != nil {
				t.Errorf("%s, %s: later: %v", test.who, kind, err)
			}
			w.Close()
			if n.server.open != 0 {
				t.Errorf("%s, %s: %d connections are open", test.who, kind, n.server.open)
			}
		}
	}
}

// TestRefusedDialsCostNothing checks that a dial that one limit refuses is not counted by the others.
func TestRefusedDialsCostNothing(t *testing.T) {
	to := echo(t)
	n := newNetworks(t, NetworkOptions{
		Allow: []string{loopback}, Run: Limits{Connections: 100, Dials: Rate{4, 1000 * time.Hour}}, Function: Limits{Connections: 1},
	})
	w := n.open(t, hostPort("127.0.0.1", to.Port()))
	for range 3 {
		c, err := w.Dial(context.Background(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := w.Dial(context.Background(), "tcp", to); runtime.CodeOf(err) != runtime.CodeTooBusy || !strings.Contains(err.Error(), "the function") {
				t.Errorf("a second connection: %v", err)
			}
		}
		c.Close()
	}
	if _, err := w.Dial(context.Background(), "tcp", to); err != nil {
		t.Errorf("the last dial of the run: %v", err)
	}
	if _, err := w.Dial(context.Background(), "tcp", to); runtime.CodeOf(err) != runtime.CodeTooBusy || !strings.Contains(err.Error(), "the run") {
		t.Errorf("one dial more: %v", err)
	}
}

// TestSmallTransfersAddUp checks that bytes of connections that transfer little count with their function.
func TestSmallTransfersAddUp(t *testing.T) {
	to := echo(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}, Function: Limits{Bytes: Rate{3 * countStep, 1000 * time.Hour}}})
	for i := range 5 {
		w := n.open(t, hostPort("127.0.0.1", to.Port()))
		c, err := w.Dial(context.Background(), "tcp", to)
		if (err != nil) != (i == 4) || err != nil && runtime.CodeOf(err) != runtime.CodeTooLarge {
			t.Fatalf("connection %d: %v", i, err)
		}
		if err == nil {
			if err := c.Count(countStep-1, 0); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		w.Close()
	}
}

// TestMetersAreDropped checks that functions and tenants that use nothing any more take no memory, and
// that those that have used much are remembered.
func TestMetersAreDropped(t *testing.T) {
	at := time.Now()
	m := newMeters("the function", Limits{Dials: Rate{10, time.Minute}, Bytes: Rate{10, time.Minute}})
	used := m.acquire("used", at)
	used.begin(at)
	used.end()
	m.release(used)
	held := m.acquire("held", at)
	for i := range 100 * minSweep {
		m.release(m.acquire(fmt.Sprint(i), at))
	}
	if len(m.all) > 2*minSweep {
		t.Errorf("there are %d meters", len(m.all))
	}
	if m.acquire("used", at) != used || m.acquire("held", at) != held {
		t.Error("a meter that is in use, or was used, is dropped")
	}
}

// TestCloseEndsEverything closes a network while its run waits for look-ups, dials and reads.
func TestCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	silent := make(chan struct{})
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { <-silent; ours.Close() }()
		return theirs, nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr).AddrPort()
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}, Resolver: resolver})
	blocked := make(chan struct{}, 1)
	w := n.Open(&runtime.Program{Tenant: "a", FunctionID: "f", Allow: []string{hostPort("127.0.0.1", to.Port()), "slow.example:1"}})
	c, err := w.Dial(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 3)
	go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
	go func() { _, err := w.Resolve(context.Background(), "ip", "slow.example"); errs <- err }()
	n.direct = dialFunc(func(ctx context.Context) (net.Conn, error) {
		blocked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	go func() { _, err := w.Dial(context.Background(), "tcp", to); errs <- err }()
	<-blocked
	w.Close()
	if open := n.server.open; open != 0 { // nothing goes on once Close has returned
		t.Errorf("%d connections are counted", open)
	}
	for range 3 {
		if err := <-errs; err == nil {
			t.Error("something succeeded")
		}
	}
	if _, err := w.Dial(context.Background(), "tcp", to); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("a dial after the end: %v", err)
	}
	if _, err := w.Resolve(context.Background(), "ip", "slow.example"); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("a look-up after the end: %v", err)
	}
	if n.server.open != 0 || w.(*network).run.open != 0 {
		t.Errorf("%d connections are counted", n.server.open)
	}
	// A dial that succeeds as the run ends opens nothing.
	n.direct = dialFunc(func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		theirs.Close()
		return ours, nil
	})
	if _, err := n.open(t, hostPort("127.0.0.1", to.Port())).Dial(context.Background(), "tcp", to); runtime.CodeOf(err) != runtime.CodeInternal || n.server.open != 0 {
		t.Errorf("a connection that is no socket: %v", err)
	}
	l.Close()
	close(silent)
}

type dialFunc func(ctx context.Context) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return f(ctx) }

// TestNetworkHammer uses one network from many goroutines while it is closed.
func TestNetworkHammer(t *testing.T) {
	to := echo(t)
	resolver, _ := zone{"a.example.": fixed("127.0.0.1")}.resolver(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}, Resolver: resolver, Run: Limits{Connections: 4}})
	for range 20 {
		w := n.open(t, hostPort("a.example", to.Port()))
		var users sync.WaitGroup
		var transferred atomic.Int64
		for range 8 {
			users.Go(func() {
				for range 5 {
					c, err := reach(w, "tcp", "a.example", to.Port())
					if err != nil {
						continue
					}
					c.Write([]byte("x"))
					if k, _ := c.Read(make([]byte, 1)); k == 1 {
						transferred.Add(1)
					}
					c.CheckServerName("a.example")
					c.Close()
				}
			})
		}
		users.Go(func() { w.Close() })
		users.Wait()
		var sent int64
		for _, e := range w.Close() {
			sent += e.Sent
		}
		if sent < transferred.Load() || n.server.open != 0 {
			t.Fatalf("%d bytes counted of %d, %d connections open", sent, transferred.Load(), n.server.open)
		}
	}
}

// TestProxy checks that functions connect to the public internet through the operator's proxy, by the
// address that was checked, and directly to what the operator allows.
func TestProxy(t *testing.T) {
	var asked atomic.Value
	httpProxy := listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": request.Header["Proxy-Authorization"]}}).BasicAuth()
		asked.Store(fmt.Sprint(request.Method, " ", request.RequestURI, " ", user, " ", password))
		switch {
		case strings.HasSuffix(request.RequestURI, ":81"):
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno.")
			return
		case strings.HasSuffix(request.RequestURI, ":82"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2*maxProxyHeader))
			return
		case strings.HasSuffix(request.RequestURI, ":83"):
			io.WriteString(c, "\x05\x00")
			return
		}
		io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nearly ") // with bytes of the destination
		io.Copy(c, r)
	})
	socksProxy := listen(t, func(c net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			io.ReadFull(c, b)
			return b
		}
		methods := read(2)
		read(int(methods[1]))
		c.Write([]byte{5, 2})
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		c.Write([]byte{1, 0})
		head := read(4) // version, command, reserved, IPv4
		b := read(6)
		asked.Store(fmt.Sprintf("%d %d %d.%d.%d.%d:%d %s %s", head[1], head[3], b[0], b[1], b[2], b[3], int(b[4])<<8|int(b[5]), user, password))
		if b[5] == 81 {
			c.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0}) // not allowed
			return
		}
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		io.WriteString(c, "early ")
		io.Copy(c, c)
	})
	to := echo(t)
	resolver, _ := zone{"a.example.": fixed("203.0.114.7")}.resolver(t)
	for url, want := range map[string]string{
		"http://me:secret@" + httpProxy.String():    "CONNECT 203.0.114.7:80 me secret",
		"socks5://me:secret@" + socksProxy.String(): "1 1 203.0.114.7:80 me secret",
	} {
		n := newNetworks(t, NetworkOptions{Proxy: url, Resolver: resolver, Allow: []string{loopback}})
		w := n.open(t, "a.example:80", "a.example:81", "a.example:82", "a.example:83", "udp:a.example:80", hostPort("127.0.0.1", to.Port()), "10.0.0.1:80")
		c, err := reach(w, "tcp", "a.example", 80)
		if err != nil {
			t.Fatal(url, err)
		}
		if asked.Load() != want {
			t.Errorf("the proxy was asked for %q", asked.Load())
		}
		if _, err := c.SyscallConn(); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "hello")
		got := make([]byte, len("early hello"))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "early hello" {
			t.Errorf("received %q, %v", got, err)
		}
		ports := []uint16{81, 82, 83}
		if strings.HasPrefix(url, "socks5") {
			ports = ports[:1]
		}
		for _, port := range ports {
			if _, err := reach(w, "tcp", "a.example", port); runtime.CodeOf(err) != runtime.CodeUnavailable || !strings.Contains(err.Error(), "proxy") {
				t.Errorf("the proxy refuses: %v", err)
			}
		}
		_, err = reach(w, "udp", "a.example", 80)
		wantCode(t, "UDP", err, runtime.CodePermissionDenied)
		asked.Store("")
		if _, err := reach(w, "tcp", "127.0.0.1", to.Port()); err != nil || asked.Load() != "" {
			t.Errorf("what the operator allows: %v, asked %q", err, asked.Load())
		}
		_, err = reach(w, "tcp", "10.0.0.1", 80) // the proxy is no way to private addresses
		wantCode(t, "10.0.0.1", err, runtime.CodePermissionDenied)
		w.Close()
		if asked.Load() != "" || n.server.open != 0 {
			t.Errorf("asked %q, %d connections open", asked.Load(), n.server.open)
		}
	}
	gone := newNetworks(t, NetworkOptions{Proxy: "http://127.0.0.1:1", Resolver: resolver})
	if _, err := reach(gone.open(t, "a.example:80"), "tcp", "a.example", 80); runtime.CodeOf(err) != runtime.CodeUnavailable || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without the proxy: %v", err)
	}
	for _, url := range []string{"x", "http://", "http://a", "https://a:1", "ftp://a:1", "http://a:1/path", "http://a:1?q", "http://user:pass word@a:1", "http://user:secret@a:b"} {
		_, err := NewNetworks(NetworkOptions{Proxy: url})
		if runtime.CodeOf(err) != runtime.CodeInvalidArgument || strings.Contains(err.Error(), "secret") {
			t.Errorf("the proxy %q: %v", url, err)
		}
	}
}

// TestDialEnds checks that a dial through a proxy that does not answer ends with its run.
func TestDialEnds(t *testing.T) {
	accepted := make(chan struct{}, 2)
	silent := listen(t, func(c net.Conn) {
		accepted <- struct{}{}
		io.Copy(io.Discard, c)
	})
	for _, scheme := range []string{"http", "socks5"} {
		n := newNetworks(t, NetworkOptions{Proxy: scheme + "://" + silent.String()})
		w := n.open(t, "203.0.114.7:80")
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-accepted; cancel() }()
		if _, err := w.Dial(ctx, "tcp", netip.MustParseAddrPort("203.0.114.7:80")); runtime.CodeOf(err) != runtime.CodeUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// TestUDP sends datagrams.
func TestUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:n], from)
		}
	}()
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	w := newNetworks(t, NetworkOptions{Allow: []string{loopback}}).open(t, "udp:"+to.String())
	c, err := w.Dial(context.Background(), "udp", to)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("ping"))
	b := make([]byte, 100)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(b); err != nil || string(b[:n]) != "ping" {
		t.Errorf("%q, %v", b[:n], err)
	}
	if used := w.Close(); len(used) != 1 || used[0].Network != "udp" || used[0].Sent != 4 || used[0].Received != 4 {
		t.Errorf("used %+v", used)
	}
}

// BenchmarkDial opens and closes connections, with and without a network around them.
func BenchmarkDial(b *testing.B) {
	to := echo(b)
	n := newNetworks(b, NetworkOptions{Allow: []string{loopback}, Run: Limits{Dials: Rate{1 << 40, time.Second}}, Function: Limits{Dials: Rate{1 << 40, time.Second}}, Tenant: Limits{Dials: Rate{1 << 40, time.Second}}})
	w := n.open(b, "*.example.com:443", hostPort("127.0.0.1", to.Port()))
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			c, err := n.direct.DialContext(context.Background(), "tcp", to.String())
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
	b.Run("network", func(b *testing.B) {
		for b.Loop() {
			c, err := w.Dial(context.Background(), "tcp", to)
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}

// BenchmarkOpen opens and closes the network of a run that connects to nothing.
func BenchmarkOpen(b *testing.B) {
	n := newNetworks(b, NetworkOptions{})
	p := &runtime.Program{Tenant: "a", FunctionID: "f", Allow: []string{"api.example.com:443"}}
	b.ReportAllocs()
	for b.Loop() {
		n.Open(p).Close()
	}
}
