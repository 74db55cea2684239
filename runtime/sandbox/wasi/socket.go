package wasi

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The numbers of families, types, flags and options are those of Linux, on every system.
const (
	afUnspec = 0
	afInet   = 2
	afInet6  = 10

	sockStream = 1
	sockDgram  = 2

	msgPeek     = 0x2
	msgTrunc    = 0x20
	msgDontWait = 0x40
	msgWaitAll  = 0x100
	msgNoSignal = 0x4000
	msgMore     = 0x8000

	solSocket = 1
	solTCP    = 6
	solIPv6   = 41

	soReuseAddr  = 2
	soType       = 3
	soError      = 4
	soBroadcast  = 6
	soSndBuf     = 7
	soRcvBuf     = 8
	soKeepAlive  = 9
	soLinger     = 13
	soReusePort  = 15
	soRcvTimeo   = 20
	soSndTimeo   = 21
	soAcceptConn = 30
	soProtocol   = 38
	soDomain     = 39

	tcpNoDelay     = 1
	tcpKeepIdle    = 4
	tcpKeepIntvl   = 5
	tcpKeepCnt     = 6
	tcpUserTimeout = 18
	tcpQuickAck    = 12

	ipv6V6Only = 26

	protoTCP = 6
	protoUDP = 17
)

const (
	// maxConnections is the number of connections that a run can have at once.
	maxConnections = 128
	// maxPeers is the number of addresses to which one datagram socket sends.
	maxPeers = 16
	// maxTransfer is the number of bytes that one call of the kernel transfers, some 50 µs of work.
	maxTransfer = 256 << 10
)

// socketState is what has become of a socket.
type socketState uint8

const (
	socketIdle      socketState = iota // not connected; also a datagram socket with peers
	socketDialing                      // a stream whose connection is being made
	socketConnected                    // connect has succeeded, or it is one of a pair
	socketDead                         // its run has ended, or a limit has ended it
	socketLookup                       // no socket: the look-up of a name
)

// socket is a socket of a run. It has no resource of the host until it is connected. A socket that is
// idle or dead can be a part of a State.
type socket struct {
	family  uint16
	stream  bool
	pair    bool
	state   socketState
	failure errno          // of the latest connect, not reported yet; of a dead socket, if not the usual ones
	peer    netip.AddrPort // of a connected socket
	options []option       // that were set
	dial    *dial          // of a socket that dials
	lookup  *lookup        // of a look-up
	ends    []*end         // one of a connected socket; one for each peer of an idle datagram socket

	want  events // what the poll in progress waits for
	ready events
}

// optionName names an option of a socket.
type optionName struct{ level, name int32 }

// option is an option of a socket and its value.
type option struct {
	optionName
	value int32
}

// copy returns a socket as a State has it: idle or dead.
func (k *socket) copy() *socket {
	c := &socket{family: k.family, stream: k.stream, pair: k.pair, state: k.state, failure: k.failure, peer: k.peer, options: slices.Clone(k.options)}
	if k.isLive() {
		c.state = socketDead
	}
	return c
}

// isLive reports whether the socket has something of the host, which ends with the run.
func (k *socket) isLive() bool { return k.dial != nil || k.lookup != nil || len(k.ends) > 0 }

// option returns the value that was set, or a default.
func (k *socket) option(name optionName, otherwise int32) int32 {
	for _, o := range k.options {
		if o.optionName == name {
			return o.value
		}
	}
	return otherwise
}

// conn is what an end needs of a connection: Go's poller watches it.
type conn interface {
	io.Closer
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// end is a connection of the host.
type end struct {
	conn  conn
	raw   syscall.RawConn
	peer  netip.AddrPort
	count func(sent, received int) error // nil: of a pair

	connecting runtime.Connecting // nil: it is connected

	id         int32 // in the poller
	registered bool
	armed      events // what the poller reports once
	wanted     bool
	ready      events

	sent, received  int   // bytes, up to bulkBytes
	sends, receives bool  // the buffers have grown
	grown           int64 // bytes that are charged for that
}

// events are what a socket is ready for, and what has happened to it.
type events uint8

const (
	readable events = 1 << iota
	writable
	hangup
	failed
)

// dial is a connection that is being made, by a goroutine that ends soon after its context.
type dial struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	abandoned bool
	conn      runtime.Connection
	err       error
}

// startDial begins to connect by a goroutine. ended is called afterwards.
func startDial(n runtime.Network, network string, to netip.AddrPort, ended func()) *dial {
	ctx, cancel := context.WithCancel(context.Background())
	d := &dial{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer cancel()
		conn, err := n.Dial(ctx, network, to)
		if err == nil {
			limitBuffers(conn)
		}
		d.mu.Lock()
		if d.abandoned && conn != nil {
			closeUnused(conn)
			conn = nil
		}
		d.conn, d.err = conn, err
		d.mu.Unlock()
		close(d.done)
		ended()
	}()
	return d
}

// isDone reports whether the dial has ended.
func (d *dial) isDone() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// abandon ends the dial and closes its connection.
func (d *dial) abandon() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandoned = true
	if d.conn != nil {
		closeUnused(d.conn)
		d.conn = nil
	}
}

