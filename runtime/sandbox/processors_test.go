package sandbox

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// In these tests time is simulated: a run computes by sleeping on the synctest clock and holds its
// permit meanwhile.

// compute uses a permit for d, with a checkpoint every step.
func compute(p *processors, t *claim, d, step time.Duration) {
	for d > 0 {
		time.Sleep(min(step, d))
		d -= step
		p.checkpoint(t)
	}
}

const checkStep = 100 * time.Microsecond

func TestFreshRunsGoBeforeWornOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcessors(1, time.Now)
		var wg sync.WaitGroup
		defer wg.Wait()
		for range 3 {
			wg.Go(func() {
				var hog claim
				p.acquire(&hog)
				compute(p, &hog, time.Second, checkStep)
				p.release(&hog)
			})
		}
		time.Sleep(100 * time.Millisecond) // all are worn by now
		for range 10 {
			var fresh claim
			start := time.Now()
			p.acquire(&fresh)
			if waited := time.Since(start); waited > minSlice+2*checkStep {
				t.Errorf("a fresh run waited for %v while worn ones computed", waited)
			}
			compute(p, &fresh, checkStep, checkStep)
			p.release(&fresh)
			time.Sleep(20 * time.Millisecond)
		}
	})
}

func TestWornRunsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hogs = 4
		p := newProcessors(2, time.Now)
		var ends [hogs]time.Duration
		var wg sync.WaitGroup
		start := time.Now()
		for i := range hogs {
			wg.Go(func() {
				var hog claim
				p.acquire(&hog)
				compute(p, &hog, 200*time.Millisecond, checkStep)
				p.release(&hog)
				ends[i] = time.Since(start)
			})
		}
		wg.Wait()
		// Two permits and four equal runs: all end at about 400 ms.
		for i, end := range ends {
			if end < 350*time.Millisecond || end > 450*time.Millisecond {
				t.Errorf("run %d ended after %v", i, end)
			}
		}
	})
}

// TestWornRunsAreNotStarved runs a worn run while fresh runs keep arriving.
func TestWornRunsAreNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcessors(1, time.Now)
		var stop atomic.Bool
		// A worn run that starves should fail the test, not block it.
		end := time.Now().Add(time.Minute)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for !stop.Load() && time.Now().Before(end) {
					var fresh claim
					p.acquire(&fresh)
					compute(p, &fresh, time.Millisecond, checkStep)
					p.release(&fresh)
				}
			})
		}
		var hog claim
		p.acquire(&hog)
		const work = 50 * time.Millisecond // many slices: worn from the second on
		start := time.Now()
		compute(p, &hog, work, checkStep)
		took := time.Since(start)
		p.release(&hog)
		stop.Store(true)
		wg.Wait()
		if took > 40*work {
			t.Errorf("%v of work took a worn run %v", work, took)
		}
	})
}

// TestWokenRunsGoFirst lets runs that sleep wake up behind others that have not begun: they go first,
// so that few runs are under way at once.
func TestWokenRunsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcessors(1, time.Now)
		underWay, most := 0, 0
		var mu sync.Mutex
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			underWay += n
			most = max(most, underWay)
		}
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				var c claim
				p.acquire(&c)
				count(1)
				compute(p, &c, 100*time.Microsecond, checkStep)
				p.release(&c)
				time.Sleep(2 * time.Millisecond)
				c.woken = true
				p.acquire(&c)
				compute(p, &c, 100*time.Microsecond, checkStep)
				count(-1)
				p.release(&c)
			})
		}
		wg.Wait()
		if most > 50 {
			t.Errorf("%d runs were under way at once", most)
		}
	})
}

// TestWokenRunsKeepNobodyOut lets runs compute for almost a slice and sleep for a moment, again and
// again: those that have not begun wait for two slices each at most.
func TestWokenRunsKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcessors(1, time.Now)
		var stop atomic.Bool
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				c := claim{woken: true}
				for !stop.Load() {
					p.acquire(&c)
					compute(p, &c, defaultSlice-checkStep, checkStep)
					p.release(&c)
					time.Sleep(time.Microsecond)
				}
			})
		}
		time.Sleep(time.Second)
		for range 10 {
			var fresh claim
			start := time.Now()
			p.acquire(&fresh)
			if waited := time.Since(start); waited > 2*defaultSlice {
				t.Errorf("a fresh run waited for %v while others slept and computed", waited)
			}
			p.release(&fresh)
		}
		stop.Store(true)
		wg.Wait()
	})
}

