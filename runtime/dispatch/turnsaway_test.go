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
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/queue"
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
			here, most, there, ran, tried := 0, 0, 0, 0, 0
			n := newNodes(t, func(ctx context.Context, call runtime.RunCall) (runtime.Outcome, error) {
				mu.Lock()
				tried++
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
			if tried > 13_000 { // the first try of each, and those for which there are places once a second
				t.Errorf("%+v: runs were sent %d times", c, tried)
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

// TestLostRunsHoldUpNobody has runs of one function, of which the oldest may not go away: the others do.
func TestLostRunsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, noting(&away, time.Second), 4)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submitMany(originOf("a", "here"), 1)
		synctest.Wait()
		o := originOf("a", "lost")
		for range 10 {
			r.submitLost(o)
		}
		r.submitMany(o, 20)
		time.Sleep(10 * time.Second)
		if away.of("lost") != 20 {
			t.Errorf("%d runs were away, want 20", away.of("lost"))
		}
	})
}

// TestCancelLostTasks cancels an execution of a job some of whose tasks have lost attempts, while they are queued: nothing is left of them.
func TestCancelLostTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost, here began
		n := newNodes(t, func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			lost.note(c.Info.Function)
			time.Sleep(time.Second)
			return runtime.Outcome{}, runtime.ErrPlaceLost
		}, 6)
		r := newAwayRig(t, noting(&here, time.Hour), 1, n)
		defer r.close()
		ids := r.submitTasks(20, 0)
		time.Sleep(time.Minute)
		job, err := r.store.GetExecution(tenant, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := r.store.CancelJobExecution(tenant, job.Task.JobExecution, time.Now()); err != nil {
			t.Fatal(err)
		}
		r.CancelGroup(job.Task.JobExecution)
		if b := r.Backlog(); lost.of("hello") < 10 || here.of("hello") != 1 || b.Waiting+b.Delayed > 0 {
			t.Errorf("%d tasks were lost, %d run here; after the cancellation the backlog is %+v", lost.of("hello"), here.of("hello"), b)
		}
		for _, id := range ids {
			r.await(id)
		}
		r.DropGroup(job.Task.JobExecution)
		r.settled()
		n.check()
	})
}

// TestFullBacklogGoesAway has queues that have taken all the memory that they may: runs go away all the same, and no more than memory is
// set apart for.
func TestFullBacklogGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(24*time.Hour), 0)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submit(600, 0)
		synctest.Wait()
		others := r.memory.Open(memory.Options{Name: "others", Heap: true, Queues: true})
		for bytes := r.memory.Total(); bytes > 0; bytes /= 2 {
			for others.TryTake(bytes) {
			}
		}
		n.resize(500)
		time.Sleep(time.Minute)
		if b, most := r.Backlog(), int(r.memory.Total()/64/(64<<10)); b.Away != most {
			t.Errorf("%d runs are away, want %d", b.Away, most)
		}
	})
}

// TestTenantsThatWaitHere has a run of a tenant that waits for memory here, and for which no node has a place because of the tenant's limit: the
// runs of others go away.
func TestTenantsThatWaitHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if c.Info.Function == "limited" {
				return noting(&away, 24*time.Hour)(ctx, c)
			}
			return noting(&away, time.Second)(ctx, c)
		}, 0, 0)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		lend := func(room int) { // of the second node
			n.mu.Lock()
			n.rooms[1] = room
			n.mu.Unlock()
			n.onFree()
		}
		r.submitMany(originOf("here", "here"), 1)
		synctest.Wait()
		limited := originOf("a", "limited")
		limited.Use = runtime.NewTenantUse(runtime.TenantLimits{Runs: 3})
		limited.Use.SetNodes(3)
		r.submitMany(limited, 1)
		synctest.Wait()
		lend(1)
		synctest.Wait()
		r.submitMany(limited, 1)
		time.Sleep(10 * time.Second)
		r.submitMany(originOf("b", "other"), 10)
		synctest.Wait()
		lend(2)
		time.Sleep(15 * time.Second)
		if away.of("limited") != 1 || away.of("other") != 10 {
			t.Errorf("%d runs of the tenant with a limit, and %d of the other were away", away.of("limited"), away.of("other"))
		}
	})
}

// TestRefusedRunsGoAwayLater has a node that refuses the first run while this one is full for long: it does not have to wait for this one.
func TestRefusedRunsGoAwayLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first sync.Once
		n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			refuses := false
			if first.Do(func() { refuses = true }); refuses {
				time.Sleep(250 * time.Millisecond)
				return runtime.Outcome{}, runtime.ErrPlaceUnused
			}
			return sleep(time.Second)(ctx, c)
		}, 20)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submit(10, 0)
		time.Sleep(20 * time.Second)
		if b := r.Backlog(); b.Active != 1 || b.Away != 0 {
			t.Errorf("the backlog is %+v, want one that runs here", b)
		}
	})
}

