package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestClientConnectsAgainAfterAPause checks that a connection that the server may have closed is not
// used again, and that any other is.
func TestClientConnectsAgainAfterAPause(t *testing.T) {
	opened := map[string]bool{}
	fake := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { opened[r.RemoteAddr] = true }))
	defer fake.Close()
	c := newClient(fake.Listener.Addr().String())
	defer c.close()
	s := &server{address: c.address}
	for i, want := range []int{1, 1, 2, 2} {
		if i == 2 {
			c.used = time.Now().Add(-2 * idleTime)
		}
		if _, err := c.succeed(s.request("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
		if len(opened) != want {
			t.Errorf("after request %d: %d connections, want %d", i, len(opened), want)
		}
	}
}
