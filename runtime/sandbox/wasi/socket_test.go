package wasi

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// testNetwork reaches its own servers on the loopback interface, and nothing else.
type testNetwork struct {
	echo, echo6, refusing, datagrams netip.AddrPort

	mu             sync.Mutex
	sent, received int
	open           int
	limit          int           // bytes; 0: none
	hold           chan struct{} // dials wait for it, if it is not nil
	accepted       chan net.Conn // connections to echo, if it is not nil
}

// newTestNetwork starts the servers: two that return what they receive, and one for datagrams.
func newTestNetwork(t testing.TB) *testNetwork {
	n := &testNetwork{}
	serve := func(address string) netip.AddrPort {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("no server at %s: %v", address, err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if accepted := n.keepsAccepted(); accepted != nil {
					accepted <- c
					continue
				}
				go func() {
					defer c.Close()
					io.Copy(c, c)
				}()
			}
		}()
		return l.Addr().(*net.TCPAddr).AddrPort()
	}
	n.echo, n.echo6 = serve("127.0.0.1:0"), serve("[::1]:0")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.refusing = closed.Addr().(*net.TCPAddr).AddrPort()
	closed.Close()
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	n.datagrams = u.LocalAddr().(*net.UDPAddr).AddrPort()
	go func() {
		b := make([]byte, 1<<16)
		for {
			k, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			u.WriteToUDPAddrPort(b[:k], from)
		}
	}()
	return n
}

// keepAccepted makes the servers pass their connections on.
func (n *testNetwork) keepAccepted() chan net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accepted = make(chan net.Conn, 100)
	return n.accepted
}

func (n *testNetwork) keepsAccepted() chan net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.accepted
}

// holdDials makes dials wait until the channel is closed; nil: they do not.
func (n *testNetwork) holdDials(until chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold = until
}

func (n *testNetwork) Check(_ string, to netip.AddrPort) error {
	if !to.Addr().Unmap().IsLoopback() {
		return runtime.Errorf(runtime.CodePermissionDenied, "%s is not in the allow list of the function", to).WithHint("add it")
	}
	return nil
}

func (n *testNetwork) Resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	switch host {
	case "both", "hosts":
		return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}, nil
	case "never":
		<-ctx.Done()
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the look-up has ended")
	case "denied":
		return nil, runtime.Errorf(runtime.CodePermissionDenied, "denied is not in the allow list of the function")
	case "down":
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the name server does not respond")
	}
	return nil, runtime.Errorf(runtime.CodeNotFound, "there is no host %q", host)
}

// testConnection is a connection that counts itself.
type testConnection struct {
	net.Conn
	n    *testNetwork
	once sync.Once
}

func (c *testConnection) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (c *testConnection) Count(sent, received int) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.sent += sent
	c.n.received += received
	if c.n.limit > 0 && c.n.sent+c.n.received > c.n.limit {
		return runtime.Errorf(runtime.CodeTooLarge, "the run has transferred its limit of bytes")
	}
	return nil
}

func (c *testConnection) CheckServerName(name string) error { return c.n.CheckServerName(name) }

// CheckServerName refuses one name.
func (n *testNetwork) CheckServerName(name string) error {
	if name == "denied.example" {
		return runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach %s: it is not in its allow list", name)
	}
	return nil
}

func (c *testConnection) Close() error {
	c.once.Do(func() {
		c.n.mu.Lock()
		c.n.open--
		c.n.mu.Unlock()
	})
	return c.Conn.Close()
}

func (n *testNetwork) Dial(ctx context.Context, network string, to netip.AddrPort) (runtime.Connection, error) {
	if err := n.Check(network, to); err != nil {
		return nil, err
	}
	n.mu.Lock()
	hold := n.hold
	n.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, to.String())
	if err != nil {
		return nil, &runtime.Error{Code: runtime.CodeUnavailable, Message: "no connection", Err: err}
	}
	n.mu.Lock()
	n.open++
	n.mu.Unlock()
	return &testConnection{Conn: c, n: n}, nil
}

func (n *testNetwork) Close() []runtime.Egress { return nil }

// newNetRig returns a rig whose run has a network.
func newNetRig(t testing.TB) (*rig, *testNetwork) {
	r := newRig(t)
	r.network = newTestNetwork(t)
	r.sys.Connect(r.network)
	t.Cleanup(func() { r.reset(nil) })
	return r, r.network
}

func (r *rig) must(what string, err errno) {
	r.t.Helper()
	r.want(what, err, success)
}

