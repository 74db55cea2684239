package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// nodes are runtime.Places on a number of nodes that a test defines. It checks that each place is given back once, and notes
// what has run where.
type nodes struct {
	t       *testing.T
	run     sandboxFunc // at a place
	rooms   []int       // places of each node
	largest int64       // bytes of one place; 0: any number
	onFree  func()

	mu     sync.Mutex
	taken  []map[runtime.Tenant]int
	ran    map[string]int // by execution and attempt
	order  []string       // executions in the order in which they have begun away
	most   int            // at once
	shares map[int]bool   // that were asked for

	recorded int // ends
}

func newNodes(t *testing.T, run sandboxFunc, rooms ...int) *nodes {
	n := &nodes{t: t, run: run, rooms: rooms, ran: map[string]int{}, shares: map[int]bool{}}
	for range rooms {
		n.taken = append(n.taken, map[runtime.Tenant]int{})
	}
	return n
}

func (n *nodes) used(node int) (all int) {
	for _, count := range n.taken[node] {
		all += count
	}
	return all
}

func (n *nodes) Take(tenant runtime.Tenant, bytes int64, share int) (runtime.Place, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shares[share] = true
	best, room := -1, 0
	for i := range n.rooms {
		if free := n.rooms[i] - n.used(i); free > room && (share == 0 || n.taken[i][tenant] < share) {
			best, room = i, free
		}
	}
	if best < 0 || bytes <= 0 || n.largest > 0 && bytes > n.largest {
		return nil, false
	}
	n.taken[best][tenant]++
	all := 0
	for i := range n.rooms {
		all += n.used(i)
	}
	n.most = max(n.most, all)
	return &nodePlace{nodes: n, node: best, tenant: tenant}, true
}

func (n *nodes) OnFree(f func()) { n.onFree = f }

func (n *nodes) Nodes() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.rooms)
}

// resize sets the places of all nodes.
func (n *nodes) resize(room int) {
	n.mu.Lock()
	for i := range n.rooms {
		n.rooms[i] = room
	}
	n.mu.Unlock()
	n.onFree()
}

// check checks that all places were given back.
func (n *nodes) check() {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.taken {
		if left := n.used(i); left != 0 {
			n.t.Errorf("%d places of node %d were not given back", left, i)
		}
	}
}

type nodePlace struct {
	nodes    *nodes
	node     int
	tenant   runtime.Tenant
	released bool
	recorded bool
}

func (p *nodePlace) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	if c.Room != nil || c.Network != nil {
		p.nodes.t.Error("a place got memory or a network of this node")
	}
	o, err := p.nodes.run(context.WithValue(ctx, nodeKey{}, p.node), c)
	if !errors.Is(err, runtime.ErrPlaceUnused) {
		p.nodes.mu.Lock()
		p.nodes.ran[fmt.Sprint(c.Info.Execution, " ", c.Info.Attempt)]++
		p.nodes.order = append(p.nodes.order, c.Info.Execution)
		p.nodes.mu.Unlock()
	}
	return o, err
}

type nodeKey struct{}

func (p *nodePlace) Release() {
	p.nodes.mu.Lock()
	if p.released {
		p.nodes.t.Error("a place was given back twice")
	}
	p.released = true
	p.nodes.taken[p.node][p.tenant]--
	p.nodes.mu.Unlock()
	p.nodes.onFree()
}

func (p *nodePlace) Recorded() {
	p.nodes.mu.Lock()
	defer p.nodes.mu.Unlock()
	if !p.released || p.recorded {
		p.nodes.t.Errorf("an end is recorded: its place was given back %t, it was recorded before %t", p.released, p.recorded)
	}
	p.recorded = true
	p.nodes.recorded++
}

// newAwayRig returns a rig of a node that runs some runs at once and has places on others.
func newAwayRig(t *testing.T, run sandboxFunc, runs int, n *nodes) *rig {
	t.Helper()
	r := newRig(t, nil, 1)
	r.lend(run, runs, n, r.store)
	return r
}

