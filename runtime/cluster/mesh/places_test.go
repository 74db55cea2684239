package mesh

import (
	"net"
	"net/netip"
	"testing"
)

// from is a connection from an address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.address), Port: 1} }

// One address gets at most half of all places, and the others have the rest.
func TestPlaces(t *testing.T) {
	p := newPlaces(16)
	var leave []func()
	take := func(address string) (n int) {
		for {
			l, ok := p.take(from{address: address})
			if !ok {
				return n
			}
			leave = append(leave, l)
			n++
		}
	}
	for _, step := range []struct {
		address string
		want    int
	}{
		{"192.0.2.1", 8}, {"::ffff:192.0.2.1", 0}, {"2001:db8::1", 4}, {"2001:db8::2", 0}, {"2001:db8:0:1::1", 4}, {"192.0.2.9", 0},
	} {
		if got := take(step.address); got != step.want {
			t.Errorf("%s got %d places, want %d", step.address, got, step.want)
		}
	}
	for _, l := range leave {
		l()
	}
	if p.taken != 0 || len(p.from)+len(p.senders)+len(p.strangers) > 0 {
		t.Errorf("%d places are taken, by %v and %v", p.taken, p.from, p.senders)
	}
	if got := take("192.0.2.1"); got != 8 {
		t.Errorf("afterwards there are %d places", got)
	}
}

// The owner has places for as many requests as a node forwards, whatever others forward.
func TestPlacesOfNodes(t *testing.T) {
	l := Listener{peers: newPlaces(maxPeers)}
	take := func(address string, want int) {
		t.Helper()
		for n := range want {
			if _, ok := l.peers.take(from{address: address}); !ok {
				t.Fatalf("%s got %d places, want %d", address, n, want)
			}
		}
	}
	take("192.0.2.1", maxPeers/2)
	take("192.0.2.2", maxForwarded)
	take("192.0.2.3", maxForwarded)
}

// A sender leaves as many places as it has, from however many addresses it comes: each further one finds some, and so does
// one that is not known.
func TestPlacesOfSenders(t *testing.T) {
	const all = 4096
	p := newPlaces(all)
	leave := make(map[string][]func())
	address := uint16(0)
	take := func(sender string) (n int) {
		for ; n <= all; n++ {
			address++
			l, ok := p.takeFor(&net.TCPAddr{IP: net.IPv4(10, 0, byte(address>>8), byte(address))}, sender)
			if !ok {
				break
			}
			leave[sender] = append(leave[sender], l)
		}
		return n
	}
	for i, want := range []int{2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1} {
		if got := take(string(rune('a' + i))); got != want {
			t.Errorf("sender %d got %d places, want %d", i, got, want)
		}
	}
	if got := take(""); got != 1 {
		t.Errorf("those that are not known got %d places", got)
	}
	for _, l := range leave["a"] {
		l()
	}
	if got, again := take("z"), take("b"); got != 1024 || again != 0 {
		t.Errorf("when one has left, a new one got %d places, and one that has many %d more", got, again)
	}
	// Those that are not known are one sender, and connections have none.
	p = newPlaces(all)
	if got, known := take(""), take("a"); got != all/2 || known != all/4 {
		t.Errorf("those that are not known got %d places, and one that is known %d", got, known)
	}
	for i := range all / 4 {
		if _, ok := p.take(from{address: netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}).String()}); !ok {
			t.Fatalf("%d connections got a place, want %d", i, all/4)
		}
	}
	// Two that take turns get the same.
	p = newPlaces(300)
	for range 300 {
		for _, sender := range []string{"a", "b"} {
			_, _ = p.takeFor(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, sender)
		}
	}
	if p.senders["a"] != p.senders["b"] || p.taken >= 300 {
		t.Errorf("two senders have %v", p.senders)
	}
}

// An address of those that are not known leaves three quarters of their places to other addresses, from the first place on, and
// does not count there what it sends as known senders.
func TestPlacesOfStrangers(t *testing.T) {
	p := newPlaces(4096)
	var leave []func()
	take := func(address, sender string, atMost int) (n int) {
		for ; n < atMost; n++ {
			l, ok := p.takeFor(from{address: address}.RemoteAddr(), sender)
			if !ok {
				break
			}
			leave = append(leave, l)
		}
		return n
	}
	for _, step := range []struct {
		address, sender string
		atMost, want    int
	}{
		{"10.0.0.1", "a", 600, 600},
		{"10.0.0.1", "", 4096, 512},
		{"::ffff:10.0.0.1", "", 4096, 0},
		{"10.0.0.2", "", 4096, 512},
		{"10.0.0.2", "", 4096, 0},
		{"10.0.0.2", "a", 1, 1},
		{"10.0.0.3", "", 1, 1},
	} {
		if got := take(step.address, step.sender, step.atMost); got != step.want {
			t.Errorf("%s as %q got %d places, want %d", step.address, step.sender, got, step.want)
		}
	}
	for _, l := range leave {
		l()
	}
	if p.taken != 0 || len(p.from)+len(p.senders)+len(p.strangers) > 0 {
		t.Errorf("%d places are taken, by %v, %v and %v", p.taken, p.from, p.senders, p.strangers)
	}
}
