package wasi

import (
	"net/netip"

	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
)

// tlsDrive performs an operation of an engine over its socket, and waits as long as the call says.
func (s *System) tlsDrive(g guest, c tlsCall, t *tlsConn) tlsResult {
	began := s.instant().monotonic
	if c.op == tlsWrite {
		return s.tlsWriteAll(g, c, t, began)
	}
	for {
		r := s.tlsStep(g, c, t)
		// Output that the socket does not take is no reason not to read: the peer may send before it reads.
		reads := c.op == tlsRead && r.status == tlsengine.WantRead && t.engine.Complete()
		f := s.tlsFlush(c, t, began, reads || r.status == tlsengine.Failed || r.status == tlsengine.Unverified)
		waits := reads && f.status == tlsengine.WantWrite
		if f.status != tlsengine.OK && r.status <= tlsengine.WantWrite && r.n == 0 && !waits {
			return f
		}
		switch r.status {
		case tlsengine.WantWrite: // output was in the way
		case tlsengine.WantRead:
			if f := s.tlsReceive(c, t, began); f.status != tlsengine.OK {
				return f
			}
		default:
			return r
		}
	}
}

// tlsWriteAll writes plaintext: all of it if the call waits, else what the socket takes. What was
// encrypted and could not be sent counts as written when the write is repeated.
func (s *System) tlsWriteAll(g guest, c tlsCall, t *tlsConn, began int64) tlsResult {
	e, total := t.engine, 0
	if f := s.tlsFlush(c, t, began, false); f.status != tlsengine.OK {
		return f
	}
	if e.Repeats() {
		n, status := e.Retained(int(c.in.length))
		if total = n; status != tlsengine.OK || c.timeout == 0 {
			return tlsResult{status, uint32(n)}
		}
	}
	for {
		part := c
		part.in = iovec{c.in.at + uint32(total), c.in.length - uint32(total)}
		r := s.tlsStep(g, part, t)
		total += int(r.n)
		f := s.tlsFlush(c, t, began, r.status == tlsengine.Failed || r.status == tlsengine.Unverified)
		switch {
		case r.status == tlsengine.Failed || r.status == tlsengine.Unverified:
			return r
		case f.status == tlsengine.WantWrite || f.status == tlsTimeout:
			e.Retain(total)
			return f
		case f.status != tlsengine.OK && r.status <= tlsengine.WantWrite:
			return f
		case r.status == tlsengine.WantRead:
			if f := s.tlsReceive(c, t, began); f.status != tlsengine.OK {
				e.Retain(total)
				return f
			}
		case r.status == tlsengine.WantWrite:
		case r.status != tlsengine.OK:
			return r
		case c.timeout == 0 || total >= int(c.in.length):
			return tlsResult{n: uint32(total)}
		}
	}
}

// tlsFlush sends what an engine has written. A call that is last does not wait.
func (s *System) tlsFlush(c tlsCall, t *tlsConn, began int64, last bool) tlsResult {
	k, e := t.socket, t.engine
	for len(e.Output()) > 0 {
		s.settle(k)
		err := k.usable(false)
		n := 0
		if err == success {
			n, err = s.sendOnce(k, e.Output(), 0, netip.AddrPort{})
		}
		switch {
		case err == success:
			e.Sent(n)
			s.spend(n)
		case err != eAGAIN:
			return tlsResult{tlsSystem, uint32(err)}
		case last || c.timeout == 0:
			return tlsResult{status: tlsengine.WantWrite}
		case !s.tlsAwait(c, k, writable, began):
			return tlsResult{status: tlsTimeout}
		}
	}
	return tlsResult{}
}

// tlsReceive receives what is there for an engine that lacks bytes.
func (s *System) tlsReceive(c tlsCall, t *tlsConn, began int64) tlsResult {
	k, e := t.socket, t.engine
	for {
		s.settle(k)
		err := k.usable(true)
		n := 0
		if err == success {
			n, err = s.tlsReceiveRecord(k, e)
		}
		switch {
		case err == success && n == 0:
			e.End()
			return tlsResult{}
		case err == success:
			s.spend(tlsCost * n)
			return tlsResult{}
		case err != eAGAIN:
			return tlsResult{tlsSystem, uint32(err)}
		case c.timeout == 0:
			return tlsResult{status: tlsengine.WantRead}
		case !s.tlsAwait(c, k, readable, began):
			return tlsResult{status: tlsTimeout}
		}
	}
}

// tlsReceiveRecord receives the rest of a record at most: what follows stays in the socket, so that a
// poll sees it.
func (s *System) tlsReceiveRecord(k *socket, e *tlsengine.Engine) (total int, err errno) {
	for {
		room := e.RecordRoom()
		n, _, err := s.receiveOnce(k, room, 0)
		e.Received(n)
		if total += n; err != success || n == 0 || k.state != socketConnected {
			if total > 0 {
				return total, success
			}
			return 0, err
		}
		if n < len(room) || e.AtRecordStart() {
			return total, success
		}
	}
}

// tlsAwait waits until a socket is ready, and reports whether it is before the time of the call has
// passed.
func (s *System) tlsAwait(c tlsCall, k *socket, what events, began int64) bool {
	k.want = what
	ready := s.awaitAny([]*socket{k}, c.until(s, began))
	k.want = 0
	return ready
}