// lend replaces the dispatcher of a rig by one with places.
func (r *rig) lend(run sandboxFunc, runs int, places runtime.Places, store dispatch.Store) {
	r.t.Helper()
	r.Stop()
	r.Wait()
	r.memory = memory.New(1<<30, nil)
	r.Dispatcher = dispatch.New(dispatch.Options{
		Engine: r.functions, Store: store, Sandbox: run, Memory: r.memory, Admission: queue.NewAdmission(memory.New(1<<40, nil), runs, 1), Places: places,
		Attempts: notify.NewHub(), Completions: r.done, BacklogLimit: 1000, Now: time.Now, Log: discard,
	})
	r.Start()
}

// sleep returns a run that takes a time.
func sleep(took time.Duration) sandboxFunc {
	return func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		select {
		case <-time.After(took):
			return runtime.Outcome{Result: c.Args, Usage: runtime.Usage{Duration: took}}, nil
		case <-ctx.Done():
			return runtime.Outcome{}, ctx.Err()
		}
	}
}

// settled checks that nothing is left of what has run.
func (r *rig) settled() {
	r.t.Helper()
	synctest.Wait()
	if b := r.Backlog(); b != (dispatch.Backlog{}) || len(r.Load(tenant)) > 0 {
		r.t.Errorf("the backlog is %+v, the load %v", b, r.Load(tenant))
	}
	if ahead, idle := r.Idle(); ahead != 0 || !idle {
		r.t.Errorf("%d are ahead, idle %t", ahead, idle)
	}
	if r.functions.uses != 0 {
		r.t.Errorf("%d uses of versions are left", r.functions.uses)
	}
	if used := r.memory.Used(); used != 0 {
		r.t.Errorf("%d bytes are used: %+v", used, r.memory.Holders())
	}
}

// TestRunsGoAway checks that runs use the places of other nodes when this one is full, each once, and that no more go away than
// there are places.
func TestRunsGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(time.Second), 3, 2)
		r := newAwayRig(t, sleep(time.Second), 2, n)
		defer r.close()
		ids := r.submit(70, 0)
		synctest.Wait()
		if b := r.Backlog(); b.Away != 5 || b.Active > 5+2+2 {
			t.Errorf("%+v, want 5 away, and few that wait with a lease", b)
		}
		if n := r.Load(tenant)["hello"]; n.Running+n.Queued != 70 {
			t.Errorf("the load is %+v", n)
		}
		began := time.Now()
		for _, id := range ids {
			if x := r.await(id); x.State != runtime.StateSucceeded || x.Attempt != 1 || x.LostAttempts != 0 {
				t.Errorf("%+v", x)
			}
		}
		if took := time.Since(began); took > 11*time.Second { // of the clock of the bubble
			t.Errorf("70 runs of 1 s took %v with 7 at once", took)
		}
		if n.most != 5 || len(n.ran) < 40 {
			t.Errorf("%d at once of %d runs were away", n.most, len(n.ran))
		}
		for attempt, times := range n.ran {
			if times != 1 {
				t.Errorf("%s ran %d times", attempt, times)
			}
		}
		r.settled()
		n.check()
	})
}

// TestThisNodeComesFirst checks that runs stay while this node has idle processors, and are spread evenly when it has not.
func TestThisNodeComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(time.Hour), 100, 100)
		r := newAwayRig(t, sleep(time.Hour), 100, n)
		defer r.close()
		first := r.submit(1, 0)
		synctest.Wait()
		if b := r.Backlog(); b.Away != 0 || b.Active != 1 {
			t.Errorf("one run: %+v", b)
		}
		ids := append(first, r.submit(89, 0)...)
		synctest.Wait()
		b := r.Backlog()
		if here := b.Active - b.Away; b.Active != 90 || here < 20 || here > 45 {
			t.Errorf("of 90 runs on 3 nodes, %d are away", b.Away)
		}
		for _, id := range ids {
			if _, _, err := r.store.Cancel(tenant, id, time.Now()); err != nil {
				t.Fatal(err)
			}
			r.Cancel(id)
		}
		for _, id := range ids {
			if x := r.await(id); x.State != runtime.StateCancelled {
				t.Errorf("%s is %s", id, x.State)
			}
		}
		r.settled()
		n.check()
	})
}

