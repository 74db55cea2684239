package memory_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// The accounts of a random budget take and give at random: a model with plain numbers agrees with
// every decision, and with what is held.
func TestBudgetMatchesItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const small = memory.SmallTake
		total := rapid.Int64Range(1, 200).Draw(t, "total") * small
		b := memory.New(total, nil)
		type account struct {
			*memory.Account
			o     memory.Options
			takes []int64
			held  int64
		}
		var accounts []*account
		for _, o := range []memory.Options{
			{Name: "runs"},
			{Name: "requests", Requests: true, Heap: true},
			{Name: "requests", Requests: true, Yields: true, Max: total / 2},
			{Name: "covered", Covered: true, Heap: true},
			{Name: "each", HeapEach: 7},
			{Name: "queued", Queues: true},
		} {
			accounts = append(accounts, &account{Account: b.Open(o), o: o})
		}
		used, heap := int64(0), int64(0)
		hold := func(a *account, n, takes int64) {
			a.held += n
			if !a.o.Covered {
				used += n
			}
			if a.o.Heap {
				heap += n
			}
			heap += takes * a.o.HeapEach
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			a := accounts[rapid.IntRange(0, len(accounts)-1).Draw(t, "account")]
			n := rapid.Int64Range(0, 100*small).Draw(t, "bytes")
			switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case kind == 0:
				a.Add(n)
				hold(a, n, 1)
				a.takes = append(a.takes, n)
			case kind <= 2 && len(a.takes) > 0:
				last := len(a.takes) - 1
				a.Give(a.takes[last])
				hold(a, -a.takes[last], -1)
				a.takes = a.takes[:last]
			default:
				leave := total/16 + total/32
				switch {
				case a.o.Requests && n > small:
					leave = total / 16 / 2
				case a.o.Requests:
					leave = 0
				case a.o.Queues:
					leave = total / 16
				}
				fits := a.o.Covered || used+n <= total-leave
				if a.o.Max > 0 && (n > small && a.held+n > a.o.Max || a.held+n > a.o.Max+total/16) {
					fits = false
				}
				if took := a.TryTake(n); took != fits {
					t.Fatalf("%s: taking %d of %d with %d used: %v, want %v", a.o.Name, n, total, used, took, fits)
				} else if took {
					hold(a, n, 1)
					a.takes = append(a.takes, n)
				}
			}
			if a.Held() != a.held || b.Used() != used || b.Heap() != heap {
				t.Fatalf("held %d, used %d, on the heap %d, want %d, %d and %d", a.Held(), b.Used(), b.Heap(), a.held, used, heap)
			}
		}
		holders := b.Holders()
		if len(holders) != 5 || holders[1].Name != "requests" || holders[1].Bytes != accounts[1].held+accounts[2].held {
			t.Fatalf("the holders are %+v", holders)
		}
	})
}

// Many goroutines take and give at once, some of which wait or give up: the sum never exceeds the
// budget, nobody waits forever, and in the end nothing is held.
func TestBudgetHammer(t *testing.T) {
	const total = 100 * memory.SmallTake
	b := memory.New(total, nil)
	requests := b.Open(memory.Options{Name: "requests", Requests: true})
	runs := b.Open(memory.Options{Name: "runs"})
	var cached atomic.Int64
	var cache *memory.Account
	cache = b.Open(memory.Options{Name: "cache", Reclaim: func(n int64) int64 {
		freed := min(n, cached.Swap(0))
		cache.Give(freed)
		return freed
	}})
	var out atomic.Int64
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 7))
			for range 500 {
				n := 1 + rng.Int64N(total/2)
				switch rng.IntN(4) {
				case 0:
					if cached.Load() == 0 && cache.TryTake(n/8) {
						if !cached.CompareAndSwap(0, n/8) {
							cache.Give(n / 8)
						}
					}
				case 1:
					if runs.TryTake(n) {
						if out.Add(n) > total {
							t.Error("more is taken than there is")
						}
						out.Add(-n)
						runs.Give(n)
					}
				default:
					ctx, cancel := context.WithCancel(t.Context())
					if rng.IntN(3) == 0 {
						go cancel()
					}
					if requests.Take(ctx, n) == nil {
						if out.Add(n) > total {
							t.Error("more is taken than there is")
						}
						out.Add(-n)
						requests.Give(n)
					}
					cancel()
				}
			}
		})
	}
	wg.Wait()
	if requests.Held() != 0 || runs.Held() != 0 || b.Used() != cache.Held() || out.Load() != 0 {
		t.Fatalf("afterwards %+v are held, %d used", b.Holders(), b.Used())
	}
}

