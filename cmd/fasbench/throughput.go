package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// blockingConnections is the number of clients that wait for runs at once.
const blockingConnections = 8

var throughputBench = bench{
	name: "throughput",
	how: "`wrk` with one thread and 8 connections against `fas serve` and against gunicorn alternately, with the same function, args and result " +
		"(`cmd/fasbench/peers`). gunicorn runs with its default workers, and with threads that keep connections open; the faster of the two counts. " +
		"Medians of all repetitions; wrk and the server share the machine.",
	rows: []row{{
		what: "HTTP blocking runs per second, 8 connections, each pristine / gunicorn with 2 warm Flask workers, same function",
		of:   "faaspot", peer: "gunicorn", goal: "at least 5x", holds: ratioAtLeast(5),
	}},
	measure: measureThroughput,
}

// measureThroughput runs wrk against the server and gunicorn alternately.
func measureThroughput(ctx context.Context, l *lab) ([]measured, error) {
	s, flask, err := l.besideFlask(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	defer flask.stop()

	targets := []target{s.blockingTarget("hello", helloArgs), flask.plain.target("/", helloArgs), flask.threads.target("/", helloArgs)}
	length := time.Duration(l.rounds(3, 2)) * time.Second
	all := make([]loads, len(targets))
	for range l.rounds(5, 3) {
		for i, t := range targets {
			if err := all[i].measure(ctx, l, t, length); err != nil {
				return nil, err
			}
		}
	}
	ours, sync, gthread := all[0].rate(), all[1].rate(), all[2].rate()
	return []measured{{
		value: quantity{ours, perSecond}, peer: quantity{max(sync, gthread), perSecond}, limit: all[0].usage.limit(),
		notes: []string{
			fmt.Sprintf("gunicorn's default workers: %.0f/s; with 4 threads each and open connections: %.0f/s", sync, gthread),
			fmt.Sprintf("what limits gunicorn: its default workers %s, with threads %s", all[1].usage.limit(), all[2].usage.limit()),
		},
	}}, nil
}

// gunicorns are gunicorn with its default workers, and with threads that keep connections open.
type gunicorns struct{ plain, threads *gunicorn }

func (g gunicorns) stop() {
	g.plain.stop()
	g.threads.stop()
}

// besideFlask starts a server with a function, and the peers that it is compared with by wrk.
func (l *lab) besideFlask(ctx context.Context, f function) (s *server, flask gunicorns, err error) {
	for _, tool := range []string{"wrk", "gunicorn"} {
		if err := need(tool); err != nil {
			return nil, flask, err
		}
	}
	if s, err = l.serve(ctx, f); err != nil {
		return nil, flask, err
	}
	if flask.plain, err = l.gunicorn(ctx, "--workers", "2"); err != nil {
		s.stop()
		return nil, flask, err
	}
	if flask.threads, err = l.gunicorn(ctx, "--workers", "2", "--worker-class", "gthread", "--threads", "4"); err != nil {
		flask.plain.stop()
		s.stop()
		return nil, flask, err
	}
	return s, flask, nil
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

// target returns a target for wrk below a path of the app.
func (g *gunicorn) target(path, body string) target {
	return target{process: g.process, url: "http://" + g.address + path, body: body, connections: blockingConnections}
}