// TestPlacesThatFail has nodes that refuse runs, lose them, fail and stop. Each run ends with its result; the attempts that were lost
// are counted, and what did not begin is not.
func TestPlacesThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		attempts int
		lost     int
	}{
		"unused":   {fmt.Errorf("it stops: %w", runtime.ErrPlaceUnused), 2, 0},
		"lost":     {fmt.Errorf("no answer: %w", runtime.ErrPlaceLost), 2, 1},
		"stopping": {runtime.ShuttingDownError(), 2, 0},
		"worker":   {runtime.WorkerLostError(), 2, 1},
		"fault":    {errors.New("a fault"), 2, 0},
	} {
		failure := c.err
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				failed := map[string]bool{}
				n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
					mu.Lock()
					fails := !failed[c.Info.Execution]
					failed[c.Info.Execution] = true
					mu.Unlock()
					if fails {
						return runtime.Outcome{}, failure
					}
					return sleep(time.Second)(ctx, c)
				}, 4)
				r := newAwayRig(t, sleep(time.Second), 1, n)
				defer r.close()
				ids := r.submit(20, 0)
				for _, id := range ids {
					r.await(id)
				}
				for _, id := range ids {
					x := r.await(id)
					if x.State != runtime.StateSucceeded || x.FunctionFailures != 0 {
						t.Errorf("%+v, %+v", x, x.Failure)
					}
					want, lost := 1, 0
					if failed[id] {
						want, lost = c.attempts, c.lost
					}
					if name == "unused" && x.Attempt == 1 { // it could begin here at once
						want = 1
					}
					if x.Attempt != want || x.LostAttempts != lost {
						t.Errorf("after %d attempts, of which %d are lost; want %d and %d", x.Attempt, x.LostAttempts, want, lost)
					}
				}
				if len(failed) == 0 {
					t.Error("no run was away")
				}
				r.settled()
				n.check()
			})
		})
	}
}

// TestNodesThatEndAgainAndAgain loses each attempt on another node: a run is lost once, and then stays.
func TestNodesThatEndAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			time.Sleep(time.Second)
			return runtime.Outcome{}, runtime.ErrPlaceLost
		}, 10, 10)
		r := newAwayRig(t, sleep(time.Second), 1, n)
		defer r.close()
		for _, id := range r.submit(30, 0) {
			if x := r.await(id); x.State != runtime.StateSucceeded || x.LostAttempts > 1 || x.Attempt != x.LostAttempts+1 {
				t.Errorf("%+v, %+v", x, x.Failure)
			}
		}
		if f := r.PlaceFigures(); f.Lost == 0 || f.Lost != f.Sent || f.Unused != 0 {
			t.Errorf("%+v", f)
		}
		r.settled()
		n.check()
	})
}

// TestEndsAreRecordedAtPlaces checks that a place learns that the end of its run is on disk when it is, and never of one that was given up.
func TestEndsAreRecordedAtPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(time.Second), 4)
		r := newRig(t, nil, 1)
		disk := &smallDisk{Store: r.store}
		r.lend(sleep(24*time.Hour), 1, n, disk)
		defer r.end()
		recorded := func(want int) {
			t.Helper()
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.recorded != want {
				t.Errorf("%d ends are recorded, want %d", n.recorded, want)
			}
		}
		r.submit(5, 0)
		time.Sleep(10 * time.Second)
		if sent := r.PlaceFigures().Sent; sent != 4 {
			t.Errorf("%d runs were away, want 4", sent)
		}
		n.check()
		recorded(0)
		disk.room.Store(1 << 40)
		time.Sleep(2 * time.Second)
		recorded(4)
		disk.room.Store(0)
		r.submit(3, 0)
		time.Sleep(10 * time.Second)
		n.check()
		r.Stop()
		r.Abort()
		time.Sleep(10 * time.Second)
		recorded(4)
	})
}

// TestTurnsAway has tenants and jobs that share the places of other nodes in turns, whatever one of them has queued.
func TestTurnsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(time.Second), 2, 2)
		r := newAwayRig(t, sleep(time.Second), 1, n)
		defer r.close()
		many := r.submit(200, 0)
		time.Sleep(5 * time.Second)
		other := &dispatch.Origin{Tenant: tenant, FunctionID: runtime.NewID(), Function: "other", Version: 1}
		few := []string{r.submitAs(other, runtime.Suspicion{}), r.submitAs(other, runtime.Suspicion{}), r.submitAs(other, runtime.Suspicion{})}
		began := time.Now()
		for _, id := range few {
			r.await(id)
		}
		if took := time.Since(began); took > 5*time.Second { // of the clock of the bubble
			t.Errorf("3 runs of another function waited %v behind 200", took)
		}
		for _, id := range many {
			r.await(id)
		}
		r.settled()
		n.check()
	})
}