// socket opens a socket for addresses like a.
func (r *rig) socket(kind uint64, a netip.AddrPort) uint64 {
	r.t.Helper()
	r.must("sock_open", r.call("sock_open", uint64(familyOf(a.Addr())), kind, atResult))
	return uint64(r.result())
}

func (r *rig) pair(kind uint64) (a, b uint64) {
	r.t.Helper()
	r.must("sock_pair", r.call("sock_pair", kind, atResult))
	second, _ := r.mem.ReadUint32Le(atResult + 4)
	return uint64(r.result()), uint64(second)
}

// at writes an address into the guest's memory.
func (r *rig) at(a netip.AddrPort) uint64 {
	b, _ := r.mem.Read(atPath2, addressSize)
	putAddress(b, familyOf(a.Addr()), a)
	return atPath2
}

func (r *rig) connect(fd uint64, to netip.AddrPort) errno {
	return r.call("sock_connect", fd, r.at(to))
}

func (r *rig) nonBlocking(fd uint64) {
	r.t.Helper()
	r.must("fd_fdstat_set_flags", r.call("fd_fdstat_set_flags", fd, flagNonblock))
}

func (r *rig) send(fd uint64, text string, flags uint64) (int, errno) {
	at, n := r.put(atBuffer, text)
	err := r.call("sock_send_to", fd, at, n, flags, 0, atResult)
	return int(r.result()), err
}

func (r *rig) receive(fd uint64, n, flags uint64) (string, errno) {
	if err := r.call("sock_recv_from", fd, atBuffer, n, flags, atPath, atResult); err != success {
		return "", err
	}
	b, _ := r.mem.Read(atBuffer, r.result())
	return string(b), success
}

func (r *rig) gets(fd uint64, n, flags uint64, want string) {
	r.t.Helper()
	got, err := r.receive(fd, n, flags)
	if err != success || got != want {
		r.t.Fatalf("received %q (errno %d), want %q", got, err, want)
	}
}

func (r *rig) option(fd, level, name uint64) int32 {
	r.t.Helper()
	r.must("sock_getopt", r.call("sock_getopt", fd, level, name, atResult))
	return int32(r.result())
}

func (r *rig) reason() string {
	if r.call("sock_reason", atBuffer, 500, atResult) != success {
		return ""
	}
	b, _ := r.mem.Read(atBuffer, r.result())
	return string(b)
}

// waits polls one descriptor for at most 10 s.
func (r *rig) waits(fd uint64, kind uint8, others ...uint64) []answer {
	r.t.Helper()
	all := []subscription{{user: 1, kind: kind, clock: uint32(fd)}, {user: 2, timeout: 10e9, clock: clockMonotonic}}
	for i, other := range others {
		all = append(all, subscription{user: uint64(3 + i), kind: eventFdRead, clock: uint32(other)})
	}
	got, err := r.poll(0x20000, 0x21000, all...)
	r.must("poll_oneoff", err)
	return got
}

func TestStream(t *testing.T) {
	r, n := newNetRig(t)
	for _, to := range []netip.AddrPort{n.echo, n.echo6} {
		fd := r.socket(sockStream, to)
		if _, err := r.receive(fd, 5, 0); err != eNOTCONN {
			t.Errorf("receiving before connect: errno %d", err)
		}
		r.must("connect", r.connect(fd, to))
		r.want("connect again", r.connect(fd, to), eISCONN)
		if k, err := r.send(fd, "hello", 0); k != 5 || err != success {
			t.Fatalf("sent %d, errno %d", k, err)
		}
		r.gets(fd, 3, msgPeek, "hel")
		r.gets(fd, 3, 0, "hel")
		r.gets(fd, 100, 0, "lo")
		if _, err := r.receive(fd, 5, msgDontWait); err != eAGAIN {
			t.Errorf("receiving nothing without waiting: errno %d", err)
		}
		r.send(fd, "abcdef", 0)
		r.gets(fd, 6, msgWaitAll, "abcdef")

		r.must("name", r.call("sock_name", fd, 1, atPath))
		if got, err := r.mem.readAddress(atPath); err != success || got != to {
			t.Errorf("the peer is %v, want %v", got, to)
		}
		r.must("name", r.call("sock_name", fd, 0, atPath))
		if got, _ := r.mem.readAddress(atPath); !got.Addr().IsUnspecified() || got.Port() == 0 {
			t.Errorf("the socket's own address is %v", got)
		}
		r.want("shutdown", r.call("sock_shutdown", fd, 2), success)
		r.gets(fd, 10, 0, "") // the end
		if k, err := r.send(fd, "x", 0); err != ePIPE {
			t.Errorf("sent %d after shutdown, errno %d", k, err)
		}
		r.must("close", r.call("fd_close", fd))
	}
	if n.open != 0 || r.control.connections != 0 || n.sent != 22 || n.received != 22 {
		t.Errorf("%d connections are open, %d held; sent %d, received %d", n.open, r.control.connections, n.sent, n.received)
	}
}

