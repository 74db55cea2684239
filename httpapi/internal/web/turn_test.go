package web

import (
	goruntime "runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestTurnsOfRequests checks that the requests of a tenant have their turns one after the other, or in half of the places, that those of another
// tenant, which ask later, do not wait for all of them, and that none waits for longer than its patience, or for a server
// that ends.
func TestTurnsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 20
		h := NewHost(nil, "", time.Second, memory.New(1<<30, nil))
		gate := make(chan struct{})
		var mu sync.Mutex
		var order []runtime.Tenant
		reading, most := map[runtime.Tenant]int{}, 0
		codes := map[runtime.Code]int{}
		var group sync.WaitGroup
		read := func(of runtime.Tenant) {
			group.Go(func() {
				give, err := h.Turn(of)
				mu.Lock()
				defer mu.Unlock()
				if codes[runtime.CodeOf(err)]++; err != nil {
					return
				}
				defer give()
				reading[of]++
				most = max(most, reading[of])
				order = append(order, of)
				mu.Unlock()
				<-gate
				mu.Lock()
				reading[of]--
			})
		}
		for range requests {
			read("loud")
		}
		synctest.Wait()
		read("quiet")
		synctest.Wait()
		for range goruntime.GOMAXPROCS(0) + 1 { // more than have a place
			gate <- struct{}{}
			synctest.Wait()
		}
		if most > max(1, goruntime.GOMAXPROCS(0)/4) || !slices.Contains(order, "quiet") {
			t.Errorf("%d requests of one tenant at once; the order is %v", most, order)
		}
		began := len(order)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := codes[runtime.CodeTooBusy]; n != requests+1-began {
			t.Errorf("%d requests have lost their patience, %d of %d had their turn", n, began, requests+1)
		}
		read("loud")
		synctest.Wait()
		h.Cancel()
		synctest.Wait()
		if n := codes[runtime.CodeUnavailable]; n != 1 {
			t.Errorf("%d requests failed because the server ends: %v", n, codes)
		}
		close(gate)
		group.Wait()
	})
}

// TestTurnsEndWithTheirWork checks that a turn ends if its work panics, and that a request gives its turn while it waits
// for memory.
func TestTurnsEndWithTheirWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large = 1 << 20
		h := NewHost(nil, "", time.Second, memory.New(64<<20, nil))
		accounts := OpenAccounts(h.Memory)
		m := NewMemory(accounts)
		for range goruntime.GOMAXPROCS(0) {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				_ = h.InTurn("a", &m, large, func() error { panic("broken") })
			}()
		}
		all := accounts.Answers.Largest()
		accounts.Answers.Add(all)
		done := make(chan error, 1)
		waits := NewMemory(accounts)
		go func() { done <- h.InTurn("a", &waits, 2*large, func() error { return nil }) }()
		synctest.Wait()
		for range max(1, goruntime.GOMAXPROCS(0)/2) { // all places are free
			give, err := h.Turn(runtime.Tenant("b"))
			if err != nil {
				t.Fatal(err)
			}
			give()
		}
		accounts.Answers.Give(all)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
