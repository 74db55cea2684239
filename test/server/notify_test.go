//go:build linux

package server

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// serviceManager receives what servers that start from now on report to their service manager.
func serviceManager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { manager.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return manager
}

// A confined server reports to its service manager that it is ready, is alive, reloads and stops.
func TestServiceManager(t *testing.T) {
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	s := process.NewSite(t)
	l := s.Launch(t)
	// next returns the next message that is not one of the watchdog's, and the number of those before it.
	next := func() (message string, alive int) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(process.Patience)); err != nil {
			t.Fatal(err)
		}
		for {
			text := make([]byte, 4096)
			n, err := manager.Read(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, l.Log(t))
			}
			if message = string(text[:n]); message != "WATCHDOG=1" {
				return message, alive
			}
			alive++
		}
	}
	if ready, _ := next(); !strings.HasPrefix(ready, "READY=1\nSTATUS=serving at http://127.0.0.1:") {
		t.Fatalf("got %q", ready)
	}
	if !l.Ready(t, nil) {
		t.Fatal(l.Log(t))
	}
	l.Must(t, "GET", "/readyz", "")
	if err := manager.SetReadDeadline(time.Now().Add(process.Patience)); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the server is alive
		text := make([]byte, 4096)
		if n, err := manager.Read(text); err != nil || string(text[:n]) != "WATCHDOG=1" {
			t.Fatalf("%q, %v", text[:n], err)
		}
	}
	l.Signal(t, syscall.SIGHUP)
	if reloading, _ := next(); !strings.HasPrefix(reloading, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("got %q", reloading)
	}
	if ready, _ := next(); ready != "READY=1" {
		t.Errorf("got %q", ready)
	}
	l.Signal(t, syscall.SIGTERM)
	if stopping, _ := next(); stopping != "STOPPING=1" {
		t.Errorf("got %q", stopping)
	}
	l.WaitExit(t, process.ExitOK)
}
