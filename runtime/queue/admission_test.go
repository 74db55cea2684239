package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// mirror is a slow model of Admission: one list of the waiting runs, in order of arrival, and the
// order of turns of tenants and functions, searched each time.
type mirror struct {
	free, budget  int64
	running, max  int
	waiting       []*mirrored
	tenants       []runtime.Tenant            // next in turn first
	functions     map[runtime.Tenant][]string // next in turn first
	admittedNow   []int                       // ids, in order
	mostOvertaken int
}

type mirrored struct {
	id        int
	tenant    runtime.Tenant
	function  string
	bytes     int64
	overtaken int
}

// next returns the runs of a tenant that may start next: the first one of each function.
func (m *mirror) next(t runtime.Tenant) (all []*mirrored) {
	for _, f := range m.functions[t] {
		for _, w := range m.waiting {
			if w.tenant == t && w.function == f {
				all = append(all, w)
				break
			}
		}
	}
	return all
}

// tidy removes the turns of tenants and functions without waiting runs, and appends new ones.
func (m *mirror) tidy() {
	has := func(t runtime.Tenant, f string) bool {
		for _, w := range m.waiting {
			if w.tenant == t && (f == "" || w.function == f) {
				return true
			}
		}
		return false
	}
	var tenants []runtime.Tenant
	for _, t := range m.tenants {
		if has(t, "") {
			tenants = append(tenants, t)
			var functions []string
			for _, f := range m.functions[t] {
				if has(t, f) {
					functions = append(functions, f)
				}
			}
			m.functions[t] = functions
		} else {
			delete(m.functions, t)
		}
	}
	m.tenants = tenants
}

func (m *mirror) arrive(w *mirrored) {
	m.waiting = append(m.waiting, w)
	known := false
	for _, t := range m.tenants {
		known = known || t == w.tenant
	}
	if !known {
		m.tenants = append(m.tenants, w.tenant)
	}
	known = false
	for _, f := range m.functions[w.tenant] {
		known = known || f == w.function
	}
	if !known {
		m.functions[w.tenant] = append(m.functions[w.tenant], w.function)
	}
	m.admit()
}

func (m *mirror) leave(id int) {
	for i, w := range m.waiting {
		if w.id == id {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			break
		}
	}
	m.tidy()
	m.admit()
}

// candidates returns the runs that may start next, in turn.
func (m *mirror) candidates() (all []*mirrored) {
	for _, t := range m.tenants {
		all = append(all, m.next(t)...)
	}
	return all
}

func (m *mirror) admit() {
search:
	for m.running < m.max {
		var passed []*mirrored
		for _, w := range m.candidates() {
			t := w.tenant
			if w.bytes > m.free {
				if w.overtaken >= maxOvertaken {
					return
				}
				passed = append(passed, w)
				continue
			}
			for _, p := range passed {
				p.overtaken++
				m.mostOvertaken = max(m.mostOvertaken, p.overtaken)
			}
			m.free -= w.bytes
			m.running++
			m.admittedNow = append(m.admittedNow, w.id)
			m.tenants = append(remove(m.tenants, t), t)
			m.functions[t] = append(remove(m.functions[t], w.function), w.function)
			m.waiting = remove(m.waiting, w)
			m.tidy()
			continue search
		}
		return
	}
}

func remove[T comparable](from []T, x T) []T {
	var rest []T
	for _, y := range from {
		if y != x {
			rest = append(rest, y)
		}
	}
	return rest
}

