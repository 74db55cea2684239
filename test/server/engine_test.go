//go:build linux

package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/test/freeport"
	"github.com/faaspot/faaspot/test/process"
)

// engineProcess is a server of the log.
type engineProcess struct {
	args   []string
	health string
	log    string
	cmd    *exec.Cmd
	exited chan error
}

func (e *engineProcess) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(e.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command(process.Binary(t), e.args...)
	e.cmd.Stderr = log
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(e.cmd, e.exited)
	t.Cleanup(func() { _ = e.cmd.Process.Kill() })
}

// ready waits until the server answers that it is one of a majority.
func (e *engineProcess) ready(t *testing.T) {
	t.Helper()
	last := ""
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r, err := http.Get("http://" + e.health + "/readyz")
		if err != nil {
			last = err.Error()
			continue
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if last = string(text); r.StatusCode == http.StatusOK {
			return
		}
	}
	log, _ := os.ReadFile(e.log)
	t.Fatalf("the engine is not ready: %s\n%s", last, log)
}

// startEngines starts three servers of a log, and returns their addresses, too.
func startEngines(t *testing.T, dir, keyFile string) (engines []*engineProcess, urls []string) {
	t.Helper()
	var peers []string
	for i := range 3 {
		peers = append(peers, fmt.Sprintf("%c=%s", 'a'+i, freeport.Address(t)))
	}
	for i := range 3 {
		listen := freeport.Address(t)
		urls = append(urls, "nats://"+listen)
		e := &engineProcess{health: freeport.Address(t), log: filepath.Join(dir, fmt.Sprint("log", i))}
		e.args = []string{
			"engine", "--name", string(rune('a' + i)), "--peers", strings.Join(peers, ","), "--listen", listen, "--health-listen", e.health,
			"--cluster-key-file", keyFile, "--data", filepath.Join(dir, fmt.Sprint("data", i)), "--max-store", "8GB", "--grace", "2s",
		}
		e.start(t)
		engines = append(engines, e)
	}
	for _, e := range engines {
		e.ready(t)
	}
	return engines, urls
}

// Three servers, confined and with a key, form a log that goes on while one of them stops and comes back.
func TestEngines(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	engines, urls := startEngines(t, dir, keyFile)
	k, err := key.Read(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*process.Patience)
	defer cancel()
	l, err := nats.Open(ctx, nats.Options{Servers: urls, Cluster: "test", Generation: 1, Key: k, Create: true, MaxBytes: 1 << 30, Log: slog.New(slog.DiscardHandler)})
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
	for range 20 {
		appendOne()
	}
	for i, e := range engines {
		if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			appendOne()
		}
		select {
		case err := <-e.exited:
			if err != nil {
				log, _ := os.ReadFile(e.log)
				t.Fatalf("engine %d ended with %v\n%s", i, err, log)
			}
		case <-ctx.Done():
			t.Fatal("the engine does not stop")
		}
		e.start(t)
		e.ready(t)
	}
	end, err := l.End(ctx)
	if err != nil || end != at {
		t.Errorf("the log ends at %d, want %d: %v", end, at, err)
	}
	log, _ := os.ReadFile(engines[0].log)
	if !strings.Contains(string(log), `"msg":"confined"`) {
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
