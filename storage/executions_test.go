package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// begin accepts and starts one execution.
func begin(t testing.TB, s *Store, c *clerk) runtime.Execution {
	t.Helper()
	batch := c.batch(1)
	_, _, err := s.Accept(batch, nil)
	must(t, err)
	return startAgain(t, s, batch[0].Execution)
}

func startAgain(t testing.TB, s *Store, x runtime.Execution) runtime.Execution {
	t.Helper()
	x.State, x.Attempt, x.Started, x.NotBefore = runtime.StateRunning, x.Attempt+1, x.Created, time.Time{}
	refused, err := s.Start([]runtime.Lease{{Tenant: x.Tenant, ID: x.ID, Attempt: x.Attempt, Started: x.Started}})
	must(t, errors.Join(append(refused, err)...))
	return x
}

// The result of an earlier attempt does not end a later one, in any order.
func TestLateResultsAreRefused(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	first := begin(t, s, c)
	again := first
	again.State, again.PlatformFailures, again.NotBefore = runtime.StateQueued, 1, c.at.Add(time.Minute)
	settled, err := s.Finish([]runtime.Execution{again}, c.at)
	must(t, errors.Join(err, settled[0].Err))
	again = settled[0].Execution
	if again.State != runtime.StateQueued || again.Attempt != 1 || again.PlatformFailures != 1 || again.NotBefore.IsZero() {
		t.Fatalf("it was queued again as %+v", again)
	}
	second := startAgain(t, s, again)
	settled, err = s.Finish([]runtime.Execution{ended(first), ended(second)}, c.at)
	must(t, err)
	if !errors.Is(settled[0].Err, runtime.ErrLease) || settled[1].Err != nil {
		t.Fatalf("the late result returned %v, the other %v", settled[0].Err, settled[1].Err)
	}
	x, err := s.GetExecution(first.Tenant, first.ID)
	must(t, err)
	if x.Attempt != 2 || !x.State.Terminal() || x.PlatformFailures != 1 {
		t.Fatalf("it ended as %+v", x)
	}
	checkInvariants(t, s)
}

func TestMissingExecutions(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x := begin(t, s, c)
	for _, who := range []struct {
		tenant runtime.Tenant
		id     string
	}{{"other", x.ID}, {x.Tenant, c.done().ID}, {x.Tenant, "../x"}, {x.Tenant, ""}, {"", x.ID}} {
		_, err := s.GetExecution(who.tenant, who.id)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = s.GetArgs(who.tenant, who.id)
		wantCode(t, err, runtime.CodeNotFound)
		_, _, err = s.GetLogs(who.tenant, who.id, runtime.LogPosition{})
		wantCode(t, err, runtime.CodeNotFound)
		_, _, err = s.Cancel(who.tenant, who.id, c.at)
		wantCode(t, err, runtime.CodeNotFound)
	}
	_, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "no cursor", 10)
	wantCode(t, err, runtime.CodeInvalidArgument)
	done := c.done()
	must(t, s.Record([]runtime.Execution{done}))
	got, err := s.GetExecutions("default", []string{done.ID, "x", c.queued().ID, x.ID, done.ID})
	must(t, err)
	if got[1] != nil || got[2] != nil || got[0].ID != done.ID || got[3].ID != x.ID || got[4].ID != done.ID {
		t.Fatalf("in bulk: %v", got)
	}
	if args, err := s.GetArgs("default", done.ID); err != nil || args != nil {
		t.Fatalf("an execution without args has %q, %v", args, err)
	}
	if _, page, err := s.GetLogs("default", x.ID, runtime.LogPosition{}); err != nil || page.Logs.Data != nil {
		t.Fatalf("a running execution has the logs %v, %v", page.Logs, err)
	}
}

