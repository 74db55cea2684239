package worker

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// The kinds about networks, which a worker sends. Their payload begins with the id of the run, and those
// about a socket go on with the socket's.
const (
	kindResolve    kind = firstNetwork + iota // addresses of a name
	kindCheck                                 // whether an address may be connected to
	kindServerName                            // whether TLS may ask for a server
	kindConnect                               // begins to connect; the reply has the socket
	kindDial                                  // connects; the reply has the socket
	kindConnected                             // whether a socket has connected
	kindMade                                  // a socket has connected; no reply
	kindCount                                 // bytes of a socket in all
	kindHangUp                                // a socket is closed; no reply
	kindFlush                                 // the reply comes after all that was sent before has been handled
)

const (
	// countStep is the number of bytes of a socket after which a worker reports them to the server, which
	// has the limits, and maxUncounted the number of those from which on it waits for the answer.
	countStep    = 256 * runtime.KiB
	maxUncounted = 16 * runtime.MiB

	maxNetworkText = 32   // bytes of the name of a network or of a family
	maxHostText    = 2048 // bytes of a host
)

// network is the network of a run in a worker. The server decides what the run reaches, and connects; the
// worker gets a descriptor of each socket.
type network struct {
	conn *conn
	run  uint64

	noted atomic.Bool // something was sent that has no reply

	mu     sync.Mutex
	open   map[*socket]struct{}
	closed bool
}

var (
	_ runtime.Network   = (*network)(nil)
	_ runtime.Connector = (*network)(nil)
)

// newNetwork returns the network of a run. The caller closes it before it sends the outcome of the run.
func newNetwork(c *conn, run uint64) *network { return &network{conn: c, run: run} }

// request returns the start of a payload.
func (n *network) request() []byte { return wire.AppendUint(make([]byte, 0, 64), n.run) }

// Resolve implements [runtime.Network].
func (n *network) Resolve(ctx context.Context, family, host string) ([]netip.Addr, error) {
	if len(host) > maxHostText {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the name of a host has %d bytes", len(host))
	}
	reply, fds, err := n.conn.call(ctx, kindResolve, wire.AppendBytes(wire.AppendBytes(n.request(), family), host))
	closeFDs(fds)
	if err != nil {
		return nil, err
	}
	d := wire.Decode(reply)
	addresses := make([]netip.Addr, 0, runtime.MaxAddresses)
	for range d.Count(runtime.MaxAddresses) {
		a, ok := netip.AddrFromSlice(d.Bytes(net.IPv6len))
		if !ok {
			d.Fail()
			break
		}
		addresses = append(addresses, a)
	}
	return addresses, d.Err()
}

// appendTarget appends a destination.
func appendTarget(b []byte, network string, to netip.AddrPort) []byte {
	b = wire.AppendBytes(b, network)
	b = wire.AppendBytes(b, to.Addr().WithZone("").AsSlice())
	return wire.AppendUint(b, uint64(to.Port()))
}

// decodeTarget reads a destination. An address that is none becomes the zero one, which no network
// reaches.
func decodeTarget(d *wire.Decoder) (network string, to netip.AddrPort) {
	network = d.String(maxNetworkText)
	address, _ := netip.AddrFromSlice(d.Bytes(net.IPv6len))
	return network, netip.AddrPortFrom(address, uint16(d.Count(1<<16-1)))
}

// Check implements [runtime.Network].
func (n *network) Check(network string, to netip.AddrPort) error {
	_, err := n.ask(context.Background(), kindCheck, appendTarget(n.request(), network, to))
	return err
}

// CheckServerName implements [runtime.Network].
func (n *network) CheckServerName(name string) error { return n.checkServerName(0, name) }

// checkServerName asks for a server name over a socket; 0: over one that is not known.
func (n *network) checkServerName(socket uint64, name string) error {
	if name == "" {
		return nil
	}
	if len(name) > maxHostText {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the name of a server has %d bytes", len(name))
	}
	_, err := n.ask(context.Background(), kindServerName, wire.AppendBytes(wire.AppendUint(n.request(), socket), name))
	return err
}