// TestTenantLimitAway checks that a tenant has its part of the runs on each node, and what Usage shows.
func TestTenantLimitAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 6})
		use.SetNodes(3)
		var mu sync.Mutex
		here, away := 0, map[int]int{}
		counted := func(count func(node int, n int)) sandboxFunc {
			return func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
				node, _ := ctx.Value(nodeKey{}).(int)
				mu.Lock()
				count(node, 1)
				mu.Unlock()
				defer func() {
					mu.Lock()
					count(node, -1)
					mu.Unlock()
				}()
				return sleep(time.Second)(ctx, c)
			}
		}
		n := newNodes(t, counted(func(node, n int) {
			if away[node] += n; away[node] > 2 {
				t.Errorf("the tenant has %d runs on node %d", away[node], node)
			}
		}), 50, 10)
		r := newAwayRig(t, counted(func(_, n int) {
			if here += n; here > 2 {
				t.Errorf("the tenant has %d runs here", here)
			}
		}), 50, n)
		defer r.close()
		r.origin.Use = use
		ids := r.submit(60, 0)
		time.Sleep(500 * time.Millisecond)
		mu.Lock()
		if here != 2 || away[0] != 2 || away[1] != 2 {
			t.Errorf("%d run here, %v away; want 2 on each node", here, away)
		}
		mu.Unlock()
		if u := use.Usage(); u.Runs != 6 {
			t.Errorf("%d runs are shown", u.Runs)
		}
		began := time.Now()
		for _, id := range ids {
			r.await(id)
		}
		if took := time.Since(began); took > 14*time.Second { // of the clock of the bubble
			t.Errorf("60 runs of 1 s, 6 at once, took %v", took)
		}
		if u := use.Usage(); u.Runs != 0 {
			t.Errorf("%d runs are shown in the end", u.Runs)
		}
		r.settled()
		n.check()
	})
}

// TestParallelismAway checks that a job keeps to its parallelism wherever its tasks run.
func TestParallelismAway(t *testing.T) {
	for _, parallelism := range []int{1, 3, 7} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			running, most := 0, 0
			task := func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				defer func() {
					mu.Lock()
					running--
					mu.Unlock()
				}()
				return sleep(time.Second)(ctx, c)
			}
			n := newNodes(t, task, 3, 3)
			r := newAwayRig(t, task, 1, n)
			defer r.close()
			for _, id := range r.submitTasks(30, parallelism) {
				r.await(id)
			}
			if most != parallelism {
				t.Errorf("%d tasks ran at once, want %d", most, parallelism)
			}
			n.check()
		})
	}
}

// TestSuspectsStay checks that a suspect, and a run that has lost an attempt, have no place elsewhere.
func TestSuspectsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, sleep(time.Minute), 10)
		r := newAwayRig(t, sleep(time.Minute), 1, n)
		defer r.close()
		others := r.submit(4, 0)
		var stay []string
		for _, s := range []runtime.Suspicion{{Losses: 2}, {Losses: 3}, {Losses: 1, Stretch: 1}} {
			stay = append(stay, r.submitAs(r.origin, s))
		}
		for _, id := range slices.Concat(others, stay) {
			r.await(id)
		}
		for _, id := range stay {
			if slices.Contains(n.order, id) {
				t.Errorf("the suspect %s was away", id)
			}
		}
		if len(n.order) == 0 {
			t.Error("nothing was away")
		}
		n.check()
	})
}

// TestShortRunsStay checks that runs that take less than it does to send them stay.
func TestShortRunsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, took := range []time.Duration{50 * time.Microsecond, time.Millisecond} {
			n := newNodes(t, sleep(took), 4)
			r := newAwayRig(t, sleep(took), 1, n)
			for range 3 {
				for _, id := range r.submit(2, 0) { // its time becomes known
					r.await(id)
				}
			}
			before := len(n.ran)
			for _, id := range r.submit(90, 0) {
				r.await(id)
			}
			if away := len(n.ran) - before; (away > 0) != (took == time.Millisecond) {
				t.Errorf("of 90 runs of %v, %d were away", took, away)
			}
			r.settled()
			n.check()
			r.close()
		}
	})
}