// TestRefusedRunsHoldUpNobody has a run that the node refuses each time, in front of others of its function: these go away, also those of a
// job, and nothing is left when that is cancelled.
func TestRefusedRunsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away began
		var mu sync.Mutex
		refused := make(map[string]string) // by function
		n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			mu.Lock()
			first, known := refused[c.Info.Function]
			if !known {
				first = c.Info.Execution
				refused[c.Info.Function] = first
			}
			mu.Unlock()
			if first == c.Info.Execution {
				return runtime.Outcome{}, runtime.ErrPlaceUnfit
			}
			return noting(&away, time.Second)(ctx, c)
		}, 1)
		r := newAwayRig(t, sleep(24*time.Hour), 1, n)
		defer r.end()
		r.submitMany(originOf("a", "here"), 1)
		synctest.Wait()
		for range 2 { // which keep others from being leased here
			r.submitLost(originOf("a", "lost"))
		}
		synctest.Wait()
		r.submitMany(originOf("a", "f"), 11)
		ids := r.submitTasks(11, 0)
		time.Sleep(2*time.Minute + 30*time.Millisecond) // nothing happens at this moment
		if away.of("f") != 10 || away.of("hello") != 10 {
			t.Errorf("%d runs and %d tasks were away, want 10 of each", away.of("f"), away.of("hello"))
		}
		job, err := r.store.GetExecution(tenant, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := r.store.CancelJobExecution(tenant, job.Task.JobExecution, time.Now()); err != nil {
			t.Fatal(err)
		}
		before := r.Backlog()
		r.CancelGroup(job.Task.JobExecution)
		if after := r.Backlog(); before.Waiting != 2 || after.Waiting != 1 {
			t.Errorf("the backlog is %+v before the cancellation of the job, and %+v after it", before, after)
		}
	})
}

// slowPlaces has no place, and says so when it may.
type slowPlaces struct {
	*nodes
	asked, answers chan struct{}
}

func (p *slowPlaces) Take(runtime.Tenant, int64, int) (runtime.Place, bool) {
	close(p.asked)
	<-p.answers
	return nil, false
}

// TestStopWhilePlacesAreSought stops a dispatcher with nothing but a run for which a place is sought, and not found.
func TestStopWhilePlacesAreSought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slowPlaces{newNodes(t, nil, 1), make(chan struct{}), make(chan struct{})}
		r := newRig(t, nil, 1)
		r.lend(sleep(time.Second), 1, p, r.store)
		r.submitMany(originOf("a", "here"), 1)
		synctest.Wait()
		lost := originOf("a", "lost") // which keep others from being leased here, and do not go away
		for range 2 {
			r.submitLost(lost)
		}
		synctest.Wait()
		r.submitMany(originOf("a", "other"), 1)
		<-p.asked
		time.Sleep(time.Minute)
		if b := r.Backlog(); b.Active != 1 {
			t.Errorf("the backlog is %+v, want the run alone", b)
		}
		r.Stop()
		close(p.answers)
		synctest.Wait()
		select {
		case <-r.Drained():
		default:
			t.Fatal("it is not drained")
		}
		r.close()
	})
}

// TestStopBeforeStart stops a dispatcher that has adopted runs and was never started, one of which is to be cancelled and has succeeded: it drains,
// although nobody writes ends.
func TestStopBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, func(context.Context, runtime.RunCall) (runtime.Outcome, error) { return runtime.Outcome{}, nil }, 2)
		r := newRig(t, nil, 1)
		defer r.close()
		d := dispatch.New(dispatch.Options{
			Engine: r.functions, Store: r.store, Memory: r.memory, Admission: queue.NewAdmission(memory.New(1<<40, nil), 1, 1), Places: n,
			Attempts: notify.NewHub(), Completions: r.done, BacklogLimit: 10, Now: time.Now, Log: discard,
		})
		for _, cancelled := range []bool{false, true} {
			x := runtime.Execution{ID: runtime.NewID(), Tenant: tenant, Attempt: 1, Started: time.Now(), CancelRequested: cancelled}
			place, _ := n.Take(tenant, 1, 0)
			d.Adopt(dispatch.NewQueuedRun(r.origin, &x), &x, runtime.LentRun{Tenant: tenant, Execution: x.ID, Attempt: 1, Version: 1, Place: place}, 1000)
		}
		d.Stop()
		synctest.Wait()
		select {
		case <-d.Drained():
		default:
			t.Error("it is not drained")
		}
		if b := d.Backlog(); b != (dispatch.Backlog{}) {
			t.Errorf("the backlog is %+v", b)
		}
		n.check()
	})
}
