package storage

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// soak is the factor by which tests play more random games.
var soak = flag.Int("soak", 1, "factor by which tests play more random games")

// games returns how many of n games to play.
func games(n int) uint64 {
	if testing.Short() {
		n = 1
	}
	return uint64(n * *soak)
}

func newLedger() ledger { return ledger{map[string]entry{}, map[string]promise{}, newJobBook()} }

func newPlayer(seed uint64) *player {
	return &player{rng: rand.New(rand.NewPCG(seed, 3)), now: start, soft: true}
}

// After any operations, in any order, the store answers and holds what the ledger does, also after
// it was reopened.
func TestExecutionsMatchTheLedger(t *testing.T) {
	for seed := range games(3) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			p, l := newPlayer(seed), newLedger()
			fs := vfs.NewMem()
			s := openOn(t, fs, "store")
			for i := range 400 {
				m := p.move(l)
				if err := m.do(s); err != nil {
					t.Fatalf("move %d, %s: %v", i, m.name, err)
				}
				l = m.after
				for range 3 {
					p.compareList(t, s, l)
				}
				p.compareJobs(t, s, l)
				if p.rng.IntN(20) == 0 {
					must(t, s.db.Flush())
				}
				if p.rng.IntN(100) == 0 {
					must(t, s.Close())
					s = openOn(t, fs, "store")
				}
			}
			if diff := l.diff(holding(t, s), false); diff != "" {
				t.Fatal(diff)
			}
			comparePending(t, s, l)
			checkInvariants(t, s)
		})
	}
}

var allStates = []runtime.State{
	runtime.StateQueued, runtime.StateRunning, runtime.StateCancelling,
	runtime.StateSucceeded, runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled,
}

// compareList lists with a random filter.
func (p *player) compareList(t *testing.T, s *Store, l ledger) {
	t.Helper()
	var f runtime.ExecutionFilter
	if p.rng.IntN(2) == 0 {
		f.Function = fmt.Sprint("f", p.rng.IntN(4))
	}
	for _, state := range allStates {
		if p.rng.IntN(2) == 0 {
			f.States = append(f.States, state)
		}
	}
	past := func() time.Time { return p.now.Add(-time.Duration(p.rng.IntN(4000)) * time.Millisecond) }
	if p.rng.IntN(4) == 0 {
		f.After = past()
	}
	if p.rng.IntN(4) == 0 {
		f.Before = past()
	}
	cursor := ""
	if p.rng.IntN(4) == 0 {
		cursor = storetest.ID(p.rng, past())
	}
	tenant, limit := ledgerTenants[p.rng.IntN(len(ledgerTenants))], p.rng.IntN(20)
	got, err := s.ListExecutions(tenant, f, cursor, limit)
	must(t, err)
	if want := l.list(tenant, f, cursor, limit); !reflect.DeepEqual(got, want) {
		t.Fatalf("a list of %d with %+v from %q: %s", limit, f, cursor, cmp.Diff(want, got))
	}
}

func comparePending(t *testing.T, s *Store, l ledger) {
	t.Helper()
	pending := map[string]runtime.Execution{}
	last := runtime.Execution{}
	must(t, s.EachUnfinished(func(x runtime.Execution) error {
		if x.Tenant == last.Tenant && x.ID <= last.ID {
			t.Errorf("%s comes after %s", x.ID, last.ID)
		}
		last = x
		pending[x.ID] = x
		return nil
	}))
	want := map[string]runtime.Execution{}
	for id, e := range l.all {
		if !e.x.State.Terminal() {
			want[id] = e.x
		}
	}
	if diff := cmp.Diff(want, pending); diff != "" {
		t.Fatal(diff)
	}
	stop := errors.New("stop")
	if err := s.EachUnfinished(func(runtime.Execution) error { return stop }); len(want) > 0 && !errors.Is(err, stop) {
		t.Errorf("a visit that failed returned %v", err)
	}
}

// executionCrash is the state of the disk when power was lost, and the ledgers that it may hold:
// before or after the move in progress.
type executionCrash struct {
	fs            *vfs.MemFS
	unsynced      int
	before, after ledger
}

// Power is lost at random writes of random moves, and right after some of them. Every acknowledged
// move survives, no move survives in part.
func TestLostPowerDuringExecutions(t *testing.T) {
	for seed := range games(3) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			p := newPlayer(100 + seed)
			rng := rand.New(rand.NewPCG(seed, 4))
			var mu sync.Mutex // Pebble also writes in the background
			var crashes []executionCrash
			before, after := newLedger(), newLedger()
			mem := vfs.NewCrashableMem()
			lose := func() {
				unsynced := []int{0, 10, 50, 100}[rng.IntN(4)]
				clone := crashClone(mem, vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng})
				crashes = append(crashes, executionCrash{clone, unsynced, before, after})
			}
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if len(crashes) < 20 && rng.IntN(12) == 0 {
					lose()
				}
				return nil
			}))
			s := openOn(t, fs, "store")
			for i := range 300 {
				m := p.move(before)
				mu.Lock()
				after = m.after
				mu.Unlock()
				if err := m.do(s); err != nil {
					t.Fatalf("move %d, %s: %v", i, m.name, err)
				}
				mu.Lock()
				before = m.after
				if p.rng.IntN(8) == 0 { // right after an acknowledgement
					lose()
				}
				mu.Unlock()
				if p.rng.IntN(30) == 0 {
					must(t, s.db.Flush())
				}
			}
			if len(crashes) < 30 {
				t.Fatalf("only %d crashes", len(crashes))
			}
			for i, c := range crashes {
				s, err := Open(options(c.fs, "store"))
				if err != nil {
					t.Fatalf("crash %d (%d %% of unsynced data kept): %v", i, c.unsynced, err)
				}
				checkInvariants(t, s)
				got := holding(t, s)
				// The move in progress may have been made, but not in part.
				if diff, also := c.before.diff(got, true), c.after.diff(got, true); diff != "" && also != "" {
					t.Errorf("crash %d (%d %% of unsynced data kept) matches neither the acknowledged moves:\n%s\nnor those and the move in progress:\n%s",
						i, c.unsynced, diff, also)
				}
				must(t, s.Close())
			}
		})
	}
}
