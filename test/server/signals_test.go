//go:build linux

package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// stopSignals are what asks a server to stop.
var stopSignals = map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT}

// A server that is told to stop turns new work away and lets end what runs, in
// the background or with a caller who waits. Those who wait for something else
// get an answer. What is queued is for the next server.
func TestStopLetsRunsEnd(t *testing.T) {
	t.Parallel()
	for name, signal := range stopSignals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// There is memory for three runs at once.
			s := process.NewSite(t, "--grace", process.Patience.String(), "--memory-budget", "3600MB")
			server := s.Serve(t)
			server.Deploy(t, "stay", process.SleepCode, "memory", 1024)
			running := server.Submit(t, "stay", `{"n":1,"seconds":1.5}`)
			server.WaitStatus(t, running, process.Started)
			blocking := process.InBackground(func() (process.Reply, error) {
				return server.Do(context.Background(), "POST", "/v1/sync/functions/stay/rpc/", `{"n":2,"seconds":1.5}`)
			})
			process.Until(t, "the blocking run is seen", func() bool {
				return len(server.List(t, map[string][]string{"status": {"Started"}})) == 2
			})
			queued := server.SubmitBulk(t, "stay", process.SleepArgs(50, 0.3))
			last := queued[len(queued)-1]
			open := server.Descriptors(t)
			others := [2]*process.Client{process.NewClient(server.Base, s.Token), process.NewClient(server.Base, s.Token)} // with connections of their own
			poll := process.InBackground(func() (process.Reply, error) {
				return others[0].Do(context.Background(), "GET", "/v1/executions/"+last+"?wait=100", "")
			})
			follow := process.InBackground(func() (process.Reply, error) {
				return others[1].Do(context.Background(), "GET", "/v1/executions/"+last+"/logs?follow=1", "")
			})
			process.Until(t, "the two are connected", func() bool { return server.Descriptors(t) >= open+2 })

			server.Signal(t, signal)
			process.Until(t, "new work is turned away", func() bool {
				r, err := server.Do(context.Background(), "POST", "/v1/functions/stay/rpc/", `{"n":3,"seconds":0}`)
				if err == nil && r.Status != http.StatusOK && r.Status != http.StatusServiceUnavailable {
					t.Fatalf("%d %s", r.Status, r.Body)
				}
				if err == nil && r.Status == http.StatusOK { // it was quicker than the signal
					queued = append(queued, process.Decode[string](t, r))
				}
				return err != nil || r.Status == http.StatusServiceUnavailable
			})
			if a := <-blocking; a.Err != nil || a.Status != http.StatusOK || string(a.Body) != "2" {
				t.Errorf("who waits for a run gets %d %s, %v", a.Status, a.Body, a.Err)
			}
			// Unless the signal was quicker than these requests.
			late := func(a process.Outcome) bool {
				return a.Status == http.StatusServiceUnavailable && a.Code() == "unavailable"
			}
			if a := <-poll; a.Err != nil || !late(a) && (a.Status != http.StatusOK || process.Decode[process.Execution](t, a.Reply).Status != process.Pending) {
				t.Errorf("who waits for an end gets %d %s, %v", a.Status, a.Body, a.Err)
			}
			if a := <-follow; a.Err != nil || !late(a) && (a.Status != http.StatusOK || strings.Contains(string(a.Body), "event: end")) {
				t.Errorf("who follows gets %d %s, %v", a.Status, a.Body, a.Err)
			}
			server.WaitExit(t, process.ExitOK)
			if said := server.Log(t); !strings.Contains(said, `"msg":"stopped"`) || strings.Contains(said, `"level":"WARN"`) || strings.Contains(said, `"level":"ERROR"`) {
				t.Errorf("its log:\n%s", said)
			}

			server = s.Serve(t)
			if x := server.Execution(t, running); x.Status != process.Success || string(x.Output) != "1" || x.Attempts != 1 {
				t.Errorf("what ran: %s", x.Text)
			}
			server.Must(t, "PATCH", "/v1/functions/stay", process.FunctionJSON("", `def main(args, context): return args["n"]`))
			for _, x := range server.WaitAll(t, queued) {
				if x.Status != process.Success {
					t.Errorf("what was queued: %s", x.Text)
				}
			}
		})
	}
}

