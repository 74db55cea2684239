//go:build linux

package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// A queued run never starts, a running one is stopped, and a finished one does not change.
// Cancelling again does nothing.
func TestCancels(t *testing.T) {
	t.Parallel()
	// There is memory for one run at a time.
	server := process.NewSite(t, "--memory-budget", "1400MB").Serve(t)
	server.Deploy(t, "stay", process.SleepCode, "memory", 1024, "timeout", 900)
	server.Deploy(t, "loop", "def main(args, context):\n    print('on')\n    while True: pass", "memory", 1024, "timeout", 900)
	done := server.Submit(t, "stay", `{"n":1,"seconds":0}`)
	before := server.WaitEnd(t, done)
	for range 2 {
		if x, changed := server.Cancel(t, done); changed || x.Status != process.Success {
			t.Errorf("the finished run: %s", x.Text)
		}
	}
	if x := server.Execution(t, done); x.Text != before.Text {
		t.Errorf("the finished run was %s, now it is %s", before.Text, x.Text)
	}

	running := server.Submit(t, "loop", `{}`)
	server.WaitStatus(t, running, process.Started)
	process.Until(t, "it writes", func() bool {
		return string(server.Must(t, "GET", "/v1/executions/"+running+"/logs?format=raw", "").Body) == "on\n"
	})
	queued := server.SubmitBulk(t, "stay", process.SleepArgs(20, 0))
	for _, id := range queued[10:] { // the first ones may be about to start
		if x, changed := server.Cancel(t, id); !changed || x.Status != process.Cancelled || x.Attempts != 0 {
			t.Errorf("the queued run: %s", x.Text)
		}
		if x, changed := server.Cancel(t, id); changed || x.Status != process.Cancelled {
			t.Errorf("again: %s", x.Text)
		}
	}
	if x, changed := server.Cancel(t, running); !changed || x.Status != process.Cancelled {
		t.Errorf("the running run: %s", x.Text)
	}
	if x := server.WaitEnd(t, running); x.Status != process.Cancelled || x.Error == nil || x.Error.Code != "cancelled" {
		t.Errorf("the stopped run: %s", x.Text)
	}
	if r := server.Must(t, "GET", "/v1/executions/"+running+"/logs?format=raw", ""); string(r.Body) != "on\n" {
		t.Errorf("it wrote %q", r.Body)
	}
	for i, x := range server.WaitAll(t, queued) {
		if want := map[bool]string{true: process.Cancelled, false: process.Success}[i >= 10]; x.Status != want {
			t.Errorf("run %d: want %s, got %s", i, want, x.Text)
		}
	}
	server.Refused(t, http.StatusNotFound, "not_found", "DELETE", "/v1/executions/"+process.AbsentID, "")
	server.Refused(t, http.StatusNotFound, "not_found", "DELETE", "/v1/executions/x", "")

	// A cancelled blocking run returns an error to its caller.
	blocking := process.InBackground(func() (process.Reply, error) {
		return server.Do(context.Background(), "POST", "/v1/sync/functions/loop/rpc/", "{}")
	})
	var now []process.Execution
	process.Until(t, "the blocking run is seen", func() bool {
		now = server.List(t, map[string][]string{"status": {"Started"}})
		return len(now) == 1
	})
	server.Cancel(t, now[0].ID)
	if a := <-blocking; a.Err != nil || a.Status != http.StatusInternalServerError || a.Code() != "cancelled" {
		t.Errorf("the caller got %d %s, %v", a.Status, a.Body, a.Err)
	}
}

// Three clients cancel a run at about the time of its end. The run has one final state, and all
// answers agree with it.
func TestCancelsNearTheEnd(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	const runs, callers = 150, 3
	count := map[string]int{}
	for n := range runs {
		id := server.Submit(t, "stay", fmt.Sprintf(`{"n":%d,"seconds":0.002}`, n))
		answers := make([]process.Outcome, callers)
		var all sync.WaitGroup
		for i := range answers {
			wait := rand.N(6 * time.Millisecond)
			all.Go(func() {
				time.Sleep(wait) // about as long as the run takes
				answers[i].Reply, answers[i].Err = server.Do(context.Background(), "DELETE", "/v1/executions/"+id, "")
			})
		}
		all.Wait()
		end := server.WaitEnd(t, id)
		changes := 0
		for _, a := range answers {
			if a.Err != nil || a.Status != http.StatusOK {
				t.Fatalf("%d %s, %v", a.Status, a.Body, a.Err)
			}
			x := process.Decode[process.Execution](t, a.Reply)
			if x.Changed != nil && *x.Changed {
				changes++
			}
			if x.Done() && x.Status != end.Status {
				t.Errorf("%s was reported, but the run ended as %s", x.Text, end.Text)
			}
		}
		switch {
		case changes > 1, end.Status == process.Cancelled && changes != 1, end.Status == process.Failed:
			t.Errorf("%d cancels made a difference, and it is %s", changes, end.Text)
		case end.Status == process.Success && string(end.Output) != fmt.Sprint(n):
			t.Errorf("run %d: %s", n, end.Text)
		}
		count[end.Status]++
	}
	t.Log(count)
}

