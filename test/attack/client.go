package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Target is the server under attack.
type Target struct {
	Base  string // URL, such as http://127.0.0.1:8080
	Token string
}

// errRefused reports that the server has refused a request for the moment.
var errRefused = errors.New("the server is busy")

// do sends a request, and returns the body of its answer. An answer of 429 or 503 is errRefused.
func (t Target) do(ctx context.Context, method, path string, body any) (header http.Header, text []byte, err error) {
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	default:
		if content, err = json.Marshal(b); err != nil {
			return nil, nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, t.Base+path, bytes.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Authorization", "Token "+t.Token)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		// New connections from one address are limited, and the attacks open many.
		return nil, nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err = io.ReadAll(response.Body)
	switch {
	case err != nil:
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable:
		err = errRefused
		if response.Header.Get("Retry-After") == "" {
			err = fmt.Errorf("%s %s: %d without Retry-After: %.200s", method, path, response.StatusCode, text)
		}
	case response.StatusCode != http.StatusOK:
		err = fmt.Errorf("%s %s: %d %.200s", method, path, response.StatusCode, text)
	}
	return response.Header, text, err
}

// patient repeats a request while the server refuses it.
func (t Target) patient(ctx context.Context, method, path string, body any) (header http.Header, text []byte, err error) {
	for {
		header, text, err = t.do(ctx, method, path, body)
		if !errors.Is(err, errRefused) {
			return header, text, err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return header, text, err
		}
	}
}

// function is a function to deploy.
type function struct {
	Name    string  `json:"-"`
	Code    string  `json:"code"`
	Memory  int     `json:"memory,omitempty"`
	Timeout float64 `json:"timeout,omitempty"`
}

// deploy creates or replaces a function.
func (t Target) deploy(ctx context.Context, f function) error {
	_, _, err := t.patient(ctx, "PUT", "/v1/functions/"+f.Name, f)
	return err
}

// run runs a function once, and returns the id of its execution.
func (t Target) run(ctx context.Context, name, args string) (id string, err error) {
	header, _, err := t.patient(ctx, "POST", runPath(name), args)
	return header.Get("X-Execution-Id"), err
}

func runPath(name string) string { return "/v1/sync/functions/" + name + "/rpc/" }

// connect opens a connection with a small receive buffer.
func (t Target) connect(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(t.Base, "http://"))
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(4096)
	}
	return conn, err
}

// holdTime is how long a request is held before it is sent again: the server may have refused it.
const holdTime = 8 * time.Second

// hold opens n connections that send what is given and then neither send nor read. They are opened
// again when the server closes them, or after holdTime, until ctx ends.
func (t Target) hold(ctx context.Context, n int, send ...[]byte) {
	done := make(chan struct{})
	for range n {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				t.holdOne(ctx, send)
				pause(ctx, 300*time.Millisecond)
			}
		}()
	}
	for range n {
		<-done
	}
}

// holdOne holds one connection until the server closes it or ctx ends.
func (t Target) holdOne(ctx context.Context, send [][]byte) {
	conn, err := t.connect(ctx)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	for _, part := range send {
		if _, err := conn.Write(part); err != nil {
			return
		}
	}
	for end := time.Now().Add(holdTime); pause(ctx, 200*time.Millisecond) && !closed(conn); {
		if len(send) > 0 && time.Now().After(end) {
			return
		}
	}
}

// head returns the header of a request with a body of n bytes.
func (t Target) head(method, path string, n int) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: faaspot.test\r\nAuthorization: Token %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, path, t.Token, n)
}

// pause waits, and returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
