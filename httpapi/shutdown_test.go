package httpapi

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/faaspot/faaspot/runtime"
)

func newServer(t *testing.T, f *fakeEngine) *Server {
	t.Helper()
	s, err := New(Options{Engine: f, Auth: HashToken(testToken), Log: textLog(&syncBuffer{})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestShutdownLetsRunsFinish(t *testing.T) {
	running, finish := make(chan struct{}), make(chan struct{})
	ts := startTCP(t, &fakeEngine{run: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		close(running)
		<-finish
		return succeeded("42"), nil
	}}, nil)
	conn := dialRaw(t, ts.addr)
	conn.send(t, runLine+"Content-Length: 2\r\n\r\n{}")
	<-running
	down := make(chan error)
	go func() { down <- ts.Shutdown(context.Background()) }()
	for !ts.closing.Load() {
		time.Sleep(time.Millisecond)
	}
	if err := ts.ready(&fasthttp.RequestCtx{}, ""); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("ready while it shuts down: %v", err)
	}
	close(finish)
	got, closed := conn.answers(t, -1)
	if len(got) != 1 || got[0].status != 200 || got[0].body != "42" || !closed {
		t.Errorf("got %+v, closed %v", got, closed)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", ts.addr); err == nil {
		conn.Close()
		t.Error("it still accepts")
	}
}

func TestShutdownOutOfTimeCancelsRuns(t *testing.T) {
	running := make(chan struct{})
	s := newServer(t, &fakeEngine{run: func(ctx context.Context, _ runtime.RunRequest) (*runtime.Execution, error) {
		close(running)
		<-ctx.Done()
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the server is shutting down")
	}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ln) }()
	conn := dialRaw(t, ln.Addr().String())
	conn.send(t, runLine+"Content-Length: 2\r\n\r\n{}")
	<-running
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	got, _ := conn.answers(t, -1)
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	wantError(t, got[0], 503, "unavailable")
}

func TestShutdownTwiceAndServeAfterwards(t *testing.T) {
	s := newServer(t, &fakeEngine{})
	for range 2 {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	ln := fasthttputil.NewInmemoryListener()
	if err := s.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Dial(); err == nil {
		t.Error("the listener is open")
	}
}

func TestOptions(t *testing.T) {
	good := Options{Engine: &fakeEngine{}, Auth: TokenHash{}}
	for name, change := range map[string]func(*Options){
		"no auth":          func(o *Options) { o.Auth = nil },
		"negative timeout": func(o *Options) { o.WriteTimeout = -1 },
		"negative conns":   func(o *Options) { o.MaxConns = -1 },
		"small header":     func(o *Options) { o.MaxHeader = 100 },
		"base path":        func(o *Options) { o.BaseURL = "/v1" },
		"base scheme":      func(o *Options) { o.BaseURL = "ftp://a" },
		"base user":        func(o *Options) { o.BaseURL = "http://u@a" },
		"base query":       func(o *Options) { o.BaseURL = "http://a?x" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
