//go:build linux

package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/process"
)

// Three servers, confined and with a key, form a log that goes on while one of them stops and comes back.
func TestEngines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	three := clusters.StartLog(t)
	k, err := key.Read(three.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*process.Patience)
	defer cancel()
	l, err := nats.Open(ctx, nats.Options{Servers: three.URLs, Cluster: "test", Generation: 1, Key: k, Create: true, MaxBytes: 1 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := uint64(0)
	// appendOne appends a record, however often that must be tried.
	appendOne := func() {
		t.Helper()
		record := fmt.Appendf(nil, "record %d", at+1)
		for err := l.Append(ctx, at, record)(); err != nil; err = l.Append(ctx, at, record)() {
			if found, err := l.Get(ctx, at+1); err == nil && string(found) == string(record) {
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		at++
	}
	three.Engines[0].Signal(t, syscall.SIGHUP) // as a service manager that reloads it
	for range 20 {
		appendOne()
	}
	for i, e := range three.Engines {
		e.Signal(t, syscall.SIGTERM)
		for range 20 {
			appendOne()
		}
		select {
		case err := <-e.Exited:
			if err != nil {
				t.Fatalf("engine %d ended with %v\n%s", i, err, e.Log(t))
			}
		case <-ctx.Done():
			t.Fatal("the engine does not stop")
		}
		e.Start(t)
		e.Ready(t)
	}
	end, err := l.End(ctx)
	if err != nil || end != at {
		t.Errorf("the log ends at %d, want %d: %v", end, at, err)
	}
	if log := three.Engines[0].Log(t); !strings.Contains(log, `"msg":"confined"`) {
		t.Errorf("the engine is not confined:\n%s", log)
	}
	text := make([]byte, 4096)
	if err := manager.SetReadDeadline(time.Now().Add(process.Patience)); err != nil {
		t.Fatal(err)
	}
	n, err := manager.Read(text)
	if err != nil || !strings.HasPrefix(string(text[:n]), "READY=1") {
		t.Errorf("the service manager received %q, %v", text[:n], err)
	}
}
