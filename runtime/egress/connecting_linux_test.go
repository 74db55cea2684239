package egress

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// silent returns the address of a server that answers no further attempt to connect until accept was called.
func silent(t testing.TB) (to netip.AddrPort, accept func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
	first, err := net.Dial("tcp", to.String()) // it fills the queue
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close() })
	return to, func() {
		if fd, _, err := unix.Accept(fd); err != nil {
			t.Error(err)
		} else {
			unix.Close(fd)
		}
	}
}

// connect begins to connect.
func connect(t testing.TB, w runtime.Network, network string, to netip.AddrPort) runtime.Connecting {
	t.Helper()
	c, err := w.(runtime.Connector).Connect(network, to)
	if err != nil || c == nil {
		t.Fatalf("connecting to %s: %v, %v", to, c, err)
	}
	return c
}

// ending waits until an attempt has ended, as the poller does, and returns its error.
func ending(t testing.TB, c runtime.Connecting) error {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(20 * time.Second)) // an error: it is closed
	_ = raw.Write(func(fd uintptr) bool {
		ready, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0)
		return ready == 1
	})
	ended, err := c.Connected()
	if again, same := c.Connected(); !ended || again != ended || !errors.Is(same, err) {
		t.Errorf("Connected returns %v, %v, and then %v, %v", ended, err, again, same)
	}
	return err
}

// idle checks that a network has no connection, and that the process has as many files as before.
func idle(t testing.TB, n *Networks, files int) {
	t.Helper()
	n.server.mu.Lock()
	open := n.server.open
	n.server.mu.Unlock()
	if now := openFiles(t); open != 0 || now > files {
		t.Errorf("%d connections are open, and %d files of %d", open, now, files)
	}
}

func openFiles(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestConnectWithoutWaiting(t *testing.T) {
	to := echo(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	w := n.open(t, to.String())
	c := connect(t, w, "tcp", to)
	if err := ending(t, c); err != nil {
		t.Fatal(err)
	}
	if err := control(c.(system), func(fd int) {
		if _, err := unix.Write(fd, []byte("ping")); err != nil {
			t.Error(err)
		}
		for _, o := range [][2]int{{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}} {
			if on, err := unix.GetsockoptInt(fd, o[0], o[1]); err != nil || (on != 0) != (o[1] == unix.TCP_NODELAY) {
				t.Errorf("option %v: %d, %v", o, on, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Count(4, 0); err != nil {
		t.Error(err)
	}
	if used := w.Close(); len(used) != 1 || used[0].Connections != 1 || used[0].Sent != 4 {
		t.Errorf("used %+v", used)
	}
	if err := control(c.(system), func(int) { t.Error("a closed connection has a descriptor") }); err == nil {
		t.Error("a closed connection can be used")
	}
}

// TestConnectFails: each way to fail has the error of Dial, is no connection that was used, and leaves nothing.
func TestConnectFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	quiet, _ := silent(t)
	everyone := netip.MustParseAddrPort("255.255.255.255:7")
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback, "255.255.255.255"}})
	n.patience = 50 * time.Millisecond
	files := openFiles(t)
	for _, test := range []struct {
		name string
		to   netip.AddrPort
		is   error
		says string
	}{
		{"refused", refusing, syscall.ECONNREFUSED, "refused"},
		{"unreachable", everyone, syscall.ENETUNREACH, "cannot connect"},
		{"silent", quiet, os.ErrDeadlineExceeded, "no answer arrived in time"},
	} {
		w := n.open(t, test.to.String())
		c, err := w.(runtime.Connector).Connect("tcp", test.to)
		if err == nil {
			err = ending(t, c)
			c.Close()
		}
		wantCode(t, test.name, err, runtime.CodeUnavailable)
		if !errors.Is(err, test.is) || !strings.Contains(runtimeMessage(err), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
		idle(t, n, files)
		if used := w.Close(); len(used) != 0 {
			t.Errorf("%s: used %+v", test.name, used)
		}
	}
}

// TestConnectIsChecked: what Dial refuses, Connect refuses, and what takes a wait is left to Dial.
func TestConnectIsChecked(t *testing.T) {
	to := echo(t)
	quiet, _ := silent(t)
	denied := newNetworks(t, NetworkOptions{}).open(t, to.String())
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}, Run: Limits{Connections: 1}})
	unlisted := n.open(t, "127.0.0.1:1")
	for _, w := range []runtime.Network{denied, unlisted} {
		c, err := w.(runtime.Connector).Connect("tcp", to)
		wantCode(t, "denied", err, runtime.CodePermissionDenied)
		if c != nil {
			t.Error("a refused address has a connection")
		}
	}
	w := n.open(t, to.String(), quiet.String())
	c := connect(t, w, "tcp", quiet)
	_, err := w.(runtime.Connector).Connect("tcp", to)
	wantCode(t, "while another connects", err, runtime.CodeTooBusy)
	c.Close()
	connect(t, w, "tcp", to)
	w.Close()
	_, err = w.(runtime.Connector).Connect("tcp", to)
	wantCode(t, "after the end", err, runtime.CodeUnavailable)
	proxied := newNetworks(t, NetworkOptions{Proxy: "http://127.0.0.1:1"}).open(t, "203.0.114.7:80", "udp:203.0.114.7:80")
	if c, err := proxied.(runtime.Connector).Connect("tcp", netip.MustParseAddrPort("203.0.114.7:80")); c != nil || err != nil {
		t.Errorf("with a proxy: %v, %v", c, err)
	}
	_, err = proxied.(runtime.Connector).Connect("udp", netip.MustParseAddrPort("203.0.114.7:80"))
	wantCode(t, "UDP with a proxy", err, runtime.CodePermissionDenied)
}

// TestClosedWhileConnecting: the end of a network ends its attempts, also those in use at the moment, and no
// descriptor is used after it was closed.
func TestClosedWhileConnecting(t *testing.T) {
	quiet, _ := silent(t)
	to := echo(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	files := openFiles(t)
	for range 50 {
		w := n.open(t, to.String(), quiet.String())
		waiting := connect(t, w, "tcp", quiet)
		var using sync.WaitGroup
		using.Go(func() {
			err := ending(t, waiting)
			wantCode(t, "closed while connecting", err, runtime.CodeUnavailable)
		})
		for range 4 {
			using.Go(func() {
				for {
					c, err := w.(runtime.Connector).Connect("tcp", to)
					if err != nil {
						return
					}
					for ended := false; !ended; ended, _ = c.Connected() {
					}
					c.Close()
				}
			})
		}
		w.Close()
		using.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); openFiles(t) > files && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	} // the server closes its ends
	idle(t, n, files)
}

// TestDescriptorsAreNotReused: a connection that was closed does not reach a later file with its number.
func TestDescriptorsAreNotReused(t *testing.T) {
	to := echo(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	w := n.open(t, to.String())
	c := connect(t, w, "tcp", to)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	if err := raw.Control(func(fd uintptr) { number = int(fd) }); err != nil {
		t.Fatal(err)
	}
	w.Close()
	reused, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, number)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(reused)
	if reused != number {
		t.Skipf("another part of the process has got the descriptor %d", number)
	}
	if raw.Control(func(uintptr) { t.Error("a closed connection uses a descriptor") }) == nil {
		t.Error("a closed connection has no error")
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(reused), unix.F_GETFD, 0); err != nil {
		t.Errorf("closing again has closed another file: %v", err)
	}
}
