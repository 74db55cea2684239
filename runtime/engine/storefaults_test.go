package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// faultyStore fails the operations that a test selects.
type faultyStore struct {
	runtime.Store

	mu     sync.Mutex
	start  func(id string) error // of each lease
	finish func(id string) error // of each end
	record error
	expire []runtime.Retention // of the calls
}

func (s *faultyStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *faultyStore) Start(leases []runtime.Lease) ([]error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leases {
		if s.start != nil && s.start(l.ID) != nil {
			return nil, s.start(l.ID)
		}
	}
	return s.Store.Start(leases)
}

func (s *faultyStore) Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range ended {
		if s.finish != nil && s.finish(x.ID) != nil {
			return nil, s.finish(x.ID)
		}
	}
	return s.Store.Finish(ended, now)
}

func (s *faultyStore) Record(batch []runtime.Execution) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record != nil {
		return s.record
	}
	return s.Store.Record(batch)
}

func (s *faultyStore) Expire(now time.Time, r runtime.Retention) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire = append(s.expire, r)
	return errors.Join(errors.New("broken"), s.Store.Expire(now, r))
}

// TestStoreThatFailsForAWhile checks that a disk that is full for a while delays runs: none is
// lost, none runs twice.
func TestStoreThatFailsForAWhile(t *testing.T) {
	full := runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	for name, cause := range map[string]error{"full": full, "unknown": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				store := &faultyStore{Store: newStore(t)}
				e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{
					run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
						j.add(args)
						return echo(ctx, p, args, c)
					},
				}})
				defer e.Close(context.Background())
				create(t, e, spec("hello", "[]"))
				fail := func(string) error { return cause }
				store.set(func() { store.start, store.finish = fail, fail })
				a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(10)})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if began := j.take(); len(began) != 0 {
					t.Errorf("these runs began without a lease on disk: %v", began)
				}
				store.set(func() { store.start = nil })
				time.Sleep(2 * time.Minute)
				for _, id := range a.IDs {
					if x := getExecution(t, e, id); x.State != runtime.StateRunning {
						t.Errorf("without an end on disk: %+v", x)
					}
				}
				store.set(func() { store.finish = nil })
				for i, id := range a.IDs {
					if x := await(t, e, id); x.State != runtime.StateSucceeded || x.Attempt != 1 || string(x.Result) != string(many(10)[i]) {
						t.Errorf("got %+v", x)
					}
				}
				began := j.take()
				slices.Sort(began)
				if len(began) != 10 || len(slices.Compact(began)) != 10 {
					t.Errorf("runs: %v", began)
				}
			})
		})
	}
}

// TestExecutionThatTheStoreRejects checks that an execution that the store fails with delays no
// other.
func TestExecutionThatTheStoreRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{Store: newStore(t)}
		e := newEngine(t, engine.Options{Store: store})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		var bad [2]string
		fail := func(i int) func(string) error {
			return func(id string) error {
				if id == bad[i] {
					return errors.New("a damaged record")
				}
				return nil
			}
		}
		store.set(func() {
			store.start = func(string) error { return runtime.Errorf(runtime.CodeUnavailable, "not yet") }
			store.finish = fail(1)
		})
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(40)})
		if err != nil {
			t.Fatal(err)
		}
		store.set(func() { bad = [2]string{a.IDs[11], a.IDs[22]}; store.start = fail(0) })
		for _, id := range a.IDs {
			if id != bad[0] && id != bad[1] {
				await(t, e, id)
			}
		}
		if x := getExecution(t, e, bad[0]); x.State != runtime.StateQueued {
			t.Errorf("the one that cannot start: %+v", x)
		}
		if x := getExecution(t, e, bad[1]); x.State != runtime.StateRunning {
			t.Errorf("the one that cannot end: %+v", x)
		}
		store.set(func() { bad = [2]string{} })
		for _, id := range a.IDs {
			if x := await(t, e, id); x.State != runtime.StateSucceeded || x.Attempt != 1 {
				t.Errorf("got %+v", x)
			}
		}
	})
}

// unreadableStore fails to read unfinished executions.
type unreadableStore struct {
	runtime.Store
	err error
}

