package storage

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// batchOf makes a batch of about so many bytes.
func batchOf(t testing.TB, size int) *pebble.Batch {
	t.Helper()
	var b pebble.Batch
	must(t, b.Set([]byte("key"), make([]byte, size), nil))
	return &b
}

// Whoever comes, in whatever sizes, is written once, and told what became of it;
// no more is written as one than may be, and one round after the other.
func TestGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var g group
	var mu sync.Mutex
	written := map[*member]int{}
	rounds, writing := 0, 0
	write := func(members []*member) {
		bytes, large := 0, members[0].batch.Len() > groupSize/4
		mu.Lock()
		for _, m := range members {
			written[m]++
			bytes += m.batch.Len()
		}
		rounds++
		if !large {
			writing++
		}
		if bytes > groupSize && len(members) > 1 || large && len(members) > 1 || writing > 1 {
			t.Errorf("%d of %d bytes are written as one, beside %d", len(members), bytes, writing-1)
		}
		mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		if !large {
			writing--
		}
		for _, m := range members {
			m.err = fmt.Errorf("%p", m)
		}
	}
	const callers, calls = 50, 60
	var wg sync.WaitGroup
	for range callers {
		sizes := make([]int, calls)
		for i := range sizes {
			if sizes[i] = rng.IntN(1000); rng.IntN(10) == 0 {
				sizes[i] = rng.IntN(groupSize / 2)
			}
		}
		wg.Go(func() {
			for _, size := range sizes {
				m := &member{batch: batchOf(t, size)}
				if err := g.write(m, write); err == nil || err.Error() != fmt.Sprintf("%p", m) {
					t.Errorf("%p was told %v", m, err)
				}
			}
		})
	}
	wg.Wait()
	for m, n := range written {
		if n != 1 {
			t.Errorf("%p was written %d times", m, n)
		}
	}
	if len(written) != callers*calls || rounds > len(written)/2 {
		t.Errorf("%d were written in %d rounds", len(written), rounds)
	}
	if g.open != nil {
		t.Error("a round is left")
	}
}

// A write that panics leaves nobody waiting, and tells nobody that it was made.
func TestPanicInAGroup(t *testing.T) {
	var g group
	g.turn.Lock()
	var panicked, told atomic.Int32
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			defer func() {
				if recover() != nil {
					panicked.Add(1)
				}
			}()
			err := g.write(&member{batch: batchOf(t, 1)}, func([]*member) { panic("no") })
			if errors.Is(err, errUnwritten) {
				told.Add(1)
			}
		})
		g.joined(i + 1)
	}
	g.turn.Unlock()
	wg.Wait()
	if panicked.Load() != 1 || told.Load() != 9 {
		t.Errorf("%d have panicked, %d were told", panicked.Load(), told.Load())
	}
	m := &member{batch: batchOf(t, 1)}
	if err := g.write(m, func([]*member) { m.err = nil }); err != nil {
		t.Errorf("one who comes later is told %v", err)
	}
}

// joined waits until so many wait in the open round.
func (g *group) joined(n int) {
	for have := -1; have != n; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		if have = 0; g.open != nil {
			have = len(g.open.members)
		}
		g.mu.Unlock()
	}
}

// Those who come at once are synced once. On a disk that is nearly full some of
// them are refused, the others are not, whoever came first.
func TestGroupOnANearlyFullDisk(t *testing.T) {
	for _, first := range []string{"accept", "cancel"} {
		free := uint64(1 << 40)
		var syncs atomic.Int32
		fs := errorfs.Wrap(sizedFS{vfs.NewMem(), &free}, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
				syncs.Add(1)
			}
			return nil
		}))
		s, c := openOn(t, fs, "store"), newClerk()
		queued := c.batch(100)
		must(t, second(s.Accept(queued, nil)))
		// Cancels that share a lock would wait for each other.
		stripes := map[uint64]bool{}
		queued = slices.DeleteFunc(queued, func(a runtime.Accepted) bool {
			id, _ := keys.ParseID(a.Execution.ID)
			stripe := maphash.Bytes(s.leases.seed, keys.Execution(keys.KindAccepted, "default", id)) % uint64(len(s.leases.locks))
			taken := stripes[stripe]
			stripes[stripe] = true
			return taken
		})
		syncs.Store(0)
		free = DefaultMinFree - 1
		s.group.turn.Lock()
		refused := c.batch(len(queued))
		var wg sync.WaitGroup
		for i := range 2 * len(queued) {
			if (i%2 == 0) == (first == "accept") {
				wg.Go(func() { wantUnavailable(t, second(s.Accept(refused[i/2:i/2+1], nil))) })
			} else {
				wg.Go(func() {
					if _, changed, err := s.Cancel("default", queued[i/2].Execution.ID, c.at); err != nil || !changed {
						t.Errorf("a cancel beside what is refused: %v, %v", changed, err)
					}
				})
			}
			s.group.joined(i + 1)
		}
		s.group.turn.Unlock()
		wg.Wait()
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs", n)
		}
		for i := range refused {
			_, err := s.GetExecution("default", refused[i].Execution.ID)
			wantCode(t, err, runtime.CodeNotFound)
			x, err := s.GetExecution("default", queued[i].Execution.ID)
			must(t, err)
			if x.State != runtime.StateCancelled {
				t.Errorf("%s is %s", x.ID, x.State)
			}
		}
		checkInvariants(t, s)
		// All are refused, and with nothing to write nothing is synced.
		syncs.Store(0)
		wantUnavailable(t, second(s.Accept(c.batch(1), nil)))
		free = DefaultMinFree
		must(t, second(s.Accept(refused, nil)))
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs", n)
		}
	}
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

