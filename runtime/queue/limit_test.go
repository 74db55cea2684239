package queue

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// limited returns an Admission of some bytes whose tenants have the limits of a map.
func limited(bytes int64, limits map[runtime.Tenant]int64) *Admission {
	a := NewAdmission(memory.New(bytes, nil), 1_000_000, 1000)
	a.Limit = func(tenant runtime.Tenant) int64 { return limits[tenant] }
	return a
}

func wantCode(t *testing.T, err error, code runtime.Code) {
	t.Helper()
	if runtime.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestMemoryOfATenant verifies that the runs of a tenant have no more than its limit: a caller is refused
// beyond it, and a background run waits until others end or wait, or the limit is raised. A
// neighbour does not notice.
func TestMemoryOfATenant(t *testing.T) {
	limits := map[runtime.Tenant]int64{"a": 100}
	a := limited(100_000, limits)
	wantCode(t, a.Acquire(t.Context(), &Run{Tenant: "a", Function: "f", Bytes: 101}, 0), runtime.CodeTooLarge)
	var started []*Run
	background := func(tenant runtime.Tenant, bytes int64) {
		r := &Run{Tenant: tenant, Function: "f", Group: "f", Bytes: bytes}
		a.Enqueue(r, func(bool) { started = append(started, r) })
	}
	for range 5 {
		background("a", 40)
	}
	if len(started) != 2 || a.Held("a") != 80 {
		t.Fatalf("%d runs have started, with %d bytes", len(started), a.Held("a"))
	}
	err := a.Acquire(t.Context(), &Run{Tenant: "a", Function: "f", Bytes: 40}, 0)
	wantCode(t, err, runtime.CodeTooBusy)
	if e, ok := err.(*runtime.Error); !ok || e.RetryAfter == 0 {
		t.Errorf("%v has no time after which to retry", err)
	}
	if a.TryAcquire(&Run{Tenant: "a", Function: "f", Bytes: 40}, 0) {
		t.Error("a run began beyond the limit")
	}
	if !a.TryAcquire(&Run{Tenant: "b", Function: "f", Bytes: 4000}, 0) {
		t.Error("a neighbour finds no memory")
	}
	small := &Run{Tenant: "a", Function: "g", Group: "g", Bytes: 20}
	if err := a.Acquire(t.Context(), small, 0); err != nil {
		t.Errorf("a run that fits beside the others: %v", err)
	}
	started[0].Release()
	if len(started) != 3 || a.Held("a") != 100 {
		t.Errorf("%d runs have started after an end, with %d bytes", len(started), a.Held("a"))
	}
	started[1].Lend(0)
	if len(started) != 4 || a.Held("a") != 100 {
		t.Errorf("%d runs have started after one has lent its memory, with %d bytes", len(started), a.Held("a"))
	}
	limits["a"] = 1000
	a.LimitChanged("a")
	if len(started) != 5 || a.Held("a") != 140 {
		t.Errorf("%d runs have started after the limit was raised, with %d bytes", len(started), a.Held("a"))
	}
	limits["a"] = 10 // what there is continues, and a run that is queued already goes alone
	a.LimitChanged("a")
	background("a", 40)
	small.Release()
	for _, r := range started[1:] {
		if len(started) > 5 {
			t.Error("a run has started beside others that exceed the limit")
		}
		r.Release()
	}
	if len(started) != 6 {
		t.Fatal("a run that was queued before the limit was lowered never starts")
	}
	started[5].Release()
	if a.Held("a") != 0 {
		t.Errorf("%d bytes are held by no run", a.Held("a"))
	}
}

// TestTenantsAtTheirLimitsHoldUpNobody queues runs of many tenants that have all that they may have,
// before one of a tenant that has nothing: it starts at once, and so does each of theirs that may.
func TestTenantsAtTheirLimitsHoldUpNobody(t *testing.T) {
	limits := map[runtime.Tenant]int64{}
	a := limited(1_000_000, limits)
	const tenants = 10 * maxTenants
	var first []*Run
	second := 0
	for i := range tenants {
		tenant := runtime.Tenant(fmt.Sprint(i))
		limits[tenant] = 10
		r := &Run{Tenant: tenant, Function: "f", Group: "f", Bytes: 10}
		if err := a.Acquire(t.Context(), r, 0); err != nil {
			t.Fatal(err)
		}
		first = append(first, r)
		for range 3 {
			a.Enqueue(&Run{Tenant: tenant, Function: "f", Group: "f", Bytes: 10}, func(bool) { second++ })
		}
	}
	started := false
	a.Enqueue(&Run{Tenant: "neighbour", Function: "f", Group: "f", Bytes: 10}, func(bool) { started = true })
	if !started || second > 0 {
		t.Errorf("the neighbour has started: %t, and %d runs beyond a limit", started, second)
	}
	for i, r := range first {
		if r.Release(); second != i+1 {
			t.Fatalf("%d runs have started after %d have ended", second, i+1)
		}
	}
	refused := 0
	a.Enqueue(&Run{Tenant: "0", Function: "f", Group: "f", Bytes: 10}, func(no bool) {
		if no {
			refused++
		}
	})
	a.Stop()
	if left := a.queue.Len(); left > 0 || refused != 1 {
		t.Errorf("%d runs are left in the queue after a stop, refused: %d", left, refused)
	}
}

// TestTenantsThatReachTheirLimitsAtOnce lets more tenants than one search passes over be found at their
// limits by the same search: a run of another tenant behind them starts with it.
func TestTenantsThatReachTheirLimitsAtOnce(t *testing.T) {
	limits := map[runtime.Tenant]int64{}
	a := limited(1_000_000, limits)
	enqueue := func(tenant string, started *int) {
		a.Enqueue(&Run{Tenant: runtime.Tenant(tenant), Function: "f", Group: "f", Bytes: 10}, func(bool) { *started++ })
	}
	running, beyond, neighbour := 0, 0, 0
	for i := range 3 * maxTenants {
		limits[runtime.Tenant(fmt.Sprint(i))] = 10
		enqueue(fmt.Sprint(i), &running)
	}
	a.Pause()
	for i := range 3 * maxTenants {
		enqueue(fmt.Sprint(i), &beyond)
	}
	enqueue("neighbour", &neighbour)
	a.Resume()
	if running != 3*maxTenants || beyond != 0 || neighbour != 1 {
		t.Errorf("%d runs have started, %d beyond a limit, and %d of the neighbour", running, beyond, neighbour)
	}
}

// TestRunThatCannotGoOnForItsTenant lets a run wait for another one of its tenant that computes, and checks
// that the error does not report a lack of memory of the server.
func TestRunThatCannotGoOnForItsTenant(t *testing.T) {
	a := limited(1000, map[runtime.Tenant]int64{"a": 100})
	first, second := &Run{Tenant: "a", Function: "f", Bytes: 64}, &Run{Tenant: "a", Function: "f", Bytes: 64}
	if err := a.Acquire(t.Context(), first, 0); err != nil {
		t.Fatal(err)
	}
	first.Lend(30)
	if err := a.Acquire(t.Context(), second, 0); err != nil {
		t.Fatal(err)
	}
	err := first.Reclaim(t.Context(), time.Millisecond)
	if wantCode(t, err, runtime.CodeUnavailable); !strings.Contains(err.Error(), "of its function or tenant") {
		t.Errorf("%v", err)
	}
}

// TestRunsBeyondTheirShareAreSetAside verifies that the owner of a run learns, once, that it waits for
// others of its function or its tenant, and that it does not for one that waits for memory.
func TestRunsBeyondTheirShareAreSetAside(t *testing.T) {
	a := limited(1100, map[runtime.Tenant]int64{"limited": 100})
	aside, tenants := map[string]int{}, map[string]bool{}
	enqueue := func(tenant runtime.Tenant, id string, bytes int64) {
		a.Enqueue(&Run{Tenant: tenant, Function: "f", Group: id, Bytes: bytes, Aside: func(byTenant bool) {
			aside[id]++
			tenants[id] = byTenant
		}}, func(bool) {})
	}
	for i := range 3 {
		enqueue("limited", fmt.Sprint("limited", i), 60)
	}
	for i := range 8 {
		enqueue("b", fmt.Sprint("b", i), 100)
	}
	enqueue("c", "c", 500)
	enqueue("d", "d", 1)
	want := map[string]int{"limited1": 1, "limited2": 1, "b7": 1}
	if fmt.Sprint(aside) != fmt.Sprint(want) {
		t.Errorf("set aside were %v, want %v", aside, want)
	}
	if want := (map[string]bool{"limited1": true, "limited2": true, "b7": false}); fmt.Sprint(tenants) != fmt.Sprint(want) {
		t.Errorf("whether their tenants have their shares is %v, want %v", tenants, want)
	}
}

// TestRunsOfALimitedTenantEnd starts random runs of tenants with random limits, which lend their memory
// and take it back in a random order. All of them end, what their tenant has is exact, and it exceeds
// the limit by no more than a run that has waited long.
func TestRunsOfALimitedTenantEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := map[runtime.Tenant]int64{"a": int64(rapid.IntRange(10, 60).Draw(rt, "a")), "b": int64(rapid.IntRange(0, 60).Draw(rt, "b"))}
		type job struct {
			tenant runtime.Tenant
			bytes  int64
			keeps  []int64
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) job {
			j := job{rapid.SampledFrom([]runtime.Tenant{"a", "b", "c"}).Draw(rt, "tenant"), int64(rapid.IntRange(1, 10).Draw(rt, "bytes")), nil}
			for range rapid.IntRange(0, 4).Draw(rt, "waits") {
				j.keeps = append(j.keeps, int64(rapid.IntRange(0, int(j.bytes)).Draw(rt, "keeps")))
			}
			return j
		}), 1, 60).Draw(rt, "jobs")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			a := limited(110, limits)
			ended := 0
			var mu sync.Mutex // of ended and problem
			for i, j := range jobs {
				r := &Run{Tenant: j.tenant, Function: fmt.Sprint("f", i%3), Group: fmt.Sprint("f", i%3), Bytes: j.bytes}
				a.Enqueue(r, func(bool) {
					go func() {
						for _, keeps := range j.keeps {
							time.Sleep(time.Duration(i%7) * time.Millisecond)
							r.Lend(keeps)
							time.Sleep(time.Duration(i%5) * time.Millisecond)
							if err := r.Reclaim(t.Context(), time.Hour); err != nil {
								mu.Lock()
								problem = err.Error()
								mu.Unlock()
							}
						}
						mu.Lock()
						defer mu.Unlock()
						if limit := limits[j.tenant]; limit > 0 && a.Held(j.tenant) > limit+10 {
							problem = fmt.Sprintf("tenant %s has %d bytes of %d", j.tenant, a.Held(j.tenant), limit)
						}
						r.Release()
						ended++
					}()
				})
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case problem != "":
			case ended != len(jobs):
				problem = fmt.Sprintf("%d of %d runs have ended", ended, len(jobs))
			case a.Held("a")+a.Held("b")+a.Held("c") != 0:
				problem = "tenants without a run have memory"
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestSleepersWithTheLimitEndNoRun lets runs of a tenant sleep with all that its runs may have. One that
// wants back what it has lent goes on while none of them computes, and no other one before the runs have
// less than the limit again.
func TestSleepersWithTheLimitEndNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limited(100_000, map[runtime.Tenant]int64{"a": 150})
		start := func(bytes, keeps int64) *Run {
			r := &Run{Tenant: "a", Function: "f", Group: "f", Bytes: bytes}
			if err := a.Acquire(t.Context(), r, 0); err != nil {
				t.Fatal(err)
			}
			r.Lend(keeps)
			return r
		}
		goOn := func(r *Run) error { return r.Reclaim(t.Context(), time.Minute) }
		first := start(100, 50)
		second, third := start(60, 0), start(60, 0)
		sleeper := start(100, 100) // for longer than any run waits
		if err := goOn(second); err != nil {
			t.Fatalf("a run does not go on while others sleep: %v", err)
		}
		if held := a.Held("a"); held != 210 {
			t.Errorf("the runs have %d bytes", held)
		}
		wantCode(t, goOn(third), runtime.CodeUnavailable) // one computes
		second.Lend(1)
		wantCode(t, goOn(third), runtime.CodeUnavailable) // those that sleep have more than the limit
		second.Release()
		if err := goOn(first); err != nil {
			t.Errorf("a run does not go on after another has ended: %v", err)
		}
		for _, r := range []*Run{first, third, sleeper} {
			r.Release()
		}
		if held := a.Held("a"); held != 0 {
			t.Errorf("%d bytes are left", held)
		}
	})
}
