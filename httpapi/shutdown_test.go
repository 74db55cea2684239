package httpapi_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

func TestShutdownLetsRunsFinish(t *testing.T) {
	t.Parallel()
	running, finish := make(chan struct{}), make(chan struct{})
	ts := apitest.StartTCP(t, &apitest.Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		close(running)
		<-finish
		return apitest.Succeeded("42"), nil
	}}, nil)
	conn := apitest.DialRaw(t, ts.Addr)
	conn.Send(t, apitest.RunLine+"Content-Length: 2\r\n\r\n{}")
	<-running
	down := make(chan error)
	go func() { down <- ts.Shutdown(context.Background()) }()
	for !ts.Closing() {
		time.Sleep(time.Millisecond)
	}
	if err := ts.CheckReady(); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("ready while it shuts down: %v", err)
	}
	close(finish)
	got, closed := conn.Answers(t, -1)
	if len(got) != 1 || got[0].Status != 200 || got[0].Body != "42" || !closed {
		t.Errorf("got %+v, closed %v", got, closed)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", ts.Addr); err == nil {
		conn.Close()
		t.Error("it still accepts")
	}
}

// quietTime is the time for which a server that hands over serves the last connections.
const quietTime = 250 * time.Millisecond

// A server that hands its socket over is ready for the connections that it has: a check of a proxy that arrives there
// does not take the address out of use.
func TestReadyWhileHandingOver(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	conn := apitest.DialRaw(t, ts.Addr)
	for ts.OpenConnections() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ts.HandOver(ctx, quietTime)
	}()
	for !ts.Leaving() {
		time.Sleep(time.Millisecond)
	}
	conn.Send(t, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, closed := conn.Answers(t, -1); len(got) != 1 || got[0].Status != 200 || !closed {
		t.Errorf("got %+v, closed %v", got, closed)
	}
	cancel()
	<-ended
	if err := ts.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := ts.CheckReady(); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("ready after the shutdown: %v", err)
	}
}

// A hand-over waits for a connection whose first request has not arrived, but not for those that are kept open between two
// requests, such as by a health check.
func TestHandOverAndKeptConnections(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	kept, silent := apitest.DialRaw(t, ts.Addr), apitest.DialRaw(t, ts.Addr)
	kept.Send(t, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, _ := kept.Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
		t.Fatalf("got %+v", got)
	}
	for ts.OpenConnections() < 2 || ts.IdleStrangers() < 1 {
		time.Sleep(time.Millisecond)
	}
	waiting, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond) // longer than without any
	defer cancel()
	if ts.HandOver(waiting, quietTime); waiting.Err() == nil {
		t.Error("it does not wait for the first request of a connection")
	}
	silent.Send(t, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, closed := silent.Answers(t, -1); len(got) != 1 || !closed {
		t.Errorf("got %+v, closed %v", got, closed)
	}
	patient, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if ts.HandOver(patient, quietTime); patient.Err() != nil {
		t.Error("it waits for a connection that is kept")
	}
}

func TestShutdownOutOfTimeCancelsRuns(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	s := newServer(t, &apitest.Fake{OnRun: func(ctx context.Context, _ runtime.RunRequest) (*runtime.Execution, error) {
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
	conn := apitest.DialRaw(t, ln.Addr().String())
	conn.Send(t, apitest.RunLine+"Content-Length: 2\r\n\r\n{}")
	<-running
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	got, _ := conn.Answers(t, -1)
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	apitest.WantError(t, got[0], 503, "unavailable")
}

func TestShutdownTwiceAndServeAfterwards(t *testing.T) {
	t.Parallel()
	s := newServer(t, &apitest.Fake{})
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
	t.Parallel()
	good := httpapi.Options{Engine: &apitest.Fake{}, Auth: httpapi.TokenHash{}}
	for name, change := range map[string]func(*httpapi.Options){
		"no auth":          func(o *httpapi.Options) { o.Auth = nil },
		"negative timeout": func(o *httpapi.Options) { o.WriteTimeout = -1 },
		"negative conns":   func(o *httpapi.Options) { o.MaxConns = -1 },
		"small header":     func(o *httpapi.Options) { o.MaxHeader = 100 },
		"base path":        func(o *httpapi.Options) { o.BaseURL = "/v1" },
		"base scheme":      func(o *httpapi.Options) { o.BaseURL = "ftp://a" },
		"base user":        func(o *httpapi.Options) { o.BaseURL = "http://u@a" },
		"base query":       func(o *httpapi.Options) { o.BaseURL = "http://a?x" },
	} {
		o := good
		change(&o)
		if _, err := httpapi.New(o); err == nil {
			t.Errorf("%s: httpapi.New took it", name)
		}
	}
	if _, err := httpapi.New(good); err != nil {
		t.Error(err)
	}
}