// Runs arrive, end and give up at random: the Admission admits the same runs as the model, at the
// same times. Everything waits for a bubble of goroutines to settle, so each step is seen whole.
func TestAdmissionMatchesItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		budget := rapid.Int64Range(1, 15).Draw(rt, "budget") // too small for a reserve
		maxRuns := rapid.IntRange(1, 6).Draw(rt, "max runs")
		type step struct {
			kind, pick, tenant, function int
			bytes                        int64
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				rapid.IntRange(0, 5).Draw(t, "kind"), rapid.IntRange(0, 1000).Draw(t, "pick"),
				rapid.IntRange(0, 3).Draw(t, "tenant"), rapid.IntRange(0, 2).Draw(t, "function"),
				rapid.Int64Range(1, budget).Draw(t, "bytes"),
			}
		}), 0, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			a := newRunning(memory.New(budget, nil), maxRuns, 1000)
			m := &mirror{free: budget, budget: budget, max: maxRuns, functions: map[runtime.Tenant][]string{}}
			var mu sync.Mutex
			admitted := map[int]int64{} // bytes of what runs
			cancels := map[int]context.CancelFunc{}
			for id, s := range steps {
				var running []int
				for r := range id {
					if _, ok := admitted[r]; ok {
						running = append(running, r)
					}
				}
				switch {
				case s.kind == 0 && len(m.waiting) > 0:
					w := m.waiting[s.pick%len(m.waiting)]
					m.leave(w.id)
					cancels[w.id]()
				case s.kind <= 2 && len(running) > 0:
					r := running[s.pick%len(running)]
					m.free += admitted[r]
					m.running--
					m.admit()
					a.Release(admitted[r])
					mu.Lock()
					delete(admitted, r)
					mu.Unlock()
				default:
					w := &mirrored{id: id, tenant: runtime.Tenant(fmt.Sprint(s.tenant)), function: fmt.Sprint(s.function), bytes: s.bytes}
					ctx, cancel := context.WithCancel(context.Background())
					cancels[id] = cancel
					m.arrive(w)
					go func() {
						if a.Acquire(ctx, w.tenant, w.function, w.bytes, 0) == nil {
							mu.Lock()
							admitted[id] = w.bytes
							mu.Unlock()
						}
					}()
				}
				synctest.Wait()
				mu.Lock()
				for _, id := range m.admittedNow {
					if _, ok := admitted[id]; !ok {
						t.Fatalf("run %d should have been admitted", id)
					}
				}
				if len(admitted) != m.running || a.memory.Largest()-a.memory.Held() != m.free || a.Running() != m.running || a.queue.Len() != len(m.waiting) {
					t.Fatalf("%d runs, %d bytes free and %d waiting, want %d, %d and %d",
						len(admitted), a.memory.Largest()-a.memory.Held(), a.queue.Len(), m.running, m.free, len(m.waiting))
				}
				m.admittedNow = nil
				mu.Unlock()
			}
			a.Stop()
			synctest.Wait()
			if a.queue.Len() != 0 || len(a.queue.tenants) != 0 || a.queue.order.Len() != 0 {
				t.Fatalf("the queue still has %+v", a.queue)
			}
			for _, cancel := range cancels {
				cancel()
			}
		})
	})
}

// running is an Admission whose runs are known by their size. No function and no tenant has a share.
type running struct {
	*Admission
	mu   sync.Mutex
	runs map[int64][]*Run // that were acquired or enqueued, by their bytes
	pool []*Run
}

func newRunning(b *memory.Budget, maxRuns, queueLimit int) *running {
	a := &running{Admission: NewAdmission(b, maxRuns, queueLimit), runs: make(map[int64][]*Run)}
	a.mostOfFunction, a.mostOfTenant = math.MaxInt64, math.MaxInt64
	return a
}

func (a *running) run(tenant runtime.Tenant, group string, bytes int64) *Run {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &Run{}
	if n := len(a.pool); n > 0 {
		r, a.pool = a.pool[n-1], a.pool[:n-1]
	}
	r.Tenant, r.Function, r.Group, r.Bytes = tenant, group, group, bytes
	return r
}

func (a *running) Acquire(ctx context.Context, tenant runtime.Tenant, group string, bytes, holds int64) error {
	r := a.run(tenant, group, bytes)
	if err := a.Admission.Acquire(ctx, r, holds); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs[bytes] = append(a.runs[bytes], r)
	return nil
}

func (a *running) Enqueue(tenant runtime.Tenant, group string, bytes int64, notify func(bool)) {
	r := a.run(tenant, group, bytes)
	a.Admission.Enqueue(r, func(refused bool) {
		a.mu.Lock()
		a.runs[bytes] = append(a.runs[bytes], r)
		a.mu.Unlock()
		notify(refused)
	})
}

// Release releases a run of some bytes.
func (a *running) Release(bytes int64) {
	a.mu.Lock()
	runs := a.runs[bytes]
	r := runs[len(runs)-1]
	a.runs[bytes] = runs[:len(runs)-1]
	a.mu.Unlock()
	r.Release()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pool = append(a.pool, r)
}

