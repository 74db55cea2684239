package sandbox

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
)

// In these tests time is simulated, as in those of processors.

// load is what a tenant wants of the processors in a test.
type load struct {
	weight int
	runs   int // worn ones, which compute all the time
	step   time.Duration
}

// fairShares returns the parts of the permits that tenants have by their weights, where each has at most
// as many as it has runs, and the others what it leaves.
func fairShares(loads []load, permits int) []float64 {
	shares := make([]float64, len(loads))
	left, open := float64(permits), len(loads)
	done := make([]bool, len(loads))
	for open > 0 {
		weights := 0
		for i, l := range loads {
			if !done[i] {
				weights += l.weight
			}
		}
		full := false
		for i, l := range loads {
			if share := left * float64(l.weight) / float64(weights); !done[i] && share >= float64(l.runs) {
				shares[i], done[i], full = float64(l.runs), true, true
			}
		}
		rest := float64(permits)
		open = 0
		for i := range loads {
			if done[i] {
				rest -= shares[i]
			} else {
				open++
			}
		}
		left = rest
		if full {
			continue
		}
		for i, l := range loads {
			if !done[i] {
				shares[i] = left * float64(l.weight) / float64(weights)
			}
		}
		break
	}
	return shares
}

// TestTenantsShareByWeight lets tenants with random weights and numbers of endless loops compute, and
// compares what each has had with its share: what a tenant leaves is used by the others, by their
// weights.
func TestTenantsShareByWeight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		permits := rapid.IntRange(1, 4).Draw(rt, "permits")
		loads := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) load {
			return load{
				rapid.SampledFrom([]int{20, 50, 100, 100, 100, 200, 500}).Draw(rt, "weight"),
				rapid.IntRange(1, 12).Draw(rt, "runs"),
				time.Duration(rapid.IntRange(1, 8).Draw(rt, "step")) * checkStep,
			}
		}), 1, 6).Draw(rt, "loads")
		const warm, length = time.Second, 4 * time.Second // runs are fresh at first
		had := make([]atomic.Int64, len(loads))
		synctest.Test(t, func(*testing.T) {
			p := newProcessors(permits, time.Now)
			p.weights = func(tenant runtime.Tenant) int { return loads[tenant[0]-'a'].weight }
			var wg sync.WaitGroup
			began := time.Now()
			for i, l := range loads {
				for range l.runs {
					wg.Go(func() {
						c := claim{tenant: runtime.Tenant(rune('a' + i)), worn: true}
						p.acquire(&c)
						for time.Since(began) < warm+length {
							time.Sleep(l.step)
							if time.Since(began) > warm {
								had[i].Add(int64(l.step))
							}
							p.checkpoint(&c)
						}
						p.release(&c)
					})
				}
			}
			wg.Wait()
		})
		for i, share := range fairShares(loads, permits) {
			got, want := time.Duration(had[i].Load()), time.Duration(share*float64(length))
			// A permit is late by a slice and a step at most, when it begins and when it ends; the last
			// round of runs is not complete.
			if most := time.Duration(2*permits+2) * (defaultSlice + loads[i].step) * 3; got < want-most || got > want+most {
				all := make([]time.Duration, len(had))
				for i := range had {
					all[i] = time.Duration(had[i].Load())
				}
				rt.Fatalf("tenant %d had %v of %v, want %v (%d permits, %+v, all had %v)", i, got, length, want, permits, loads, all)
			}
		}
	})
}

// crowd has runs that compute until it ends.
type crowd struct {
	*processors
	stop atomic.Bool
	runs sync.WaitGroup
}

// newCrowd returns a crowd on a number of permits.
func newCrowd(permits int) *crowd { return &crowd{processors: newProcessors(permits, time.Now)} }

// add lets n runs at once compute, each for a time with the next one after it, with claims like one. With
// zero the first ones are endless. Woken ones sleep for a moment before the next.
func (r *crowd) add(n int, like claim, length time.Duration) {
	for range n {
		r.runs.Go(func() {
			for !r.stop.Load() {
				c := like
				r.acquire(&c)
				for done := time.Duration(0); !r.stop.Load() && (length == 0 || done < length); done += checkStep {
					compute(r.processors, &c, checkStep, checkStep)
				}
				r.release(&c)
				if c.woken {
					time.Sleep(time.Microsecond)
				}
			}
		})
	}
}

// timeOf returns how long a run of a tenant takes that computes for a time.
func (r *crowd) timeOf(tenant runtime.Tenant, work time.Duration) time.Duration {
	c := claim{tenant: tenant}
	start := time.Now()
	r.acquire(&c)
	compute(r.processors, &c, work, checkStep)
	r.release(&c)
	return time.Since(start)
}

// end ends the crowd.
func (r *crowd) end() {
	r.stop.Store(true)
	r.runs.Wait()
}

