package wasi

import (
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// lookup is a look-up of a name, by a goroutine that ends soon after its context.
type lookup struct {
	family uint32
	cancel context.CancelFunc
	done   chan struct{} // closed when the fields below are set

	addresses []netip.Addr
	err       error
}

// startLookup begins to resolve a name to addresses of a family, or of all if it is afUnspec. ended is
// called afterwards.
func startLookup(n runtime.Network, family uint32, name string, ended func()) *lookup {
	ctx, cancel := context.WithCancel(context.Background())
	l := &lookup{family: family, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer cancel()
		l.addresses, l.err = n.Resolve(ctx, networkOf[family], name)
		close(l.done)
		ended()
	}()
	return l
}

// networkOf has the networks of Network.Resolve by family.
var networkOf = map[uint32]string{afUnspec: "ip", afInet: "ip4", afInet6: "ip6"}

// isDone reports whether the look-up has ended.
func (l *lookup) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// maxHost is the largest number of bytes of a name. One of DNS has at most 253.
const maxHost = 1024

// sockLookUp begins to look up a name. The new descriptor is readable when sock_found has the result.
func sockLookUp(s *System, g guest, p []uint64) errno {
	at, length, family, result := uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3])
	name, ok := g.Read(at, length)
	switch {
	case !ok || !g.writable(result, 4):
		return eFAULT
	case length > maxHost:
		return eINVAL
	case networkOf[family] == "":
		return eAFNOSUPPORT
	}
	n, err := s.reachable()
	if err != success {
		return err
	}
	if err := s.holdConnections(1); err != success {
		return err
	}
	k := &socket{family: afInet, stream: true, state: socketLookup}
	fd, err := s.installSocket(k)
	if err != success {
		s.holdConnections(-1)
		return err
	}
	k.lookup = startLookup(n, family, string(name), s.poller.waker())
	g.WriteUint32Le(result, fd)
	return success
}

// sockFound writes the addresses that a look-up has found. Its result is 0 or an EAI code.
func sockFound(s *System, g guest, p []uint64) errno {
	d, err := s.openSocket(p[0])
	if err != success {
		return eaiFail
	}
	switch l := d.socket.lookup; {
	case l == nil:
		return eaiFail
	case !l.isDone():
		return eaiAgain
	default:
		return s.putFound(g, l, uint32(p[1]), uint32(p[2]))
	}
}

// sockResolve writes the addresses of a name. Its result is 0 or an EAI code.
func sockResolve(s *System, g guest, p []uint64) errno {
	at, length, family, found, count := uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4])
	name, ok := g.Read(at, length)
	if !ok || length > maxHost || !g.roomForAddresses(found, count) {
		return eaiNoName
	}
	if networkOf[family] == "" {
		return eaiFamily
	}
	n, err := s.reachable()
	if err != success {
		return eaiAgain
	}
	l := startLookup(n, family, string(name), func() {})
	defer l.cancel()
	s.wait(math.MaxInt64, func(ctx context.Context, until time.Time) bool { return waitFor(ctx, l.done, until) })
	return s.putFound(g, l, found, count)
}

// roomForAddresses reports whether a guest has room for as many addresses as count says, at most
// runtime.MaxAddresses.
func (g guest) roomForAddresses(found, count uint32) bool {
	room, ok := g.ReadUint32Le(count)
	return ok && g.writable(found, min(room, runtime.MaxAddresses)*addressSize)
}

// putFound writes the result of a look-up that has ended: as many addresses as count says, and how many
// there are to count. The result is 0 or an EAI code.
func (s *System) putFound(g guest, l *lookup, found, count uint32) errno {
	if !g.roomForAddresses(found, count) {
		return eaiNoName
	}
	if l.err != nil {
		return s.lookupFailure(l.err)
	}
	room, _ := g.ReadUint32Le(count)
	room = min(room, runtime.MaxAddresses)
	list, _ := g.Read(found, room*addressSize)
	written := uint32(0)
	for _, a := range l.addresses {
		if f := familyOf(a); written < room && (l.family == afUnspec || uint32(f) == l.family) {
			putAddress(list[written*addressSize:], f, netip.AddrPortFrom(a, 0))
			written++
		}
	}
	g.WriteUint32Le(count, written)
	return success
}
