//go:build linux

package attack

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/test/process"
)

// touches is the beginning of functions that write to 90 MB.
const touches = `
import time

def touch():
    block = bytearray(90 << 20)
    for at in range(0, len(block), 4096):
        block[at] = 1
    return block

`

// Runs that wait keep nobody out, whether they hold little of what they may use, or all of it, or
// want all of it at the same time later. The server stays within its memory budget.
func TestSleepersKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	const budget = 2_000_000_000
	server := process.NewSite(t, "--memory-budget", "2GB").Serve(t)
	server.Deploy(t, "honest", "def main(args, context):\n    return 1\n")
	server.Deploy(t, "idles", touches+"def main(args, context):\n    time.sleep(600)\n", "memory", 1024, "timeout", 900)
	server.Deploy(t, "holds", touches+"def main(args, context):\n    block = touch()\n    time.sleep(600)\n", "timeout", 900)
	server.Deploy(t, "grows", touches+"def main(args, context):\n    time.sleep(0.5)\n    block = touch()\n    time.sleep(0.5)\n    return len(block)\n", "timeout", 30)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var peak int64
	var watch sync.WaitGroup
	watch.Go(func() { peak = Peak(ctx, server.Cmd.Process.Pid) })
	honest := func(beside string) {
		t.Helper()
		for range 20 {
			patient, cancel := context.WithTimeout(ctx, process.Patience)
			r, err := server.Do(patient, "POST", runPath("honest"), "{}")
			cancel()
			if err != nil || r.Status != http.StatusOK {
				t.Fatalf("an honest client beside runs that %s gets %d %.200s, %v", beside, r.Status, r.Body, err)
			}
		}
	}
	bulk := func(name string, runs int) {
		server.Must(t, "POST", "/v1/functions/"+name+"/bulk_rpc/", "["+strings.Repeat("{},", runs-1)+"{}]")
	}

	bulk("idles", 100) // of which one at a time would fit with all that it may use
	running := func(name string) int {
		list := server.Must(t, "GET", "/v1/executions/?function="+name+"&status=Started&limit=200", "")
		return strings.Count(string(list.Body), `"uuid":`)
	}
	process.Until(t, "all runs wait", func() bool { return running("idles") == 100 })
	honest("hold little")
	bulk("holds", 100)
	process.Until(t, "some runs hold much", func() bool { return running("holds") >= 5 })
	honest("hold much")
	server.Must(t, "DELETE", "/v1/functions/holds/", "")
	server.Must(t, "DELETE", "/v1/functions/idles/", "")

	var callers sync.WaitGroup
	for range 40 {
		callers.Go(func() {
			for {
				r, err := server.Do(ctx, "POST", runPath("grows"), "{}")
				if err == nil && r.Status == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "" {
					time.Sleep(time.Second)
					continue
				}
				if err != nil || r.Status != http.StatusOK {
					t.Errorf("a run that grows after it has waited ended with %d %.200s, %v", r.Status, r.Body, err)
				}
				return
			}
		})
	}
	time.Sleep(time.Second)
	honest("grow")
	callers.Wait()
	stop()
	watch.Wait()
	t.Logf("at most %d MB", peak/1e6)
	if peak > budget+memory.Overhead {
		t.Errorf("the server had %d bytes resident, more than its budget of %d and %d", peak, budget, memory.Overhead)
	}
}

// Two runs take all of a small server's memory, and sleep for less than a millisecond each time,
// until their time limit, also when their callers have gone. Others run between.
func TestShortSleepersKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	server := process.NewSite(t, "--memory-budget", "600MB").Serve(t)
	server.Deploy(t, "honest", "def main(args, context):\n    return 1\n")
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop()
	for _, seconds := range []string{"0.0009", "0.00005", "0.00001"} {
		name := "naps" + seconds[strings.LastIndex(seconds, ".")+1:]
		server.Deploy(t, name, "import time\n\ndef main(args, context):\n    while True:\n        time.sleep("+seconds+")\n", "timeout", 900)
		asleep, wake := context.WithCancel(ctx)
		for range 2 {
			callers.Go(func() { _, _ = server.Do(asleep, "POST", runPath(name), "{}") })
		}
		process.Until(t, "both runs sleep", func() bool {
			list := server.Must(t, "GET", "/v1/executions/?function="+name+"&status=Started&limit=200", "")
			return strings.Count(string(list.Body), `"uuid":`) == 2
		})
		for range 10 {
			patient, cancel := context.WithTimeout(ctx, process.Patience)
			r, err := server.Do(patient, "POST", runPath("honest"), "{}")
			cancel()
			if err != nil || r.Status != http.StatusOK {
				t.Fatalf("an honest client beside runs that sleep for %s s gets %d %.200s, %v", seconds, r.Status, r.Body, err)
			}
		}
		wake()
		server.Must(t, "DELETE", "/v1/functions/"+name+"/", "")
	}
}

// A thousand async runs that sleep take little of a small server's memory and no interpreter, and others
// run beside them. All of them end.
func TestAsyncSleepersKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	const budget, sleepers = 800_000_000, 1000
	server := process.NewSite(t, "--memory-budget", "800MB").Serve(t)
	server.Deploy(t, "honest", "def main(args, context):\n    return 1\n")
	server.Deploy(t, "sleeps", "import asyncio\n\nasync def main(args, context):\n    await asyncio.sleep(600)\n", "timeout", 900)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var peak int64
	var watch sync.WaitGroup
	watch.Go(func() { peak = Peak(ctx, server.Cmd.Process.Pid) })
	server.Must(t, "POST", "/v1/functions/sleeps/bulk_rpc/", "["+strings.Repeat("{},", sleepers-1)+"{}]")
	process.Until(t, "all runs wait", func() bool {
		list := server.Must(t, "GET", "/v1/executions/?function=sleeps&status=Pending&limit=1", "")
		return strings.Count(string(list.Body), `"uuid":`) == 0
	})
	for range 20 {
		patient, cancel := context.WithTimeout(ctx, process.Patience)
		r, err := server.Do(patient, "POST", runPath("honest"), "{}")
		cancel()
		if err != nil || r.Status != http.StatusOK {
			t.Fatalf("an honest client gets %d %.200s, %v", r.Status, r.Body, err)
		}
	}
	server.Must(t, "DELETE", "/v1/functions/sleeps/", "")
	stop()
	watch.Wait()
	t.Logf("at most %d MB", peak/1e6)
	if peak > budget+memory.Overhead {
		t.Errorf("the server had %d bytes resident, more than its budget of %d and %d", peak, budget, memory.Overhead)
	}
}
