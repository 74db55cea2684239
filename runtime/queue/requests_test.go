package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// Callers of two tenants wait for large runs, and each of these fits beside one of their requests only,
// since others have taken memory meanwhile. One of them is refused, so that the other one starts: when no
// run is left that could end, or when small runs have overtaken them often.
func TestRequestsInEachOthersWay(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const mb = runtime.MiB
			b := memory.New(320*mb, nil)
			a := NewAdmission(b, 1000, 1000)
			args := b.Open(memory.Options{Name: "args", Heap: true, Requests: true, Yields: true})
			others := b.Open(memory.Options{Name: "others"})
			first := &Run{Tenant: "first", Function: "f", Group: "g", Bytes: a.Largest() - 40*mb}
			if err := a.Acquire(t.Context(), first, 0); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			var started, refused atomic.Int32
			for _, tenant := range []runtime.Tenant{"a", "b"} {
				if !args.TryTake(10 * mb) {
					t.Fatal("there is no memory for args")
				}
				go func() {
					defer args.Give(10 * mb)
					r := &Run{Tenant: tenant, Function: "f", Group: "g", Bytes: a.Largest() - 20*mb}
					switch err := a.Acquire(ctx, r, 10*mb); {
					case err == nil:
						started.Add(1)
						r.Release()
					case runtime.CodeOf(err) == runtime.CodeTooBusy && ctx.Err() == nil:
						refused.Add(1)
					}
				}()
			}
			synctest.Wait()
			if !others.TryTake(5 * mb) {
				t.Fatal("there is no memory for others")
			}
			if overtaken {
				for i := range maxOvertaken + 1 {
					small := &Run{Tenant: runtime.Tenant(fmt.Sprint("small", i)), Function: "f", Group: "g", Bytes: mb}
					soon, cancel := context.WithTimeout(ctx, time.Millisecond) // the last one waits for the large run
					if err := a.Acquire(soon, small, 0); err == nil {
						small.Release()
					} else if i < maxOvertaken {
						t.Fatal(err)
					}
					cancel()
				}
				if refused.Load() != 1 {
					t.Errorf("%d callers are refused while small runs come in", refused.Load())
				}
			}
			first.Release()
			time.Sleep(time.Minute)
			if started.Load() != 1 || refused.Load() != 1 {
				t.Errorf("overtaken %t: %d runs have started, and %d callers are refused", overtaken, started.Load(), refused.Load())
			}
			stop()
			synctest.Wait()
		})
	}
}
