//go:build linux

package kill

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/customers"
	"github.com/faaspot/faaspot/test/process"
)

var backlogBulks = flag.Int("backlog.bulks", 1, "number of bulks of 10,000 runs that are queued when the server is killed")

// The server is killed while many runs are queued and some are running. All of them end; those that
// had not started run in the order of their submission.
func TestBacklogOutlivesTheServer(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	// Runs of the first version do not end. An attempt runs the version that is current when it
	// starts.
	server.Deploy(t, "held", "import time\ndef main(args, context): time.sleep(600)", "timeout", 900)
	before := time.Now()
	server.Kill()
	server = s.Serve(t)
	without := time.Since(server.Began)
	var ids []string
	for range *backlogBulks {
		ids = append(ids, server.SubmitBulk(t, "held", process.NumberedArgs(runtime.MaxBulk))...)
	}
	server.WaitStatus(t, ids[0], process.Started)
	server.Kill()
	server = s.Serve(t)
	with := time.Since(server.Began)
	t.Logf("start with %d queued: %v, with none: %v", len(ids), with.Round(time.Millisecond), without.Round(time.Millisecond))

	// Runs that have started before the update would block it: they hold the memory that it needs.
	running := map[string]bool{}
	cancelRunning := func() {
		for _, x := range server.List(t, map[string][]string{"status": {"Started"}}) {
			running[x.ID] = true
			server.Must(t, "DELETE", "/v1/executions/"+x.ID, "")
		}
	}
	changed := make(chan error, 1)
	go func() {
		r, err := server.Do(t.Context(), "PATCH", "/v1/functions/held", process.FunctionJSON("", process.EchoCode))
		if err == nil && r.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", r.Status, r.Body)
		}
		changed <- err
	}()
	for done := false; !done; {
		cancelRunning()
		select {
		case err := <-changed:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancelRunning()
	all := server.WaitAll(t, ids)
	t.Logf("all were done %v after they were accepted", time.Since(before).Round(time.Second))
	last, inOrder := "", 0
	for i, x := range all {
		if running[x.ID] {
			continue // it was cancelled, or had ended before
		}
		if why := customers.CheckOutput(i%runtime.MaxBulk, x.Output); x.Status != process.Success || why != "" {
			t.Fatalf("%s: %s", why, x.Text)
		}
		if x.Attempts > 1 {
			continue // it had started before the kill
		}
		if x.Started < last {
			t.Errorf("%s started before an earlier submission, which started at %s", x.Text, last)
		}
		last = x.Started
		inOrder++
	}
	if inOrder < len(ids)/2 {
		t.Errorf("only %d of %d runs can be compared", inOrder, len(ids))
	}
	if open := server.List(t, nil); len(open) > 0 {
		t.Errorf("not done: %v", open)
	}
	if n := len(server.List(t, map[string][]string{"include_completed": {"1"}})); n != len(ids)+2 { // and two changes of the function
		t.Errorf("%d executions are listed, of %d", n, len(ids)+2)
	}
	slices.Sort(ids)
	if twice := len(ids) - len(slices.Compact(ids)); twice > 0 {
		t.Errorf("%d ids are not unique", twice)
	}
}
