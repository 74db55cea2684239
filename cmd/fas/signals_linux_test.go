package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// stopSignals are what asks a server to stop.
var stopSignals = map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT}

// A server that is told to stop turns new work away and lets end what runs, in
// the background or with a caller who waits. Those who wait for something else
// get an answer. What is queued is for the next server.
func TestStopLetsRunsEnd(t *testing.T) {
	for name, signal := range stopSignals {
		t.Run(name, func(t *testing.T) {
			// There is memory for three runs at once.
			s := newSite(t, "--grace", patience.String(), "--memory-budget", "3600MB")
			server := s.serve(t)
			server.deploy(t, "stay", stayCode, "memory", 1024)
			running := server.submit(t, "stay", `{"n":1,"seconds":1.5}`)
			server.awaitStatus(t, running, started)
			blocking := asked(func() (reply, error) {
				return server.ask(context.Background(), "POST", "/v1/sync/functions/stay/rpc/", `{"n":2,"seconds":1.5}`)
			})
			until(t, "the blocking run is seen", func() bool {
				return len(server.list(t, map[string][]string{"status": {"Started"}})) == 2
			})
			queued := server.submitBulk(t, "stay", stays(50, 0.3))
			last := queued[len(queued)-1]
			open := server.descriptors(t)
			others := [2]*caller{newCaller(server.base, s.token), newCaller(server.base, s.token)} // with connections of their own
			poll := asked(func() (reply, error) {
				return others[0].ask(context.Background(), "GET", "/v1/executions/"+last+"?wait=100", "")
			})
			follow := asked(func() (reply, error) {
				return others[1].ask(context.Background(), "GET", "/v1/executions/"+last+"/logs?follow=1", "")
			})
			until(t, "the two are connected", func() bool { return server.descriptors(t) >= open+2 })

			server.tell(t, signal)
			until(t, "new work is turned away", func() bool {
				r, err := server.ask(context.Background(), "POST", "/v1/functions/stay/rpc/", `{"n":3,"seconds":0}`)
				if err == nil && r.status != http.StatusOK && r.status != http.StatusServiceUnavailable {
					t.Fatalf("%d %s", r.status, r.body)
				}
				if err == nil && r.status == http.StatusOK { // it was quicker than the signal
					queued = append(queued, decoded[string](t, r))
				}
				return err != nil || r.status == http.StatusServiceUnavailable
			})
			if a := <-blocking; a.err != nil || a.status != http.StatusOK || string(a.body) != "2" {
				t.Errorf("who waits for a run gets %d %s, %v", a.status, a.body, a.err)
			}
			// Unless the signal was quicker than these requests.
			late := func(a outcome) bool { return a.status == http.StatusServiceUnavailable && a.code() == "unavailable" }
			if a := <-poll; a.err != nil || !late(a) && (a.status != http.StatusOK || decoded[seen](t, a.reply).Status != pending) {
				t.Errorf("who waits for an end gets %d %s, %v", a.status, a.body, a.err)
			}
			if a := <-follow; a.err != nil || !late(a) && (a.status != http.StatusOK || strings.Contains(string(a.body), "event: end")) {
				t.Errorf("who follows gets %d %s, %v", a.status, a.body, a.err)
			}
			server.endsWith(t, exitOK)
			if said := server.said(t); !strings.Contains(said, `"msg":"stopped"`) || strings.Contains(said, `"level":"WARN"`) || strings.Contains(said, `"level":"ERROR"`) {
				t.Errorf("its log:\n%s", said)
			}

			server = s.serve(t)
			if x := server.execution(t, running); x.Status != success || string(x.Output) != "1" || x.Attempts != 1 {
				t.Errorf("what ran: %s", x.text)
			}
			server.must(t, "PATCH", "/v1/functions/stay", functionJSON("", `def main(args, context): return args["n"]`))
			for _, x := range server.awaitAll(t, queued) {
				if x.Status != success {
					t.Errorf("what was queued: %s", x.text)
				}
			}
		})
	}
}

