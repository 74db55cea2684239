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

// stopSignals are the signals that stop a server.
var stopSignals = map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT}

// A stopping server refuses new work and lets background runs and blocking runs finish. Clients
// that wait for something else get an answer. Queued runs are left to the next server.
func TestStopLetsRunsEnd(t *testing.T) {
	t.Parallel()
	for name, signal := range stopSignals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// There is memory for three runs at once.
			s := process.NewSite(t, "--grace", process.Patience.String(), "--memory-budget", "3600MB")
			server := s.Serve(t)
			server.Deploy(t, "stay", process.WorkCode, "memory", 1024)
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
				if err == nil && r.Status == http.StatusOK { // it arrived before the signal
					queued = append(queued, process.Decode[string](t, r))
				}
				return err != nil || r.Status == http.StatusServiceUnavailable
			})
			if a := <-blocking; a.Err != nil || a.Status != http.StatusOK || string(a.Body) != "2" {
				t.Errorf("the caller of a blocking run got %d %s, %v", a.Status, a.Body, a.Err)
			}
			// The signal may have arrived before these requests.
			late := func(a process.Outcome) bool {
				return a.Status == http.StatusServiceUnavailable && a.Code() == "unavailable"
			}
			if a := <-poll; a.Err != nil || !late(a) && (a.Status != http.StatusOK || process.Decode[process.Execution](t, a.Reply).Status != process.Pending) {
				t.Errorf("the client that waits for an end got %d %s, %v", a.Status, a.Body, a.Err)
			}
			if a := <-follow; a.Err != nil || !late(a) && (a.Status != http.StatusOK || strings.Contains(string(a.Body), "event: end")) {
				t.Errorf("the client that follows a log got %d %s, %v", a.Status, a.Body, a.Err)
			}
			server.WaitExit(t, process.ExitOK)
			if said := server.Log(t); !strings.Contains(said, `"msg":"stopped"`) || strings.Contains(said, `"level":"WARN"`) || strings.Contains(said, `"level":"ERROR"`) {
				t.Errorf("the log:\n%s", said)
			}

			server = s.Serve(t)
			if x := server.Execution(t, running); x.Status != process.Success || string(x.Output) != "1" || x.Attempts != 1 {
				t.Errorf("the run: %s", x.Text)
			}
			server.Must(t, "PATCH", "/v1/functions/stay", process.FunctionJSON("", `def main(args, context): return args["n"]`))
			for _, x := range server.WaitAll(t, queued) {
				if x.Status != process.Success {
					t.Errorf("the queued run: %s", x.Text)
				}
			}
		})
	}
}

// A background run that does not finish within the grace period runs again, from its beginning, on the
// next server, however often that happens: a stop does not count as a lost attempt.
func TestStopHandsRunsBack(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--grace", "50ms")
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode, "timeout", 86_400)
	id := server.Submit(t, "stay", `{"n":1,"seconds":86000}`)
	const stops = 5
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
			t.Errorf("the caller of a blocking run got %d %s, %v", a.Status, a.Body, a.Err)
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

// A second signal ends the server at once, and loses nothing.
func TestSecondSignalEndsTheServer(t *testing.T) {
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
				t.Errorf("the run: %s", x.Text)
			}
		})
	}
}

// A server that gets a signal while it starts stops, and the next server starts.
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
			case moment == "" && status.Signaled() && status.Signal() == signal: // it did not handle signals yet
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