// Power is lost while many have executions accepted, started, cancelled and
// ended. Whatever was acknowledged is there, no batch is there in part, and a key
// is there if and only if what it stands for is.
func TestLostPowerAmidMany(t *testing.T) {
	for seed := range games(3) {
		rng := rand.New(rand.NewPCG(seed, 5))
		type accepted struct {
			batch []runtime.Accepted
			key   *runtime.IdempotencyKey
			begun bool
		}
		var mu sync.Mutex
		opened := false
		var all []*accepted // acknowledged
		var asked []*accepted
		type crash struct {
			fs    *vfs.MemFS
			said  []accepted
			asked int
		}
		var crashes []crash
		mem := vfs.NewCrashableMem()
		lose := func() {
			clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
			var said []accepted
			for _, a := range all {
				said = append(said, *a)
			}
			crashes = append(crashes, crash{clone, said, len(asked)})
		}
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if opened && len(crashes) < 20 && rng.IntN(4) == 0 {
				lose()
			}
			return nil
		}))
		s, c := openOn(t, fs, "store"), newClerk()
		mu.Lock()
		opened = true
		mu.Unlock()
		var wg sync.WaitGroup
		for n := range 16 {
			wg.Go(func() {
				for i := range 12 {
					a := &accepted{batch: c.batch(1 + i%5)}
					if i%3 == 0 {
						a.key = &runtime.IdempotencyKey{Key: fmt.Sprint(n, " ", i), Now: start}
					}
					mu.Lock()
					asked = append(asked, a)
					mu.Unlock()
					if _, replayed, err := s.Accept(a.batch, a.key); err != nil || replayed {
						t.Errorf("%v, %v", replayed, err)
						return
					}
					mu.Lock()
					all = append(all, a)
					mu.Unlock()
					if i%4 == 0 {
						x := a.batch[0].Execution
						refused, err := s.Start([]runtime.Lease{{Tenant: x.Tenant, ID: x.ID, Attempt: 1, Started: x.Created}})
						if err = errors.Join(append(refused, err)...); err != nil {
							t.Error(err)
						}
						mu.Lock()
						a.begun = true
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		mu.Lock()
		lose()
		mu.Unlock()
		if len(crashes) < 10 {
			t.Fatalf("only %d crashes", len(crashes))
		}
		for i, crash := range crashes {
			s, err := Open(options(crash.fs, "store"))
			if err != nil {
				t.Fatalf("crash %d: %v", i, err)
			}
			checkInvariants(t, s)
			for _, a := range crash.said {
				for j := range a.batch {
					x, err := s.GetExecution("default", a.batch[j].Execution.ID)
					if err != nil || j == 0 && a.begun && x.State != runtime.StateRunning {
						t.Errorf("crash %d: what was acknowledged is %+v, %v", i, x.State, err)
					}
				}
			}
			for _, a := range asked[:crash.asked] {
				var ids []string
				for _, one := range a.batch {
					ids = append(ids, one.Execution.ID)
				}
				found, err := s.GetExecutions("default", ids)
				must(t, err)
				there := len(found) - len(slices.DeleteFunc(found, func(x *runtime.Execution) bool { return x != nil }))
				if there != 0 && there != len(ids) {
					t.Errorf("crash %d: %d of a batch of %d are there", i, there, len(ids))
				}
				if a.key == nil {
					continue
				}
				promised, err := s.LookupKey("default", *a.key)
				must(t, err)
				if (there > 0) != slices.Equal(promised, ids) || there == 0 && promised != nil {
					t.Errorf("crash %d: %d of %v are there, the key stands for %v", i, there, ids, promised)
				}
			}
			must(t, s.Close())
		}
	}
}