// TestLargeTransfers sends more than all buffers hold, so that both directions wait.
func TestLargeTransfers(t *testing.T) {
	r, n := newNetRig(t)
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	r.nonBlocking(fd)
	const total = 20 << 20
	sent, received := 0, 0
	piece := strings.Repeat("0123456789abcdef", 1<<12)
	for received < total {
		if sent < total {
			if k, err := r.send(fd, piece, 0); err == success {
				sent += k
			} else if err != eAGAIN {
				t.Fatalf("errno %d", err)
			}
		}
		if got, err := r.receive(fd, 1<<16, 0); err == success {
			received += len(got)
		} else if err != eAGAIN {
			t.Fatalf("errno %d", err)
		} else if sent >= total {
			r.waits(fd, eventFdRead)
		}
	}
	if n.sent != sent || n.received != received {
		t.Errorf("counted %d and %d, want %d and %d", n.sent, n.received, sent, received)
	}
}

// TestBlockingSendSendsAll: a stream that waits takes the whole buffer.
func TestBlockingSendSendsAll(t *testing.T) {
	r, _ := newNetRig(t)
	a, b := r.pair(sockStream)
	dup := r.sys.opened[r.sys.table[b]-1].socket.ends[0]
	go func() { // the other side reads slowly
		buffer := make([]byte, 1<<14)
		for got := 0; got < 1<<20; {
			k, err := dup.receive(buffer, 0)
			if err == eAGAIN {
				time.Sleep(time.Millisecond)
				continue
			}
			if err != success { // the test has ended
				return
			}
			got += k
		}
	}()
	if k, err := r.send(a, strings.Repeat("x", 1<<20), 0); k != 1<<20 || err != success {
		t.Errorf("sent %d, errno %d", k, err)
	}
}

func TestConnectWithoutWaiting(t *testing.T) {
	r, n := newNetRig(t)
	held := make(chan struct{})
	n.holdDials(held)
	fd := r.socket(sockStream, n.echo)
	r.nonBlocking(fd)
	r.want("connect", r.connect(fd, n.echo), eINPROGRESS)
	r.want("connect again", r.connect(fd, n.echo), eALREADY)
	if got, _ := r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdWrite, clock: uint32(fd)}, subscription{user: 2, clock: clockMonotonic}); len(got) != 1 || got[0].user != 2 {
		t.Errorf("polling a socket that connects gives %v", got)
	}
	time.AfterFunc(20*time.Millisecond, func() { close(held) })
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 || got[0].err != success {
		t.Fatalf("waiting for the connection gives %v", got)
	}
	if e := r.option(fd, solSocket, soError); e != 0 {
		t.Errorf("SO_ERROR is %d", e)
	}
	r.send(fd, "ping", 0)
	r.waits(fd, eventFdRead)
	r.gets(fd, 10, 0, "ping")

	fd = r.socket(sockStream, n.refusing)
	r.nonBlocking(fd)
	r.want("connect", r.connect(fd, n.refusing), eINPROGRESS)
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 {
		t.Fatalf("waiting for a refused connection gives %v", got)
	}
	if e := errno(r.option(fd, solSocket, soError)); e != eCONNREFUSED {
		t.Errorf("SO_ERROR is %d", e)
	}
	if e := r.option(fd, solSocket, soError); e != 0 {
		t.Errorf("the second SO_ERROR is %d", e)
	}
	r.want("connect and wait", r.connect(r.socket(sockStream, n.refusing), n.refusing), eCONNREFUSED)
}

