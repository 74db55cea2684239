package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// waiter is a run of the model.
type waiter struct {
	*Run
	state  string // queued, computes, waits, returns
	cancel context.CancelFunc
}

// idle is a cache that borrows, as idle instances do.
type idle struct {
	mu      sync.Mutex
	account *memory.Account
	takes   []int64
}

func (c *idle) reclaim(n int64) (freed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(c.takes) > 0 && freed < n; c.takes = c.takes[1:] {
		freed += c.takes[0]
		c.account.Give(c.takes[0])
	}
	return freed
}

func (c *idle) take(n int64) {
	if c.account.TakeFree(n) {
		c.mu.Lock()
		c.takes = append(c.takes, n)
		c.mu.Unlock()
	}
}

// Runs start, wait, go on and end at random, with idle instances that borrow what they lend: what all
// hold never exceeds the budget, and whatever state is reached, somebody can
// go on: if those that compute end, and what others wait for happens, all end.
func TestRunsThatWaitNeverBlockEachOther(t *testing.T) {
	for range 100 { // some states are rare
		rapid.Check(t, checkWaiting(t))
	}
}

func checkWaiting(t *testing.T) func(*rapid.T) {
	return func(rt *rapid.T) {
		budget := rapid.Int64Range(4, 60).Draw(rt, "budget")
		goBefore := rapid.SampledFrom([]uint64{1, 2, 5, maxOvertaken}).Draw(rt, "go before")
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [6]int64 {
			return [...]int64{
				rapid.Int64Range(0, 11).Draw(t, "kind"), rapid.Int64Range(0, 1000).Draw(t, "pick"),
				rapid.Int64Range(0, 1).Draw(t, "tenant"), rapid.Int64Range(0, 2).Draw(t, "function"),
				rapid.Int64Range(1, budget).Draw(t, "bytes"), rapid.Int64Range(0, budget).Draw(t, "holds"),
			}
		}), 0, 80).Draw(rt, "steps")
		var problem string
		synctest.Test(t, func(*testing.T) {
			w := newWorld(budget)
			w.a.goBefore = goBefore
			for _, s := range steps {
				if w.step(s); w.settle() != "" {
					break
				}
			}
			w.drain()
			problem = w.problem
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	}
}

type world struct {
	budget  *memory.Budget
	a       *Admission
	idle    *idle
	others  *memory.Account
	taken   int64 // by others
	mu      sync.Mutex
	runs    []*waiter
	failed  []error
	problem string
	usual   map[string]*Usual
}

func newWorld(budget int64) *world {
	w := &world{budget: memory.New(budget, nil), idle: &idle{}, usual: make(map[string]*Usual)}
	w.a = NewAdmission(w.budget, 12, 100)
	w.others = w.budget.Open(memory.Options{Name: "others", Requests: true})
	w.idle.account = w.budget.Open(memory.Options{Name: "idle", Borrows: true, Reclaim: w.idle.reclaim})
	return w
}

// in returns the runs in a state.
func (w *world) in(state string) (runs []*waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if r.state == state {
			runs = append(runs, r)
		}
	}
	return runs
}

func (w *world) set(r *waiter, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.state = state; state == "ended" {
		w.runs = slices.DeleteFunc(w.runs, func(o *waiter) bool { return o == r })
	}
}

func (w *world) step(s [6]int64) {
	kind, pick, bytes, holds := s[0], int(s[1]), s[4], s[5]
	computes, waits := w.in("computes"), w.in("waits")
	switch {
	case kind <= 2 && len(computes) > 0: // waits
		r := computes[pick%len(computes)]
		w.set(r, "waits")
		if pick%2 == 0 {
			r.Lend(min(holds, r.Bytes))
		} else {
			r.Park(min(holds, r.Bytes))
		}
	case kind <= 5 && len(waits) > 0: // wants to go on
		w.goOn(waits[pick%len(waits)])
	case kind == 6 && len(computes)+len(waits) > 0:
		r := append(computes, waits...)[pick%(len(computes)+len(waits))]
		w.set(r, "ended")
		r.Release()
	case kind == 7:
		w.idle.take(1 + bytes/4)
	case kind == 8: // such as the body of a request, which may stay as long as runs do not end
		if n := 1 + bytes/4; w.others.TryTake(n) {
			w.taken += n
		}
	case kind == 9:
		if returns := w.in("returns"); len(returns) > 0 {
			returns[pick%len(returns)].cancel()
		}
	default:
		name := fmt.Sprint(s[2], s[3])
		if w.usual[name] == nil {
			w.usual[name] = new(Usual)
		}
		r := &waiter{&Run{
			Tenant: runtime.Tenant(fmt.Sprint(s[2])), Function: name, Group: name, Bytes: min(bytes, w.a.Largest()), Usual: w.usual[name],
		}, "queued", nil}
		w.mu.Lock()
		w.runs = append(w.runs, r)
		w.mu.Unlock()
		w.a.Enqueue(r.Run, func(refused bool) { w.set(r, "computes") })
	}
}

