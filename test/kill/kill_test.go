//go:build linux

package kill

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/customers"
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
// functions. Every answer that any of them received stays true, see package customers.
func TestNothingIsLostToKill(t *testing.T) {
	t.Parallel()
	few := 5
	if testing.Short() {
		few = 3
	}
	rounds, seed := cmp.Or(*killRounds, few), cmp.Or(*killSeed, rand.Uint64())
	t.Logf("-kill.rounds=%d -kill.seed=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s, l := process.NewSite(t), customers.New(t)
	l.Begin()
	server := s.Serve(t)
	l.Deploy(t, server.Client)
	l.TurnTo(server.Client)
	l.Start(seed)
	var starts []time.Duration
	for range rounds {
		await(l, rng)
		server.Kill()
		l.TurnTo()
		inspect(t, server)
		l.Report(t)
		l.Begin()
		if server = s.Launch(t); rng.IntN(100) < killsAtStart {
			if !server.Ready(t, time.After(time.Duration(rng.Int64N(int64(startTime))))) {
				l.Happened("further kills before the server was ready")
			}
			server.Kill()
			inspect(t, server)
			l.Report(t)
			l.Begin()
			server = s.Launch(t)
		}
		if !server.Ready(t, nil) {
			t.Fatal("the server no longer starts")
		}
		starts = append(starts, time.Since(server.Began))
		l.TurnTo(server.Client)
		l.LookUp(t, server.Client, append(l.Unsettled(), l.Some(settledSample, rng.IntN)...))
		l.Report(t)
	}
	l.Stop()
	l.LookAtEnd(t, server.Client)
	slices.Sort(starts)
	t.Logf("starts: median %v, longest %v", starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)-1].Round(time.Millisecond))
}

// await waits until the time of the next kill.
func await(l *customers.Load, rng *rand.Rand) {
	late := time.After(shortLife + time.Duration(rng.Int64N(int64(longLife-shortLife))))
	if rng.IntN(100) >= killsByAnswer {
		<-late
		return
	}
	select { // discard an earlier signal
	case <-l.Accepted:
	default:
	}
	select {
	case <-l.Accepted:
	case <-late:
	}
}

// inspect checks the log of a server that has ended.
func inspect(t *testing.T, server *process.Server) {
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
	server.RemoveLog(t)
}
