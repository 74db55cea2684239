package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// scripted is a server without a network: a function that answers requests, for
// tests whose time is that of testing/synctest.
type scripted func(*http.Request) (*http.Response, error)

func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func scriptedClient(t *testing.T, s scripted) *Client {
	t.Helper()
	c := newClient(t, Options{URL: "http://server.test", Token: token})
	c.http.Transport = s
	return c
}

// say is an answer.
func say(status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status,
		Status:     fmt.Sprint(status, " ", http.StatusText(status)),
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader(body)),
	}, nil
}

// later waits as a server does, unless the client goes away.
func later(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitAsked is how long a request asks to wait.
func waitAsked(t *testing.T, r *http.Request) time.Duration {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text + "s")
	if err != nil || d < 0 || d > 280*time.Second {
		t.Errorf("asked to wait for %q", text)
	}
	return d
}
