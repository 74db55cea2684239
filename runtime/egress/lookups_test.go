package egress

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// asked is a connection to a name server that says how its first read has ended.
type asked struct {
	net.Conn
	ended chan<- error
}

func (a asked) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	a.ended <- err
	return n, err
}

// TestLookUpsEndWithTheirRun closes the network of a run that waits for a name server. Nothing waits for
// the time that the name server has.
func TestLookUpsEndWithTheirRun(t *testing.T) {
	began, ended := make(chan struct{}, 100), make(chan error, 100)
	n := newNetworks(t, NetworkOptions{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Read(make([]byte, 1000)) // the question
			began <- struct{}{}
		}()
		return asked{ours, ended}, nil
	}}})
	w := n.open(t, "slow.example:1")
	done := make(chan error, 1)
	go func() {
		_, err := w.Resolve(context.Background(), "ip", "slow.example")
		done <- err
	}()
	for range 2 { // A and AAAA
		<-began
	}
	w.Close()
	if err := <-done; err == nil {
		t.Error("the name was resolved")
	}
	for range 2 {
		if err := <-ended; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a question has ended with: %v", err)
		}
	}
}

// TestLookUpsCountForEachFamily: a look-up has a socket for each family of addresses, and counts as that
// many connections.
func TestLookUpsCountForEachFamily(t *testing.T) {
	n := newNetworks(t, NetworkOptions{Run: Limits{Connections: 1}, Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}})
	for network, want := range map[string]runtime.Code{"ip": runtime.CodeTooBusy, "ip4": runtime.CodeUnavailable, "ip6": runtime.CodeUnavailable} {
		w := n.open(t, "slow.example:1")
		for range 3 { // what a refused one has counted is given back
			if _, err := w.Resolve(t.Context(), network, "slow.example"); runtime.CodeOf(err) != want {
				t.Errorf("%s: got %v, want %s", network, err, want)
			}
		}
		w.Close()
	}
}