// outcome is a reply that somebody waited for.
type outcome struct {
	reply
	err error
}

// asked has somebody wait for a reply.
func asked(ask func() (reply, error)) <-chan outcome {
	answer := make(chan outcome, 1)
	go func() {
		r, err := ask()
		answer <- outcome{r, err}
	}()
	return answer
}

// What does not end within the grace period is run again by the next server,
// however often that happens: it is not the cause.
func TestStopHandsBack(t *testing.T) {
	s := newSite(t, "--grace", "50ms")
	server := s.serve(t)
	server.deploy(t, "stay", stayCode, "timeout", 900)
	id := server.submit(t, "stay", `{"n":1,"seconds":800}`)
	const stops = lostAttempts + 2
	for stop := range stops {
		if x := server.awaitStatus(t, id, started); x.Attempts != stop+1 {
			t.Errorf("after %d stops: %s", stop, x.text)
		}
		blocking := asked(func() (reply, error) {
			return server.ask(context.Background(), "POST", "/v1/sync/functions/stay/rpc/", `{"n":2,"seconds":800}`)
		})
		until(t, "the blocking run is seen", func() bool {
			return len(server.list(t, map[string][]string{"status": {"Started"}})) == 2
		})
		server.tell(t, syscall.SIGTERM)
		if a := <-blocking; a.err != nil || a.status < 500 {
			t.Errorf("who waits for a run gets %d %s, %v", a.status, a.body, a.err)
		}
		server.endsWith(t, exitOK)
		server = s.serve(t)
	}
	if x := server.awaitStatus(t, id, started); x.Attempts != stops+1 {
		t.Errorf("after %d stops: %s", stops, x.text)
	}
	server.must(t, "DELETE", "/v1/executions/"+id, "")
	if x := server.awaitEnd(t, id); x.Status != cancelled {
		t.Errorf("cancelled: %s", x.text)
	}
}

// A second signal ends the server at once, and breaks nothing.
func TestSecondSignalToAServer(t *testing.T) {
	for name, signal := range stopSignals {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "--grace", "10m")
			server := s.serve(t)
			server.deploy(t, "stay", stayCode, "timeout", 900)
			first := server.submit(t, "stay", `{"n":0,"seconds":800}`)
			server.awaitStatus(t, first, started)
			others := server.submitBulk(t, "stay", stays(2_000, 0))
			server.tell(t, signal)
			server.saysSoon(t, `"msg":"stopping"`)
			server.tell(t, signal)
			if status := server.end(t); !status.Signaled() || status.Signal() != signal {
				t.Errorf("it ended with %v", server.cmd.ProcessState)
			}
			server = s.serve(t)
			for i, x := range server.awaitAll(t, others) {
				if x.Status != success || string(x.Output) != fmt.Sprint(i) {
					t.Errorf("run %d: %s", i, x.text)
				}
			}
			if x := server.awaitStatus(t, first, started); x.Attempts != 2 {
				t.Errorf("what ran: %s", x.text)
			}
		})
	}
}

// A server that is told to stop while it starts does so, and the next one
// starts.
func TestStopWhileStarting(t *testing.T) {
	s := newSite(t)
	for _, moment := range []string{"", `"msg":"starting"`, `"msg":"ready"`} {
		for name, signal := range stopSignals {
			server := s.launch(t)
			if moment != "" {
				server.saysSoon(t, moment)
			}
			server.tell(t, signal)
			switch status := server.end(t); {
			case status.Exited() && status.ExitStatus() == exitOK:
			case moment == "" && status.Signaled() && status.Signal() == signal: // it was not yet listening for any
			default:
				t.Errorf("%s at %q: it ended with %v:\n%s", name, moment, server.cmd.ProcessState, server.said(t))
			}
		}
	}
	server := s.serve(t)
	server.deploy(t, "echo", echoCode)
	if x := server.awaitEnd(t, server.submit(t, "echo", `{"n":3}`)); x.Status != success {
		t.Errorf("got %s", x.text)
	}
}
