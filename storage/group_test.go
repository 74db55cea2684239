package storage

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// waitingFor waits until n batches wait to be written together.
func waitingFor(s *Store, n int) {
	for s.commits.Waiting() != n {
		time.Sleep(time.Millisecond)
	}
}

// Writes that arrive at the same time are synced once. On a disk that is nearly full, those that
// take room are refused and the others are not, in any order.
func TestGroupOnANearlyFullDisk(t *testing.T) {
	t.Parallel()
	once := int32(1)
	if os.Getenv(envLog) != "" {
		once = 0 // the log syncs
	}
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
		// Cancellations that share a lock would wait for each other.
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
		release := s.commits.Hold()
		refused := c.batch(len(queued))
		var wg sync.WaitGroup
		for i := range 2 * len(queued) {
			if (i%2 == 0) == (first == "accept") {
				wg.Go(func() { wantUnavailable(t, second(s.Accept(refused[i/2:i/2+1], nil))) })
			} else {
				wg.Go(func() {
					if _, changed, err := s.Cancel("default", queued[i/2].Execution.ID, c.at); err != nil || !changed {
						t.Errorf("a cancellation together with refused writes: %v, %v", changed, err)
					}
				})
			}
			waitingFor(s, i+1)
		}
		release()
		wg.Wait()
		if n := syncs.Load(); n != once {
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
		// All are refused, and nothing is synced when there is nothing to write.
		syncs.Store(0)
		wantUnavailable(t, second(s.Accept(c.batch(1), nil)))
		free = DefaultMinFree
		must(t, second(s.Accept(refused, nil)))
		if n := syncs.Load(); n != once {
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

// Power is lost while many goroutines have executions accepted, started, cancelled and ended. Every
// acknowledged change survives, no batch survives in part, and a key survives if and only if its
// executions do.
func TestLostPowerDuringConcurrentWrites(t *testing.T) {
	alone(t, "it loses power when Pebble writes, which is rare behind a log; see TestOwnerLosesPower")
	t.Parallel()
	for seed := range games(3) {
		rng := rand.New(rand.NewPCG(seed, 5))
		type accepted struct {
			batch []runtime.Accepted
			key   *runtime.IdempotencyKey
			begun bool
		}
		var mu sync.Mutex
		opened := false
		var all []*accepted // acknowledged requests
		var asked []*accepted
		type crash struct {
			fs    *vfs.MemFS
			said  []accepted
			asked int
		}
		var crashes []crash
		mem := vfs.NewCrashableMem()
		lose := func() {
			clone := crashClone(mem, vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
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
						t.Errorf("crash %d: an acknowledged execution is %+v, %v", i, x.State, err)
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
					t.Errorf("crash %d: %d executions of a batch of %d exist", i, there, len(ids))
				}
				if a.key == nil {
					continue
				}
				promised, err := s.LookupKey("default", *a.key)
				must(t, err)
				if (there > 0) != slices.Equal(promised, ids) || there == 0 && promised != nil {
					t.Errorf("crash %d: %d of %v exist, the ids of the key are %v", i, there, ids, promised)
				}
			}
			must(t, s.Close())
		}
	}
}