func TestQueueContractViolations(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	fresh := func(change func(*runtime.Execution)) runtime.Execution {
		x := c.queued()
		change(&x)
		return x
	}
	for what, x := range map[string]runtime.Execution{
		"id":       fresh(func(x *runtime.Execution) { x.ID = "1" }),
		"tenant":   fresh(func(x *runtime.Execution) { x.Tenant = "" }),
		"function": fresh(func(x *runtime.Execution) { x.Function = "" }),
		"UTF-8":    fresh(func(x *runtime.Execution) { x.Function = "\xff" }),
		"kind":     fresh(func(x *runtime.Execution) { x.Kind = "" }),
		"state":    fresh(func(x *runtime.Execution) { x.State = runtime.StateRunning }),
	} {
		good := runtime.Accepted{Execution: c.queued()}
		_, _, err := s.Accept([]runtime.Accepted{good, {Execution: x}}, nil)
		if wantCode(t, err, runtime.CodeInternal); s.Record([]runtime.Execution{x}) == nil {
			t.Errorf("%s: the execution is recorded", what)
		}
		if _, err := s.Finish([]runtime.Execution{x}, c.at); err == nil {
			t.Errorf("%s: the execution is finished", what)
		}
	}
	batch := c.batch(2)
	for what, err := range map[string]error{
		"none":    second(s.Accept(nil, nil)),
		"twice":   second(s.Accept([]runtime.Accepted{batch[0], batch[0]}, nil)),
		"key":     second(s.Accept(batch, &runtime.IdempotencyKey{Now: c.at})),
		"lease":   func() error { _, err := s.Start([]runtime.Lease{{Tenant: "t", ID: batch[0].Execution.ID}}); return err }(),
		"running": s.Record([]runtime.Execution{fresh(func(x *runtime.Execution) { x.State = runtime.StateRunning })}),
	} {
		if runtime.CodeOf(err) != runtime.CodeInternal {
			t.Errorf("%s: %v, want internal", what, err)
		}
	}
	x := begin(t, s, c)
	x.Function = "another"
	if _, err := s.Finish([]runtime.Execution{ended(x)}, c.at); runtime.CodeOf(err) != runtime.CodeInternal {
		t.Errorf("an execution of another function is finished: %v", err)
	}
	if n, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 10); err != nil || len(n) != 1 {
		t.Fatalf("the executions are %v, %v", n, err)
	}
	checkInvariants(t, s)
}

func second(_ []string, _ bool, err error) error { return err }

// Of the requests that arrive with one key at the same time, one is accepted and the others get its
// ids, also after a restart.
func TestIdempotencyOfManyAtOnce(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	// Large batches leave time between the lookup of a key and the write.
	const rounds, size = 20, 200
	for round := range rounds {
		key := &runtime.IdempotencyKey{Key: fmt.Sprint(round), Now: start}
		var first atomic.Int32
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			batch := c.batch(size)
			wg.Go(func() {
				<-begin
				if _, replayed, err := s.Accept(batch, key); err != nil || !replayed {
					first.Add(1)
				}
			})
		}
		close(begin)
		wg.Wait()
		if n := first.Load(); n != 1 {
			t.Fatalf("round %d: %d of the concurrent requests were first", round, n)
		}
	}
	key := &runtime.IdempotencyKey{Key: "k", Hash: [32]byte{1}, Now: start}
	answers := make([][]string, 100)
	var first atomic.Int32
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			ids, replayed, err := s.Accept(c.batch(3), key)
			if err != nil {
				t.Error(err)
			}
			if answers[i] = ids; !replayed {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	must(t, s.Close())
	s = openOn(t, fs, "store")
	again, replayed, err := s.Accept(c.batch(3), key)
	must(t, err)
	for _, ids := range answers {
		if !slices.Equal(ids, again) {
			t.Fatalf("answers are %v and %v", ids, again)
		}
	}
	all, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 2*rounds*size)
	must(t, err)
	if first.Load() != 1 || !replayed || len(all) != rounds*size+3 {
		t.Fatalf("%d were first, %d executions were made", first.Load(), len(all))
	}
	batch := c.batch(1)
	batch[0].Execution.Tenant = "other"
	if _, replayed, err = s.Accept(batch, key); err != nil || replayed {
		t.Fatalf("another tenant's key: %v, %v", replayed, err)
	}
	for _, test := range []struct {
		after    time.Duration
		replayed bool
	}{{runtime.IdempotencyPeriod - 1, true}, {runtime.IdempotencyPeriod, false}, {2*runtime.IdempotencyPeriod - 1, true}, {100 * runtime.IdempotencyPeriod, false}} {
		later := *key
		later.Now = start.Add(test.after)
		must(t, s.Expire(later.Now, runtime.Retention{}))
		if _, replayed, err = s.Accept(c.batch(1), &later); err != nil || replayed != test.replayed {
			t.Fatalf("after %v: %v, %v", test.after, replayed, err)
		}
	}
	must(t, s.Expire(start.Add(102*runtime.IdempotencyPeriod), runtime.Retention{}))
	prefix := keys.OfKind("default", keys.KindIdempotency)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	must(t, err)
	if it.First() {
		t.Errorf("key %q is left", it.Key())
	}
	must(t, it.Close())
}