// wait starts to wait for a run in the background, and sends its id once it is admitted.
func wait(a *running, admitted chan<- string, id string, tenant runtime.Tenant, function string, bytes int64) {
	go func() {
		if a.Acquire(context.Background(), tenant, function, bytes, 0) == nil {
			admitted <- id
		}
	}()
	synctest.Wait()
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(1, nil), 10, 1000)
		if err := a.Acquire(context.Background(), "x", "f", 1, 0); err != nil {
			t.Fatal(err)
		}
		admitted := make(chan string, 100)
		for i := range 3 {
			wait(a, admitted, fmt.Sprint("a.f", i), "a", "f", 1)
		}
		for i := range 2 {
			wait(a, admitted, fmt.Sprint("a.g", i), "a", "g", 1)
		}
		for i := range 2 {
			wait(a, admitted, fmt.Sprint("b.f", i), "b", "f", 1)
		}
		for _, want := range []string{"a.f0", "b.f0", "a.g0", "b.f1", "a.f1", "a.g1", "a.f2"} {
			a.Release(1)
			if got := <-admitted; got != want {
				t.Fatalf("%s has its turn, want %s", got, want)
			}
		}
	})
}

// A tenant with ten thousand runs waiting does not keep another one from its
// next turn, nor out of the queue.
func TestAFloodOfOneTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(1, nil), 10, 10_000)
		if err := a.Acquire(context.Background(), "flood", "f", 1, 0); err != nil {
			t.Fatal(err)
		}
		var refused atomic.Int32
		admitted := make(chan string, 20_000)
		for range 12_000 {
			go func() {
				switch err := a.Acquire(context.Background(), "flood", "f", 1, 0); runtime.CodeOf(err) {
				case "":
					admitted <- "flood"
				case runtime.CodeTooBusy:
					if e, _ := runtime.AsError(err); e.RetryAfter <= 0 {
						t.Error("there is no Retry-After")
					}
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if refused.Load() != 12_000-8_750 {
			t.Fatalf("%d of 12,000 were refused, want all beyond seven eighths of the queue", refused.Load())
		}
		for range 100 {
			wait(a, admitted, "other", "other", "f", 1)
			a.Release(1)
			if <-admitted == "other" {
				continue
			}
			a.Release(1)
			if got := <-admitted; got != "other" {
				t.Fatalf("%s had two turns before the other tenant had one", got)
			}
		}
		a.Stop()
	})
}

// A run that needs the whole budget gets it in bounded time though smaller ones
// of another tenant keep coming, and those are not held up at once.
func TestALargeRunIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(10, nil), 100, 100_000)
		for range 10 {
			if err := a.Acquire(context.Background(), "small", "f", 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		admitted := make(chan string, 1000)
		wait(a, admitted, "large", "large", "f", 10)
		overtaken := 0
		for {
			wait(a, admitted, "small", "small", "f", 1)
			a.Release(1)
			synctest.Wait()
			if len(admitted) == 0 {
				break
			}
			if got := <-admitted; got != "small" {
				t.Fatalf("%s run was admitted", got)
			}
			overtaken++
		}
		if overtaken != maxOvertaken {
			t.Fatalf("%d small runs passed the large one, want %d", overtaken, maxOvertaken)
		}
		for range 9 {
			a.Release(1)
		}
		if got := <-admitted; got != "large" {
			t.Fatalf("%s run was admitted after all small ones ended", got)
		}
		a.Release(10)
		if got := <-admitted; got != "small" {
			t.Fatalf("%s run was admitted", got)
		}
		a.Stop()
	})
}

func TestWaiterThatGivesUp(t *testing.T) {
	for cause, code := range map[error]runtime.Code{context.Canceled: runtime.CodeUnavailable, context.DeadlineExceeded: runtime.CodeTooBusy} {
		synctest.Test(t, func(t *testing.T) {
			a := newRunning(memory.New(10, nil), 10, 10)
			if err := a.Acquire(context.Background(), "a", "f", 5, 0); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			if cause == context.DeadlineExceeded {
				ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			}
			defer cancel()
			left := make(chan error, 1)
			go func() { left <- a.Acquire(ctx, "a", "f", 10, 0) }() // holds up its function
			synctest.Wait()
			admitted := make(chan string, 1)
			wait(a, admitted, "next", "a", "f", 5)
			if len(admitted) != 0 {
				t.Fatal("a run of the same function passed")
			}
			if cause == context.Canceled {
				cancel()
			}
			err := <-left
			if runtime.CodeOf(err) != code || !errors.Is(err, cause) {
				t.Fatalf("got %v, want %s", err, code)
			}
			if got := <-admitted; got != "next" {
				t.Fatal(got)
			}
		})
	}
}

func TestMaxRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(1066, nil), 2, 10)
		admitted := make(chan string, 10)
		for i := range 4 {
			wait(a, admitted, fmt.Sprint(i), "a", "f", 1)
		}
		if len(admitted) != 2 {
			t.Fatalf("%d runs at once, want 2", len(admitted))
		}
		a.Release(1)
		synctest.Wait()
		if len(admitted) != 3 {
			t.Fatalf("%d runs admitted after the first ended, want 3", len(admitted))
		}
		a.Stop()
	})
}

func TestNothingIsAdmittedOnceShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(1, nil), 10, 10)
		if err := a.Acquire(context.Background(), "a", "f", 1, 0); err != nil {
			t.Fatal(err)
		}
		refused := make(chan error, 1)
		go func() { refused <- a.Acquire(context.Background(), "a", "f", 1, 0) }()
		synctest.Wait()
		a.Stop()
		if err := <-refused; runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Fatal(err)
		}
		a.Release(1)
		if err := a.Acquire(context.Background(), "a", "f", 1, 0); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Fatal(err)
		}
	})
}

// Many tenants at once, some of which give up: the reserved memory never exceeds the budget, and
// all of it is released.
func TestAdmissionHammer(t *testing.T) {
	const budget, maxRuns = 50, 7
	a := newRunning(memory.New(budget+budget/15, nil), maxRuns, 20)
	var out, runs, served atomic.Int64
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 400 {
				bytes := 1 + rng.Int64N(budget)
				ctx, cancel := context.WithCancel(context.Background())
				if rng.IntN(3) == 0 {
					go cancel()
				}
				err := a.Acquire(ctx, runtime.Tenant(fmt.Sprint(rng.IntN(4))), fmt.Sprint(rng.IntN(3)), bytes, 0)
				if err == nil {
					if out.Add(bytes) > budget || runs.Add(1) > maxRuns {
						t.Error("more is out than there is")
					}
					served.Add(1)
					out.Add(-bytes)
					runs.Add(-1)
					a.Release(bytes)
				} else if code := runtime.CodeOf(err); code != runtime.CodeTooBusy && code != runtime.CodeUnavailable && code != runtime.CodeInvalidArgument {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if a.memory.Held() != 0 || a.Running() != 0 || a.queue.Len() != 0 || len(a.queue.tenants) != 0 || served.Load() == 0 {
		t.Fatalf("afterwards: %+v, %d served", a, served.Load())
	}
}

// Another holder gives back the last bytes while runs of all sizes come: none is forgotten.
func TestNoRunMissesWhatIsFreed(t *testing.T) {
	const share = 32
	b := memory.New(29*share, nil)
	a := newRunning(b, 100, 100)
	others := b.Open(memory.Options{Name: "others"})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var pieces []int64
		for free := others.Free(); free > 0; free = others.Free() {
			n := min(1+rng.Int64N(free), free)
			if !others.TryTake(n) {
				t.Fatal("what is free cannot be taken")
			}
			pieces = append(pieces, n)
		}
		var wg sync.WaitGroup
		for range 3 {
			bytes := 1 + rng.Int64N(a.Largest())
			wg.Go(func() {
				if err := a.Acquire(t.Context(), "a", fmt.Sprint(bytes), bytes, 0); err == nil {
					a.Release(bytes)
				} else if runtime.CodeOf(err) != runtime.CodeTooBusy { // it is refused if it would not fit now
					t.Error(err)
				}
			})
			wg.Go(func() {
				admitted := make(chan struct{})
				a.Enqueue("b", fmt.Sprint(bytes), bytes, func(bool) { close(admitted) })
				<-admitted
				a.Release(bytes)
			})
		}
		wg.Go(func() {
			for _, n := range pieces {
				others.Give(n)
			}
		})
		wg.Wait()
	}
	if b.Used() != 0 {
		t.Errorf("%d bytes are held in the end", b.Used())
	}
}

func TestAnUncontendedRunDoesNotAllocate(t *testing.T) {
	a := NewAdmission(memory.New(10, nil), 10, 10)
	ctx := context.Background()
	r := &Run{Tenant: "a", Function: "f", Group: "f", Bytes: 2, Usual: new(Usual)}
	if n := testing.AllocsPerRun(100, func() {
		if err := a.Acquire(ctx, r, 0); err != nil {
			t.Fatal(err)
		}
		r.Lend(1)
		if err := r.Reclaim(ctx, time.Second); err != nil {
			t.Fatal(err)
		}
		r.Release()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// Runs that are parked do not count towards the runs at once, whichever way they end or go on.
func TestParkedRunsDoNotCount(t *testing.T) {
	b := memory.New(1<<30, nil)
	a := NewAdmission(b, 2, 100)
	ctx := t.Context()
	start := func(name string) *Run {
		r := &Run{Tenant: runtime.Tenant(name), Function: name, Group: name, Bytes: 10}
		if !a.TryAcquire(r, 0) {
			return nil
		}
		return r
	}
	first, second := start("a"), start("b")
	if first == nil || second == nil || start("c") != nil {
		t.Fatal("two runs may run at once")
	}
	started := make(chan *Run)
	go func() {
		r := &Run{Tenant: "c", Function: "c", Group: "c", Bytes: 10}
		if err := a.Acquire(ctx, r, 0); err != nil {
			t.Error(err)
		}
		started <- r
	}()
	first.Lend(1) // it has an interpreter
	if start("d") != nil {
		t.Fatal("a run that waits in its interpreter does not count")
	}
	second.Park(1)
	third := <-started
	if a.Running() != 3 || start("d") != nil {
		t.Fatalf("%d runs are admitted", a.Running())
	}
	if err := second.Reclaim(ctx, time.Minute); err != nil { // it need not wait for the others
		t.Fatal(err)
	}
	third.Park(1)
	if start("d") != nil {
		t.Fatal("a run that goes on does not count")
	}
	for _, r := range []*Run{third, second, first} {
		r.Release()
	}
	if a.Running() != 0 || a.parked != 0 || b.Used() != 0 {
		t.Errorf("%d runs, %d parked, and %d bytes are left", a.Running(), a.parked, b.Used())
	}
	if start("a") == nil || start("b") == nil || start("c") != nil {
		t.Error("two runs may run at once")
	}
}

func BenchmarkAdmission(b *testing.B) {
	a := NewAdmission(memory.New(1<<40, nil), 1000, 1000)
	ctx := context.Background()
	r := &Run{Tenant: "a", Function: "f", Group: "f", Bytes: 2}
	for _, waits := range []bool{false, true} {
		b.Run(fmt.Sprintf("waits=%v", waits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Acquire(ctx, r, 0); err != nil {
					b.Fatal(err)
				}
				if waits {
					r.Lend(1)
					if err := r.Reclaim(ctx, time.Second); err != nil {
						b.Fatal(err)
					}
				}
				r.Release()
			}
		})
	}
}

// BenchmarkAdmissionQueued measures a run that waits behind a thousand others.
func BenchmarkAdmissionQueued(b *testing.B) {
	a := newRunning(memory.New(1, nil), 1000, 100_000)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			for a.Acquire(ctx, runtime.Tenant(fmt.Sprint(i%10)), fmt.Sprint(i%100), 1, 0) == nil {
				a.Release(1)
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if a.Acquire(ctx, "a", "f", 1, 0) == nil {
			a.Release(1)
		}
	}
	cancel()
	a.Stop()
	wg.Wait()
}

// Memory that others hold is not there for runs, and a run that waits starts as soon as they give it
// back.
func TestAdmissionSharesTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(10, nil)
		a := newRunning(b, 10, 10)
		others := b.Open(memory.Options{Name: "others"})
		if err := a.Acquire(t.Context(), "a", "f", 3, 0); err != nil {
			t.Fatal(err)
		}
		if !others.TryTake(4) || others.TryTake(4) {
			t.Fatal("others do not see what runs hold")
		}
		admitted := make(chan string, 10)
		wait(a, admitted, "5", "a", "f", 5)
		wait(a, admitted, "1", "b", "f", 1) // overtakes
		if len(admitted) != 1 || <-admitted != "1" || b.Used() != 8 {
			t.Fatalf("%d were admitted, %d bytes are used", len(admitted), b.Used())
		}
		if a.TryAcquire(&Run{Bytes: 1}, 0) {
			t.Error("a run starts before those that wait")
		}
		others.Give(4)
		synctest.Wait()
		if len(admitted) != 1 || b.Used() != 9 {
			t.Fatalf("after others have given back: %d bytes are used", b.Used())
		}
		for _, bytes := range []int64{3, 1, 5} {
			a.Release(bytes)
		}
		if b.Used() != 0 {
			t.Errorf("in the end %d bytes are used", b.Used())
		}
	})
}

