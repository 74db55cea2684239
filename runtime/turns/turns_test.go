package turns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestTenantsTakeTurns lets one tenant ask for much, and others for little: they come in turn, whatever
// was asked for before them, and each tenant has one place.
func TestTenantsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(2)
		var mu sync.Mutex
		var order []string
		ask := func(tenant runtime.Tenant, n int) {
			go func() {
				if !turns.Take(context.Background(), tenant) {
					t.Error("no turn")
				}
				mu.Lock()
				order = append(order, fmt.Sprint(tenant, n))
				mu.Unlock()
				time.Sleep(time.Minute + time.Duration(tenant[0])*time.Second)
				turns.Give(tenant)
			}()
			synctest.Wait()
		}
		for n := range 3 {
			ask("a", n)
		}
		for n := range 3 {
			ask("b", n)
		}
		ask("c", 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(order); got != "[a0 b0 c0 a1 b1 a2 b2]" {
			t.Errorf("the order is %s", got)
		}
		if len(turns.working)+len(turns.waiting)+len(turns.order) != 0 {
			t.Errorf("%+v is left", turns)
		}
	})
}

// TestTurnsThatEnd lets callers give up while they wait, at every moment: all places are free
// afterwards, and no more than there are were taken.
func TestTurnsThatEnd(t *testing.T) {
	turns := New(2)
	var working, took atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			tenant := runtime.Tenant(rune('a' + worker%3))
			for range 300 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(200))*time.Microsecond)
				if turns.Take(ctx, tenant) {
					took.Add(1)
					if n := working.Add(1); n > 2 {
						t.Errorf("%d work at once", n)
					}
					time.Sleep(time.Duration(rng.IntN(50)) * time.Microsecond)
					working.Add(-1)
					turns.Give(tenant)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if took.Load() == 0 || len(turns.working)+len(turns.waiting)+len(turns.order) != 0 {
		t.Errorf("%d turns, %+v is left", took.Load(), turns)
	}
	for _, tenant := range []runtime.Tenant{"x", "y"} {
		if !turns.Take(context.Background(), tenant) {
			t.Error("no turn")
		}
	}
}

// TestLentPlaces lets a tenant have half of the places as long as no other tenant wants them.
func TestLentPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewLending(4)
		took := map[runtime.Tenant]int{}
		var mu sync.Mutex
		ask := func(tenant runtime.Tenant) {
			go func() {
				turns.Take(context.Background(), tenant)
				mu.Lock()
				took[tenant]++
				mu.Unlock()
			}()
			synctest.Wait()
		}
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := fmt.Sprint(took); got != want {
				t.Errorf("turns are %s, want %s", got, want)
			}
		}
		for range 5 {
			ask("a")
		}
		expect("map[a:2]")
		ask("b")
		ask("c")
		expect("map[a:2 b:1 c:1]")
		turns.Give("a")
		expect("map[a:2 b:1 c:1]") // three places are taken
		turns.Give("b")
		turns.Give("c")
		expect("map[a:3 b:1 c:1]")
		for range 4 {
			turns.Give("a")
			synctest.Wait()
		}
		expect("map[a:5 b:1 c:1]")
		if len(turns.working)+len(turns.waiting)+len(turns.order)+turns.taken != 0 {
			t.Errorf("%+v is left", turns)
		}
	})
}
