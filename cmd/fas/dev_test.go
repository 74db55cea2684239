package main

import (
	"context"
	"errors"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/dev"
	"github.com/faaspot/faaspot/runtime"
)

// sentPosts records what is sent.
type sentPosts []string

func (s *sentPosts) Post(_ context.Context, p runtime.Post) (int, error) {
	*s = append(*s, p.URL)
	return 503, errors.New("busy")
}

// TestDevPoster checks which callbacks of a session are sent.
func TestDevPoster(t *testing.T) {
	var sent sentPosts
	shown := make(chan dev.Callback, 1)
	p := devPoster{&sent, shown}
	for address, here := range map[string]bool{
		"http://127.0.0.1:9/x": true, "http://localhost:9": true, "http://[::1]:9/": true, "https://127.9.9.9/": true,
		"https://example.com/": false, "http://127.0.0.1.example.com/": false, "http://localhost.example.com/": false, "http://10.0.0.1/": false,
		"http://example.com/?127.0.0.1": false, "http://127.0.0.1@example.com/": false, "http://%zz": false,
	} {
		sent = nil
		status, err := p.Post(t.Context(), runtime.Post{URL: address, Body: []byte("{}")})
		c := <-shown
		if c.Sent != here || len(sent) > 0 != here || (err != nil) != here || status != map[bool]int{true: 503, false: 200}[here] || c.URL != address {
			t.Errorf("%s: status %d, %v, sent %q, shown %+v", address, status, err, sent, c)
		}
	}
	// Nobody waits for a callback: the server does not wait either.
	shown <- dev.Callback{}
	if _, err := p.Post(t.Context(), runtime.Post{URL: "https://example.com/"}); err != nil {
		t.Error(err)
	}
}

// TestDevOptions checks that schedules fire only with --cron.
func TestDevOptions(t *testing.T) {
	for _, cron := range []bool{true, false} {
		f := &devFlags{cron: cron}
		if o := f.options(&app{}, "data", "cache"); o.NoSchedules == cron {
			t.Errorf("with cron %t, schedules are idle: %t", cron, o.NoSchedules)
		}
	}
}