// ask makes a call whose reply has no descriptors.
func (n *network) ask(ctx context.Context, k kind, payload []byte) ([]byte, error) {
	reply, fds, err := n.conn.call(ctx, k, payload)
	closeFDs(fds)
	return reply, err
}

// Connect implements [runtime.Connector].
func (n *network) Connect(network string, to netip.AddrPort) (runtime.Connecting, error) {
	reply, fds, err := n.conn.call(context.Background(), kindConnect, appendTarget(n.request(), network, to))
	if err != nil || len(reply) == 0 {
		closeFDs(fds)
		return nil, err
	}
	d := wire.Decode(reply)
	s := &socket{network: n, id: d.Uint(), ended: d.Bool()}
	if failure := d.Rest(); len(failure) > 0 {
		s.err = decodeError(failure)
	}
	file, err := fileOf(fds)
	if err != nil {
		return nil, err
	}
	s.system = file
	if err := n.keep(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Dial implements [runtime.Network].
func (n *network) Dial(ctx context.Context, network string, to netip.AddrPort) (runtime.Connection, error) {
	reply, fds, err := n.conn.call(ctx, kindDial, appendTarget(n.request(), network, to))
	if err != nil {
		closeFDs(fds)
		return nil, err
	}
	file, err := fileOf(fds)
	if err != nil {
		return nil, err
	}
	d := wire.Decode(reply)
	s := &socket{system: file, network: n, id: d.Uint(), ended: true}
	if err := n.keep(s); err != nil {
		return nil, err
	}
	return &stream{socket: s, file: file, peer: target{network, to}}, nil
}

// fileOf returns the file of the only descriptor of a reply, or closes those that there are.
func fileOf(fds []int) (*os.File, error) {
	if len(fds) != 1 {
		closeFDs(fds)
		return nil, runtime.Internal("worker.descriptor", wire.ErrMalformed)
	}
	return os.NewFile(uintptr(fds[0]), "lent"), nil
}

// keep makes Close close a socket. After Close it closes the socket itself.
func (n *network) keep(s *socket) error {
	n.mu.Lock()
	closed := n.closed
	if !closed {
		if n.open == nil {
			n.open = make(map[*socket]struct{})
		}
		n.open[s] = struct{}{}
	}
	n.mu.Unlock()
	if closed {
		_ = s.Close()
		return runEndedError()
	}
	return nil
}

// runEndedError returns the error of the network of a run that has ended.
func runEndedError() error { return runtime.Errorf(runtime.CodeUnavailable, "the run has ended") }

// hangUp reports to the server that a socket is closed, and all of its bytes.
func (n *network) hangUp(s *socket) {
	n.mu.Lock()
	delete(n.open, s)
	n.mu.Unlock()
	payload, _ := s.count(n.request())
	n.note(kindHangUp, payload)
}

// note sends what has no reply.
func (n *network) note(k kind, payload []byte) {
	n.noted.Store(true)
	n.conn.send(k, payload)
}

// Close closes all sockets, and returns when the server knows their use: the outcome of the run may come to
// it over another connection.
func (n *network) Close() []runtime.Egress {
	n.mu.Lock()
	n.closed = true
	open := n.open
	n.open = nil
	n.mu.Unlock()
	for s := range open {
		_ = s.Close()
	}
	if n.noted.Load() {
		_, _ = n.ask(context.Background(), kindFlush, n.request()) // an error: the server knows all that it needs
	}
	return nil
}

// system is a socket of the operating system.
type system interface {
	io.Closer
	syscall.Conn
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// socket is a socket that the server has lent to a run.
type socket struct {
	system
	network *network
	id      uint64
	ended   bool  // the attempt to connect has ended
	err     error // of the attempt

	sent, received atomic.Int64
	counted        atomic.Int64 // bytes that the server knows
	counting       atomic.Bool  // a report is on its way
	limit          atomic.Pointer[error]
	closing        sync.Once
}

var _ runtime.Connecting = (*socket)(nil)

// count appends the socket and all of its bytes, and returns their sum.
func (s *socket) count(b []byte) (payload []byte, total int64) {
	sent, received := s.sent.Load(), s.received.Load()
	b = wire.AppendUint(b, s.id)
	b = wire.AppendUint(b, uint64(sent))
	return wire.AppendUint(b, uint64(received)), sent + received
}

// Count implements [runtime.Socket]. The server learns of the bytes in steps, so a limit may be exceeded by
// some of them.
func (s *socket) Count(sent, received int) error {
	total := s.sent.Add(int64(sent)) + s.received.Add(int64(received))
	if limit := s.limit.Load(); limit != nil {
		return *limit
	}
	switch uncounted := total - s.counted.Load(); {
	case uncounted < countStep:
	case uncounted >= maxUncounted:
		s.report()
		if limit := s.limit.Load(); limit != nil {
			return *limit
		}
	case s.counting.CompareAndSwap(false, true):
		go func() {
			s.report()
			s.counting.Store(false)
		}()
	}
	return nil
}

// report reports the bytes to the server, and keeps its answer. A server that is too busy for one counts
// the bytes with the next report.
func (s *socket) report() {
	payload, total := s.count(s.network.request()) // bytes that are sent from now on are not in the report
	_, err := s.network.ask(context.Background(), kindCount, payload)
	switch runtime.CodeOf(err) {
	case "":
	case runtime.CodeTooBusy:
		return
	default:
		s.limit.CompareAndSwap(nil, &err)
	}
	s.counted.Store(total)
}

// Connected implements [runtime.Connecting].
func (s *socket) Connected() (bool, error) {
	if s.ended {
		return true, s.err
	}
	switch events, err := s.poll(); {
	case err != nil:
		s.ended, s.err = true, runEndedError()
	case events == 0:
		return false, nil
	case events == unix.POLLOUT:
		s.ended = true
		s.network.note(kindMade, wire.AppendUint(s.network.request(), s.id))
	default: // The server knows the destination, and the error can be read once.
		reply, err := s.network.ask(context.Background(), kindConnected, wire.AppendUint(s.network.request(), s.id))
		d := wire.Decode(reply)
		if err == nil && !d.Bool() {
			return false, nil
		}
		s.ended, s.err = true, err
	}
	return true, s.err
}

// poll returns what the socket is ready for: writing, or an error.
func (s *socket) poll() (events int16, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) {
		asked := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, failed := unix.Poll(asked[:], 0); n == 1 && failed == nil {
			events = asked[0].Revents
		}
	})
	return events, err
}

// CheckServerName implements [runtime.Socket].
func (s *socket) CheckServerName(name string) error { return s.network.checkServerName(s.id, name) }

// Close implements [io.Closer]. The connection ends when the server has closed its socket, too.
func (s *socket) Close() (err error) {
	s.closing.Do(func() {
		err = s.system.Close()
		s.network.hangUp(s)
	})
	return err
}

// stream is a socket that can be read and written, as package net has them.
type stream struct {
	*socket
	file *os.File
	peer target
}

var _ runtime.Connection = (*stream)(nil)

// target is an address that was dialled. It implements [net.Addr].
type target struct {
	network string
	address netip.AddrPort
}

// Network and String implement [net.Addr].
func (t target) Network() string { return t.network }

func (t target) String() string { return t.address.String() }

// RemoteAddr implements [net.Conn].
func (s *stream) RemoteAddr() net.Addr { return s.peer }

// LocalAddr implements [net.Conn]. The server knows the address: here it is the zero one.
func (s *stream) LocalAddr() net.Addr { return target{network: s.peer.network} }

// SetDeadline implements [net.Conn].
func (s *stream) SetDeadline(t time.Time) error { return s.file.SetDeadline(t) }

// Read implements [net.Conn].
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if limit := s.Count(0, n); limit != nil {
		return n, limit
	}
	return n, err
}

// Write implements [net.Conn].
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if limit := s.Count(n, 0); limit != nil {
		return n, limit
	}
	return n, err
}