func (s unreadableStore) EachUnfinished(func(runtime.Execution) error) error { return s.err }

// TestExecutionsThatCannotBeResumed checks that New returns an error that names the cause if it
// cannot read the accepted executions.
func TestExecutionsThatCannotBeResumed(t *testing.T) {
	for _, err := range []error{errors.New("bad block"), runtime.Internal("storage.pending", errors.New("bad block"))} {
		_, err := engine.New(engine.Options{Store: unreadableStore{newStore(t), err}, Sandbox: &fakeSandbox{}, Log: quiet})
		if got := wantCode(t, err, runtime.CodeUnavailable); !strings.Contains(got.Message, "bad block") || got.Hint == "" {
			t.Errorf("the error is %#v", got)
		}
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{Store: newStore(t)}
		e := newEngine(t, engine.Options{Store: store, Retention: runtime.Retention{Age: 2 * time.Hour, Count: 3, Bytes: 4}})
		time.Sleep(51 * time.Second)
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		// At once, and every ten seconds.
		want := runtime.Retention{Age: 2 * time.Hour, MinAge: engine.DefaultRetentionMinAge, Count: 3, Bytes: 4}
		if !slices.Equal(store.expire, slices.Repeat([]runtime.Retention{want}, 6)) {
			t.Errorf("Expire was called with %+v", store.expire)
		}
	})
}

func TestRunsAndChangesAreRecorded(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{
		deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
			if string(p.Source) == "bad" {
				return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "SyntaxError", Message: "no"}}, nil
			}
			return runtime.Outcome{Logs: runtime.Logs{Data: []byte("deployed")}}, nil
		},
	}})
	ctx := context.Background()
	check := func(id string, kind runtime.Kind, version uint64) runtime.Execution {
		x := getExecution(t, e, id)
		if x.Kind != kind || x.Version != version || x.State != runtime.StateSucceeded || x.Attempt != 1 || x.Finished.Before(x.Started) {
			t.Errorf("the execution of a %s is %+v", kind, x)
		}
		return x
	}
	d := create(t, e, spec("hello", "[1]"))
	check(d.ExecutionID, runtime.KindCreate, 1)
	if page, err := e.GetLogs(ctx, tenant, d.ExecutionID, runtime.LogPosition{}); err != nil || string(page.Logs.Data) != "deployed" {
		t.Errorf("the logs of the deployment: %+v, %v", page, err)
	}
	for range 100 {
		x, err := run(e, "hello", "")
		if err != nil {
			t.Fatal(err)
		}
		if stored := check(x.ID, runtime.KindRun, 1); string(stored.Result) != "[1]" {
			t.Errorf("the stored result is %s", stored.Result)
		}
	}
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("bad")}); err == nil {
		t.Error("bad code is deployed")
	}
	d, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")})
	if err != nil {
		t.Fatal(err)
	}
	check(d.ExecutionID, runtime.KindUpdate, 2)
	if d, err = remove(e, "hello"); err != nil {
		t.Fatal(err)
	}
	check(d.ExecutionID, runtime.KindDelete, 2)

	var kinds []runtime.Kind
	var states []runtime.State
	for cursor := ""; ; {
		page, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{Function: "hello"}, cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, x := range page {
			kinds, states = append(kinds, x.Kind), append(states, x.State)
		}
		cursor = page[len(page)-1].ID
	}
	if len(kinds) != 104 || kinds[0] != runtime.KindDelete || kinds[1] != runtime.KindUpdate || kinds[2] != runtime.KindUpdate || kinds[103] != runtime.KindCreate || states[2] != runtime.StateFailed {
		t.Errorf("%d are listed: %v, %v", len(kinds), kinds, states)
	}
}

