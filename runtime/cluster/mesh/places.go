package mesh

import (
	"net"
	"net/netip"
	"sync"

	"github.com/faaspot/faaspot/runtime/netaddr"
)

// addressShare is the divisor of places for those of one address, once half of all places are taken.
const addressShare = 4

// places bounds connections, or requests, in all and, when many are taken, from each address. One sender, whatever its
// addresses, takes no more places than it leaves free: alone half of them, of two both a third. So the next one always finds some.
type places struct {
	all int

	mu      sync.Mutex
	taken   int
	from    map[netip.Addr]int
	senders map[string]int
}

func newPlaces(all int) *places {
	return &places{all: all, from: make(map[netip.Addr]int), senders: make(map[string]int)}
}

// take takes a place for a connection until leave is called, once. ok is false if there is none.
func (p *places) take(conn net.Conn) (leave func(), ok bool) { return p.takeFor(conn.RemoteAddr(), "") }

// takeFor is like take for a client at an address, and its sender; empty: it is not known.
func (p *places) takeFor(client net.Addr, sender string) (leave func(), ok bool) {
	address := netaddr.Client(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.taken >= p.all,
		p.taken >= p.all/2 && p.from[address] >= p.all/addressShare,
		sender != "" && p.senders[sender] >= p.all-p.taken:
		return nil, false
	}
	p.taken++
	p.from[address]++
	p.senders[sender]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		release(p.from, address)
		release(p.senders, sender)
	}, true
}

// release gives back one of the places that each key has.
func release[K comparable](of map[K]int, key K) {
	if of[key]--; of[key] == 0 {
		delete(of, key)
	}
}