// A caller with a request does not wait if requests leave no room for its run: it is refused, so that
// its request makes room for the run of another.
func TestCallersDoNotWaitForEachOthersRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large = 2 * memory.SmallTake
		b := memory.New(16*large, nil)
		a := newRunning(b, 10, 100)
		bodies := b.Open(memory.Options{Name: "bodies", Requests: true, Yields: true})
		var refused, done atomic.Int32
		for range 10 {
			if !bodies.TryTake(large) {
				t.Fatal("a body does not fit")
			}
		}
		for range 10 { // they hold 10 of 16, and each needs 8 to run
			go func() {
				defer bodies.Give(large)
				switch err := a.Acquire(t.Context(), "a", "f", 8*large, large); runtime.CodeOf(err) {
				case "":
					done.Add(1)
					a.Release(8 * large)
				case runtime.CodeTooBusy:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}()
			synctest.Wait() // one that is refused gives back what it holds before the next one asks
		}
		if done.Load() == 0 || done.Load()+refused.Load() != 10 {
			t.Errorf("%d ran and %d were refused of 10", done.Load(), refused.Load())
		}
	})
}

// While a run waits, accounts that yield get what it does not want and no more, in large takes or in
// small ones, and those that came late get nothing of what a run gives back before the one that waits.
func TestRequestsYieldToRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large = 2 * memory.SmallTake
		b := memory.New(16*large, nil)
		a := newRunning(b, 10, 100)
		bodies := b.Open(memory.Options{Name: "bodies", Requests: true, Yields: true})
		if err := a.Acquire(t.Context(), "a", "f", 10*large, 0); err != nil {
			t.Fatal(err)
		}
		admitted := make(chan string, 1)
		wait(a, admitted, "next", "a", "f", 14*large) // 14.5 are for runs
		taken := int64(0)
		for bodies.TryTake(large) {
			taken++
		}
		if taken != 1 {
			t.Errorf("%d large requests were admitted while a run waits, want 1", taken)
		}
		small := int64(0)
		for bodies.TryTake(memory.SmallTake) {
			small++
		}
		if small != 2 {
			t.Errorf("%d small requests were admitted while a run waits, want 2", small)
		}
		late := make(chan error, 1)
		go func() { late <- bodies.Take(t.Context(), 8*large) }()
		synctest.Wait()
		bodies.Give(large)
		for range small {
			bodies.Give(memory.SmallTake)
		}
		a.Release(10 * large)
		synctest.Wait()
		if len(admitted) != 1 || len(late) != 0 {
			t.Errorf("%d runs and %d requests got what a run gave back", len(admitted), len(late))
		}
		a.Release(14 * large)
		if err := <-late; err != nil {
			t.Error(err)
		}
	})
}

