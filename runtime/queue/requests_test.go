package queue

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// A run that has been overtaken as often as it may be, and does not fit because callers that wait for
// theirs hold the args of it, does not hold up these callers: their args are only freed when they have run.
func TestRequestsInTheWayOfALargeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mb = runtime.MiB
		b := memory.New(320*mb, nil)
		a := NewAdmission(b, 1000, 1000)
		args := b.Open(memory.Options{Name: "args", Heap: true, Requests: true, Yields: true})
		largest := a.Largest()
		acquire := func(tenant runtime.Tenant, bytes, holds int64) (r *Run, started chan struct{}) {
			r, started = &Run{Tenant: tenant, Function: "f", Group: "g", Bytes: bytes}, make(chan struct{})
			go func() {
				if a.Acquire(t.Context(), r, holds) == nil {
					close(started)
				}
			}()
			synctest.Wait()
			return r, started
		}
		isStarted := func(started chan struct{}) bool {
			synctest.Wait()
			select {
			case <-started:
				return true
			default:
				return false
			}
		}
		first, _ := acquire("first", largest-20*mb, 0)
		large, largeStarted := acquire("large", largest-5*mb, 0)
		if !args.TryTake(10 * mb) {
			t.Fatal("there is no memory for args")
		}
		caller, callerStarted := acquire("caller", 30*mb, 10*mb)
		for i := range maxOvertaken {
			small, started := acquire(runtime.Tenant(fmt.Sprint("small", i)), mb, 0)
			if !isStarted(started) {
				t.Fatalf("small run %d does not start", i)
			}
			small.Release()
		}
		if isStarted(largeStarted) || isStarted(callerStarted) {
			t.Fatal("a run has started for which there is no memory")
		}
		first.Release()
		if !isStarted(callerStarted) || isStarted(largeStarted) {
			t.Fatal("the caller whose args are in the way does not start")
		}
		args.Give(10 * mb) // the function has received them
		caller.Release()
		if !isStarted(largeStarted) {
			t.Error("the large run does not start")
		}
		large.Release()
	})
}
