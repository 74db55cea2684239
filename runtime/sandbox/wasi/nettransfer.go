package wasi

import (
	"math"
	"net/netip"
)

// usable returns the errno of a transfer on a socket that is not connected.
func (k *socket) usable(receives bool) errno {
	switch {
	case k.state == socketDead && k.failure != success:
		return k.failure
	case k.state == socketDead && receives:
		return eCONNRESET
	case k.state == socketDead:
		return ePIPE
	case k.state == socketDialing:
		return eAGAIN
	case k.state == socketLookup:
		return eNOTCONN
	case k.state == socketIdle && k.stream && receives:
		return eNOTCONN
	case k.state == socketIdle && k.stream:
		return ePIPE
	}
	return success
}

// receive fills one buffer from a socket, and returns the number of bytes and their sender. It waits
// if the descriptor is to wait.
func (s *System) receive(g guest, d *description, v iovec, flags uint32) (total int, from netip.AddrPort, err errno) {
	k := d.socket
	waits := d.flags&flagNonblock == 0 && flags&msgDontWait == 0
	var waited tries
	for {
		s.settle(k)
		if err = k.usable(true); err != success && err != eAGAIN {
			break
		}
		if v.length == 0 && k.stream {
			return 0, from, success
		}
		n := 0
		if err == eAGAIN { // it is not connected yet
			waited = tries{}
		} else {
			n, from, err = s.receiveOnce(k, g.bytes(v), flags)
		}
		switch {
		case err == eAGAIN && waits:
			if !s.await(k, readable, soRcvTimeo, &waited) {
				return total, from, eAGAIN
			}
			continue
		case err != success:
		default:
			s.spend(n)
			total += n
			waited = tries{}
			v.at, v.length = v.at+uint32(min(n, int(v.length))), v.length-uint32(min(n, int(v.length)))
			if n > 0 && k.stream && flags&msgWaitAll != 0 && flags&msgPeek == 0 && v.length > 0 {
				continue
			}
		}
		break
	}
	if total > 0 {
		err = success
	}
	return total, from, err
}

// receiveOnce receives what is there.
func (s *System) receiveOnce(k *socket, p []byte, flags uint32) (int, netip.AddrPort, errno) {
	if k.stream {
		p = p[:min(len(p), maxTransfer)]
	}
	for i, e := range k.ends {
		n, err := e.receive(p, flags&(msgPeek|msgTrunc))
		if err == eAGAIN {
			continue
		}
		if err != success {
			return 0, netip.AddrPort{}, err
		}
		if i > 0 { // the others have their turn
			k.ends = append(append(k.ends[:i:i], k.ends[i+1:]...), e)
		}
		from := e.peer
		if flags&msgPeek == 0 {
			s.counted(k, e, 0, n)
		}
		return n, from, success
	}
	return 0, netip.AddrPort{}, eAGAIN
}

// send sends one buffer and returns the number of bytes. A stream that is to wait sends all of it.
func (s *System) send(g guest, d *description, v iovec, flags uint32, to netip.AddrPort) (total int, err errno) {
	k := d.socket
	waits := d.flags&flagNonblock == 0 && flags&msgDontWait == 0
	var waited tries
	s.settle(k)
	switch {
	case !to.IsValid():
	case k.stream || k.pair:
		return 0, eISCONN
	case k.state == socketConnected && to != k.peer:
		return 0, eISCONN
	}
	for {
		s.settle(k)
		if err = k.usable(false); err != success && err != eAGAIN {
			break
		}
		n := 0
		if err == eAGAIN { // it is not connected yet
			waited = tries{}
		} else {
			n, err = s.sendOnce(k, g.bytes(v), flags, to)
		}
		switch {
		case err == eAGAIN && waits:
			if !s.await(k, writable, soSndTimeo, &waited) {
				if total > 0 {
					return total, success
				}
				return 0, eAGAIN
			}
			continue
		case err == success:
			s.spend(n)
			total += n
			waited = tries{}
			v.at, v.length = v.at+uint32(n), v.length-uint32(n)
			if k.stream && v.length > 0 {
				continue
			}
		}
		break
	}
	if total > 0 {
		err = success
	}
	return total, err
}

