package main

import (
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestPastHasAPageOfEverything checks that each rare kind of execution fills exactly one page,
// however long the history is.
func TestPastHasAPageOfEverything(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, n := range []int{fewExecutions, 100 * fewExecutions} {
		count := map[string]int{}
		last := ""
		for i := range n {
			x := past(i, n, now)
			count[x.Function+" "+string(x.State)]++
			if at := x.Created; at.Before(now.Add(-historyTime)) || at.After(now) {
				t.Fatalf("execution %d of %d was created at %v", i, n, at)
			}
			if stamp := x.ID[:13]; stamp < last {
				t.Fatalf("execution %d of %d has the id %s, which sorts before %s", i, n, x.ID, last)
			} else {
				last = stamp
			}
			if x.ID[14] != '7' || !x.State.Terminal() || (x.Failure == nil) != (x.State == runtime.StateSucceeded) {
				t.Fatalf("execution %d of %d is %+v", i, n, x)
			}
		}
		for what, want := range map[string]int{
			"rare succeeded": pageSize, "common failed": pageSize, "common cancelled": pageSize, "common succeeded": n - 3*pageSize,
		} {
			if count[what] != want {
				t.Errorf("of %d executions %d are %s, want %d", n, count[what], what, want)
			}
		}
	}
}

func TestWaitOfAnExecution(t *testing.T) {
	x := execution{Status: "Success", Created: "2026-01-02 03:04:05.999000+00:00", Started: "2026-01-02 03:04:06+00:00"}
	if wait, err := x.wait(); err != nil || wait != time.Millisecond {
		t.Errorf("got %v, %v", wait, err)
	}
	x.Status = "Failed"
	if _, err := x.wait(); err == nil {
		t.Error("the wait of a failed execution is accepted")
	}
}