// Many goroutines start, finish and cancel the same few executions at once: each attempt starts
// once, each execution reaches one terminal state, and each change is reported to one caller.
func TestConcurrentExecutionChanges(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	for round := range 150 {
		batch := c.batch(3)
		_, _, err := s.Accept(batch, nil)
		must(t, err)
		var starts, ends, cancels sync.Map // counts, by id, and by attempt
		count := func(m *sync.Map, key any) {
			n, _ := m.LoadOrStore(key, new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
		}
		var wg sync.WaitGroup
		for worker := range 6 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(worker), uint64(round)))
				for range 15 {
					x, err := s.GetExecution("default", batch[rng.IntN(len(batch))].Execution.ID)
					if err != nil {
						t.Error(err)
						return
					}
					switch n := rng.IntN(7); {
					case n < 3:
						lease := runtime.Lease{Tenant: x.Tenant, ID: x.ID, Attempt: x.Attempt + 1, Started: c.at}
						refused, err := s.Start([]runtime.Lease{lease})
						if err != nil {
							t.Error(err)
						} else if refused[0] == nil {
							count(&starts, lease)
						}
					case n < 6 && x.Attempt > 0:
						if x.State = runtime.StateQueued; n == 5 {
							x = ended(x)
						}
						settled, err := s.Finish([]runtime.Execution{x}, c.at)
						if err != nil {
							t.Error(err)
						} else if settled[0].Err == nil && settled[0].Execution.State.Terminal() {
							count(&ends, x.ID)
						}
					case n == 6:
						x, changed, err := s.Cancel(x.Tenant, x.ID, c.at)
						if err != nil {
							t.Error(err)
						}
						if changed {
							count(&cancels, x.ID)
						}
						if changed && x.State == runtime.StateCancelled {
							count(&ends, x.ID)
						}
					}
				}
			})
		}
		wg.Wait()
		for what, m := range map[string]*sync.Map{"started": &starts, "ended": &ends, "cancelled": &cancels} {
			m.Range(func(key, n any) bool {
				if n := n.(*atomic.Int32).Load(); n != 1 {
					t.Errorf("round %d: %v was %s %d times", round, key, what, n)
				}
				return true
			})
		}
		for _, a := range batch {
			x, err := s.GetExecution("default", a.Execution.ID)
			must(t, err)
			if _, reported := ends.Load(x.ID); reported != x.State.Terminal() {
				t.Errorf("%s is %s, its end was reported: %v", x.ID, x.State, reported)
			}
		}
		dropAll(t, s, c.at)
		checkInvariants(t, s)
	}
}

