//go:build linux

package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }

var (
	soakTime = flag.Duration("soak.time", 0, "how long the load lasts, in all rounds; 0: the test is skipped")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of the load; 0: random")
)

const (
	// roundTime is the length of a round.
	roundTime = time.Minute
	// sliceTime is the time for which one hostile action lasts.
	sliceTime = 3 * time.Second
	// slots is the number of hostile actions at a time.
	slots = 4
)

// serveFlags let the server hold little, so that the load reaches each limit within a round.
var serveFlags = []string{"--memory-budget", "400MB", "--image-disk", "64MB", "--retention-min-age", "10s", "--retention-count", "5000", "--egress-allow", "127.0.0.0/8"}

// Under hostile and normal load the server stays up and answers its customers correctly, and after
// each round it holds no more than after the first one.
func TestHostileSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("make soak-hostile runs it")
	}
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("-soak.time=%v -soak.seed=%d", *soakTime, seed)
	usual := goroutinesAtRest(t)
	w := &world{t: t, server: process.NewSite(t, serveFlags...).Serve(t), peers: startPeers(t), rng: rand.New(rand.NewPCG(seed, 0)), count: map[string]int{}}
	w.prepare()
	w.round(sliceTime * time.Duration((len(w.actions())+slots-1)/slots+1)) // time for each action once
	time.Sleep(restTime)
	begin := w.measure()
	t.Logf("at the beginning: %s", begin)
	for left := *soakTime; left > 0; left -= roundTime {
		w.round(min(left, roundTime))
		t.Logf("after round %d: %s", w.rounds-1, w.settle(begin))
		w.checkLog()
		if t.Failed() {
			t.Fatalf("the round with -soak.seed=%d failed", seed)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(w.count)) {
		t.Logf("%7d %s", w.count[what], what)
	}
	w.server.Close()
	time.Sleep(restTime) // connections that nobody has closed time out
	if n := w.server.Goroutines(t); n > usual+usual/4 {
		t.Errorf("%d goroutines are left, an idle server has %d", n, usual)
	}
}

// goroutinesAtRest returns the number of goroutines of a server that has served one run.
func goroutinesAtRest(t *testing.T) int {
	server := process.NewSite(t, serveFlags...).Serve(t)
	server.Deploy(t, "echo", echoCode)
	server.Must(t, "POST", "/v1/sync/functions/echo/rpc/", `{"n":1}`)
	server.Close()
	return server.Goroutines(t)
}

// world is a server with all who use it.
type world struct {
	t      *testing.T
	server *process.Server
	peers  map[string]int // ports
	rounds int
	rng    *rand.Rand // of the test's own goroutine

	mu    sync.Mutex
	count map[string]int
	deck  []action // that are still to come
}

// happened counts something.
func (w *world) happened(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[what]++
}

// happenedSoFar returns how often something has happened.
func (w *world) happenedSoFar(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count[what]
}

// draw returns the next hostile action. All actions come in random order, again and again.
func (w *world) draw(rng *rand.Rand) action {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.deck) == 0 {
		w.deck = w.actions()
		rng.Shuffle(len(w.deck), func(i, j int) { w.deck[i], w.deck[j] = w.deck[j], w.deck[i] })
	}
	next := w.deck[0]
	w.deck = w.deck[1:]
	return next
}

// round puts the load on the server for some time, and deletes what hostile tenants have left.
func (w *world) round(length time.Duration) {
	w.rounds++
	began := time.Now()
	ctx, stop := context.WithTimeout(w.t.Context(), length)
	defer stop()
	before := map[string]int{}
	for _, c := range customers {
		before[c.what] = w.happenedSoFar(c.what)
	}
	var all sync.WaitGroup
	for i, c := range customers {
		all.Go(func() { w.newCustomer(i).serve(ctx, c.what, c.step) })
	}
	foes := make([]string, slots)
	for slot := range foes {
		foes[slot] = fmt.Sprintf("round-%d-%d", w.rounds, slot)
		foe := w.newFoe(foes[slot])
		all.Go(func() { foe.serve(ctx) })
	}
	all.Wait()
	w.t.Logf("round %d: the load has ended after %v", w.rounds, time.Since(began).Round(time.Second))
	for _, c := range customers {
		if w.happenedSoFar(c.what) == before[c.what] {
			w.t.Errorf("in round %d nobody got: %s", w.rounds, c.what)
		}
	}
	for _, name := range foes {
		if err := w.deleteTenant(name); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Logf("round %d: the tenants are deleted after %v", w.rounds, time.Since(began).Round(time.Second))
	select {
	case <-w.server.Exited:
		w.t.Fatalf("the server has ended:\n%s", w.server.Log(w.t))
	default:
	}
}

// checkLog checks that the server has logged no fault of its own.
func (w *world) checkLog() {
	text, err := os.ReadFile(w.server.LogFile)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, "panic") {
			w.t.Errorf("the log: %.2000s", line)
		}
	}
}

// newTenant creates a tenant, and returns a client with a token that permits everything in it.
func (w *world) newTenant(name string) (*process.Client, error) {
	if _, err := w.ask(w.server.Client, "POST", "/v1/tenants/", fmt.Sprintf(`{"name":%q}`, name)); err != nil {
		return nil, err
	}
	text, err := w.ask(w.server.Client, "POST", "/v1/tokens/", fmt.Sprintf(`{"name":"all","scope":"admin","tenant":%q}`, name))
	if err != nil {
		return nil, err
	}
	var made struct{ Token string }
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, err
	}
	return process.NewClient(w.server.Base, made.Token), nil
}

// deleteTenant deletes a tenant with everything that it has, and waits until it is gone.
func (w *world) deleteTenant(name string) error {
	if _, err := w.ask(w.server.Client, "DELETE", "/v1/tenants/"+name+"?force=true", ""); err != nil {
		return err
	}
	for deadline := time.Now().Add(process.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r, err := w.server.Do(w.t.Context(), "GET", "/v1/tenants/"+name, ""); err == nil && r.Status == http.StatusNotFound {
			return nil
		}
	}
	return fmt.Errorf("the tenant %s is still there", name)
}

var errImpatient = errors.New("the server answered only with refusals")

// ask sends a request until the server neither loses nor refuses it, and returns the body of the answer.
func (w *world) ask(client *process.Client, method, path, body string, headers ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), process.Patience)
	defer cancel()
	for {
		r, err := client.Do(ctx, method, path, body, headers...)
		busy := r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s %s: %w", method, path, errImpatient)
		case err != nil:
			w.happened("answers that were lost")
		case busy && r.Header.Get("Retry-After") == "":
			return nil, fmt.Errorf("%s %s: %d without Retry-After: %s", method, path, r.Status, r.Body)
		case busy:
			w.happened("refusals")
		case r.Status != http.StatusOK:
			return nil, fmt.Errorf("%s %s: %d %.500s", method, path, r.Status, r.Body)
		default:
			return r.Body, nil
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// pause waits, and returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
