package mesh

import (
	"net"
	"net/netip"
	"sync"

	"github.com/faaspot/faaspot/runtime/netaddr"
)

// addressShare is the divisor of places for those of one address: of all, once half of them are taken, and of the half that those
// have which are not known.
const addressShare = 4

// places bounds connections, or requests, in all and, when many are taken, from each address. One sender, whatever its
// addresses, takes no more places than it leaves free: alone half of them, of two both a third. Those that are not known are
// one sender, empty, of which each address takes a share: a client chooses whether it is known.
type places struct {
	all int

	mu        sync.Mutex
	taken     int
	from      map[netip.Addr]int
	senders   map[string]int
	strangers map[netip.Addr]int // those of from that are not known
}

func newPlaces(all int) *places {
	return &places{all: all, from: make(map[netip.Addr]int), senders: make(map[string]int), strangers: make(map[netip.Addr]int)}
}

// take takes a place for a connection until leave is called, once. ok is false if there is none.
func (p *places) take(conn net.Conn) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.place(netaddr.Client(conn.RemoteAddr()), "")
}

// takeFor is like take for a client at an address, and its sender; empty: it is not known.
func (p *places) takeFor(client net.Addr, sender string) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	address := netaddr.Client(client)
	if p.senders[sender] >= p.all-p.taken || sender == "" && p.strangers[address] >= p.all/2/addressShare {
		return nil, false
	}
	return p.place(address, sender)
}

// place takes a place. The caller holds mu.
func (p *places) place(address netip.Addr, sender string) (leave func(), ok bool) {
	if p.taken >= p.all || p.taken >= p.all/2 && p.from[address] >= p.all/addressShare {
		return nil, false
	}
	p.taken++
	p.from[address]++
	p.senders[sender]++
	if sender == "" {
		p.strangers[address]++
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		release(p.from, address)
		release(p.senders, sender)
		if sender == "" {
			release(p.strangers, address)
		}
	}, true
}

// release gives back one of the places that each key has.
func release[K comparable](of map[K]int, key K) {
	if of[key]--; of[key] == 0 {
		delete(of, key)
	}
}