// Old executions end while old executions are dropped: no part of an execution is left behind.
func TestExpireWhileExecutionsEnd(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	old := c.batch(300)
	_, _, err := s.Accept(old, nil)
	must(t, err)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		defer close(stop)
		for i, a := range old {
			x := startAgain(t, s, a.Execution)
			x.Function = a.Execution.Function
			if _, err := s.Finish([]runtime.Execution{ended(x)}, c.at); err != nil {
				t.Error(err)
			}
			fresh := c.done()
			fresh.Function = fmt.Sprint("only ", i) // Expire does not know its index yet
			if err := s.Record([]runtime.Execution{fresh}); err != nil {
				t.Error(err)
			}
		}
	})
	drops := 0
	for running := true; running; drops++ {
		select {
		case <-stop:
			running = false
		default:
		}
		must(t, s.Expire(start.Add(time.Hour), runtime.Retention{Count: 1 + drops%20}))
	}
	wg.Wait()
	checkInvariants(t, s)
	dropAll(t, s, c.at)
	if n, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 10); err != nil || len(n) != 0 {
		t.Fatalf("%d are left, %v", len(n), err)
	}
	if n := countKeys(t, s); n != 1 { // the format record
		t.Fatalf("%d records are left", n)
	}
}

// No caller learns of an end that is not on disk yet.
func TestReadersWaitForTheDisk(t *testing.T) {
	alone(t, "behind a log, nothing can be read before it is durable")
	var held atomic.Pointer[chan struct{}]
	syncing := make(chan struct{}, 100)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if wait := held.Load(); wait != nil && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			syncing <- struct{}{}
			<-*wait
		}
		return nil
	}))
	s, c := openOn(t, fs, "store"), newClerk()
	x := begin(t, s, c)
	release := make(chan struct{})
	held.Store(&release)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Finish([]runtime.Execution{ended(x)}, c.at); err != nil {
			t.Error(err)
		}
	})
	<-syncing
	id, _ := keys.ParseID(x.ID)
	// Pebble begins to sync before it shows a batch.
	seen := func() error { _, err := readDone(s.db, x.Tenant, id, true); return err }
	for patience := time.Now().Add(10 * time.Second); seen() != nil && time.Now().Before(patience); {
		time.Sleep(time.Millisecond)
	}
	if err := seen(); err != nil {
		close(release)
		t.Fatalf("the end cannot be read before it is synced, so this test shows nothing: %v", err)
	}
	var returned atomic.Int32
	for _, read := range []func() error{
		func() error { _, err := s.GetExecution(x.Tenant, x.ID); return err },
		func() error { _, err := s.GetExecutions(x.Tenant, []string{x.ID}); return err },
		func() error { _, _, err := s.GetLogs(x.Tenant, x.ID, runtime.LogPosition{}); return err },
		func() error { _, err := s.ListExecutions(x.Tenant, runtime.ExecutionFilter{}, "", 1); return err },
		func() error { _, _, err := s.Cancel(x.Tenant, x.ID, c.at); return err },
	} {
		wg.Go(func() {
			if err := read(); err != nil {
				t.Error(err)
			}
			returned.Add(1)
		})
	}
	letRun()
	if n := returned.Load(); n > 0 {
		t.Errorf("%d readers did not wait", n)
	}
	held.Store(nil)
	close(release)
	wg.Wait()
}

// letRun gives all other goroutines many chances to run until they block. A test that expects them
// to block cannot fail for too few chances.
func letRun() {
	for range 20_000 {
		goruntime.Gosched()
	}
}

// While old executions are dropped, the ends of executions as old wait, those of newer ones do not.
func TestOldExecutionsWaitForTheDrop(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	old, queued := begin(t, s, c), c.batch(1)
	_, _, err := s.Accept(queued, nil)
	must(t, err)
	late, now := c.done(), c.at
	border, _ := keys.ParseID(c.queued().ID)
	var wg sync.WaitGroup
	var went atomic.Int32
	must(t, s.fence.drop(border, func() error {
		for _, write := range []func() error{
			func() error { _, err := s.Finish([]runtime.Execution{ended(old)}, now); return err },
			func() error { _, _, err := s.Cancel("default", queued[0].Execution.ID, now); return err },
			func() error { return s.Record([]runtime.Execution{late}) },
		} {
			wg.Go(func() {
				if err := write(); err != nil {
					t.Error(err)
				}
				went.Add(1)
			})
		}
		must(t, s.Record([]runtime.Execution{c.done()}))
		letRun()
		if n := went.Load(); n > 0 {
			t.Errorf("%d did not wait", n)
		}
		return nil
	}))
	wg.Wait()
	checkInvariants(t, s)
}