func TestDatagrams(t *testing.T) {
	r, n := newNetRig(t)
	fd := r.socket(sockDgram, n.datagrams)
	r.want("send nowhere", r.call("sock_send_to", fd, atBuffer, 1, 0, 0, atResult), eDESTADDRREQ)
	at, size := r.put(atBuffer, "to")
	for range 3 {
		r.must("send", r.call("sock_send_to", fd, at, size, 0, r.at(n.datagrams), atResult))
		r.gets(fd, 100, 0, "to")
		if from, _ := r.mem.readAddress(atPath); from != n.datagrams {
			t.Errorf("received from %v", from)
		}
	}
	if n.open != 1 {
		t.Errorf("%d connections for one peer", n.open)
	}
	r.must("connect", r.connect(fd, n.datagrams))
	r.send(fd, "long datagram", 0)
	r.gets(fd, 4, 0, "long") // the rest is lost
	r.send(fd, "", 0)
	r.gets(fd, 4, 0, "")
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 {
		t.Errorf("a socket of datagrams is not writable: %v", got)
	}
	r.must("disconnect", r.call("sock_connect", fd, atZero))
	if n.open != 0 {
		t.Errorf("%d connections are open", n.open)
	}
	r.want("to many", func() (err errno) {
		for port := uint16(1); err == success && port <= maxPeers+1; port++ {
			err = r.call("sock_send_to", fd, at, 0, 0, r.at(netip.AddrPortFrom(n.datagrams.Addr(), port)), atResult)
		}
		return err
	}(), eNOBUFS)
}

// atZero is memory that is zero: no address.
const atZero = 0x1f000

func TestPair(t *testing.T) {
	r, _ := newNetRig(t)
	a, b := r.pair(sockStream)
	at, size := r.put(atBuffer, "through")
	binary.LittleEndian.PutUint32(r.bytes(atVector, 8), uint32(at))
	binary.LittleEndian.PutUint32(r.bytes(atVector, 8)[4:], uint32(size))
	r.must("fd_write", r.call("fd_write", a, atVector, 1, atResult))
	if got := r.waits(b, eventFdRead); len(got) != 1 || got[0].user != 1 {
		t.Fatalf("got %v", got)
	}
	r.must("fd_read", r.call("fd_read", b, atVector, 1, atResult))
	if string(r.bytes(atBuffer, r.result())) != "through" {
		t.Errorf("read %q", r.bytes(atBuffer, r.result()))
	}
	r.must("fd_dup", r.call("fd_dup", a, 0xffffffff, atResult))
	dup := uint64(r.result())
	r.must("close", r.call("fd_close", a))
	r.send(dup, "still open", 0)
	r.gets(b, 100, 0, "still open")
	r.must("close", r.call("fd_close", dup))
	r.gets(b, 100, 0, "")
	if r.control.connections != 1 {
		t.Errorf("%d connections are held", r.control.connections)
	}
}

func (r *rig) bytes(at, n uint32) []byte {
	b, _ := r.mem.Read(at, n)
	return b
}

// TestNoPathOpensASocket: /dev/fd/N names a socket, and opens nothing.
func TestNoPathOpensASocket(t *testing.T) {
	r, _ := newNetRig(t)
	a, _ := r.pair(sockStream)
	if a != 4 {
		t.Fatalf("the socket is descriptor %d", a)
	}
	_, err := r.open("dev/fd/4", 0, forBoth)
	r.want("open", err, eNOENT)
	at, n := r.put(atPath, "dev/fd/4")
	r.want("stat", r.call("path_filestat_get", 3, 1, at, n, atBuffer), eNOENT)
	r.must("fstat", r.call("fd_filestat_get", a, atBuffer))
	if got := r.bytes(atBuffer, filestatSize); got[0] != deviceSockets || got[16] != typeSocketStream {
		t.Errorf("the attributes of a socket are %v", got)
	}
	for _, name := range []string{"fd_seek", "fd_tell", "fd_pread", "fd_advise", "fd_allocate"} {
		p := make([]uint64, len(functionNamed(name).params))
		p[0], p[len(p)-1] = a, atResult
		if err := r.call(name, p...); err != eSPIPE {
			t.Errorf("%s: errno %d", name, err)
		}
	}
}

