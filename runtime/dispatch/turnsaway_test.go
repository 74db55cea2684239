package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// originOf returns the origin of runs of a function.
func originOf(tenant runtime.Tenant, function string) *dispatch.Origin {
	return &dispatch.Origin{Tenant: tenant, FunctionID: runtime.NewID(), Function: function, Version: 1}
}

// submitMany queues n runs.
func (r *rig) submitMany(o *dispatch.Origin, n int) {
	r.t.Helper()
	for range n {
		r.submitAs(o, runtime.Suspicion{})
	}
}

// noting returns a run that notes its function, and takes a time.
func noting(b *began, took time.Duration) sandboxFunc {
	return func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		b.note(c.Info.Function)
		return sleep(took)(ctx, c)
	}
}

// end ends a rig whose runs take too long to wait for them.
func (r *rig) end() {
	r.t.Helper()
	r.Stop()
	r.Abort()
	r.close()
}

// TestTurnsAtPlaces has tenants, and functions of one tenant, that want the places of other nodes, which become free one after the other while
// this node is full: all get the same number.
func TestTurnsAtPlaces(t *testing.T) {
	for _, many := range []int{2, 3, 4, 20} {
		for _, ofOne := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var away began
				var first sync.Once
				n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
					took := time.Second
					first.Do(func() { took = time.Second / 2 })
					return noting(&away, took)(ctx, c)
				}, 0, 0)
				r := newAwayRig(t, sleep(24*time.Hour), 1, n)
				defer r.end()
				for i := range many {
					name := runtime.Tenant(fmt.Sprint("t", i))
					if ofOne {
						name = tenant
					}
					r.submitMany(originOf(name, fmt.Sprint("f", i)), 40)
				}
				n.resize(1)
				time.Sleep(time.Duration(many) * 10 * time.Second)
				for i := range many {
					if got := away.of(fmt.Sprint("f", i)); got < 17 || got > 23 {
						t.Errorf("one of %d (of one tenant: %t) has had %d places of %d", many, ofOne, got, 20*many)
					}
				}
			})
		}
	}
}

// TestLongestWaitingGoFirst has a run that has its lease and waits for memory here, when places become free: it goes before those that were queued later.
func TestLongestWaitingGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, noting(&away, time.Second), 0)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submitMany(originOf("a", "a"), 1)
		synctest.Wait()
		r.submitMany(originOf("b", "b"), 1)
		synctest.Wait()
		r.submitMany(originOf("a", "a"), 200)
		n.resize(2)
		time.Sleep(1500 * time.Millisecond)
		if away.of("b") != 1 {
			t.Error("the run that has waited longest has not begun")
		}
	})
}

// TestLargeRunsHoldUpNobody has runs for which no node has room in front of others, with leases and queued: the others go away.
func TestLargeRunsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, noting(&away, time.Second), 2)
		n.largest = 512 << 20
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.functions.large = "large"
		for range 5 {
			r.submitMany(originOf("a", "large"), 2)
			synctest.Wait()
		}
		r.submitMany(originOf("a", "small"), 20)
		r.submitMany(originOf("b", "small"), 20)
		time.Sleep(25 * time.Second)
		if away.of("small") != 40 || away.of("large") != 0 {
			t.Errorf("%d small and %d large runs were away", away.of("small"), away.of("large"))
		}
	})
}

// TestTenantsAtTheirLimits has many tenants with as many runs away as they may have in front of one that has none: it gets places.
func TestTenantsAtTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if c.Info.Function == "last" {
				return noting(&away, time.Second)(ctx, c)
			}
			return noting(&away, 24*time.Hour)(ctx, c)
		}, 300)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submitMany(originOf("here", "here"), 1)
		synctest.Wait()
		for i := range 150 {
			o := originOf(runtime.Tenant(fmt.Sprint("t", i)), "limited")
			o.Use = runtime.NewTenantUse(runtime.TenantLimits{Runs: 2})
			o.Use.SetNodes(2)
			r.submitMany(o, 4)
		}
		time.Sleep(time.Minute)
		r.submitMany(originOf("last", "last"), 10)
		time.Sleep(time.Minute)
		if away.of("limited") != 150 && away.of("limited") != 149 || away.of("last") != 10 {
			t.Errorf("%d runs of tenants with a limit, and %d of the last one were away", away.of("limited"), away.of("last"))
		}
	})
}

// TestRefusedRuns has nodes that refuse the runs of a tenant, or all beyond a few: on this node it has no more than it may, no more hold leases than
// start soon, and the nodes get the next ones when theirs have ended.
func TestRefusedRuns(t *testing.T) {
	for _, c := range []struct{ limit, runs, takes int }{{6, 50, 0}, {0, 1, 0}, {0, 1, 4}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			here, most, there, ran := 0, 0, 0, 0
			n := newNodes(t, func(ctx context.Context, call runtime.RunCall) (runtime.Outcome, error) {
				mu.Lock()
				takes := there < c.takes
				if takes {
					there++
					ran++
				}
				mu.Unlock()
				if !takes {
					return runtime.Outcome{}, runtime.ErrPlaceUnfit
				}
				defer func() {
					mu.Lock()
					there--
					mu.Unlock()
				}()
				return sleep(time.Minute)(ctx, call)
			}, 8, 8)
			r := newAwayRig(t, func(ctx context.Context, call runtime.RunCall) (runtime.Outcome, error) {
				mu.Lock()
				here++
				most = max(most, here)
				mu.Unlock()
				return sleep(24*time.Hour)(ctx, call)
			}, c.runs, n)
			defer r.end()
			r.origin.Use = runtime.NewTenantUse(runtime.TenantLimits{Runs: c.limit})
			r.origin.Use.SetNodes(3)
			ids := r.submit(200, 0)
			time.Sleep(10*time.Minute + 30*time.Second)
			mu.Lock()
			defer mu.Unlock()
			want := c.runs
			if c.limit > 0 {
				want = c.limit / 3
			}
			b := r.Backlog()
			if most != want || b.Active-b.Away > want+2 {
				t.Errorf("%+v: %d ran here, want %d; the backlog is %+v", c, most, want, b)
			}
			if ran < 10*c.takes || there != c.takes {
				t.Errorf("%+v: %d ran on the node, and run %d", c, ran, there)
			}
			for _, id := range ids {
				if x, err := r.store.GetExecution(tenant, id); err != nil || x.LostAttempts+x.PlatformFailures > 0 {
					t.Errorf("%+v, %v", x, err)
				}
			}
		})
	}
}

// TestThoseThatStayHoldUpNobody has runs that may not go away and wait for memory here: those behind them go away.
func TestThoseThatStayHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, noting(&away, time.Second), 4)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submitMany(originOf("a", "here"), 1)
		synctest.Wait()
		lost := originOf("a", "lost")
		for range 2 {
			r.submitLost(lost)
		}
		synctest.Wait()
		r.submitMany(originOf("a", "other"), 20)
		time.Sleep(10 * time.Second)
		if away.of("other") != 20 || away.of("lost") != 0 {
			t.Errorf("%d others, and %d that have lost an attempt were away", away.of("other"), away.of("lost"))
		}
	})
}
