package egress

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
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
