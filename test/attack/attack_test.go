//go:build linux

package attack

import (
	"context"
	"flag"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }

var (
	attackTime = flag.Duration("attack-time", 15*time.Second, "how long the attacks last")
	onlyAttack = flag.String("attack", "", "run only the attack with this name")
)

// Under all attacks at once, the server stays within its memory budget and the stated overhead, goes
// on answering an honest client, whom it refuses only with the time after which to retry, and gives
// the memory back afterwards.
func TestServerUnderAllAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("the attacks take long")
	}
	const budget = 400 << 20
	server := process.NewSite(t, "--memory-budget", "400MB").Serve(t)
	pid := server.Cmd.Process.Pid
	server.Deploy(t, "honest", "def main(args, context):\n    return 1\n", "memory", 64)
	server.Must(t, "POST", runPath("honest"), "{}")
	before, err := Pss(pid)
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithTimeout(t.Context(), *attackTime)
	defer stop()
	target := Target{Base: server.Base, Token: server.Token}
	var all sync.WaitGroup
	for _, a := range All() {
		if *onlyAttack != "" && a.Name != *onlyAttack {
			continue
		}
		all.Go(func() {
			if err := a.Run(ctx, target); err != nil {
				t.Errorf("%s: %v", a.Name, err)
			}
		})
	}
	var peak int64
	all.Go(func() { peak = Peak(ctx, pid) })
	answers := map[int]int{}
	lost := 0
	all.Go(func() {
		for ctx.Err() == nil {
			r, err := server.Do(ctx, "POST", runPath("honest"), "{}")
			switch {
			case ctx.Err() != nil:
			case err != nil:
				lost++
			default:
				if answers[r.Status]++; r.Status != http.StatusOK && r.Header.Get("Retry-After") == "" {
					t.Errorf("an honest client gets %d %.200s", r.Status, r.Body)
				}
			}
			pause(ctx, 50*time.Millisecond)
		}
	})
	all.Wait()
	select {
	case <-server.Exited:
		t.Fatalf("the server has ended: %s", server.Log(t))
	default:
	}
	t.Logf("before %d MB, at most %d MB of %d + %d; an honest client got %v, %d answers lost", before/1e6, peak/1e6, budget/1000000, memory.Overhead/1000000, answers, lost)
	if peak > budget+memory.Overhead {
		t.Errorf("the server had %d bytes resident, more than its budget of %d and %d", peak, budget, memory.Overhead)
	}
	for status := range answers {
		if !slices.Contains([]int{http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable}, status) {
			t.Errorf("an honest client gets %d", status)
		}
	}
	if answers[http.StatusOK] == 0 {
		t.Error("an honest client gets no result")
	}

	for _, name := range []string{"image0", "image1", "image2", "image3", "image4", "deep", "tmp", "sleep", "bulk", "objects", "result", "results", "logs", "context0", "context1", "poll"} {
		_, _ = server.Do(t.Context(), "DELETE", "/v1/functions/"+name+"/", "") // some were never deployed
	}
	process.Until(t, "an honest client gets a result", func() bool {
		r, err := server.Do(t.Context(), "POST", runPath("honest"), "{}")
		return err == nil && r.Status == http.StatusOK
	})
	process.Until(t, "the memory is returned", func() bool {
		now, err := Pss(pid)
		return err == nil && now < before+100_000_000
	})
}