// A function is deleted during a run: the run succeeds, queued runs are rejected, and the next
// function of the name does not get them.
func TestDeleteDuringRun(t *testing.T) {
	t.Parallel()
	// There is memory for one run at a time.
	server := process.NewSite(t, "--memory-budget", "1400MB").Serve(t)
	server.Deploy(t, "stay", process.WorkCode, "memory", 1024)
	running := server.Submit(t, "stay", `{"n":1,"seconds":1}`)
	process.Until(t, "it is first", func() bool { return server.Execution(t, running).Status == process.Started })
	queued := server.SubmitBulk(t, "stay", process.SleepArgs(20, 0))
	server.Must(t, "DELETE", "/v1/functions/stay", "")
	server.Deploy(t, "stay", "def main(args, context): return 'the next one'", "memory", 1024)
	if x := server.WaitEnd(t, running); x.Status != process.Success || string(x.Output) != "1" {
		t.Errorf("the stopped run: %s", x.Text)
	}
	for _, x := range server.WaitAll(t, queued) {
		if x.Status != process.Failed || x.Error == nil || x.Error.Code != "rejected" {
			t.Errorf("the queued run: %s", x.Text)
		}
	}
	if x := server.WaitEnd(t, server.Submit(t, "stay", "{}")); string(x.Output) != `"the next one"` {
		t.Errorf("the next function: %s", x.Text)
	}
}

// Runs end, reach their deadline and are cancelled at about the same moment. Each has one final state, which
// all answers agree with and which stays, and a run of a neighbour has its result.
func TestEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	neighbour := newTenant(t, server, "neighbour")
	neighbour.Deploy(t, "echo", process.EchoCode)
	const deadline = runtime.MinTimeout
	server.Deploy(t, "stay", process.SleepCode, "timeout", deadline.Seconds())
	about := func() time.Duration { return deadline - 4*time.Millisecond + rand.N(5*time.Millisecond) }
	count := map[string]int{}
	for n := range 40 {
		args := fmt.Sprintf(`{"n":%d,"seconds":%g}`, n, about().Seconds())
		blocking := process.InBackground(func() (process.Reply, error) {
			return server.Do(context.Background(), "POST", fmt.Sprintf(runPath, "stay"), args)
		})
		id := server.Submit(t, "stay", args)
		var cancelled process.Execution
		changed := false
		if n%2 == 0 {
			time.Sleep(about()) // about as long as the run takes
			cancelled, changed = server.Cancel(t, id)
		}
		x := server.WaitEnd(t, id)
		switch {
		case x.Status == process.Success && string(x.Output) == fmt.Sprint(n) && x.Error == nil && !changed:
		case x.Status == process.Failed && x.Error != nil && x.Error.Code == "timeout" && len(x.Output) <= len("null") && !changed:
		case x.Status == process.Cancelled && x.Error != nil && x.Error.Code == "cancelled" && changed:
		default:
			t.Errorf("run %d, which a request has cancelled (%v): %s", n, changed, x.Text)
		}
		if cancelled.Done() && cancelled.Status != x.Status {
			t.Errorf("%s was reported, but the run ended as %s", cancelled.Text, x.Text)
		}
		a := <-blocking
		if right := a.Status == http.StatusOK && string(a.Body) == fmt.Sprint(n); a.Err != nil || !right && a.Code() != "timeout" {
			t.Errorf("the caller of run %d gets %d %s, %v", n, a.Status, a.Body, a.Err)
		}
		if again := server.Execution(t, id); again.Text != x.Text || x.Attempts != 1 {
			t.Errorf("run %d was %s, now it is %s", n, x.Text, again.Text)
		}
		count[x.Status]++
		if r := neighbour.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
			t.Errorf("the neighbour gets %s", r.Body)
		}
	}
	t.Logf("ended: %v", count)
}
