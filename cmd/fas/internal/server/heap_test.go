package server

import (
	goruntime "runtime"
	"testing"
)

// After a burst, the memory that became garbage is returned once the server is idle, not before,
// and an idle server without garbage does not collect.
func TestHeapIsReturnedAfterABurst(t *testing.T) {
	h := newHeapReturner()
	returned, free := 0, h.free
	h.free = func() { returned++; free() }
	goruntime.GC()
	h.look()
	h.look()
	returned = 0
	h.look()
	if returned > 0 {
		t.Fatal("an idle server collects")
	}
	burst := make([][]byte, 8)
	for i := range burst {
		burst[i] = make([]byte, heapSlack/4)
	}
	goruntime.KeepAlive(burst)
	h.look()
	if returned > 0 {
		t.Fatal("memory is returned during the burst")
	}
	h.look()
	if returned != 1 {
		t.Fatalf("memory was returned %d times after the burst", returned)
	}
	h.look()
	if returned != 1 {
		t.Error("it is returned again although nothing is left")
	}
}