// closeUnused closes a connection that nobody has used. An error would mean nothing.
func closeUnused(c io.Closer) { c.Close() }

// addEnd makes a connection an end of the socket, which has Held it.
func (s *System) addEnd(k *socket, e *end) {
	s.poller.add(e)
	k.ends = append(k.ends, e)
	for _, o := range k.options {
		e.set(o)
	}
}

// dropEnds closes the connections of a socket.
func (s *System) dropEnds(k *socket) {
	for _, e := range k.ends {
		s.dropEnd(e)
	}
	if k.pair {
		s.dropPaired(len(k.ends))
	} else {
		s.holdConnections(-len(k.ends))
	}
	k.ends = nil
	if k.dial != nil {
		k.dial.abandon()
		k.dial = nil
		s.holdConnections(-1)
	}
	if k.lookup != nil {
		k.lookup.cancel()
		k.lookup = nil
		s.holdConnections(-1)
	}
}

// dropEnd closes a connection of a socket.
func (s *System) dropEnd(e *end) {
	s.poller.remove(e)
	e.conn.Close()
	s.refundGrowth(e)
}

// dropPaired returns what n ends of pairs have taken.
func (s *System) dropPaired(n int) {
	s.refund(int64(n) * pairBuffer)
	s.control.HoldFiles(-n)
	s.holdConnections(-n)
}

// closeSocket ends a socket that no descriptor refers to.
func (s *System) closeSocket(k *socket) {
	s.tlsDropSocket(k)
	s.dropEnds(k)
}

// kill ends the connections of a socket. A socket that has had none stays as it is.
func (s *System) kill(k *socket, failure errno) {
	if !k.isLive() {
		return
	}
	s.dropEnds(k)
	k.state, k.failure = socketDead, failure
}

// holdConnections counts n more connections, or returns an errno if the run cannot have them.
func (s *System) holdConnections(n int) errno {
	if n > 0 && s.connections+n > maxConnections {
		return eMFILE
	}
	if !s.control.Hold(n) {
		s.explain(runtime.Errorf(runtime.CodeTooBusy, "the server has no memory for another connection").WithHint("try again in a moment"))
		return eNOBUFS
	}
	s.connections += n
	return success
}

// Connect lets the run reach a network, until Disconnect. Reset disconnects, too.
func (s *System) Connect(n runtime.Network) { s.network = n }

// Postpone makes connections fail because there is no network yet, until Disconnect.
func (s *System) Postpone() { s.postponed = true }

// Connected reports whether the run has a socket or a TLS engine.
func (s *System) Connected() bool {
	if len(s.tls.conns) > 0 {
		return true
	}
	for i := range s.opened {
		if s.opened[i].socket != nil {
			return true
		}
	}
	return false
}

// Disconnect ends all connections. Their descriptors stay open, and report that the connection was
// lost. All TLS engines end.
func (s *System) Disconnect() {
	s.tlsDisconnect()
	if s.connections > 0 {
		for i := range s.opened {
			if k := s.opened[i].socket; k != nil {
				s.kill(k, success)
			}
		}
	}
	s.poller.close()
	s.endPoll()
	s.network, s.postponed, s.reason, s.unreachable = nil, false, "", false
}

// settle takes the result of an attempt to connect that has ended.
func (s *System) settle(k *socket) {
	switch {
	case k.state != socketDialing:
	case k.dial == nil:
		s.settleEnd(k)
	case k.dial.isDone():
		d := k.dial
		k.dial, k.state = nil, socketConnected
		if d.err != nil {
			s.holdConnections(-1)
			k.state, k.failure = socketIdle, s.failure(d.err)
		} else if err := s.addConnection(k, d.conn, k.peer, nil); err != success {
			k.state, k.failure = socketIdle, err
		}
	}
}

// settleEnd takes the result of an attempt without a goroutine.
func (s *System) settleEnd(k *socket) {
	last := len(k.ends) - 1
	e := k.ends[last]
	ended, err := e.connecting.Connected()
	switch {
	case !ended:
	case err != nil:
		k.ends = k.ends[:last]
		s.dropEnd(e)
		s.holdConnections(-1)
		k.state, k.failure = socketIdle, s.failure(err)
	default:
		k.state, e.connecting = socketConnected, nil
	}
}

// addConnection makes a connection to a peer an end of the socket, which has Held it.
func (s *System) addConnection(k *socket, c runtime.Socket, peer netip.AddrPort, connecting runtime.Connecting) errno {
	raw, err := c.SyscallConn()
	if err != nil {
		closeUnused(c)
		s.holdConnections(-1)
		return eIO
	}
	s.addEnd(k, &end{conn: c, raw: raw, peer: peer, count: c.Count, connecting: connecting})
	return success
}

// counted reports bytes that went over a connection. If a limit is reached, the socket ends.
func (s *System) counted(k *socket, e *end, sent, received int) {
	if e.count == nil {
		return
	}
	if err := e.count(sent, received); err != nil {
		s.kill(k, s.failure(err))
	} else if k.stream {
		s.grow(e, sent, received)
	}
}
