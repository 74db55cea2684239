//go:build linux

package kill

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

var (
	killRounds = flag.Int("kill.rounds", 0, "number of times that the server is killed; 0: a few")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of the load and of the kills; 0: random")
)

const (
	// killsByAnswer percent of the kills come right after a customer has received ids.
	// killsAtStart percent of the started servers are killed again before or when they are ready,
	// which takes about startTime.
	killsByAnswer = 20
	killsAtStart  = 10
	startTime     = 450 * time.Millisecond
	// shortLife and longLife bound the time between readiness and kill.
	shortLife, longLife = 20 * time.Millisecond, 1500 * time.Millisecond
	// settledSample is the number of finished executions that are looked up after each start,
	// besides all unfinished ones.
	settledSample = 1_000
)

// The server is killed at random moments, again and again, while customers run, change and cancel
// functions. Every answer that any of them received stays true, see ledger.
func TestNothingIsLostToKill(t *testing.T) {
	t.Parallel()
	few := 5
	if testing.Short() {
		few = 3
	}
	rounds, seed := cmp.Or(*killRounds, few), cmp.Or(*killSeed, rand.Uint64())
	t.Logf("-kill.rounds=%d -kill.seed=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s, l := process.NewSite(t), newLoad(t)
	l.begin()
	server := s.Serve(t)
	for name, code := range map[string]string{
		"echo": process.EchoCode, "echo-once": process.EchoCode, "now": process.EchoCode, "nap": napCode, "nap-once": napCode, "raise": raiseCode, "raise-once": raiseCode,
	} {
		server.Deploy(t, name, code)
	}
	l.turnTo(server)
	l.start(seed)
	var starts []time.Duration
	for range rounds {
		l.await(rng)
		server.Kill()
		l.turnTo(nil)
		l.inspect(t, server)
		l.begin()
		if server = s.Launch(t); rng.IntN(100) < killsAtStart {
			if !server.Ready(t, time.After(time.Duration(rng.Int64N(int64(startTime))))) {
				l.happened("further kills before the server was ready")
			}
			server.Kill()
			l.inspect(t, server)
			l.begin()
			server = s.Launch(t)
		}
		if !server.Ready(t, nil) {
			t.Fatal("the server no longer starts")
		}
		starts = append(starts, time.Since(server.Began))
		l.turnTo(server)
		l.lookUp(t, server, append(l.unsettled(), l.some(settledSample, rng.IntN)...))
		l.report(t)
	}
	l.stop()
	l.lookAtEnd(t, server)
	slices.Sort(starts)
	t.Logf("starts: median %v, longest %v", starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)-1].Round(time.Millisecond))
	for _, what := range slices.Sorted(maps.Keys(l.count)) {
		t.Logf("%6d %s", l.count[what], what)
	}
}

// await waits until the time of the next kill.
func (l *load) await(rng *rand.Rand) {
	late := time.After(shortLife + time.Duration(rng.Int64N(int64(longLife-shortLife))))
	if rng.IntN(100) >= killsByAnswer {
		<-late
		return
	}
	select { // discard an earlier signal
	case <-l.accepted:
	default:
	}
	select {
	case <-l.accepted:
	case <-late:
	}
}

// inspect checks the log of a server that has ended, and reports all breaches so far.
func (l *load) inspect(t *testing.T, server *process.Server) {
	t.Helper()
	text, err := os.ReadFile(server.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) && !strings.Contains(line, "the disk is slow") {
			t.Errorf("the log: %s", line)
		}
	}
	l.report(t)
	server.RemoveLog(t)
}

// report reports all breaches so far.
func (l *load) report(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	broken := l.broken
	l.broken = nil
	l.mu.Unlock()
	for _, breach := range broken {
		t.Error(breach)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// lookUp reads executions, all of which must exist.
func (l *load) lookUp(t *testing.T, server *process.Server, ids []string) {
	t.Helper()
	for some := range slices.Chunk(ids, runtime.MaxBulk) {
		tick := l.now()
		for i, x := range server.Executions(t, some) {
			if x.ID != some[i] {
				l.wrong("requested %s, got %s", some[i], x.ID)
			}
			l.saw(x, tick)
		}
	}
}

// lookAtEnd waits until everything is done, and compares all executions with the ledger.
func (l *load) lookAtEnd(t *testing.T, server *process.Server) {
	t.Helper()
	left := len(l.unsettled())
	for left > 0 {
		// Wait as long as some executions end.
		process.Until(t, fmt.Sprintf("fewer than %d are not done, such as %v", left, l.example()), func() bool {
			ids := l.unsettled()
			l.lookUp(t, server, ids[:min(len(ids), runtime.MaxBulk)])
			return len(l.unsettled()) < left
		})
		left = len(l.unsettled())
	}
	l.lookUp(t, server, l.ids)
	l.report(t)

	listed, last := map[string]bool{}, ""
	strangers, byArgs := map[subject]int{}, map[int]string{}
	tick := l.now()
	for _, x := range server.List(t, url.Values{"include_completed": {"True"}}) {
		if last != "" && x.ID >= last {
			l.wrong("%s is listed after %s", x.ID, last)
		}
		last = x.ID
		listed[x.ID] = true
		if !x.Done() {
			l.wrong("not done: %s", x.Text)
		}
		l.saw(x, tick)
		// A blocking run without a key has no id that its customer knows before the end.
		if l.promises[x.ID] == nil && x.Name != "now" {
			strangers[subject{x.Name, x.Kind == "run"}]++
		}
		if x.Kind == "run" && x.Status == process.Success {
			var o product
			if err := json.Unmarshal(x.Output, &o); err != nil || o.Square != o.N*o.N {
				l.wrong("the output does not belong to its args: %s", x.Text)
			}
			if twin := byArgs[o.N]; twin != "" {
				l.wrong("%s and %s belong to one request", twin, x.ID)
			}
			byArgs[o.N] = x.ID
		}
	}
	for _, id := range l.ids {
		if !listed[id] {
			l.wrong("%s is not listed", id)
		}
	}
	for of, n := range strangers {
		// The test deployed some functions before the customers started.
		deployed := n == 1 && !of.run && !strings.HasPrefix(of.function, "own-")
		if n > l.asked[of] && !deployed {
			l.wrong("%+v: %d executions have ids that no customer received, but only %d answers were lost", of, n, l.asked[of])
		}
	}
	l.checkLogs(t, server)
	l.report(t)
}

// checkLogs compares the logs of runs with what their functions print.
func (l *load) checkLogs(t *testing.T, server *process.Server) {
	t.Helper()
	const most = 50
	compared := 0
	for id, p := range l.promises {
		if !strings.HasPrefix(p.function, "nap") || p.status != process.Success {
			continue
		}
		r := server.Must(t, "GET", "/v1/executions/"+id+"/logs?format=raw", "")
		if want := fmt.Sprintf("run %d\n", p.n); string(r.Body) != want {
			l.wrong("%s wrote %q, want %q", id, r.Body, want)
		}
		if compared++; compared == most {
			break
		}
	}
	if compared == 0 {
		t.Error("no logs were compared")
	}
}
