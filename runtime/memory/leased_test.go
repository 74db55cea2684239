package memory_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Accounts of a leased budget hold at most what was granted, whatever is granted, taken, given and
// withdrawn in between.
func TestLeasedBudgetMatchesItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lacking int64
		b := memory.NewLeased(runtime.GiB, func(n int64, _ bool) { lacking = max(lacking, n) }, nil)
		a := b.Open(memory.Options{Name: "a"})
		var granted, held int64
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			n := rapid.Int64Range(0, 10*runtime.MiB).Draw(t, "bytes")
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				b.Grant(n)
				granted += n
			case 1:
				lacking = 0
				if fits := held+n <= granted; a.TryTake(n) != fits {
					t.Fatalf("with %d of %d bytes, a take of %d fits: %v", held, granted, n, !fits)
				} else if fits {
					held += n
				} else if lacking != held+n-granted {
					t.Fatalf("%d bytes lack, %d were asked for", held+n-granted, lacking)
				}
			case 2:
				n = min(n, held)
				a.Give(n)
				held -= n
			case 3:
				if got, want := b.Withdraw(n), min(n, granted-held); got != want {
					t.Fatalf("%d bytes are withdrawn, want %d", got, want)
				} else {
					granted -= got
				}
			}
			if b.Withdrawable() != granted-held {
				t.Fatalf("%d bytes are withdrawable, want %d", b.Withdrawable(), granted-held)
			}
		}
	})
}

// A take that waits gets its bytes when they are granted, and caches give way only when they are told to.
func TestGrantServesWaiters(t *testing.T) {
	lacks := make(chan int64, 10)
	b := memory.NewLeased(runtime.GiB, func(n int64, _ bool) { lacks <- n }, nil)
	reclaimed := int64(0)
	var cache *memory.Account
	cache = b.Open(memory.Options{Name: "cache", Reclaim: func(n int64) int64 {
		reclaimed += n
		cache.Give(n)
		return n
	}})
	b.Grant(runtime.MiB)
	if !cache.TryTake(runtime.MiB) {
		t.Fatal("what was granted cannot be taken")
	}
	a := b.Open(memory.Options{Name: "a"})
	taken := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		taken <- a.Take(ctx, 3*runtime.MiB)
	}()
	if n := <-lacks; n != 3*runtime.MiB {
		t.Errorf("%d bytes lack", n)
	}
	if reclaimed != 0 {
		t.Error("a cache gave way before anything was asked for")
	}
	b.Grant(2 * runtime.MiB)
	b.GiveWay(runtime.MiB)
	if err := <-taken; err != nil || reclaimed != runtime.MiB {
		t.Errorf("got %v, %d bytes were reclaimed", err, reclaimed)
	}
}

// Runs in other processes count on the heap of this one with what their callers have there.
func TestRunsElsewhere(t *testing.T) {
	b := memory.New(runtime.GiB, nil)
	here := b.Open(memory.Options{Name: "runs", HeapEach: runtime.RunOverhead})
	b.RunsElsewhere()
	there := b.Open(memory.Options{Name: "runs", HeapEach: runtime.RunOverhead, Lends: true, HeapLent: runtime.WaitingOverhead})
	here.Add(1)
	if b.Heap() != runtime.RunOverhead {
		t.Errorf("%d bytes on the heap", b.Heap())
	}
	there.Add(100)
	all := b.Heap()
	if of := all - runtime.RunOverhead; of <= 0 || of > runtime.RunOverhead/8 {
		t.Errorf("%d bytes on the heap for a run elsewhere", of)
	}
	there.Lend(50)
	there.TakeBack(50)
	if b.Heap() != all {
		t.Errorf("%d bytes on the heap, there were %d", b.Heap(), all)
	}
}
