package wasi

import (
	"net"
	"net/netip"
	goruntime "runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
)

// newEgressRig returns a rig and a function that gives its run a network like that of the server, which
// reaches some addresses of the loopback interface.
func newEgressRig(t testing.TB, to ...netip.AddrPort) (*rig, func() runtime.Network) {
	r := newRig(t)
	t.Cleanup(func() { r.reset(nil) })
	networks, err := egress.NewNetworks(egress.NetworkOptions{Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	var allow []string
	for _, a := range to {
		allow = append(allow, a.String(), "udp:"+a.String())
	}
	if allow, err = runtime.NormalAllow(allow); err != nil {
		t.Fatal(err)
	}
	return r, func() runtime.Network {
		w := networks.Open(&runtime.Program{Tenant: "a", FunctionID: "f", Allow: allow})
		t.Cleanup(func() { w.Close() })
		r.sys.Connect(w)
		return w
	}
}

// silentServer returns the address of a server that answers no attempt to connect until accept was called.
func silentServer(t testing.TB) (to netip.AddrPort, accept func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
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

// TestConnectToTheNetwork: sockets connect through the network of the server as on Linux, with and without a
// wait, and no goroutine does it.
func TestConnectToTheNetwork(t *testing.T) {
	n := newTestNetwork(t)
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	another := u.LocalAddr().(*net.UDPAddr).AddrPort()
	r, open := newEgressRig(t, n.echo, n.refusing, n.datagrams, another)
	open()
	denied := r.socket(sockStream, n.echo)
	r.want("connect to another address", r.connect(denied, netip.AddrPortFrom(n.echo.Addr(), 1)), eACCES)
	routines := goruntime.NumGoroutine()
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	r.want("connect again", r.connect(fd, n.echo), eISCONN)
	r.must("sock_name", r.call("sock_name", fd, 0, atBuffer))
	if b := r.bytes(atBuffer, addressSize); b[2] == 0 && b[3] == 0 {
		t.Error("a connected socket has no port")
	}
	quiet := r.socket(sockStream, n.echo)
	r.nonBlocking(quiet)
	r.want("connect", r.connect(quiet, n.echo), eINPROGRESS)
	if now := goruntime.NumGoroutine(); now > routines+2 { // of the server of the test
		t.Errorf("%d goroutines, %d before", now, routines)
	}
	for _, fd := range []uint64{fd, quiet} {
		r.waits(fd, eventFdWrite)
		r.send(fd, "ping", 0)
		r.waits(fd, eventFdRead)
		r.gets(fd, 10, 0, "ping")
	}
	r.want("connect to a server that refuses", r.connect(r.socket(sockStream, n.echo), n.refusing), eCONNREFUSED)
	fd = r.socket(sockStream, n.echo)
	r.nonBlocking(fd)
	r.want("connect", r.connect(fd, n.refusing), eINPROGRESS)
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 {
		t.Fatalf("waiting for a refused connection gives %v", got)
	}
	if e := errno(r.option(fd, solSocket, soError)); e != eCONNREFUSED {
		t.Errorf("SO_ERROR is %d", e)
	}
	r.want("connect after a failure", r.connect(fd, n.echo), eINPROGRESS)
	if r.waits(fd, eventFdWrite); r.option(fd, solSocket, soError) != 0 {
		t.Error("the second attempt has failed")
	}
	fd = r.socket(sockDgram, n.datagrams)
	at, size := r.put(atBuffer, "ping")
	r.must("sock_send_to", r.call("sock_send_to", fd, at, size, 0, r.at(n.datagrams), atResult))
	r.gets(fd, 10, 0, "ping")
	r.must("sock_send_to another", r.call("sock_send_to", fd, at, size, 0, r.at(another), atResult))
	r.must("sock_send_to", r.call("sock_send_to", fd, at, size, 0, r.at(n.datagrams), atResult))
	r.gets(fd, 10, 0, "ping")
	r.must("connect", r.connect(fd, n.datagrams))
}

// TestConnectThatTakesLong: a socket that connects is not ready, another that is asked about is (as happy
// eyeballs needs it), and the first is once the server answers.
func TestConnectThatTakesLong(t *testing.T) {
	n := newTestNetwork(t)
	quiet, accept := silentServer(t)
	r, open := newEgressRig(t, quiet, n.echo)
	open()
	slow, fast := r.socket(sockStream, quiet), r.socket(sockStream, quiet)
	r.nonBlocking(slow)
	r.nonBlocking(fast)
	r.want("connect", r.connect(slow, quiet), eINPROGRESS)
	r.want("connect again", r.connect(slow, quiet), eALREADY)
	if _, err := r.receive(slow, 1, 0); err != eAGAIN {
		t.Errorf("receiving: errno %d", err)
	}
	if e := r.option(slow, solSocket, soError); e != 0 {
		t.Errorf("SO_ERROR is %d", e)
	}
	r.want("connect", r.connect(fast, n.echo), eINPROGRESS)
	got, err := r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdWrite, clock: uint32(slow)},
		subscription{user: 2, kind: eventFdWrite, clock: uint32(fast)}, subscription{user: 3, timeout: 10e9, clock: clockMonotonic})
	if r.must("poll_oneoff", err); len(got) != 1 || got[0].user != 2 {
		t.Errorf("polling both gives %v", got)
	}
	accept()
	if got := r.waits(slow, eventFdWrite); len(got) != 1 || got[0].user != 1 || r.option(slow, solSocket, soError) != 0 {
		t.Errorf("waiting for the slow server gives %v", got)
	}
}

// TestNetworkClosedWhileConnecting: a socket whose network is closed while it connects fails.
func TestNetworkClosedWhileConnecting(t *testing.T) {
	quiet, _ := silentServer(t)
	r, open := newEgressRig(t, quiet)
	files := descriptors(t)
	for range 20 {
		w := open()
		fd := r.socket(sockStream, quiet)
		r.nonBlocking(fd)
		r.want("connect", r.connect(fd, quiet), eINPROGRESS)
		closed := make(chan struct{})
		go func() {
			time.Sleep(time.Millisecond)
			w.Close()
			close(closed)
		}()
		if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 {
			t.Fatalf("polling gives %v", got)
		}
		if e := errno(r.option(fd, solSocket, soError)); e != eNETUNREACH {
			t.Errorf("SO_ERROR is %d", e)
		}
		<-closed
		w = open()
		r.control.patience = time.Millisecond
		if recovered(func() { r.connect(r.socket(sockStream, quiet), quiet) }) == nil {
			t.Error("a run goes on that was ended while it connected")
		}
		r.control.patience = 0
		r.reset(nil)
		w.Close()
		if now := descriptors(t); now > files || r.control.connections != 0 || r.control.files != 0 {
			t.Fatalf("%d descriptors, %d before; %d connections and %d files are held", now, files, r.control.connections, r.control.files)
		}
	}
}