// TestCancelledTasksThatComeBack cancels an execution of a job while its tasks are on their way to a node that does not begin them: they do not
// begin here either.
func TestCancelledTasksThatComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began began
		n := newNodes(t, func(context.Context, runtime.RunCall) (runtime.Outcome, error) {
			time.Sleep(time.Minute)
			return runtime.Outcome{}, runtime.ErrPlaceUnused
		}, 3)
		r := newAwayRig(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			began.note(c.Info.Function)
			return sleep(time.Second)(ctx, c)
		}, 1, n)
		defer r.close()
		ids := r.submitTasks(4, 0)
		time.Sleep(30 * time.Second)
		job, err := r.store.GetExecution(tenant, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		before := began.of("hello")
		if _, _, _, err := r.store.CancelJobExecution(tenant, job.Task.JobExecution, time.Now()); err != nil {
			t.Fatal(err)
		}
		r.CancelGroup(job.Task.JobExecution)
		states := map[runtime.State]int{}
		for _, id := range ids {
			states[r.await(id).State]++
		}
		if after := began.of("hello"); before != 1 || after != 1 || states[runtime.StateCancelled] != 3 || states[runtime.StateSucceeded] != 1 {
			t.Errorf("%d tasks had begun, and %d in the end; %v", before, after, states)
		}
		r.DropGroup(job.Task.JobExecution)
		r.settled()
		n.check()
	})
}

// TestPauseOfRunsAway pauses a function whose runs are away: these go on, and no other begins.
func TestPauseOfRunsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began began
		run := func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			began.note(c.Info.Function)
			return sleep(time.Second)(ctx, c)
		}
		n := newNodes(t, run, 3)
		r := newAwayRig(t, run, 1, n)
		defer r.close()
		ids := r.submit(20, 0)
		time.Sleep(1500 * time.Millisecond)
		r.pause(r.origin, true)
		before := began.of("hello")
		time.Sleep(time.Hour)
		if after := began.of("hello"); after != before {
			t.Errorf("%d runs began after the pause", after-before)
		}
		if b := r.Backlog(); b.Active != 0 || b.Away != 0 || b.Paused != 20-before {
			t.Errorf("%+v after %d runs", b, before)
		}
		r.pause(r.origin, false)
		for _, id := range ids {
			if x := r.await(id); x.State != runtime.StateSucceeded || x.LostAttempts != 0 {
				t.Errorf("%+v", x)
			}
		}
		n.check()
	})
}

// TestStopLeavesRunsAway checks that a process that stops leaves its runs on other nodes to the next owner, without a word in the store.
func TestStopLeavesRunsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		causes := map[string]error{}
		n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			causes[c.Info.Execution] = context.Cause(ctx)
			return runtime.Outcome{}, ctx.Err()
		}, 3)
		r := newAwayRig(t, sleep(time.Second), 1, n)
		r.submit(4, 0)
		time.Sleep(2 * time.Second)
		r.Stop()
		<-r.Drained()
		left := map[string]runtime.Execution{}
		if err := r.store.EachUnfinished(func(x runtime.Execution) error {
			if x.State == runtime.StateRunning {
				left[x.ID] = x
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(left) != 3 || len(causes) != 3 {
			t.Errorf("%d are left running, %d calls have ended; want 3", len(left), len(causes))
		}
		for id, cause := range causes {
			if _, running := left[id]; !running || !errors.Is(cause, runtime.ErrOwnerLeaves) {
				t.Errorf("%s has ended with %v", id, cause)
			}
		}
		n.check()
		r.close()
	})
}

// countingNodes counts how often a place is asked for, and has one in the end, so that a dispatcher that asks without end is seen.
type countingNodes struct {
	*nodes
	asked, most int
}

func (n *countingNodes) Take(tenant runtime.Tenant, bytes int64, share int) (runtime.Place, bool) {
	if n.asked++; n.asked == n.most {
		n.resize(1)
	}
	return n.nodes.Take(tenant, bytes, share)
}

