// Package freeport finds addresses for servers that tests start, and that must be known before.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports are below those that Linux gives to connections and to listeners that ask for any port: between the
// return of an address and the start of its server nobody else gets the port, but by chance another test that
// asks here, in another process.
const first, last = 10000, 32767

var (
	mu    sync.Mutex
	given = make(map[int]bool)
)

// Address is Find for tests that have no use for the error.
func Address(t testing.TB) string {
	t.Helper()
	address, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Find returns an address of this machine, with a port at which nothing listens, for TCP and UDP. It
// returns each address once.
func Find() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first+1)
		if given[port] || !isFree(port) {
			continue
		}
		given[port] = true
		return address(port), nil
	}
	return "", errors.New("no port is free")
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func isFree(port int) bool {
	ln, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	defer func() { _ = ln.Close() }()
	conn, err := net.ListenPacket("udp", address(port))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
