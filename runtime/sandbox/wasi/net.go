package wasi

import (
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// openSocket returns the description of a descriptor that is a socket.
func (s *System) openSocket(fd uint64) (*description, errno) {
	d, err := s.open(uint32(fd))
	if err == success && d.kind != kindSocket {
		return nil, eNOTSOCK
	}
	return d, err
}

// installSocket opens a descriptor for a socket.
func (s *System) installSocket(k *socket) (uint32, errno) {
	fd, err := s.vacant()
	if err == success {
		s.install(fd, description{kind: kindSocket, readable: true, writable: true, socket: k})
	}
	return fd, err
}

func sockOpen(s *System, g guest, p []uint64) errno {
	family, kind, result := uint32(p[0]), uint32(p[1]), uint32(p[2])
	switch {
	case !hasSockets:
		return eNOSYS
	case !g.writable(result, 4):
		return eFAULT
	case family != afInet && family != afInet6:
		return eAFNOSUPPORT
	case kind != sockStream && kind != sockDgram:
		return ePROTONOSUPPORT
	}
	fd, err := s.installSocket(&socket{family: uint16(family), stream: kind == sockStream})
	if err == success {
		g.WriteUint32Le(result, fd)
	}
	return err
}

func sockPair(s *System, g guest, p []uint64) errno {
	kind, result := uint32(p[0]), uint32(p[1])
	switch {
	case !hasSockets:
		return eNOSYS
	case !g.writable(result, 8):
		return eFAULT
	case kind != sockStream && kind != sockDgram:
		return ePROTONOSUPPORT
	}
	if err := s.holdConnections(2); err != success {
		return err
	}
	switch {
	case !s.control.HoldFiles(2):
		s.holdConnections(-2)
		return eNFILE
	case !s.charge(2 * pairBuffer):
		s.control.HoldFiles(-2)
		s.holdConnections(-2)
		return eNOBUFS
	}
	ends, err := pairOfEnds(kind == sockStream)
	if err != success {
		s.dropPaired(2)
		return err
	}
	var fds [2]uint32
	for i, e := range ends {
		k := &socket{family: afInet, stream: kind == sockStream, pair: true, state: socketConnected}
		s.addEnd(k, e)
		if fds[i], err = s.installSocket(k); err != success {
			s.closeSocket(k)
			if i == 0 {
				ends[1].conn.Close()
				s.dropPaired(1)
			} else {
				s.release(fds[0])
			}
			return err
		}
	}
	g.WriteUint32Le(result, fds[0])
	g.WriteUint32Le(result+4, fds[1])
	return success
}

// reachable returns the network of the run, or the errno of a run that has none.
func (s *System) reachable() (runtime.Network, errno) {
	if s.network == nil {
		s.reason, s.unreachable = "", true
		return nil, eNETUNREACH
	}
	return s.network, success
}

// begin begins to connect to an address, which becomes the peer of the socket.
func (s *System) begin(k *socket, to netip.AddrPort) errno {
	n, err := s.reachable()
	if err != success {
		return err
	}
	network := "tcp"
	if !k.stream {
		network = "udp"
	}
	if started, err := s.beginAtOnce(n, k, network, to); started || err != success {
		return err
	}
	if err := n.Check(network, to); err != nil {
		return s.failure(err)
	}
	if err := s.holdConnections(1); err != success {
		return err
	}
	k.state, k.peer = socketDialing, to
	k.dial = startDial(n, network, to, s.poller.waker())
	return success
}

// beginAtOnce is begin without a goroutine, if the network can do that.
func (s *System) beginAtOnce(n runtime.Network, k *socket, network string, to netip.AddrPort) (started bool, _ errno) {
	connector, ok := n.(runtime.Connector)
	if !ok {
		return false, success
	}
	if err := s.holdConnections(1); err != success {
		return false, err
	}
	c, err := connector.Connect(network, to)
	if c == nil || err != nil {
		s.holdConnections(-1)
		if err != nil {
			return false, s.failure(err)
		}
		return false, success
	}
	limitBuffers(c)
	if err := s.addConnection(k, c, to, c); err != success {
		return false, err
	}
	k.state, k.peer = socketDialing, to
	return true, success
}

// finish waits until a socket has connected, or cannot.
func (s *System) finish(k *socket) {
	if d := k.dial; d != nil {
		s.wait(math.MaxInt64, func(ctx context.Context, until time.Time) bool {
			return waitFor(ctx, d.done, until)
		})
	}
	for s.settle(k); k.state == socketDialing; s.settle(k) {
		k.want = writable
		s.awaitAny([]*socket{k}, math.MaxInt64)
		k.want = 0
	}
}

// waitFor waits until a channel is closed, and reports whether it was. The time and the end of ctx
// end the wait, too.
func waitFor(ctx context.Context, done <-chan struct{}, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func sockConnect(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	to, err := g.readAddress(uint32(p[1]))
	if err != success {
		return err
	}
	k, blocking := d.socket, d.flags&flagNonblock == 0
	s.settle(k)
	switch {
	case k.state == socketDead:
		return eCONNRESET
	case k.state == socketLookup:
		return eINVAL
	case k.pair:
		return eISCONN
	case !k.stream:
		return s.connectDatagrams(k, to)
	case k.state == socketConnected:
		return eISCONN
	case k.state == socketDialing:
		if !blocking {
			return eALREADY
		}
	case !to.IsValid():
		return success
	case k.failure != success:
		// The error of a connect that was not waited for.
		err, k.failure = k.failure, success
		return err
	default:
		if err := k.fits(to); err != success {
			return err
		}
		if err := s.begin(k, to); err != success {
			return err
		}
		if !blocking {
			return eINPROGRESS
		}
	}
	s.finish(k)
	err, k.failure = k.failure, success
	return err
}

// fits returns an errno if a socket of this family cannot connect to the address.
func (k *socket) fits(to netip.AddrPort) errno {
	switch {
	case familyOf(to.Addr()) != k.family:
		return eAFNOSUPPORT
	case to.Port() == 0:
		return eCONNREFUSED
	}
	return success
}

// connectDatagrams sets the only peer of a datagram socket, or none if the address is zero.
func (s *System) connectDatagrams(k *socket, to netip.AddrPort) errno {
	if to.IsValid() {
		if err := k.fits(to); err != success {
			return err
		}
	}
	s.dropEnds(k)
	k.state, k.peer = socketIdle, netip.AddrPort{}
	if !to.IsValid() {
		return success
	}
	if _, err := s.peerEnd(k, to); err != success {
		return err
	}
	k.state, k.peer = socketConnected, to
	return success
}

// peerEnd returns the end of an idle datagram socket that sends to an address.
func (s *System) peerEnd(k *socket, to netip.AddrPort) (*end, errno) {
	for _, e := range k.ends {
		if e.peer == to {
			return e, success
		}
	}
	if len(k.ends) >= maxPeers {
		return nil, eNOBUFS
	}
	if err := k.fits(to); err != success {
		return nil, err
	}
	before := len(k.ends)
	if err := s.begin(k, to); err != success {
		return nil, err
	}
	s.finish(k)
	k.state = socketIdle
	if k.peer = (netip.AddrPort{}); len(k.ends) == before {
		err := k.failure
		k.failure = success
		return nil, err
	}
	return k.ends[before], success
}

// sockName writes the address of a socket, or of its peer. The addresses of the server are not
// shown: the address of a socket is the unspecified one.
func sockName(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	b, ok := g.Read(uint32(p[2]), addressSize)
	if !ok {
		return eFAULT
	}
	k := d.socket
	s.settle(k)
	if uint32(p[1]) != 0 {
		if k.state != socketConnected {
			return eNOTCONN
		}
		putAddress(b, k.family, k.peer)
		return success
	}
	name := netip.AddrPort{}
	if len(k.ends) > 0 && !k.pair {
		name = netip.AddrPortFrom(netip.IPv6Unspecified(), k.ends[0].localPort())
	}
	putAddress(b, k.family, name)
	return success
}

// options are the options that a socket has, with their values until they are set.
var options = map[optionName]int32{
	{solSocket, soReuseAddr}: 0, {solSocket, soReusePort}: 0, {solSocket, soBroadcast}: 0,
	{solSocket, soSndBuf}: socketBuffer, {solSocket, soRcvBuf}: socketBuffer,
	{solSocket, soKeepAlive}: 0, {solSocket, soLinger}: -1,
	{solSocket, soRcvTimeo}: 0, {solSocket, soSndTimeo}: 0,
	{solTCP, tcpNoDelay}: 0, {solTCP, tcpKeepIdle}: 7200, {solTCP, tcpKeepIntvl}: 75, {solTCP, tcpKeepCnt}: 9,
	{solTCP, tcpUserTimeout}: 0, {solTCP, tcpQuickAck}: 1,
	{solIPv6, ipv6V6Only}: 0,
}

func sockSetopt(s *System, _ guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	k := d.socket
	o := option{optionName{int32(p[1]), int32(p[2])}, int32(p[3])}
	switch _, known := options[o.optionName]; {
	case !known, o.level == solTCP && !k.stream, o.level == solIPv6 && k.family != afInet6:
		return eNOPROTOOPT
	case o.value < 0 && o.name != soLinger:
		return eINVAL
	}
	s.settle(k)
	for _, e := range k.ends {
		if err := e.set(o); err != success {
			return err
		}
	}
	for i := range k.options {
		if k.options[i].optionName == o.optionName {
			k.options[i].value = o.value
			return success
		}
	}
	k.options = append(k.options, o)
	return success
}

func sockGetopt(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	if !g.writable(uint32(p[3]), 4) {
		return eFAULT
	}
	k, name := d.socket, optionName{int32(p[1]), int32(p[2])}
	value, known := options[name]
	if value = k.option(name, value); name.level == solSocket && !known {
		known = true
		switch name.name {
		case soType:
			value = sockDgram
			if k.stream {
				value = sockStream
			}
		case soProtocol:
			value = protoUDP
			if k.stream {
				value = protoTCP
			}
			if k.pair {
				value = 0
			}
		case soDomain:
			value = int32(k.family)
		case soAcceptConn:
			value = 0
		case soError:
			value = int32(s.takeError(k))
		default:
			known = false
		}
	}
	if !known {
		return eNOPROTOOPT
	}
	g.WriteUint32Le(uint32(p[3]), uint32(value))
	return success
}

// takeError returns the error of a socket that was not reported yet.
func (s *System) takeError(k *socket) errno {
	s.settle(k)
	if k.state == socketDead {
		return success
	}
	err := k.failure
	k.failure = success
	for _, e := range k.ends {
		if err == success {
			err = e.takeError()
		}
	}
	return err
}

func sockShutdown(s *System, _ guest, p []uint64) errno {
	const both = 3
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	how, k := uint32(p[1]), d.socket
	s.settle(k)
	switch {
	case how == 0 || how > both:
		return eINVAL
	case k.state != socketConnected:
		return eNOTCONN
	}
	return k.ends[0].shutdown(int(how) - 1)
}

// sockAccept fails: no socket listens.
func sockAccept(s *System, _ guest, p []uint64) errno {
	if _, err := s.openSocket(p[0]); err != success {
		return err
	}
	return eINVAL
}

// sockReason writes why the latest call of the network failed, and forgets it. If that is that the run
// has no network, it returns ENOTSUP; EAGAIN if it has none yet.
func sockReason(s *System, g guest, p []uint64) errno {
	b, ok := g.Read(uint32(p[0]), uint32(p[1]))
	if !ok || !g.writable(uint32(p[2]), 4) {
		return eFAULT
	}
	n, unreachable := copy(b, s.reason), s.unreachable
	s.reason, s.unreachable = "", false
	switch {
	case unreachable && s.postponed:
		return eAGAIN
	case unreachable:
		return eNOTSUP
	}
	g.WriteUint32Le(uint32(p[2]), uint32(n))
	return success
}
