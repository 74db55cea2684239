package nats_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/storage/replog/replogtest"
)

// proxy forwards connections to a server, and does to them what networks do: it delays, answers late, and
// cuts connections, at random places in both directions.
type proxy struct {
	target string
	ln     net.Listener

	mu     sync.Mutex
	rng    *rand.Rand
	conns  map[net.Conn]bool
	cuts   int
	stalls int
}

// startProxy returns the address of a proxy, which ends with the test.
func startProxy(t *testing.T, target string, seed uint64) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target, ln: ln, rng: rand.New(rand.NewPCG(seed, 18)), conns: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.add(client, server)
			wg.Go(func() { p.copy(server, client) })
			wg.Go(func() { p.copy(client, server) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

func (p *proxy) add(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
}

// fault says what happens to a piece of data: how long it is held back, and how much of it is forwarded
// before the connection is cut; all of it: the connection stays.
func (p *proxy) fault(n int) (wait time.Duration, forward int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.rng.IntN(400) {
	case 0, 1:
		p.cuts++
		return 0, p.rng.IntN(n + 1) // with or without what was sent: the outcome is not known then
	case 2:
		p.stalls++
		return time.Duration(p.rng.IntN(300)) * time.Millisecond, n + 1
	case 3, 4, 5, 6:
		return time.Duration(p.rng.IntN(5)) * time.Millisecond, n + 1
	}
	return 0, n + 1
}

// copy forwards one direction of a connection, until it ends or is cut.
func (p *proxy) copy(to, from net.Conn) {
	defer func() {
		to.Close()
		from.Close()
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			wait, forward := p.fault(n)
			time.Sleep(wait)
			if _, err := to.Write(buffer[:min(n, forward)]); err != nil || forward <= n {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestLogThroughAFaultyNetwork checks random operations of clients whose connections are delayed, answer
// late, and are cut at any place.
func TestLogThroughAFaultyNetwork(t *testing.T) {
	addresses := start(t, configurations(t, 3, key.Key{}))
	var proxies []*proxy
	var through []string
	for i, a := range addresses {
		p := startProxy(t, a, uint64(i))
		proxies, through = append(proxies, p), append(through, p.ln.Addr().String())
	}
	d := driver(through, func(*nats.Options) {})
	if *soak {
		d.Operations = 10000
	}
	replogtest.RunFaulty(t, d)
	cuts, stalls := 0, 0
	for _, p := range proxies {
		p.mu.Lock()
		cuts, stalls = cuts+p.cuts, stalls+p.stalls
		p.mu.Unlock()
	}
	t.Logf("%d connections cut, %d answers held back", cuts, stalls)
	if cuts == 0 || stalls == 0 {
		t.Error("the network had no faults: the test shows nothing")
	}
}
