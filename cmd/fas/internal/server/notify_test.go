package server

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// TestReloadsBeforeTheServerIsReady checks that a server which reads files again while it starts does not say that it is ready.
func TestReloadsBeforeTheServerIsReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip(err) // the system has no such sockets
	}
	defer manager.Close()
	n := newNotifier(environ.Environment{"NOTIFY_SOCKET": path}, slog.New(slog.DiscardHandler))
	defer n.close()
	n.reloading()()
	n.ready("http://127.0.0.1:1")
	n.reloading()()
	for _, want := range []string{"READY=1\nSTATUS=serving at http://127.0.0.1:1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1"} {
		text := make([]byte, 4096)
		length, err := manager.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text[:length]); got[:min(len(got), len(want))] != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	(*notifier)(nil).ready("x") // no service manager
	(*notifier)(nil).reloading()()
}