// sendOnce sends what the kernel takes at once.
func (s *System) sendOnce(k *socket, p []byte, flags uint32, to netip.AddrPort) (int, errno) {
	var e *end
	switch {
	case k.state == socketConnected:
		e = k.ends[0]
	case !to.IsValid():
		return 0, eDESTADDRREQ
	default:
		var err errno
		if e, err = s.peerEnd(k, to); err != success {
			return 0, err
		}
	}
	if k.stream {
		p = p[:min(len(p), maxTransfer)]
	}
	n, err := e.send(p, flags&msgMore)
	if err == success {
		s.counted(k, e, n, 0)
	}
	return n, err
}

func sockRecvFrom(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	v := iovec{uint32(p[1]), uint32(p[2])}
	from, result := uint32(p[4]), uint32(p[5])
	if !g.writable(v.at, v.length) || v.length > math.MaxInt32 || !g.writable(result, 4) || from != 0 && !g.writable(from, addressSize) {
		return eFAULT
	}
	k := d.socket
	n, sender, err := s.receive(g, d, v, uint32(p[3]))
	if err != success {
		return err
	}
	if from != 0 {
		b, _ := g.Read(from, addressSize)
		if clear(b); !k.stream && !k.pair {
			putAddress(b, k.family, sender)
		}
	}
	g.WriteUint32Le(result, uint32(n))
	return success
}

func sockSendTo(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	v := iovec{uint32(p[1]), uint32(p[2])}
	to, result := netip.AddrPort{}, uint32(p[5])
	if !g.writable(v.at, v.length) || v.length > math.MaxInt32 || !g.writable(result, 4) {
		return eFAULT
	}
	if p[4] = uint64(uint32(p[4])); p[4] != 0 {
		if to, err = g.readAddress(uint32(p[4])); err != success {
			return err
		}
	}
	n, err := s.send(g, d, v, uint32(p[3]), to)
	if err != success {
		return err
	}
	g.WriteUint32Le(result, uint32(n))
	return success
}

// sockReadVectors is fd_read and sock_recv of a socket: into the first buffer only.
func (s *System) sockReadVectors(g guest, d *description, buffers []iovec, flags uint32) (int, errno) {
	if len(buffers) == 0 {
		return 0, success
	}
	n, _, err := s.receive(g, d, buffers[0], flags)
	return n, err
}

// sockWriteVectors is fd_write and sock_send of a socket. A datagram has one buffer.
func (s *System) sockWriteVectors(g guest, d *description, buffers []iovec) (int, errno) {
	total := 0
	for i, v := range buffers {
		if i > 0 && !d.socket.stream {
			break
		}
		n, err := s.send(g, d, v, 0, netip.AddrPort{})
		total += n
		if err != success && total == 0 {
			return 0, err
		}
		if n < int(v.length) {
			break
		}
	}
	return total, success
}

func sockRecv(s *System, g guest, p []uint64) errno {
	const peek, waitAll = 1, 2
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[4], &few)
	if err != success {
		return err
	}
	if !g.writable(uint32(p[5]), 2) {
		return eFAULT
	}
	flags := uint32(0)
	if p[3]&peek != 0 {
		flags |= msgPeek
	}
	if p[3]&waitAll != 0 {
		flags |= msgWaitAll
	}
	n, err := s.sockReadVectors(g, d, buffers, flags)
	if err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[4]), uint32(n))
	g.WriteUint16Le(uint32(p[5]), 0)
	return success
}

func sockSend(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return err
	}
	var few [fewVectors]iovec
	buffers, err := g.transfer(p[1], p[2], p[4], &few)
	if err != success {
		return err
	}
	n, err := s.sockWriteVectors(g, d, buffers)
	if err != success {
		return err
	}
	g.WriteUint32Le(uint32(p[4]), uint32(n))
	return success
}
