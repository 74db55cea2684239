package tlsengine

import (
	"errors"
	goruntime "runtime"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestHandshakeOnAnyThread continues a handshake on goroutines of which some are locked to a thread.
func TestHandshakeOnAnyThread(t *testing.T) {
	client, server := connected(t, 0x304)
	done := make(chan bool)
	for i := range 1000 {
		go func() {
			if i%2 == 0 {
				goruntime.LockOSThread()
				defer goruntime.UnlockOSThread()
			}
			c, s := client.Handshake(), server.Handshake()
			carry(client, server, 50)
			carry(server, client, 50)
			done <- c == OK && s == OK
		}()
		if <-done {
			return
		}
		if client.Failure() != nil || server.Failure() != nil {
			t.Fatal(client.Failure(), server.Failure())
		}
	}
	t.Error("the handshake does not end")
}

// TestHandshakePanics checks that a panic of crypto/tls is one of the caller.
func TestHandshakePanics(t *testing.T) {
	h := startHandshake(func() error { panic("crash") })
	func() {
		defer func() {
			if v := recover(); v != "crash" {
				t.Errorf("the panic is %v", v)
			}
		}()
		h.step()
	}()
	h.stop()
}

// TestHandshakeStops ends handshakes that have not begun, and some that wait.
func TestHandshakeStops(t *testing.T) {
	startHandshake(func() error { return nil }).stop()
	var h *handshake
	h = startHandshake(func() error {
		if h.pause() {
			t.Error("it goes on")
		}
		return errors.New("stopped")
	})
	if h.step() {
		t.Error("it has ended")
	}
	h.stop()
	if !h.ended || h.err == nil {
		t.Error("it has not ended")
	}
}
