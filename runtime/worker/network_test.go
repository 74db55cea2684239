package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
	"github.com/faaspot/faaspot/test/listener"
)

// testRun is the id of the run in these tests.
const testRun = 7

// lentTo opens the network of a run in a worker: the server's, and the worker's.
func lentTo(t testing.TB, o egress.NetworkOptions, allow ...string) (own runtime.Network, n *network, l *lentNetworks) {
	t.Helper()
	o.Allow = append(o.Allow, "127.0.0.0/8")
	all, err := egress.NewNetworks(o)
	if err != nil {
		t.Fatal(err)
	}
	own = all.Open(&runtime.Program{Tenant: "a", FunctionID: "f", Allow: allow})
	t.Cleanup(func() { own.Close() })
	_, worker := linked(t, func(server *conn) { l = newLentNetworks(server) })
	l.open(testRun, own)
	return own, newNetwork(worker, testRun), l
}

// listen starts a server whose connections end with the test.
func listen(t testing.TB, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	return listener.TCP(t, func(_ context.Context, c net.Conn) { serve(c) })
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// connected connects as the sandbox does.
func connected(t testing.TB, n *network, network string, to netip.AddrPort) (*socket, error) {
	t.Helper()
	c, err := n.Connect(network, to)
	if err != nil {
		return nil, err
	}
	if c == nil {
		t.Fatal("the network needs Dial")
	}
	s := c.(*socket)
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_ = raw.Write(func(uintptr) bool {
		events, err := s.poll()
		return events != 0 || err != nil
	})
	ended, err := s.Connected()
	if !ended {
		t.Fatal("the attempt has not ended")
	}
	return s, err
}

// exchange sends bytes and receives as many, and counts them as the sandbox does.
func exchange(s *socket, p []byte) ([]byte, error) {
	file := s.system.(*os.File)
	if n, err := file.Write(p); err != nil {
		return nil, err
	} else if err := s.Count(n, 0); err != nil {
		return nil, err
	}
	got := make([]byte, len(p))
	for at := 0; at < len(got); {
		n, err := file.Read(got[at:])
		if err != nil {
			return nil, err
		}
		if err := s.Count(0, n); err != nil {
			return nil, err
		}
		at += n
	}
	return got, nil
}

// TestNetworkInAWorker connects, transfers and closes; the server knows what the run has used.
func TestNetworkInAWorker(t *testing.T) {
	to := listen(t, echo)
	own, n, _ := lentTo(t, egress.NetworkOptions{}, to.String())
	if err := n.Check("tcp", to); err != nil {
		t.Error(err)
	}
	for range 3 {
		s, err := connected(t, n, "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		p := bytes.Repeat([]byte("0123456789"), 100)
		if got, err := exchange(s, p); err != nil || !bytes.Equal(got, p) {
			t.Errorf("%q, %v", got, err)
		}
		if err := s.CheckServerName("any.example"); err != nil { // the address is allowed as such
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := n.CheckServerName("other.example"); runtime.CodeOf(err) != runtime.CodePermissionDenied {
		t.Errorf("another server: %v", err)
	}
	c, err := n.Dial(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if c.RemoteAddr().String() != to.String() {
		t.Errorf("the peer is %v", c.RemoteAddr())
	}
	n.Close() // closes what is open, and reports it before the outcome of the run
	barrier(n)
	used := own.Close()
	if len(used) != 1 || used[0].Connections != 4 || used[0].Sent != 3005 || used[0].Received != 3005 {
		t.Errorf("the run has used %+v", used)
	}
}

// barrier returns when the server has handled all notes of the worker.
func barrier(n *network) { _ = n.Check("", netip.AddrPort{}) }

// TestErrorsOfNetworks: a run in a worker gets the errors that it gets without workers.
func TestErrorsOfNetworks(t *testing.T) {
	to := listen(t, echo)
	closed := netip.AddrPortFrom(to.Addr(), 1)
	own, n, _ := lentTo(t, egress.NetworkOptions{Run: egress.Limits{Connections: 2}}, to.String(), closed.String(), "absent.invalid:80", "10.0.0.1:80")
	both := func(what string, f func(n runtime.Network) error) error {
		t.Helper()
		want, got := f(own), f(n)
		a, _ := runtime.AsError(want)
		b, _ := runtime.AsError(got)
		var number, same syscall.Errno
		errors.As(want, &number)
		errors.As(got, &same)
		if a == nil || b == nil || a.Code != b.Code || a.Message != b.Message || a.Hint != b.Hint || a.RetryAfter != b.RetryAfter || number != same {
			t.Errorf("%s: %v (%v), without a worker %v (%v)", what, got, same, want, number)
		}
		return got
	}
	connect := func(network string, to netip.AddrPort) func(n runtime.Network) error {
		return func(n runtime.Network) error {
			c, err := n.(runtime.Connector).Connect(network, to)
			if err != nil {
				return err
			}
			defer c.Close()
			for {
				if ended, err := c.Connected(); ended {
					return err
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
	if err := both("refused", connect("tcp", closed)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	both("not allowed", connect("tcp", netip.MustParseAddrPort("127.0.0.1:2")))
	both("banned", connect("tcp", netip.MustParseAddrPort("10.0.0.1:80")))
	both("no protocol", connect("sctp", to))
	both("no address", connect("tcp", netip.AddrPort{}))
	both("dial", func(n runtime.Network) error { _, err := n.Dial(context.Background(), "tcp", closed); return err })
	both("check", func(n runtime.Network) error { return n.Check("udp", to) })
	both("resolve", func(n runtime.Network) error {
		_, err := n.Resolve(context.Background(), "ip", "other.example")
		return err
	})
	both("no host", func(n runtime.Network) error { _, err := n.Resolve(context.Background(), "ip", "..."); return err })
	both("server name", func(n runtime.Network) error { return n.CheckServerName("other.example") })
	for range 2 {
		if _, err := connected(t, n, "tcp", to); err != nil {
			t.Fatal(err)
		}
	}
	both("too many", connect("tcp", to))
	n.Close()
	barrier(n)
	if s, err := connected(t, n, "tcp", to); err == nil {
		t.Errorf("after Close: %v", s)
	}
	own.Close()
	both("after the end", connect("tcp", to))
}

// slow is a network that reports the end of some time in the ways of package egress.
type slow struct{ runtime.Network }

func (slow) Dial(ctx context.Context, _ string, _ netip.AddrPort) (runtime.Connection, error) {
	return nil, &runtime.Error{Code: runtime.CodeUnavailable, Message: "no answer", Err: os.ErrDeadlineExceeded}
}

func (slow) Resolve(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestTimeoutsCross: a timeout arrives as the number of the system, and the end of a context ends a look-up.
func TestTimeoutsCross(t *testing.T) {
	var l *lentNetworks
	_, worker := linked(t, func(server *conn) { l = newLentNetworks(server) })
	l.open(testRun, slow{})
	n := newNetwork(worker, testRun)
	if _, err := n.Dial(context.Background(), "tcp", netip.MustParseAddrPort("127.0.0.1:2")); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Error(err)
	}
	if c, err := n.Connect("tcp", netip.MustParseAddrPort("127.0.0.1:2")); c != nil || err != nil {
		t.Errorf("a network that needs Dial: %v, %v", c, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := n.Resolve(ctx, "ip", "slow.test"); err == nil {
		t.Error("a look-up without an answer succeeded")
	}
}

// TestSocketsEndWithTheirRun: a worker that keeps descriptors cannot use them after the end of the run.
func TestSocketsEndWithTheirRun(t *testing.T) {
	ended := make(chan struct{})
	to := listen(t, func(c net.Conn) { echo(c); close(ended) })
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	datagrams := peer.LocalAddr().(*net.UDPAddr).AddrPort()
	own, n, l := lentTo(t, egress.NetworkOptions{}, to.String(), "udp:"+datagrams.String())
	var kept []int
	for network, to := range map[string]netip.AddrPort{"tcp": to, "udp": datagrams} {
		s, err := connected(t, n, network, to)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := duplicate(s.system.(*os.File))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if _, err := unix.Write(fd, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if network == "tcp" { // which acknowledges it
			if _, err := io.ReadFull(s.system.(*os.File), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		// As late as possible: the last close would wait for the peer.
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600}); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, fd)
	}
	l.close(testRun)
	used := own.Close()
	for _, fd := range kept {
		if n, err := unix.Write(fd, []byte("b")); !errors.Is(err, unix.EPIPE) {
			t.Errorf("a descriptor still sends: %d, %v", n, err)
		}
	}
	<-ended // the peer sees the end although the worker has the descriptor
	if i := slices.IndexFunc(used, func(e runtime.Egress) bool { return e.Network == "tcp" }); len(used) != 2 || used[i].Sent < 98 || used[i].Received < 98 {
		t.Errorf("the run has used %+v, although the kernel knows more", used)
	}
	if _, err := n.Connect("tcp", to); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("after the end of the run: %v", err)
	}
}

// TestLimitsOfLentSockets: the limits hold for a worker that reports, within what it may leave unreported,
// and for one that does not, within the time between two looks at what the kernel has counted.
func TestLimitsOfLentSockets(t *testing.T) {
	const limit = 8 * runtime.MiB
	o := egress.NetworkOptions{Run: egress.Limits{Bytes: egress.Rate{Amount: limit, Period: time.Hour}}}
	to := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	t.Run("reported", func(t *testing.T) {
		_, n, _ := lentTo(t, o, to.String())
		s, err := connected(t, n, "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		p, sent := make([]byte, 64*runtime.KiB), 0
		for err == nil && sent < 2*limit+maxUncounted {
			var n int
			if n, err = s.system.(*os.File).Write(p); err == nil {
				err = s.Count(n, 0)
			}
			sent += n
		}
		if runtime.CodeOf(err) != runtime.CodeTooLarge || sent <= limit || sent > limit+maxUncounted+len(p) {
			t.Errorf("%v after %d bytes", err, sent)
		}
	})
	t.Run("reported twice", func(t *testing.T) {
		own, _, _ := lentTo(t, o, to.String())
		s, err := own.Dial(context.Background(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		lent := &lentSocket{Socket: s, grace: time.Hour}
		for range 2 { // as when a report that does not wait is overtaken
			if err := lent.count(2*limit, 0); runtime.CodeOf(err) != runtime.CodeTooLarge {
				t.Error(err)
			}
		}
	})
	t.Run("not reported", func(t *testing.T) {
		ended := make(chan struct{})
		to := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); close(ended) })
		own, n, l := lentTo(t, o, to.String())
		l.grace = time.Millisecond
		l.open(testRun, own)
		s, err := connected(t, n, "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		file := s.system.(*os.File)
		if _, err := file.Write(make([]byte, limit+maxUncounted+1)); err != nil {
			t.Fatal(err)
		}
		for open := true; open; {
			l.audit()
			select {
			case <-ended:
				open = false
			case <-time.After(10 * time.Millisecond): // the peer has not acknowledged all
			}
		}
		if _, err := file.Write([]byte("x")); err == nil {
			t.Error("the socket still sends")
		}
	})
}

// TestHostileNetworkCalls: a worker reaches nothing that its runs do not reach, and leaves nothing behind.
func TestHostileNetworkCalls(t *testing.T) {
	to := listen(t, echo)
	before := countFiles(t) - 1 // the listener
	t.Run("flood", func(t *testing.T) {
		own, n, l := lentTo(t, egress.NetworkOptions{}, to.String())
		if _, err := newNetwork(n.conn, testRun+1).Connect("tcp", to); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Errorf("the network of another run: %v", err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		open, refused := 0, 0
		for range 300 {
			all.Go(func() {
				c, err := n.Connect("tcp", to)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && c != nil:
					open++
				case runtime.CodeOf(err) == runtime.CodeTooBusy:
					refused++
				default:
					t.Errorf("%v, %v", c, err)
				}
			})
		}
		all.Wait()
		if open != 128 || refused != 300-128 {
			t.Errorf("%d sockets are open, %d were refused", open, refused)
		}
		// What the worker says of sockets and runs that there are not changes nothing.
		n.conn.send(kindHangUp, wire.AppendUint(wire.AppendUint(wire.AppendUint(n.request(), 1<<40), 1), 1))
		n.conn.send(kindMade, wire.AppendUint(wire.AppendUint(nil, 99), 1))
		if _, err := n.ask(context.Background(), kindConnected, wire.AppendUint(n.request(), 1<<40)); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Errorf("a socket that there is not: %v", err)
		}
		n.Close()
		barrier(n)
		left := l.find(testRun)
		left.mu.Lock()
		if len(left.sockets) != 0 { // the server has handled all notes
			t.Errorf("%d sockets are left", len(left.sockets))
		}
		left.mu.Unlock()
		l.mu.Lock()
		if l.lent != 0 {
			t.Errorf("%d sockets are counted", l.lent)
		}
		l.most = 2
		l.mu.Unlock()
		again := newNetwork(n.conn, testRun)
		for i, want := range []runtime.Code{"", "", runtime.CodeTooBusy, runtime.CodeTooBusy} {
			if _, err := again.Connect("tcp", to); runtime.CodeOf(err) != want {
				t.Errorf("socket %d of a worker that may have 2: %v", i, err)
			}
		}
		l.close(testRun)
		again.Close()
		l.mu.Lock()
		if l.lent != 0 {
			t.Errorf("%d sockets are counted after the run", l.lent)
		}
		l.mu.Unlock()
		own.Close()
		waitForFiles(t, before+3) // the connection, and the listener
	})
	for name, send := range map[string]func(c *conn){
		"an empty call": func(c *conn) { _, _, _ = c.call(context.Background(), kindConnect, nil) },
		"a port out of range": func(c *conn) {
			_, _, _ = c.call(context.Background(), kindConnect, wire.AppendUint(appendTarget(wire.AppendUint(nil, testRun), "tcp", netip.AddrPort{}), 1))
		},
		"a long host": func(c *conn) {
			_, _, _ = c.call(context.Background(), kindResolve, wire.AppendBytes(wire.AppendBytes(wire.AppendUint(nil, testRun), "ip"), make([]byte, maxHostText+1)))
		},
		"a negative count": func(c *conn) {
			c.send(kindHangUp, wire.AppendUint(wire.AppendUint(wire.AppendUint(wire.AppendUint(nil, testRun), 1), 1<<63), 0))
		},
		"a note that is no note": func(c *conn) { c.send(kindConnect, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var l *lentNetworks
			_, worker := linked(t, func(server *conn) { l = newLentNetworks(server) })
			l.open(testRun, slow{})
			send(worker)
			if err := newNetwork(worker, testRun+1).Check("tcp", to); !errors.Is(err, errEnded) {
				t.Errorf("the connection goes on: %v", err)
			}
		})
	}
	waitForFiles(t, before+1)
}