// TestPollReportsSockets: many sockets, of which some are ready, and a wait ends for no other reason
// than a ready socket or the clock.
func TestPollReportsSockets(t *testing.T) {
	r, _ := newNetRig(t)
	const pairs = 50
	var sides [pairs][2]uint64
	var subs []subscription
	for i := range sides {
		sides[i][0], sides[i][1] = r.pair(sockStream)
		r.nonBlocking(sides[i][1])
		subs = append(subs, subscription{user: uint64(i), kind: eventFdRead, clock: uint32(sides[i][1])})
	}
	subs = append(subs, subscription{user: 1000, timeout: 10e9, clock: clockMonotonic})
	for round := range 30 {
		var want []uint64
		for i := range sides {
			if (i*7+round)%10 == 0 {
				r.send(sides[i][0], "x", 0)
				want = append(want, uint64(i))
			}
		}
		answers, err := r.poll(0x20000, 0x24000, subs...)
		r.must("poll", err)
		var got []uint64
		for _, a := range answers {
			got = append(got, a.user)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %v are ready, want %v", round, got, want)
		}
		// Those that were not wanted now must not disturb a wait for others, and be reported later.
		late := sides[(round*3+1)%pairs]
		if !slices.Contains(want, uint64((round*3+1)%pairs)) {
			go func() {
				time.Sleep(time.Millisecond)
				end := r.sys.opened[r.sys.table[late[0]]-1].socket.ends[0]
				end.send([]byte("y"), 0)
			}()
			if got := r.waits(late[1], eventFdRead); len(got) != 1 || got[0].user != 1 {
				t.Fatalf("round %d: a wait gives %v", round, got)
			}
			r.gets(late[1], 10, 0, "y")
		}
		for _, i := range want {
			r.gets(sides[i][1], 10, 0, "x")
		}
	}
	short := append(slices.Clone(subs[:pairs]), subscription{user: 1000, timeout: 5e6, clock: clockMonotonic})
	if answers, err := r.poll(0x20000, 0x24000, short...); err != success || len(answers) != 1 || answers[0].user != 1000 {
		t.Errorf("the clock gives %v", answers)
	}
}

func TestNoNetwork(t *testing.T) {
	r, n := newNetRig(t)
	r.reset(nil)
	fd := r.socket(sockStream, n.echo)
	r.want("connect", r.connect(fd, n.echo), eNETUNREACH)
	r.want("the usual reason", r.call("sock_reason", atBuffer, 100, atResult), eNOTSUP)
	at, size := r.put(atPath, "both")
	r.must("count", errno(0))
	r.mem.WriteUint32Le(atResult, 4)
	r.want("resolve", r.call("sock_resolve", at, size, 0, atBuffer, atResult), eaiAgain)
	r.sys.Postpone()
	r.want("connect", r.connect(fd, n.echo), eNETUNREACH)
	r.want("the reason of a deployment", r.call("sock_reason", atBuffer, 100, atResult), eAGAIN)
	a, b := r.pair(sockStream) // needs no network
	r.send(a, "x", 0)
	r.gets(b, 1, 0, "x")
	// Its failures are not those of a network that is absent.
	r.must("close", r.close(uint32(b)))
	at, size = r.put(atBuffer, "x")
	r.want("send", r.call("sock_send_to", a, at, size, 0, 0, atResult), ePIPE)
	if r.call("sock_reason", atBuffer, 100, atResult) != success || r.result() != 0 {
		t.Error("the failure of a pair has a reason")
	}
}

func TestRefusals(t *testing.T) {
	r, n := newNetRig(t)
	denied := netip.MustParseAddrPort("192.0.2.1:80")
	for _, blocking := range []bool{true, false} {
		fd := r.socket(sockStream, denied)
		if !blocking {
			r.nonBlocking(fd)
		}
		r.want("connect", r.connect(fd, denied), eACCES)
		if got := r.reason(); got != "192.0.2.1:80 is not in the allow list of the function: add it" {
			t.Errorf("the reason is %q", got)
		}
		if got := r.reason(); got != "" {
			t.Errorf("the reason stays: %q", got)
		}
	}
	r.want("another family", r.connect(r.socket(sockStream, n.echo), n.echo6), eAFNOSUPPORT)
	r.want("accept", r.call("sock_accept", r.socket(sockStream, n.echo), 0, atResult), eINVAL)
	r.want("another type", r.call("sock_open", afInet, 3, atResult), ePROTONOSUPPORT)
	r.want("UNIX", r.call("sock_open", 1, sockStream, atResult), eAFNOSUPPORT)
	n.limit = 10
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	if k, err := r.send(fd, "more than ten bytes", 0); k != 19 || err != success {
		t.Errorf("sent %d, errno %d", k, err)
	}
	if _, err := r.receive(fd, 10, 0); err != eDQUOT {
		t.Errorf("receiving beyond the limit: errno %d", err)
	}
	if n.open != 0 {
		t.Errorf("%d connections are open", n.open)
	}
}