func (w *world) goOn(r *waiter) {
	w.set(r, "returns")
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() {
		defer r.cancel()
		switch err := r.Reclaim(ctx, 1000*time.Hour); err {
		case nil:
			w.set(r, "computes")
		case context.Canceled:
			w.set(r, "ended")
			r.Release()
		default:
			w.mu.Lock()
			w.failed = append(w.failed, err)
			w.mu.Unlock()
		}
	}()
}

// settle waits until nothing changes any more, and checks what must hold then.
func (w *world) settle() string {
	synctest.Wait()
	if len(w.in("returns")) > 0 || len(w.in("queued")) > 0 {
		time.Sleep(time.Second) // idle instances are given up meanwhile
		synctest.Wait()
	}
	held := int64(0)
	w.mu.Lock()
	for _, r := range w.runs {
		if r.state == "computes" && r.charged != r.Bytes {
			w.fail("it computes with less than it may use: %v", r)
		}
		if r.state != "queued" {
			held += r.charged
		}
	}
	failed := w.failed
	w.mu.Unlock()
	idle := w.idle.account.Held()
	if held+idle > w.a.Largest() || w.a.memory.Held() != held || w.budget.Used()-w.a.memory.Lent() != held+idle+w.taken {
		w.fail("%d bytes are held by runs and %d by idle instances, of %d; %d are counted", held, idle, w.a.Largest(), w.a.memory.Held())
	}
	if len(failed) > 0 {
		w.fail("%v", failed)
	}
	if returns := w.in("returns"); len(returns) > 0 && len(w.in("computes"))+len(w.in("waits")) == 0 {
		w.fail("%d runs want to go on, nobody computes, and none goes on: %v", len(returns), returns[0])
	}
	return w.problem
}

// fail notes the first problem.
func (w *world) fail(format string, args ...any) {
	if w.problem == "" {
		w.problem = fmt.Sprintf(format, args...)
	}
}

// drain ends all runs, and checks that nothing is left.
func (w *world) drain() {
	for round := 0; len(w.runs) > 0; round++ {
		if len(w.in("queued")) == len(w.runs) { // what others hold may leave no room to those that have not started
			w.others.Give(w.taken)
			w.taken = 0
			w.settle()
		}
		for _, r := range w.in("waits") {
			w.goOn(r)
		}
		synctest.Wait()
		for _, r := range w.in("computes") {
			w.set(r, "ended")
			r.Release()
		}
		w.settle()
		if w.problem != "" || round > 1000 {
			w.fail("%d runs never end: %s %v; %d used of %d, %d of runs, %d idle, %d others, %+v", len(w.runs), w.runs[0].state, w.runs[0], w.budget.Used(), w.a.Largest(), w.a.memory.Held(), w.idle.account.Held(), w.taken, w.a.all)
			w.a.Stop()
			for _, r := range w.in("returns") {
				r.cancel()
			}
			synctest.Wait()
			return
		}
	}
	w.idle.reclaim(1 << 40)
	w.others.Give(w.taken)
	if w.budget.Used() != 0 || w.a.owed != 0 || w.a.kept != 0 || w.a.ages.order.Len() != 0 || w.budget.Heap() != 0 {
		w.fail("in the end %d bytes are used, %d owed, %d kept, %d on Go's heap", w.budget.Used(), w.a.owed, w.a.kept, w.budget.Heap())
	}
	for key, s := range w.a.shares {
		if s.bytes != 0 || s.runs != 0 || s.computing != 0 || s.asleep != 0 || len(s.returning) != 0 {
			w.fail("in the end %v has %+v", key, s)
		}
	}
}