// TestNoRunWaitsForEver starts random runs of all kinds. It verifies that all end, that no more
// than the allowed number compute at once, and that no wait is longer than its bound.
func TestNoRunWaitsForEver(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		capacity := rapid.IntRange(1, 4).Draw(rt, "places")
		type job struct {
			begin, work, step time.Duration
			sleeps            bool
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) job {
			ms := func(name string, from, to int) time.Duration {
				return time.Duration(rapid.IntRange(from, to).Draw(rt, name)) * 100 * time.Microsecond
			}
			return job{ms("begin", 0, 100), ms("work", 1, 300), ms("step", 1, 20), rapid.Bool().Draw(rt, "sleeps")}
		}), 1, 24).Draw(rt, "jobs")
		total := time.Duration(0)
		for _, j := range jobs {
			total += j.work + 2*j.step
		}

		debt := time.Duration(rapid.IntRange(0, 20).Draw(rt, "debt")) * time.Millisecond
		problem := ""
		synctest.Test(t, func(*testing.T) {
			p := newProcessors(capacity, time.Now)
			p.owed, p.settled = debt, time.Now()
			p.indebted.Store(debt > 0)
			var computing, most atomic.Int32
			var longest atomic.Int64
			holds := func(f func()) {
				most.Store(max(most.Load(), computing.Add(1)))
				f()
				computing.Add(-1)
			}
			waits := func(f func()) {
				start := time.Now()
				f()
				longest.Store(max(longest.Load(), int64(time.Since(start))))
			}
			var wg sync.WaitGroup
			for _, j := range jobs {
				wg.Go(func() {
					time.Sleep(j.begin)
					var turn claim
					waits(func() { p.acquire(&turn) })
					for left := j.work; left > 0; left -= j.step {
						holds(func() { time.Sleep(j.step) })
						if j.sleeps {
							p.release(&turn)
							time.Sleep(time.Millisecond)
							turn.woken = true
							waits(func() { p.acquire(&turn) })
						} else {
							waits(func() { p.checkpoint(&turn) })
						}
					}
					p.release(&turn)
				})
			}
			wg.Wait()
			switch {
			case int(most.Load()) > capacity:
				problem = "more compute at once than there are places"
			case p.free != capacity || p.wornHeld != 0 || len(p.short.tenants)+len(p.long.tenants) != 0 || p.waiting.Load() != 0 || p.waitingFresh.Load() != 0:
				problem = "places or waiting runs are left over"
			case time.Duration(longest.Load()) > total+debt+minSlice:
				problem = "a run waited for longer than all work takes"
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func TestCheckpointReturnsTheTime(t *testing.T) {
	at := time.Unix(1000, 0)
	p := newProcessors(1, func() time.Time { return at })
	var turn claim
	p.acquire(&turn)
	at = at.Add(time.Hour)
	if got := p.checkpoint(&turn); !got.Equal(at) {
		t.Errorf("got %v", got)
	}
	p.release(&turn)
}

// TestWaitingRunsLeave verifies that a run which waits for a permit leaves when it is cancelled or
// its deadline passes, at its start and at a checkpoint, however many runs wait before it.
func TestWaitingRunsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const others = 1000
		p := newProcessors(1, time.Now)
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range others {
			wg.Go(func() {
				c := claim{ctx: ctx}
				if !p.acquire(&c) {
					return
				}
				for c.stopped(time.Now()) == "" {
					time.Sleep(checkStep)
					p.checkpoint(&c)
				}
				p.release(&c)
			})
		}
		time.Sleep(time.Second) // all are worn or wait
		for _, name := range []string{"deadline", "cancelled"} {
			for _, worn := range []bool{false, true} {
				c := claim{worn: worn}
				start := time.Now()
				limited, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
				if name == "deadline" {
					c.deadline = start.Add(10 * time.Millisecond)
				} else {
					c.ctx = limited
				}
				for p.acquire(&c) && c.stopped(time.Now()) == "" {
					for c.stopped(time.Now()) == "" {
						time.Sleep(checkStep)
						p.checkpoint(&c)
					}
				}
				p.release(&c)
				if took := time.Since(start); took > 10*time.Millisecond+defaultSlice {
					t.Errorf("%s, worn %v: left after %v", name, worn, took)
				}
				if c.stopped(time.Now()) == "" {
					t.Errorf("%s, worn %v: left without a reason", name, worn)
				}
			}
		}
		stop()
		wg.Wait()
		if p.free != 1 || len(p.short.tenants)+len(p.long.tenants) != 0 || p.waiting.Load() != 0 || p.waitingFresh.Load() != 0 {
			t.Errorf("%d permits are free, %d runs wait", p.free, p.waiting.Load())
		}
	})
}

// TestPermitsStayAsMany makes random calls for many claims at once, in any order and with deadlines
// that most waits for a permit miss: no call creates a permit, or loses one.
func TestPermitsStayAsMany(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const acquire, release, checkpoint, compute, calls = 0, 1, 2, 3, 4
		places := rapid.IntRange(1, 3).Draw(rt, "places")
		workers := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, calls-1), 1, 40), 2, 8).Draw(rt, "workers")
		debt := time.Duration(rapid.IntRange(0, 20).Draw(rt, "debt")) * time.Millisecond
		problem := ""
		synctest.Test(t, func(*testing.T) {
			p := newProcessors(places, time.Now)
			p.owed, p.settled = debt, time.Now()
			p.indebted.Store(debt > 0)
			var holders, most atomic.Int32
			var wg sync.WaitGroup
			for i, work := range workers {
				wg.Go(func() {
					var c claim
					for _, call := range work {
						if c.held { // during the call it may have none
							holders.Add(-1)
						}
						switch call {
						case acquire:
							c.deadline = time.Now().Add(time.Duration(i) * time.Millisecond)
							p.acquire(&c)
						case release:
							p.release(&c)
						case checkpoint:
							p.checkpoint(&c)
						}
						if c.held {
							most.Store(max(most.Load(), holders.Add(1)))
						}
						if call == compute {
							time.Sleep(defaultSlice)
						}
					}
					if c.held {
						holders.Add(-1)
					}
					p.release(&c)
				})
			}
			wg.Wait()
			switch {
			case int(most.Load()) > places:
				problem = "more claims have a permit at once than there are permits"
			case p.free != places || p.wornHeld != 0 || p.waiting.Load() != 0 || p.waitingFresh.Load() != 0:
				problem = "permits were created or lost, or claims still wait"
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}