func TestResolve(t *testing.T) {
	r, _ := newNetRig(t)
	look := func(name string, family uint64, room uint32) ([]netip.AddrPort, errno) {
		at, n := r.put(atPath, name)
		r.mem.WriteUint32Le(atResult, room)
		if err := r.call("sock_resolve", at, n, family, atBuffer, atResult); err != success {
			return nil, err
		}
		var list []netip.AddrPort
		for i := range r.result() {
			a, _ := r.mem.readAddress(atBuffer + i*addressSize)
			list = append(list, a)
		}
		return list, success
	}
	v4, v6 := netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[::1]:0")
	for _, c := range []struct {
		name   string
		family uint64
		room   uint32
		want   []netip.AddrPort
		err    errno
		reason string
	}{
		{"both", 0, 10, []netip.AddrPort{v6, v4}, 0, ""},
		{"both", afInet, 10, []netip.AddrPort{v4}, 0, ""},
		{"both", afInet6, 10, []netip.AddrPort{v6}, 0, ""},
		{"both", 0, 1, []netip.AddrPort{v6}, 0, ""},
		{"both", 7, 1, nil, eaiFamily, ""},
		{"gone", 0, 1, nil, eaiNoName, `there is no host "gone"`},
		{"down", 0, 1, nil, eaiAgain, "the name server does not respond"},
		{"denied", 0, 1, nil, eaiFail, "denied is not in the allow list of the function"},
	} {
		got, err := look(c.name, c.family, c.room)
		if err != c.err || !slices.Equal(got, c.want) || r.reason() != c.reason {
			t.Errorf("%s (%d): %v, errno %d", c.name, c.family, got, err)
		}
	}
}

func TestSocketOptions(t *testing.T) {
	r, n := newNetRig(t)
	fd := r.socket(sockStream, n.echo)
	set := func(level, name, value uint64) errno { return r.call("sock_setopt", fd, level, name, value) }
	for _, connected := range []bool{false, true} {
		for _, o := range []option{{optionName{solTCP, tcpNoDelay}, 1}, {optionName{solSocket, soKeepAlive}, 1}, {optionName{solTCP, tcpKeepIdle}, 30}, {optionName{solTCP, tcpUserTimeout}, 5000}, {optionName{solSocket, soRcvBuf}, 1 << 30}} {
			r.must("set", set(uint64(o.level), uint64(o.name), uint64(o.value)))
			if got := r.option(fd, uint64(o.level), uint64(o.name)); got != o.value {
				t.Errorf("option %d of %d is %d, want %d (connected: %t)", o.name, o.level, got, o.value, connected)
			}
		}
		if !connected {
			r.must("connect", r.connect(fd, n.echo))
		}
	}
	r.want("unknown", set(solSocket, 25, 1), eNOPROTOOPT)
	r.want("unknown level", set(255, 1, 1), eNOPROTOOPT)
	for name, want := range map[uint64]int32{soType: sockStream, soDomain: afInet, soProtocol: protoTCP, soAcceptConn: 0, soError: 0} {
		if got := r.option(fd, solSocket, name); got != want {
			t.Errorf("option %d is %d, want %d", name, got, want)
		}
	}
	r.must("a time-out", set(solSocket, soRcvTimeo, 5))
	if _, err := r.receive(fd, 1, 0); err != eAGAIN {
		t.Errorf("receiving with a time-out: errno %d", err)
	}
}

// TestReadySocketsWithNothing: a socket for datagrams that takes none any more is ready for ever and has nothing. A call that waits
// for one ends with its time, or with the run, and computes nothing meanwhile.
func TestReadySocketsWithNothing(t *testing.T) {
	r, n := newNetRig(t)
	a, _ := r.pair(sockDgram)
	udp := r.socket(sockDgram, n.datagrams)
	r.must("connect", r.connect(udp, n.datagrams))
	for _, fd := range []uint64{a, udp} {
		r.must("shutdown", r.call("sock_shutdown", fd, 1))
		r.must("a time-out", r.call("sock_setopt", fd, solSocket, soRcvTimeo, 50))
		before := r.control.waits
		if got, err := r.receive(fd, 10, 0); err != eAGAIN && (err != success || len(got) > 0) {
			t.Errorf("received %q, errno %d", got, err)
		}
		if waits := r.control.waits - before; waits > 20 {
			t.Errorf("looked %d times in 50 ms", waits)
		}
	}
}

