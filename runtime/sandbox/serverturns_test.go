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

// besideShortRuns lets runs of the tenant "hog" compute, and runs of a tenant begin at a rate meanwhile
// that compute for shortRun each. It returns the permits that the hog had on average, and the longest time
// that a short run has waited.
func besideShortRuns(permits int, tenant runtime.Tenant, perSecond int, hog func(*processors, *sync.WaitGroup, *atomic.Bool)) (had float64, longest time.Duration) {
	const warm, length = 100 * time.Millisecond, time.Second
	p := newProcessors(permits, time.Now)
	var stop atomic.Bool
	var wg sync.WaitGroup
	hog(p, &wg, &stop)
	var waited atomic.Int64
	var held time.Duration // by short runs
	var mu sync.Mutex
	began := time.Now()
	var left time.Duration // permits that were free, in the time of each
	last := began
	for i := 0; time.Since(began) < warm+length; i++ {
		step := time.Second / time.Duration(max(perSecond, 1000))
		if perSecond > 0 {
			wg.Go(func() {
				c := claim{tenant: tenant}
				start := time.Now()
				p.acquire(&c)
				waited.Store(max(waited.Load(), int64(time.Since(start))))
				time.Sleep(shortRun)
				mu.Lock()
				if time.Since(began) > warm {
					held += shortRun
				}
				mu.Unlock()
				p.release(&c)
			})
		}
		time.Sleep(step)
		p.mu.Lock()
		if time.Since(began) > warm {
			left += time.Since(last) * time.Duration(p.free)
		}
		last = time.Now()
		p.mu.Unlock()
	}
	stop.Store(true)
	wg.Wait()
	return float64(permits) - (left + held).Seconds()/length.Seconds(), time.Duration(waited.Load())
}

// TestShortRunsLeaveProcessorsToTheServer lets endless loops of a tenant compute beside short runs of
// another one: permits are left free for what the server needs for these, and no more, and loops have half
// of the permits at least. Without others' short runs the loops have all.
func TestShortRunsLeaveProcessorsToTheServer(t *testing.T) {
	for _, c := range []struct {
		name            string
		permits, rate   int
		tenant          runtime.Tenant
		least, most     float64 // permits that the loops have
		longestForShort time.Duration
	}{
		{"half of a machine's rate", 2, 20_000, "neighbour", 0.85, 1.15, minSlice + checkStep},
		{"a quarter of a machine's rate", 2, 10_000, "neighbour", 1.35, 1.55, minSlice + checkStep},
		{"more than a machine's rate", 2, 60_000, "neighbour", 0.6, 1, minSlice + checkStep},
		{"few short runs", 2, 500, "neighbour", 1.93, 2, minSlice + checkStep},
		{"no short runs", 2, 0, "neighbour", 2, 2, 0},
		{"short runs of the same tenant", 2, 20_000, "hog", 1.85, 1.95, minSlice + checkStep},
		{"one permit", 1, 20_000, "neighbour", 0.85, 0.95, minSlice + checkStep},
		{"a large machine", 16, 20_000, "neighbour", 14, 15.2, minSlice + checkStep},
		{"half of a large machine's rate", 16, 160_000, "neighbour", 7, 8.5, minSlice + checkStep},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				had, longest := besideShortRuns(c.permits, c.tenant, c.rate, func(p *processors, wg *sync.WaitGroup, stop *atomic.Bool) {
					loops(p, wg, stop, "hog", 3*c.permits)
				})
				t.Logf("loops had %.2f permits; a short run waited for %v at most", had, longest)
				if had < c.least || had > c.most {
					t.Errorf("endless loops had %.2f of %d permits, want %.2f to %.2f", had, c.permits, c.least, c.most)
				}
				if longest > c.longestForShort {
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
		had, longest := besideShortRuns(2, "neighbour", 20_000, func(p *processors, wg *sync.WaitGroup, stop *atomic.Bool) {
			for range 20 {
				wg.Go(func() {
					for !stop.Load() {
						c := claim{tenant: "hog"}
						p.acquire(&c)
						compute(p, &c, defaultSlice-checkStep, checkStep)
						p.release(&c)
					}
				})
			}
		})
		t.Logf("runs had %.2f permits; a short run waited for %v at most", had, longest)
		if had < 0.85 || had > 1.4 {
			t.Errorf("runs of almost a slice had %.2f permits", had)
		}
	})
}

// TestPermitsComeBack lets endless loops compute after many short runs of another tenant: soon they have
// all permits again.
func TestPermitsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const permits = 4
		p := newProcessors(permits, time.Now)
		var stop atomic.Bool
		var wg sync.WaitGroup
		loops(p, &wg, &stop, "hog", 2*permits)
		time.Sleep(time.Second)
		for range 20_000 {
			c := claim{tenant: "neighbour"}
			p.acquire(&c)
			time.Sleep(shortRun)
			p.release(&c)
		}
		p.mu.Lock()
		free := p.free
		p.mu.Unlock()
		if free != permits/2 {
			t.Errorf("%d permits are left to the server while short runs come in", free)
		}
		time.Sleep(permits*defaultSlice + minSlice)
		p.mu.Lock()
		if p.free != 0 || p.wornHeld != permits {
			t.Errorf("%d permits are free, and worn runs have %d, while loops wait", p.free, p.wornHeld)
		}
		p.mu.Unlock()
		stop.Store(true)
		wg.Wait()
	})
}