// Those that wait are served in the order in which they came, as soon as bytes are free; one that
// gives up is refused with the time after which to retry; small requests pass by.
func TestTakeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 64 * memory.SmallTake // a reserve of 4, and 2 for queues
		var log bytes.Buffer
		b := memory.New(total, slog.New(slog.NewTextHandler(&log, nil)))
		runs := b.Open(memory.Options{Name: "runs"})
		bodies := b.Open(memory.Options{Name: "bodies", Requests: true})
		queued := b.Open(memory.Options{Name: "queued runs", Queues: true})
		if !runs.TryTake(58*memory.SmallTake) || runs.TryTake(1) {
			t.Fatal("runs can take all but the reserve and what is left to queues, and no more")
		}
		if !queued.TryTake(2*memory.SmallTake) || queued.TryTake(1) {
			t.Fatal("queues can take what runs leave to them, and no more")
		}
		served := make(chan int64, 10)
		for _, n := range []int64{6, 2} { // the second would fit now
			go func() {
				if err := bodies.Take(t.Context(), n*memory.SmallTake); err != nil {
					t.Error(err)
				}
				served <- n
			}()
			synctest.Wait()
		}
		if !bodies.TryTake(memory.SmallTake) {
			t.Error("a small request cannot use the reserve")
		}
		bodies.Give(memory.SmallTake)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := bodies.Take(ctx, 3*memory.SmallTake)
		if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeTooBusy || e.RetryAfter <= 0 || !strings.Contains(e.Message, "bodies") {
			t.Fatalf("the refusal is %v", err)
		}
		if text := log.String(); strings.Count(text, "refused") != 1 || !strings.Contains(text, "holders.runs=3801088") {
			t.Errorf("the log has %s", text)
		}
		if len(served) != 0 {
			t.Errorf("a take of %d was served before an earlier one", <-served)
		}
		runs.Give(58 * memory.SmallTake)
		synctest.Wait()
		if len(served) != 2 {
			t.Errorf("%d of 2 were served", len(served))
		}
		if err := bodies.Take(t.Context(), total+1); runtime.CodeOf(err) != runtime.CodeTooBusy {
			t.Errorf("a take of more than the budget: %v", err)
		}
	})
}

// A cache gives up its bytes to those that need them, and those that wait get them.
func TestCachesGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(15, nil)
		asked := int64(0)
		var cache *memory.Account
		cache = b.Open(memory.Options{Name: "cache", Reclaim: func(n int64) int64 {
			asked = n
			cache.Give(15)
			return 15
		}})
		runs := b.Open(memory.Options{Name: "runs"})
		if !cache.TryTake(15) {
			t.Fatal("the cache cannot use free memory")
		}
		if err := runs.Take(t.Context(), 10); err != nil || asked != 10 {
			t.Fatalf("%v, the cache was asked for %d", err, asked)
		}
		runs.Give(10)
		notified := false
		runs.Notify(func() { notified = true }, 1, 1)
		if !cache.TryTake(15) {
			t.Fatal("the cache cannot use free memory")
		}
		if runs.TryTake(1) {
			t.Error("a take that needs the cache's bytes must try again")
		}
		synctest.Wait()
		if !notified || !runs.TryTake(1) {
			t.Error("the bytes of the cache are not free")
		}
	})
}

// An account that waits by Notify is called once, when what it needs is free, and not before; a call
// for less than before says that it may have missed something.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(15, nil)
		runs, others := b.Open(memory.Options{Name: "runs"}), b.Open(memory.Options{Name: "others"})
		called := 0
		notify := func(least int64) bool { return runs.Notify(func() { called++ }, 15, least) }
		give := func(n int64, want int) {
			t.Helper()
			others.Give(n)
			if synctest.Wait(); called != want {
				t.Fatalf("called %d times, want %d", called, want)
			}
		}
		others.Add(15)
		if !notify(10) || notify(10) || notify(11) {
			t.Error("the first call may have missed something, later ones for as much have not")
		}
		notify(10)
		give(9, 0)
		give(1, 1)
		give(1, 1) // it was called already
		if !notify(6) || !notify(4) {
			t.Error("a call for less may have missed something")
		}
		give(1, 2)
		notify(1)
		if runs.Notify(nil, 0, 0) {
			t.Error("an account that does not wait has missed something")
		}
		give(3, 2)
	})
}

// A take that came while, or just after, caches gave up bytes in vain is not forgotten: caches are
// asked again.
func TestReclaimIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(15, nil)
		inUse := true
		var cache *memory.Account
		cache = b.Open(memory.Options{Name: "cache", Reclaim: func(int64) int64 {
			if inUse {
				return 0
			}
			cache.Give(15)
			return 15
		}})
		short := make(chan bool, 10)
		b.Open(memory.Options{Name: "answers", Shortage: func() { short <- true }})
		runs := b.Open(memory.Options{Name: "runs"})
		if !cache.TryTake(15) || runs.TryTake(1) {
			t.Fatal("the cache holds everything")
		}
		synctest.Wait()
		if len(short) != 1 {
			t.Errorf("a shortage was reported %d times", len(short))
		}
		inUse = false
		if err := runs.Take(t.Context(), 1); err != nil { // within the pause
			t.Error(err)
		}
	})
}
