package sandbox

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// In these tests time is simulated, as in those of processors.

// shortRun is the time that a trivial run computes.
const shortRun = 5 * time.Microsecond

// besideShortRuns lets runs of a tenant begin at a rate beside a crowd, each of which computes for shortRun.
// It returns the permits that the crowd has on average, and the longest time that a short run waits.
func (r *crowd) besideShortRuns(tenant runtime.Tenant, perSecond int) (had float64, longest time.Duration) {
	const warm, length = 100 * time.Millisecond, time.Second
	interval := time.Second / time.Duration(max(perSecond, 1000))
	var shorts sync.WaitGroup
	var mu sync.Mutex
	var others time.Duration // that permits are free, or of short runs
	began := time.Now()
	for last := began; time.Since(began) < warm+length; last = time.Now() {
		if perSecond > 0 {
			shorts.Go(func() {
				c := claim{tenant: tenant}
				start := time.Now()
				r.acquire(&c)
				waited := time.Since(start)
				time.Sleep(shortRun)
				r.release(&c)
				mu.Lock()
				defer mu.Unlock()
				if start.Sub(began) > warm {
					others += shortRun
					longest = max(longest, waited)
				}
			})
		}
		time.Sleep(interval)
		if free, _ := r.state(); last.Sub(began) > warm {
			mu.Lock()
			others += interval * time.Duration(free)
			mu.Unlock()
		}
	}
	shorts.Wait()
	return float64(r.permits) - others.Seconds()/length.Seconds(), longest
}

// state returns the number of permits that are free, and of those that worn runs have.
func (r *crowd) state() (free, worn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.free, r.wornHeld
}

// TestShortRunsLeaveProcessorsToTheServer lets endless loops of a tenant compute beside short runs of
// another one: permits are left free for what the server needs for these, and no more, and loops have half
// of the permits at least. Without others' short runs the loops have all.
func TestShortRunsLeaveProcessorsToTheServer(t *testing.T) {
	for _, c := range []struct {
		name          string
		permits, rate int
		tenant        runtime.Tenant
		least, most   float64 // permits that the loops have
	}{
		{"half of a machine's rate", 2, 20_000, "neighbour", 0.85, 1},
		{"a quarter of a machine's rate", 2, 10_000, "neighbour", 1.35, 1.55},
		{"more than a machine's rate", 2, 60_000, "neighbour", 0.6, 0.8},
		{"few short runs", 2, 500, "neighbour", 1.9, 2},
		{"no short runs", 2, 0, "neighbour", 2, 2},
		{"short runs of the same tenant", 2, 20_000, "hog", 1.85, 1.95},
		{"one permit", 1, 20_000, "neighbour", 0.85, 0.95},
		{"a large machine", 16, 20_000, "neighbour", 14.5, 15.2},
		{"half of a large machine's rate", 16, 160_000, "neighbour", 7, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hogs := newCrowd(c.permits)
				defer hogs.end()
				hogs.add(3*c.permits, claim{tenant: "hog"}, 0)
				had, longest := hogs.besideShortRuns(c.tenant, c.rate)
				if had < c.least || had > c.most {
					t.Errorf("endless loops had %.2f of %d permits, want %.2f to %.2f", had, c.permits, c.least, c.most)
				}
				if longest > defaultSlice+checkStep {
					t.Errorf("a short run waited for %v", longest)
				}
			})
		})
	}
}

// TestRunsOfASliceLeaveProcessorsToTheServer lets runs of a tenant begin again and again that never have
// had a whole slice. They do not take the permits that are left to the server.
func TestRunsOfASliceLeaveProcessorsToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hogs := newCrowd(2)
		defer hogs.end()
		hogs.add(20, claim{tenant: "hog"}, defaultSlice-checkStep)
		if had, _ := hogs.besideShortRuns("neighbour", 20_000); had < 0.85 || had > 1.2 {
			t.Errorf("runs of almost a slice had %.2f of 2 permits", had)
		}
	})
}

// TestLongRunsGiveWay lets endless loops compute beside short runs of another tenant: the loops give way to
// the server's threads every giveWayAfter. They never do without others' short runs.
func TestLongRunsGiveWay(t *testing.T) {
	for _, tenant := range []runtime.Tenant{"neighbour", "hog", ""} {
		synctest.Test(t, func(t *testing.T) {
			hogs := newCrowd(2)
			var gaveWay atomic.Int64
			hogs.giveWay = func() { gaveWay.Add(1) }
			defer hogs.end()
			hogs.add(6, claim{tenant: "hog"}, 0)
			time.Sleep(2 * defaultSlice) // then they are worn
			rate := 20_000
			if tenant == "" {
				rate = 0
			}
			had, _ := hogs.besideShortRuns(tenant, rate)
			if tenant != "neighbour" {
				if n := gaveWay.Load(); n != 0 {
					t.Errorf("beside runs of %q, loops gave way %d times", tenant, n)
				}
				return
			}
			least := had * float64(time.Second/(giveWayAfter+checkStep))
			if n := float64(gaveWay.Load()); n < least || n > 2*least {
				t.Errorf("loops that had %.2f permits for a second gave way %v times, want at least %.0f", had, n, least)
			}
		})
	}
}

// TestPermitsComeBack lets endless loops compute after many short runs of another tenant: soon they have
// all permits again.
func TestPermitsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const permits = 4
		hogs := newCrowd(permits)
		defer hogs.end()
		hogs.add(2*permits, claim{tenant: "hog"}, 0)
		time.Sleep(time.Second)
		for range 20_000 {
			hogs.timeOf("neighbour", shortRun)
		}
		if free, _ := hogs.state(); free != permits/2 {
			t.Errorf("%d permits are left to the server while short runs come in", free)
		}
		time.Sleep(permits*defaultSlice + minSlice)
		if free, worn := hogs.state(); free != 0 || worn != permits {
			t.Errorf("%d permits are free, and worn runs have %d, while loops wait", free, worn)
		}
	})
}
