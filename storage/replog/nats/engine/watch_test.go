package engine

import (
	"log/slog"
	"testing"
	"time"
)

// A server whose JetStream is off, as NATS turns it off on a full disk, is reported.
func TestAServerThatStoresNothingIsReported(t *testing.T) {
	e, err := Start(Options{
		Name: "a", Peers: []Peer{{"a", "127.0.0.1:6222"}}, Listen: "127.0.0.1:0", Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Kill()
	select {
	case err := <-e.Failed():
		t.Fatalf("a server that serves is reported: %v", err)
	case <-time.After((maxFailures + 1) * watchTime):
	}
	if err := e.server.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.Failed():
	case <-time.After(time.Minute):
		t.Error("a server that stores nothing goes on")
	}
}