// The only queued run of a tenant that has as many runs here as it may, which a node has refused, looks for a place when one may have
// become free, and not again and again.
func TestRefusedRunDoesNotAskWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n *countingNodes
		n = &countingNodes{most: 1000, nodes: newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			if n.asked < n.most {
				n.resize(0)
				return runtime.Outcome{}, runtime.ErrPlaceUnused
			}
			return sleep(time.Second)(ctx, c)
		}, 1)}
		r := newRig(t, nil, 1)
		r.lend(sleep(20*time.Second), 2, n, r.store)
		defer r.close()
		r.origin.Use = runtime.NewTenantUse(runtime.TenantLimits{Runs: 1})
		r.origin.Use.SetNodes(2)
		ids := r.submit(2, 0)
		for _, id := range ids {
			if x := r.await(id); x.State != runtime.StateSucceeded {
				t.Errorf("%+v", x)
			}
		}
		if n.asked < 2 || n.asked > 50 {
			t.Errorf("it has asked for a place %d times in 20 seconds", n.asked)
		}
	})
}

// TestNodesOfAllKinds hammers a dispatcher with runs, cancellations and pauses while places come and go, and fail in all ways. Each
// run reaches one final state, no attempt runs twice, no run begins while its function is paused, and nothing is left.
func TestNodesOfAllKinds(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { testNodesOfAllKinds(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func testNodesOfAllKinds(t *testing.T, seed uint64) {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 7))
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	pausedSince := map[string]time.Time{}
	began := map[string]int{}
	begin := func(c runtime.RunCall) {
		mu.Lock()
		defer mu.Unlock()
		began[fmt.Sprint(c.Info.Execution, " ", c.Info.Attempt)]++
		if _, paused := pausedSince[c.Info.Function]; paused {
			t.Errorf("a run of %s began while it was paused", c.Info.Function)
		}
	}
	run := func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		begin(c)
		took := time.Duration(1+chance(3000)) * time.Millisecond
		o, err := sleep(took)(ctx, c)
		if chance(20) == 0 && err == nil {
			return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Message: "no"}}, nil
		}
		return o, err
	}
	n := newNodes(t, func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		switch chance(12) {
		case 0:
			time.Sleep(time.Duration(chance(300)) * time.Millisecond)
			return runtime.Outcome{}, runtime.ErrPlaceUnused
		case 1:
			begin(c)
			time.Sleep(time.Duration(chance(2000)) * time.Millisecond)
			return runtime.Outcome{}, runtime.ErrPlaceLost
		case 2:
			begin(c)
			return runtime.Outcome{}, runtime.ShuttingDownError()
		}
		return run(ctx, c)
	}, 4, 4)
	r := newAwayRig(t, run, 3, n)
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 12})
	use.SetNodes(3)
	origins := []*dispatch.Origin{r.origin, {Tenant: tenant, FunctionID: runtime.NewID(), Function: "limited", Version: 1, Use: use}}
	var ids []string
	for range 60 {
		switch chance(8) {
		case 0:
			r.origin = origins[0]
			ids = append(ids, r.submit(1+chance(9), chance(3))...)
		case 1, 2:
			ids = append(ids, r.submitAs(origins[chance(2)], runtime.Suspicion{}))
		case 3:
			if len(ids) > 0 {
				id := ids[chance(len(ids))]
				if x, changed, err := r.store.Cancel(tenant, id, time.Now()); err == nil && changed {
					if x.State.Terminal() {
						r.done.Notify(id)
						r.Forget(tenant, id)
					} else {
						r.Cancel(id)
					}
				}
			}
		case 4:
			o := origins[chance(2)]
			r.pause(o, true)
			synctest.Wait() // what has begun is noted
			mu.Lock()
			pausedSince[o.Function] = time.Now()
			mu.Unlock()
			time.Sleep(time.Duration(chance(4000)) * time.Millisecond)
			mu.Lock()
			delete(pausedSince, o.Function)
			mu.Unlock()
			r.pause(o, false)
		case 5:
			n.resize(chance(5))
		default:
			time.Sleep(time.Duration(chance(1500)) * time.Millisecond)
		}
	}
	n.resize(4)
	for _, id := range ids {
		x := r.await(id)
		if x.State == runtime.StateFailed && x.Failure.Class != runtime.ClassError {
			t.Errorf("%+v, %+v", x, x.Failure)
		}
	}
	for attempt, times := range began {
		if times != 1 {
			t.Errorf("attempt %s began %d times", attempt, times)
		}
	}
	r.settled()
	if u := use.Usage(); u.Runs != 0 || u.Queued != 0 {
		t.Errorf("the tenant has %d runs, and %d queued", u.Runs, u.Queued)
	}
	n.check()
	r.close()
}