// TestImagesHaveNoConnections: sockets of a State are dead if they were connected, and a run changes
// nothing in them.
func TestImagesHaveNoConnections(t *testing.T) {
	r, n := newNetRig(t)
	connected, idle := r.socket(sockStream, n.echo), r.socket(sockStream, n.echo)
	r.must("connect", r.connect(connected, n.echo))
	r.must("set", r.call("sock_setopt", idle, solTCP, tcpNoDelay, 1))
	dialing := r.socket(sockStream, n.echo)
	held := make(chan struct{})
	n.holdDials(held)
	r.nonBlocking(dialing)
	r.want("connect", r.connect(dialing, n.echo), eINPROGRESS)
	a, _ := r.pair(sockStream)
	udp := r.socket(sockDgram, n.datagrams)
	state := r.capture()
	close(held)
	n.holdDials(nil)
	for range 2 {
		r.reset(state)
		r.sys.Connect(n)
		for _, fd := range []uint64{connected, dialing, a} {
			if got := r.waits(fd, eventFdRead); len(got) != 1 || got[0].user != 1 {
				t.Errorf("a dead socket gives %v", got)
			}
			if _, err := r.receive(fd, 1, 0); err != eCONNRESET {
				t.Errorf("receiving from a dead socket: errno %d", err)
			}
			if _, err := r.send(fd, "x", 0); err != ePIPE {
				t.Errorf("sending to a dead socket: errno %d", err)
			}
			r.want("connecting a dead socket", r.connect(fd, n.echo), eCONNRESET)
			r.must("close", r.call("fd_close", fd))
		}
		if r.option(idle, solTCP, tcpNoDelay) != 1 {
			t.Error("an idle socket has lost its option")
		}
		r.must("set", r.call("sock_setopt", idle, solTCP, tcpNoDelay, 1))
		r.must("connect", r.connect(idle, n.echo))
		r.send(idle, "fresh", 0)
		r.gets(idle, 5, msgWaitAll, "fresh")
		at, size := r.put(atBuffer, "d")
		r.must("send", r.call("sock_send_to", udp, at, size, 0, r.at(n.datagrams), atResult))
		r.gets(udp, 1, 0, "d")
		r.check()
	}
}

// descriptors returns the number of descriptors of the process.
func descriptors(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// TestNothingSurvivesARun: after each kind of ending, descriptors, goroutines and connections are as
// before.
func TestNothingSurvivesARun(t *testing.T) {
	r, n := newNetRig(t)
	accepted := n.keepAccepted()
	run := func(end func()) {
		n.holdDials(nil)
		r.reset(nil)
		r.sys.Connect(n)
		r.control.patience = 0
		fd := r.socket(sockStream, n.echo)
		r.must("connect", r.connect(fd, n.echo))
		other := r.socket(sockStream, n.echo)
		r.nonBlocking(other)
		n.holdDials(make(chan struct{}))
		r.want("connect", r.connect(other, n.echo), eINPROGRESS)
		r.pair(sockStream)
		r.control.patience = 5 * time.Millisecond
		end()
		r.reset(nil)
		(<-accepted).Close()
	}
	endings := map[string]func(){
		"return":  func() {},
		"waiting": func() { recovered(func() { r.receive(4, 1, 0) }) },
		"polling": func() {
			recovered(func() { r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdRead, clock: 4}) })
		},
		"dialing": func() { recovered(func() { r.connect(r.socket(sockStream, n.echo), n.echo) }) },
		"resolving": func() {
			at, size := r.put(atPath, "never")
			r.mem.WriteUint32Le(atResult, 1)
			recovered(func() { r.call("sock_resolve", at, size, 0, atBuffer, atResult) })
		},
		"looking up": func() {
			for range 20 {
				r.lookUp("never")
			}
		},
		"waiting for an answer": func() {
			fd := r.lookUp("never")
			recovered(func() {
				r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdRead, clock: uint32(fd)})
			})
		},
		"image":       func() { r.capture() },
		"by the host": func() { r.sys.Disconnect() },
	}
	var fds, routines int
	for round := range 4 {
		for name, end := range endings {
			run(end)
			if r.control.connections != 0 {
				t.Fatalf("%s: %d connections are held", name, r.control.connections)
			}
		}
		settled := func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return round == 0 || n.open == 0 && goruntime.NumGoroutine() <= routines && descriptors(t) <= fds
		}
		for deadline := time.Now().Add(10 * time.Second); !settled(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d descriptors, %d before; %d goroutines, %d before; %d connections", descriptors(t), fds, goruntime.NumGoroutine(), routines, n.open)
			}
		}
		if round == 0 {
			time.Sleep(50 * time.Millisecond)
			fds, routines = descriptors(t), goruntime.NumGoroutine()
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	r, n := newNetRig(t)
	for range maxConnections {
		r.must("connect", r.connect(r.socket(sockStream, n.echo), n.echo))
	}
	last := r.socket(sockStream, n.echo)
	r.want("one more", r.connect(last, n.echo), eMFILE)
	r.want("a pair", r.call("sock_pair", sockStream, atResult), eMFILE)
	r.must("close", r.call("fd_close", 4))
	r.must("connect", r.connect(last, n.echo))
	r.reset(nil)
	r.sys.Connect(n)
	r.control.mostHeld = 1
	r.must("connect", r.connect(r.socket(sockStream, n.echo), n.echo))
	r.want("without memory", r.connect(r.socket(sockStream, n.echo), n.echo), eNOBUFS)
	if why := r.reason(); !strings.Contains(why, "no memory") {
		t.Errorf("the reason is %q", why)
	}
}

