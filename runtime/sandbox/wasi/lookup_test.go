package wasi

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// lookUp begins to look up a name, and returns the descriptor.
func (r *rig) lookUp(name string) uint64 {
	r.t.Helper()
	at, n := r.put(atPath, name)
	r.must("look up", r.call("sock_look_up", at, n, afUnspec, atResult))
	return uint64(r.result())
}

// found returns the result of a look-up.
func (r *rig) found(fd uint64) ([]netip.AddrPort, errno) {
	r.mem.WriteUint32Le(atResult, 10)
	if err := r.call("sock_found", fd, atBuffer, atResult); err != success {
		return nil, err
	}
	var list []netip.AddrPort
	for i := range r.result() {
		a, _ := r.mem.readAddress(atBuffer + i*addressSize)
		list = append(list, a)
	}
	return list, success
}

// TestLookUps: look-ups run at the same time, and each descriptor becomes readable with its own result.
func TestLookUps(t *testing.T) {
	r, n := newNetRig(t)
	slow := r.lookUp("never")
	if _, err := r.found(slow); err != eaiAgain {
		t.Errorf("the result of a look-up in progress: %d", err)
	}
	for _, c := range []struct {
		name   string
		count  int
		err    errno
		reason string
	}{
		{"both", 2, 0, ""},
		{"gone", 0, eaiNoName, `there is no host "gone"`},
		{"down", 0, eaiAgain, "the name server does not respond"},
		{"denied", 0, eaiFail, "denied is not in the allow list of the function"},
	} {
		fd := r.lookUp(c.name)
		events, _ := r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdRead, clock: uint32(slow)}, subscription{user: 2, kind: eventFdRead, clock: uint32(fd)})
		if len(events) != 1 || events[0].user != 2 {
			t.Fatalf("%s: waiting for two look-ups gives %v", c.name, events)
		}
		for range 2 {
			got, err := r.found(fd)
			if err != c.err || len(got) != c.count || r.reason() != c.reason {
				t.Errorf("%s: %v, %d", c.name, got, err)
			}
		}
		r.mem.WriteUint32Le(atResult, 1)
		if r.call("sock_found", fd, 1<<31, atResult) == success || r.call("sock_found", fd, atBuffer, 1<<31) == success {
			t.Errorf("%s: addresses outside of the memory", c.name)
		}
		r.want("connect", r.connect(fd, n.echo), eINVAL)
		if _, err := r.send(fd, "x", 0); err != eNOTCONN {
			t.Errorf("sending: errno %d", err)
		}
		if _, err := r.receive(fd, 1, 0); err != eNOTCONN {
			t.Errorf("receiving: errno %d", err)
		}
		r.must("close", r.call("fd_close", fd))
	}
	stream := r.socket(sockStream, n.echo)
	for what, fd := range map[string]uint64{"a socket": stream, "a file": 1, "nothing": 99} {
		if _, err := r.found(fd); err != eaiFail {
			t.Errorf("%s has a result: %d", what, err)
		}
	}
	state := r.capture()
	r.reset(state)
	if _, err := r.found(slow); err != eaiFail {
		t.Errorf("a look-up of an image has the result %d", err)
	}
	if _, err := r.receive(slow, 1, 0); err != eCONNRESET {
		t.Errorf("a look-up of an image: errno %d", err)
	}
}

// TestLookUpsAreBounded: they count as connections.
func TestLookUpsAreBounded(t *testing.T) {
	r, n := newNetRig(t)
	var all []uint64
	for range maxConnections {
		all = append(all, r.lookUp("never"))
	}
	at, size := r.put(atPath, "never")
	r.want("one more", r.call("sock_look_up", at, size, 0, atResult), eMFILE)
	r.want("a connection", r.connect(r.socket(sockStream, n.echo), n.echo), eMFILE)
	r.must("close", r.call("fd_close", all[0]))
	r.must("one more", r.call("sock_look_up", at, size, 0, atResult))
	r.want("family", r.call("sock_look_up", at, size, 7, atResult), eAFNOSUPPORT)
	r.want("name", r.call("sock_look_up", at, maxHost+1, 0, atResult), eINVAL)
	r.want("outside", r.call("sock_look_up", 1<<31, size, 0, atResult), eFAULT)
	r.want("outside", r.call("sock_look_up", at, size, 0, 1<<31), eFAULT)
	r.reset(nil)
	r.want("without a network", r.call("sock_look_up", at, size, 0, atResult), eNETUNREACH)
	if r.control.connections != 0 {
		t.Errorf("%d connections are held", r.control.connections)
	}
}

// TestPollForHangups: a subscription for nothing but hangups and errors does not end for bytes that are
// there, and is as good as another when the peer has gone.
func TestPollForHangups(t *testing.T) {
	r, n := newNetRig(t)
	accepted := n.keepAccepted()
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	peer := <-accepted
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	r.gets(fd, 1, msgPeek, "h")
	quiet := subscription{user: 1, kind: eventFdRead, clock: uint32(fd), alone: 1}
	clock := subscription{user: 2, kind: eventClock, clock: clockMonotonic, timeout: uint64(20 * time.Millisecond)}
	for range 2 { // the second registers again
		if got, _ := r.poll(0x20000, 0x21000, quiet, clock); len(got) != 1 || got[0].user != 2 {
			t.Fatalf("with bytes to read: %v", got)
		}
		if got := r.waits(fd, eventFdRead); len(got) != 1 {
			t.Fatalf("waiting to read gives %v", got)
		}
	}
	r.must("shutdown", r.call("sock_shutdown", fd, 2))
	peer.Close()
	got, _ := r.poll(0x20000, 0x21000, quiet)
	flags, _ := r.mem.ReadUint16Le(0x21000 + 24)
	if len(got) != 1 || got[0].user != 1 || flags&(eventHangup|eventFailed) == 0 || flags&eventNotReady == 0 {
		t.Errorf("after the peer has gone: %v", got)
	}
	if slices.ContainsFunc(r.sys.opened, func(d description) bool { return d.socket != nil && d.socket.want != 0 }) {
		t.Error("a socket is still polled")
	}
}
