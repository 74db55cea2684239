package mesh

import (
	"net"
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
	if p.taken != 0 || len(p.from) > 0 {
		t.Errorf("%d places are taken, by %v", p.taken, p.from)
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