// TestManyLoopsTakeOneShare verifies that a tenant with a hundred endless loops takes half of a
// processor from a neighbour with one long run, and not 100 parts of 101.
func TestManyLoopsTakeOneShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hogs := newCrowd(1)
		defer hogs.end()
		hogs.add(100, claim{tenant: "hog"}, 0)
		time.Sleep(10 * time.Second)
		const work = time.Second
		if took := hogs.timeOf("neighbour", work); took > 2*work+4*defaultSlice {
			t.Errorf("%v of work took %v beside a hundred endless loops of another tenant", work, took)
		}
	})
}

// TestFloodsTakeOneShare keeps a thousand short runs of one tenant waiting. A short run of another
// tenant waits for one of them at most, and a long one has its half.
func TestFloodsTakeOneShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := newCrowd(1)
		defer flood.end()
		flood.add(1000, claim{tenant: "flood"}, checkStep)
		time.Sleep(time.Second)
		for range 100 {
			if took := flood.timeOf("short", checkStep); took > 3*checkStep {
				t.Errorf("a short run waited for %v, while those of another tenant took %v each", took-checkStep, checkStep)
			}
			time.Sleep(time.Millisecond)
		}
		const work = time.Second
		if took := flood.timeOf("long", work); took > 2*work+2*maxSlicesWaited*defaultSlice {
			t.Errorf("%v of work took %v beside the short runs of another tenant", work, took)
		}
	})
}

// TestWorkOfTheServerIsATenantsTime keeps trivial runs of one tenant waiting beside a long run of another.
// The time that the server takes for each is time of their tenant, so the long run has more than half of
// the permit: as much as the flood takes of the permit and of the server.
func TestWorkOfTheServerIsATenantsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := newCrowd(1)
		defer flood.end()
		for range 20 {
			flood.runs.Go(func() {
				for !flood.stop.Load() {
					c := claim{tenant: "flood"}
					flood.acquire(&c)
					time.Sleep(shortRun)
					flood.release(&c)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		const work = time.Second
		share := float64(shortRun+runCost) / float64(2*shortRun+runCost)
		least := time.Duration(float64(work) / share)
		late := maxCredit*defaultSlice + 2*maxSlicesWaited*defaultSlice // credit, and turns
		if took := flood.timeOf("long", work); took < least-late || took > least+late {
			t.Errorf("%v of work took %v beside trivial runs of another tenant, want about %v", work, took, least)
		}
	})
}

// TestSleepersTakeOneShare lets runs of one tenant compute for almost a slice and sleep for a moment,
// so that they never count as worn: a long run of another tenant has its half all the same.
func TestSleepersTakeOneShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 20} {
			sleepers := newCrowd(1)
			sleepers.add(n, claim{tenant: "sleeper", woken: true}, defaultSlice-checkStep)
			const work = time.Second
			if took := sleepers.timeOf("long", work); took > 2*work+2*maxSlicesWaited*defaultSlice {
				t.Errorf("%v of work took %v beside %d runs that sleep for a moment", work, took, n)
			}
			sleepers.end()
		}
	})
}

// TestIdleProcessorsAreFree verifies that a tenant which has computed while nobody waited has its
// whole share afterwards, and that one which has not computed for long has no more than its share.
func TestIdleProcessorsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alone = 5 * time.Second
		p := newProcessors(1, time.Now)
		var stop atomic.Bool
		var wg sync.WaitGroup
		var had [2]atomic.Int64
		for i := range had {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * alone)
				c := claim{tenant: runtime.Tenant(fmt.Sprint(i))}
				p.acquire(&c)
				for !stop.Load() {
					time.Sleep(checkStep)
					if time.Duration(had[1].Load()) < time.Second {
						had[i].Add(int64(checkStep))
					}
					p.checkpoint(&c)
				}
				p.release(&c)
			})
		}
		time.Sleep(alone - time.Millisecond)
		before := had[0].Load()
		time.Sleep(5 * time.Second)
		stop.Store(true)
		wg.Wait()
		if got := time.Duration(had[0].Load() - before); got < time.Second-2*defaultSlice || got > time.Second+2*defaultSlice {
			t.Errorf("while a tenant had a second, the one that had been alone for %v had %v", alone, got)
		}
	})
}

// TestTurnsOfManyTenants verifies that nothing is kept of many tenants, and that those with one short
// run each do not keep out a long one.
func TestTurnsOfManyTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants = 5000
		p := newProcessors(1, time.Now)
		var wg sync.WaitGroup
		for i := range tenants {
			wg.Go(func() {
				c := claim{tenant: runtime.Tenant(fmt.Sprint(i))}
				p.acquire(&c)
				compute(p, &c, checkStep, checkStep)
				p.release(&c)
			})
		}
		long := claim{tenant: "long"}
		p.acquire(&long)
		start := time.Now()
		compute(p, &long, 2*defaultSlice, checkStep)
		if took := time.Since(start); took > 20*maxSlicesWaited*defaultSlice {
			t.Errorf("two slices of work took %v beside runs of %d tenants", took, tenants)
		}
		p.release(&long)
		wg.Wait()
		if len(p.tenants) > maxIdleTenants+1 {
			t.Errorf("%d tenants are remembered", len(p.tenants))
		}
	})
}
