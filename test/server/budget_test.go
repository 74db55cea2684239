//go:build linux

package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A server says so when its memory budget leaves too little of the machine, for which the kernel may kill it.
func TestBudgetOfTheWholeMachine(t *testing.T) {
	t.Parallel()
	const warning = "the kernel may kill the server"
	for budget, warns := range map[string]bool{"100000GB": true, "400MB": false} {
		l := process.NewSite(t, "--memory-budget", budget).Serve(t)
		if got := strings.Contains(l.Log(t), warning); got != warns {
			t.Errorf("a budget of %s: warned: %v\n%s", budget, got, l.Log(t))
		}
	}
}

// Background runs and blocking runs share the memory budget: with room for two, never do three
// compute at once.
func TestRunsShareTheMemory(t *testing.T) {
	t.Parallel()
	const most = 2
	server := process.NewSite(t, "--memory-budget", "2400MB").Serve(t)
	server.Deploy(t, "stay", process.WorkCode, "memory", 1024)
	for range 2 { // the second round uses the memory that the first has released
		var waiting sync.WaitGroup
		for n := range 5 {
			waiting.Go(func() {
				r, err := server.Do(context.Background(), "POST", "/v1/sync/functions/stay/rpc/", fmt.Sprintf(`{"n":%d,"seconds":0.05}`, n))
				if err != nil || r.Status != http.StatusOK {
					t.Errorf("a blocking run: %d %s, %v", r.Status, r.Body, err)
				}
			})
		}
		server.WaitAll(t, server.SubmitBulk(t, "stay", process.SleepArgs(20, 0.05)))
		waiting.Wait()
	}
	type moment struct {
		at    string // sorts as time does
		begin bool
		of    string
	}
	var moments []moment
	for _, x := range server.List(t, map[string][]string{"include_completed": {"1"}}) {
		if x.Kind == "run" {
			moments = append(moments, moment{x.Started, true, x.Text}, moment{x.Finished, false, x.Text})
		}
	}
	if want := 2 * 2 * (5 + 20); len(moments) != want {
		t.Fatalf("%d moments, want %d", len(moments), want)
	}
	slices.SortFunc(moments, func(a, b moment) int { return strings.Compare(a.at, b.at) })
	running := map[string]bool{}
	for _, m := range moments {
		if running[m.of] = m.begin; !m.begin {
			delete(running, m.of)
		}
		if len(running) > most {
			t.Fatalf("%d run at %s: %v", len(running), m.at, running)
		}
	}
}