// TestFailingRecords checks that a run succeeds even if it cannot be recorded. A change is
// recorded in one batch with its effect.
func TestFailingRecords(t *testing.T) {
	store := &faultyStore{Store: newStore(t), record: errors.New("broken")}
	e := newEngine(t, engine.Options{Store: store})
	d := create(t, e, spec("hello", "[1]"))
	x, err := run(e, "hello", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.GetExecution(context.Background(), tenant, x.ID)
	wantCode(t, err, runtime.CodeNotFound)
	getExecution(t, e, d.ExecutionID)
	store.set(func() { store.record = nil })
	if x, err = run(e, "hello", ""); err != nil {
		t.Fatal(err)
	}
	getExecution(t, e, x.ID)
}

func TestAwaitEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		from := time.Now()
		if x, err := e.AwaitExecution(ctx, tenant, id); err != nil || x.State != runtime.StateRunning || time.Since(from) != time.Minute {
			t.Errorf("after %v: %+v, %v", time.Since(from), x, err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { await(t, e, id) })
		}
		synctest.Wait()
		close(g.end)
		wg.Wait()
	})
}

// TestReadsOfTheEndedDoNotWait checks that what has ended and is stored is read at once, while the store does not
// record the ends of other runs.
func TestReadsOfTheEndedDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{Store: newStore(t)}
		e := newEngine(t, engine.Options{Store: store})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[1]"))
		ended, err := run(e, "hello", `{"a":1}`)
		if err != nil {
			t.Fatal(err)
		}
		getExecution(t, e, ended.ID)
		store.set(func() { store.record = runtime.Errorf(runtime.CodeUnavailable, "the disk does not keep up") })
		if _, err = run(e, "hello", ""); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = e.GetExecution(t.Context(), tenant, ended.ID)
		_, failed := e.GetLogs(t.Context(), tenant, ended.ID, runtime.LogPosition{})
		_, lost := e.GetArgs(t.Context(), tenant, ended.ID)
		if took := time.Since(began); took != 0 || errors.Join(err, failed, lost) != nil {
			t.Errorf("reading took %v: %v", took, errors.Join(err, failed, lost))
		}
		if _, err := e.GetExecutions(t.Context(), tenant, []string{ended.ID}); err != nil || time.Since(began) == 0 {
			t.Errorf("nothing waits for the recorder: %v", err)
		}
	})
}

// TestCancelWithoutAStore checks that a cancellation of a run that has ended says so while the store does not take its end, and not
// that it is being stopped.
func TestCancelWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{Store: newStore(t)}
		g := newGated()
		var tries atomic.Int64
		e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			switch string(args) {
			case `{"wait":1}`:
				return g.run(ctx, p, args, c)
			case `{"fail":1}`:
				if tries.Add(1) == 1 {
					return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Message: "once"}}, nil
				}
			}
			return echo(ctx, p, args, c)
		}}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		store.set(func() {
			store.finish = func(string) error { return runtime.Errorf(runtime.CodeUnavailable, "the log does not answer") }
		})
		ended := submit(t, e, runtime.SubmitRequest{})
		running := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"wait":1}`)})
		retried := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"fail":1}`), Retries: ptr(1)})
		<-g.began
		synctest.Wait()
		if e.EndsLate(tenant, running) || !e.EndsLate(tenant, ended) || e.EndsLate("b", ended) {
			t.Error("a run ends late exactly if it has ended")
		}
		if x, changed := cancelled(t, e, ended); changed || x.State != runtime.StateRunning || !e.EndsLate(tenant, ended) {
			t.Errorf("a run that has ended: %+v, changed %v", x, changed)
		}
		if x, changed := cancelled(t, e, retried); changed || x.State.Terminal() || e.EndsLate(tenant, retried) {
			t.Errorf("an attempt that has ended, and is followed by another: %+v, changed %v", x, changed)
		}
		if x, changed := cancelled(t, e, running); !changed || x.State != runtime.StateCancelling {
			t.Errorf("a run that runs: %+v, changed %v", x, changed)
		}
		synctest.Wait()
		if !e.EndsLate(tenant, running) {
			t.Error("a run that was stopped has no end that is not stored")
		}
		store.set(func() { store.finish = nil })
		if x := await(t, e, ended); x.State != runtime.StateSucceeded || e.EndsLate(tenant, ended) {
			t.Errorf("got %+v", x)
		}
		if x := await(t, e, retried); x.State != runtime.StateSucceeded || tries.Load() != 2 {
			t.Errorf("got %+v after %d attempts", x, tries.Load())
		}
		if x := await(t, e, running); x.State != runtime.StateCancelled {
			t.Errorf("got %+v", x)
		}
	})
}