// TestFilesOfSocketsAreBounded: pairs and pollers are counted until their run ends. Without a pair there is
// an error; without a poller, a wait takes another way.
func TestFilesOfSocketsAreBounded(t *testing.T) {
	r, n := newNetRig(t)
	r.control.mostFiles = 3
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	r.must("a pair", r.call("sock_pair", sockStream, atResult))
	first := r.result()
	r.want("another pair", r.call("sock_pair", sockStream, atResult), eNFILE)
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || r.control.files != 2 {
		t.Errorf("waiting to send gives %v, with %d files", got, r.control.files)
	}
	if got := r.waits(fd, eventFdWrite, uint64(first)); len(got) != 1 || r.control.files != 3 {
		t.Errorf("waiting for two gives %v, with %d files", got, r.control.files)
	}
	r.must("close", r.call("fd_close", uint64(first)))
	if r.control.files != 2 {
		t.Errorf("%d files after one end of a pair is closed", r.control.files)
	}
	r.reset(nil)
	if r.control.files != 0 || r.control.connections != 0 || r.control.charged != 0 {
		t.Errorf("%d files, %d connections and %d bytes after the run", r.control.files, r.control.connections, r.control.charged)
	}
	r.sys.Connect(n)
	r.control.mostFiles, r.control.files = 1, 1 // others have them
	fd = r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	quiet := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(quiet, n.echo))
	if got := r.waits(fd, eventFdWrite, quiet); len(got) != 1 || got[0].user != 1 {
		t.Errorf("waiting to send without a poller gives %v", got)
	}
	r.reset(nil)
	if r.control.files != 1 {
		t.Errorf("%d files after a run without any", r.control.files)
	}
}

// TestPairsAreCharged: what the kernel may keep of a pair is charged until both ends are closed, and it keeps
// no more.
func TestPairsAreCharged(t *testing.T) {
	r, _ := newNetRig(t)
	for _, kind := range []uint64{sockStream, sockDgram} {
		a, b := r.pair(kind)
		if r.control.charged != 2*pairBuffer {
			t.Errorf("%d bytes are charged", r.control.charged)
		}
		e := r.sys.opened[r.sys.table[a]-1].socket.ends[0]
		err := e.do(func(fd int) error {
			size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
			if size > pairBuffer {
				t.Errorf("the kernel keeps %d bytes of one end", size)
			}
			return err
		})
		r.must("getsockopt", err)
		r.must("close", r.close(uint32(a)))
		r.must("close", r.close(uint32(b)))
		if r.control.charged != 0 {
			t.Errorf("%d bytes are charged for closed pairs", r.control.charged)
		}
	}
	r.control.most = 2*pairBuffer - 1
	r.want("without memory", r.call("sock_pair", sockStream, atResult), eNOBUFS)
	if r.control.charged != 0 || r.control.files != 0 || r.control.connections != 0 {
		t.Errorf("%d bytes, %d files and %d connections of a pair that is none", r.control.charged, r.control.files, r.control.connections)
	}
}

// TestNetworkClosesConnections: a network that is closed under a run costs the run its connections,
// and nothing else.
func TestNetworkClosesConnections(t *testing.T) {
	r, n := newNetRig(t)
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	r.sys.opened[r.sys.table[fd]-1].socket.ends[0].conn.Close()
	if _, err := r.receive(fd, 1, 0); err != eCONNABORTED {
		t.Errorf("receiving: errno %d", err)
	}
	if got := r.waits(fd, eventFdRead); len(got) != 1 || got[0].user != 1 {
		t.Errorf("polling gives %v", got)
	}
}