// A run that would not fit even if all others ended waits, but holds up nobody.
func TestRunThatCannotFitHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(10, nil)
		a := newRunning(b, 10, 1000)
		others := b.Open(memory.Options{Name: "others"})
		if !others.TryTake(1) {
			t.Fatal("nothing is free")
		}
		if err := a.Acquire(t.Context(), "a", "large", 10, 0); runtime.CodeOf(err) != runtime.CodeTooBusy {
			t.Fatalf("a caller that cannot be served soon: %v", err)
		}
		begun := false
		a.Enqueue("a", "large", 10, func(bool) { begun = true })
		for i := range 3 * maxOvertaken {
			if err := a.Acquire(t.Context(), "a", "small", 5, 0); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			a.Release(5)
		}
		others.Give(1)
		synctest.Wait()
		if !begun {
			t.Error("the large run does not start although all is free")
		}
		a.Release(10)
	})
}

// What a run says that it holds counts up to what it may use.
func TestUsualIsBounded(t *testing.T) {
	a := NewAdmission(memory.New(10, nil), 10, 10)
	r := &Run{Tenant: "a", Function: "f", Group: "f", Bytes: 2, Usual: new(Usual)}
	if err := a.Acquire(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	r.Lend(1 << 62)
	if err := r.Reclaim(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	r.Release()
	if n := r.Usual.Bytes(); n != 2 {
		t.Errorf("a run of 2 bytes usually holds %d", n)
	}
}
