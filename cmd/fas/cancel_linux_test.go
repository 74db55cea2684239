package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// cancel cancels an execution, and gives it with whether that made a difference.
func (c *caller) cancel(t *testing.T, id string) (x seen, changed bool) {
	t.Helper()
	x = decoded[seen](t, c.must(t, "DELETE", "/v1/executions/"+id, ""))
	if x.Changed == nil {
		t.Fatalf("a cancel is answered with %s", x.text)
	}
	return x, *x.Changed
}

// What is queued never starts, what runs is stopped, what is done stays as it
// is; to cancel again does nothing.
func TestCancels(t *testing.T) {
	// There is memory for one run at a time.
	server := newSite(t, "--memory-budget", "1400MB").serve(t)
	server.deploy(t, "stay", stayCode, "memory", 1024, "timeout", 900)
	server.deploy(t, "loop", "def main(args, context):\n    print('on')\n    while True: pass", "memory", 1024, "timeout", 900)
	done := server.submit(t, "stay", `{"n":1,"seconds":0}`)
	before := server.awaitEnd(t, done)
	for range 2 {
		if x, changed := server.cancel(t, done); changed || x.Status != success {
			t.Errorf("what is done: %s", x.text)
		}
	}
	if x := server.execution(t, done); x.text != before.text {
		t.Errorf("what was done was %s, now it is %s", before.text, x.text)
	}

	running := server.submit(t, "loop", `{}`)
	server.awaitStatus(t, running, started)
	until(t, "it writes", func() bool {
		return string(server.must(t, "GET", "/v1/executions/"+running+"/logs?format=raw", "").body) == "on\n"
	})
	queued := server.submitBulk(t, "stay", stays(20, 0))
	for _, id := range queued[10:] { // the first of them may have been prepared to start
		if x, changed := server.cancel(t, id); !changed || x.Status != cancelled || x.Attempts != 0 {
			t.Errorf("what is queued: %s", x.text)
		}
		if x, changed := server.cancel(t, id); changed || x.Status != cancelled {
			t.Errorf("again: %s", x.text)
		}
	}
	if x, changed := server.cancel(t, running); !changed || x.Status != cancelled {
		t.Errorf("what runs: %s", x.text)
	}
	if x := server.awaitEnd(t, running); x.Status != cancelled || x.Error == nil || x.Error.Code != "cancelled" {
		t.Errorf("what ran: %s", x.text)
	}
	if r := server.must(t, "GET", "/v1/executions/"+running+"/logs?format=raw", ""); string(r.body) != "on\n" {
		t.Errorf("it wrote %q", r.body)
	}
	for i, x := range server.awaitAll(t, queued) {
		if want := map[bool]string{true: cancelled, false: success}[i >= 10]; x.Status != want {
			t.Errorf("run %d: want %s, got %s", i, want, x.text)
		}
	}
	server.refused(t, http.StatusNotFound, "not_found", "DELETE", "/v1/executions/"+absentID, "")
	server.refused(t, http.StatusNotFound, "not_found", "DELETE", "/v1/executions/x", "")

	// One that somebody waits for is told to have been stopped.
	blocking := asked(func() (reply, error) {
		return server.ask(context.Background(), "POST", "/v1/sync/functions/loop/rpc/", "{}")
	})
	var now []seen
	until(t, "the blocking run is seen", func() bool {
		now = server.list(t, map[string][]string{"status": {"Started"}})
		return len(now) == 1
	})
	server.cancel(t, now[0].ID)
	if a := <-blocking; a.err != nil || a.status != http.StatusInternalServerError || a.code() != "cancelled" {
		t.Errorf("who waits gets %d %s, %v", a.status, a.body, a.err)
	}
}

// Runs are cancelled by three at once, about when they end. Each has one end,
// which nobody is told otherwise.
func TestCancelsAboutTheEnd(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "stay", stayCode)
	const runs, callers = 150, 3
	count := map[string]int{}
	for n := range runs {
		id := server.submit(t, "stay", fmt.Sprintf(`{"n":%d,"seconds":0.002}`, n))
		answers := make([]outcome, callers)
		var all sync.WaitGroup
		for i := range answers {
			wait := rand.N(6 * time.Millisecond)
			all.Go(func() {
				time.Sleep(wait) // at about the time at which it ends
				answers[i].reply, answers[i].err = server.ask(context.Background(), "DELETE", "/v1/executions/"+id, "")
			})
		}
		all.Wait()
		end := server.awaitEnd(t, id)
		changes := 0
		for _, a := range answers {
			if a.err != nil || a.status != http.StatusOK {
				t.Fatalf("%d %s, %v", a.status, a.body, a.err)
			}
			x := decoded[seen](t, a.reply)
			if x.Changed != nil && *x.Changed {
				changes++
			}
			if x.done() && x.Status != end.Status {
				t.Errorf("%s was told, it ended as %s", x.text, end.text)
			}
		}
		switch {
		case changes > 1, end.Status == cancelled && changes != 1, end.Status == failed:
			t.Errorf("%d cancels made a difference, and it is %s", changes, end.text)
		case end.Status == success && string(end.Output) != fmt.Sprint(n):
			t.Errorf("run %d: %s", n, end.text)
		}
		count[end.Status]++
	}
	t.Log(count)
}

// A function is deleted while it runs: that run ends well, those that had not
// begun are rejected, and what has the name next does not get them.
func TestDeleteOfWhatRuns(t *testing.T) {
	// There is memory for one run at a time.
	server := newSite(t, "--memory-budget", "1400MB").serve(t)
	server.deploy(t, "stay", stayCode, "memory", 1024)
	running := server.submit(t, "stay", `{"n":1,"seconds":1}`)
	until(t, "it is first", func() bool { return server.execution(t, running).Status == started })
	queued := server.submitBulk(t, "stay", stays(20, 0))
	server.must(t, "DELETE", "/v1/functions/stay", "")
	server.deploy(t, "stay", "def main(args, context): return 'the next one'", "memory", 1024)
	if x := server.awaitEnd(t, running); x.Status != success || string(x.Output) != "1" {
		t.Errorf("what ran: %s", x.text)
	}
	for _, x := range server.awaitAll(t, queued) {
		if x.Status != failed || x.Error == nil || x.Error.Code != "rejected" {
			t.Errorf("what was queued: %s", x.text)
		}
	}
	if x := server.awaitEnd(t, server.submit(t, "stay", "{}")); string(x.Output) != `"the next one"` {
		t.Errorf("the next one: %s", x.text)
	}
}
