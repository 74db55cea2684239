package server

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"

	"github.com/faaspot/faaspot/runtime/engine"
)

// slowSandbox runs nothing: a run lasts until the test releases or cancels it.
type slowSandbox struct {
	begun   chan struct{}
	release chan struct{}
}

func (s slowSandbox) Deploy(context.Context, runtime.Program) (runtime.Outcome, error) {
	return runtime.Outcome{}, nil
}

func (s slowSandbox) Run(ctx context.Context, _ runtime.RunCall) (runtime.Outcome, error) {
	s.begun <- struct{}{}
	select {
	case <-s.release:
		return runtime.Outcome{Result: []byte(`"done"`)}, nil
	case <-ctx.Done():
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCancelled, Message: "cancelled"}}, nil
	}
}

func (slowSandbox) Forget(string, uint64) {}

func (slowSandbox) RunImports(string, uint64) []string { return nil }

// busyServer is a server with one run, whose end is sent to ended.
type busyServer struct {
	engine *engine.Engine
	web    *httpapi.Server
	box    slowSandbox
	ended  chan error
	client *client.Client
	log    strings.Builder
}

func newBusyServer(t *testing.T) *busyServer {
	t.Helper()
	s := &busyServer{box: slowSandbox{make(chan struct{}, 1), make(chan struct{})}, ended: make(chan error, 1)}
	store, err := storage.Open(storage.Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.engine, err = engine.New(engine.Options{Store: store, Sandbox: s.box}); err != nil {
		t.Fatal(err)
	}
	if s.web, err = httpapi.New(httpapi.Options{Engine: s.engine, Auth: httpapi.HashToken("t")}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.web.Serve(l) }()
	if s.client, err = client.New(client.Options{URL: "http://" + l.Addr().String(), Token: "t"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Create(t.Context(), client.CreateRequest{Name: "f", Code: "def main(args, context): pass"}); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := s.client.Run(t.Context(), "f", []byte(`{}`))
		s.ended <- err
	}()
	<-s.box.begun
	return s
}

func (s *busyServer) drain(grace time.Duration) error {
	return drain(s.engine, s.web, grace, slog.New(slog.NewTextHandler(&s.log, nil)))
}

func TestDrainLetsRunsEnd(t *testing.T) {
	s := newBusyServer(t)
	drained := make(chan error, 1)
	go func() { drained <- s.drain(2 * time.Minute) }()
	// Once the server refuses new requests the drain has begun, and the run continues.
	for {
		if _, err := s.client.Functions(t.Context()); err != nil {
			break
		}
	}
	select {
	case err := <-drained:
		t.Fatalf("drained while a run was active: %v", err)
	case err := <-s.ended:
		t.Fatalf("the run ended by itself: %v", err)
	default:
	}
	close(s.box.release)
	if err := <-s.ended; err != nil {
		t.Errorf("the run: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if s.log.Len() > 0 {
		t.Errorf("the log complains: %s", s.log.String())
	}
}

func TestDrainStopsRunsAtTheEnd(t *testing.T) {
	s := newBusyServer(t)
	if err := s.drain(10 * time.Millisecond); err != nil {
		t.Errorf("drain: %v", err)
	}
	if err := <-s.ended; runtime.CodeOf(err) != runtime.ClassCancelled.Code() {
		t.Errorf("the run's caller got %v", err)
	}
	if !strings.Contains(s.log.String(), "the grace period is over") {
		t.Errorf("the log: %q", s.log.String())
	}
}

func TestDrainWithoutParts(t *testing.T) {
	if err := drain(nil, nil, time.Hour, slog.Default()); err != nil {
		t.Error(err)
	}
}
