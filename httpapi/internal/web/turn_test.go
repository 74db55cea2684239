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

// TestTurnsOfRequests checks that the requests of a tenant have their turns one after the other, that those of another
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
		if most != 1 || !slices.Contains(order, "quiet") {
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
			t.Errorf("%d requests were told that the server ends: %v", n, codes)
		}
		close(gate)
		group.Wait()
	})
}
