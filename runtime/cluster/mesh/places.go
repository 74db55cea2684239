package mesh

import (
	"net"
	"net/netip"
	"sync"

	"github.com/faaspot/faaspot/runtime/netaddr"
)

// addressShare is the divisor of places for those of one address, once half of all places are taken.
const addressShare = 4

// places bounds connections, or requests, in all and, when many are taken, from each address.
type places struct {
	all int

	mu    sync.Mutex
	taken int
	from  map[netip.Addr]int
}

func newPlaces(all int) *places { return &places{all: all, from: make(map[netip.Addr]int)} }

// take takes a place for a connection until leave is called, once. ok is false if there is none.
func (p *places) take(conn net.Conn) (leave func(), ok bool) { return p.takeFor(conn.RemoteAddr()) }

// takeFor is like take for the client at an address.
func (p *places) takeFor(client net.Addr) (leave func(), ok bool) {
	address := netaddr.Client(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.all || p.taken >= p.all/2 && p.from[address] >= p.all/addressShare {
		return nil, false
	}
	p.taken++
	p.from[address]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.from[address]--; p.from[address] == 0 {
			delete(p.from, address)
		}
	}, true
}