// What does not end within the grace period is run again by the next server,
// however often that happens: it is not the cause.
func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--grace", "50ms")
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode, "timeout", 900)
	id := server.Submit(t, "stay", `{"n":1,"seconds":800}`)
	const stops = process.MaxLostAttempts + 2
	for stop := range stops {
		if x := server.WaitStatus(t, id, process.Started); x.Attempts != stop+1 {
			t.Errorf("after %d stops: %s", stop, x.Text)
		}
		blocking := process.InBackground(func() (process.Reply, error) {
			return server.Do(context.Background(), "POST", "/v1/sync/functions/stay/rpc/", `{"n":2,"seconds":800}`)
		})
		process.Until(t, "the blocking run is seen", func() bool {
			return len(server.List(t, map[string][]string{"status": {"Started"}})) == 2
		})
		server.Signal(t, syscall.SIGTERM)
		if a := <-blocking; a.Err != nil || a.Status < 500 {
			t.Errorf("who waits for a run gets %d %s, %v", a.Status, a.Body, a.Err)
		}
		server.WaitExit(t, process.ExitOK)
		server = s.Serve(t)
	}
	if x := server.WaitStatus(t, id, process.Started); x.Attempts != stops+1 {
		t.Errorf("after %d stops: %s", stops, x.Text)
	}
	server.Must(t, "DELETE", "/v1/executions/"+id, "")
	if x := server.WaitEnd(t, id); x.Status != process.Cancelled {
		t.Errorf("cancelled: %s", x.Text)
	}
}

// A second signal ends the server at once, and breaks nothing.
func TestSecondSignalToAServer(t *testing.T) {
	t.Parallel()
	for name, signal := range stopSignals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := process.NewSite(t, "--grace", "10m")
			server := s.Serve(t)
			server.Deploy(t, "stay", process.SleepCode, "timeout", 900)
			first := server.Submit(t, "stay", `{"n":0,"seconds":800}`)
			server.WaitStatus(t, first, process.Started)
			others := server.SubmitBulk(t, "stay", process.SleepArgs(2_000, 0))
			server.Signal(t, signal)
			server.WaitLog(t, `"msg":"stopping"`)
			server.Signal(t, signal)
			if status := server.Wait(t); !status.Signaled() || status.Signal() != signal {
				t.Errorf("it ended with %v", server.Cmd.ProcessState)
			}
			server = s.Serve(t)
			for i, x := range server.WaitAll(t, others) {
				if x.Status != process.Success || string(x.Output) != fmt.Sprint(i) {
					t.Errorf("run %d: %s", i, x.Text)
				}
			}
			if x := server.WaitStatus(t, first, process.Started); x.Attempts != 2 {
				t.Errorf("what ran: %s", x.Text)
			}
		})
	}
}

// A server that is told to stop while it starts does so, and the next one
// starts.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	for _, moment := range []string{"", `"msg":"starting"`, `"msg":"ready"`} {
		for name, signal := range stopSignals {
			server := s.Launch(t)
			if moment != "" {
				server.WaitLog(t, moment)
			}
			server.Signal(t, signal)
			switch status := server.Wait(t); {
			case status.Exited() && status.ExitStatus() == process.ExitOK:
			case moment == "" && status.Signaled() && status.Signal() == signal: // it was not yet listening for any
			default:
				t.Errorf("%s at %q: it ended with %v:\n%s", name, moment, server.Cmd.ProcessState, server.Log(t))
			}
		}
	}
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	if x := server.WaitEnd(t, server.Submit(t, "echo", `{"n":3}`)); x.Status != process.Success {
		t.Errorf("got %s", x.Text)
	}
}
