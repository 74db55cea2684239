package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// blockingConnections is the number of clients that wait for runs at once.
const blockingConnections = 8

// measureThroughput runs wrk against the server and gunicorn alternately.
func measureThroughput(ctx context.Context, l *lab) ([]measured, error) {
	for _, program := range []string{"wrk", "gunicorn"} {
		if err := need(program); err != nil {
			return nil, err
		}
	}
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	// The peer with its default workers, and with threads that keep connections open.
	plain, err := l.gunicorn(ctx, "--workers", "2")
	if err != nil {
		return nil, err
	}
	defer plain.stop()
	threads, err := l.gunicorn(ctx, "--workers", "2", "--worker-class", "gthread", "--threads", "4")
	if err != nil {
		return nil, err
	}
	defer threads.stop()

	targets := []struct{ url, token string }{
		{"http://" + s.address + "/v1/sync/functions/hello/rpc/", s.token},
		{"http://" + plain.address + "/", ""},
		{"http://" + threads.address + "/", ""},
	}
	length := time.Duration(l.rounds(5, 2)) * time.Second
	rates := make([][]float64, len(targets))
	for range l.rounds(5, 3) {
		for i, t := range targets {
			rate, err := l.wrk(ctx, blockingConnections, t.url, t.token, length)
			if err != nil {
				return nil, err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	ours, sync, gthread := median(rates[0]), median(rates[1]), median(rates[2])
	return []measured{{
		value: quantity{ours, perSecond}, peer: quantity{max(sync, gthread), perSecond},
		notes: []string{fmt.Sprintf("gunicorn's default workers: %.0f/s; with 4 threads each and open connections: %.0f/s", sync, gthread)},
	}}, nil
}

// gunicorn is a gunicorn process that serves the Flask app.
type gunicorn struct {
	*process
	address string
}

// gunicorn starts a gunicorn and waits until it responds.
func (l *lab) gunicorn(ctx context.Context, args ...string) (*gunicorn, error) {
	dir, err := l.peersFolder()
	if err != nil {
		return nil, err
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := l.start(ctx, dir, nil, "gunicorn", append(args, "--bind", address, "--log-level", "warning", "flask_app:app")...)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	c := newClient(address)
	defer c.close()
	request := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(helloArgs), helloArgs)
	err = p.await(limited, func() error {
		body, err := c.succeed(request)
		if err == nil && strings.TrimSpace(string(body)) != helloResult {
			err = fmt.Errorf("gunicorn responded %q", body)
		}
		return err
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return &gunicorn{p, address}, nil
}

// wrk returns the number of responses per second over the given number of connections. All of them
// must be successful.
func (l *lab) wrk(ctx context.Context, connections int, url, token string, length time.Duration) (float64, error) {
	dir, err := l.peersFolder()
	if err != nil {
		return 0, err
	}
	args := []string{"--threads", "1", "--connections", strconv.Itoa(connections), "--duration", length.String(), "--script", filepath.Join(dir, "post.lua"), url}
	if token != "" {
		args = append(args, "--", token)
	}
	text, err := output(ctx, "", "wrk", args...)
	if err != nil {
		return 0, err
	}
	return parseWrk(string(text))
}

// parseWrk returns the rate in wrk's output.
func parseWrk(text string) (float64, error) {
	if strings.Contains(text, "Non-2xx") {
		return 0, fmt.Errorf("wrk got responses that were not successful: %s", tail([]byte(text)))
	}
	_, rest, _ := strings.Cut(text, "Requests/sec:")
	line, _, _ := strings.Cut(rest, "\n")
	rate, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil || rate <= 0 {
		return 0, fmt.Errorf("wrk printed no rate: %s", tail([]byte(text)))
	}
	return rate, nil
}
