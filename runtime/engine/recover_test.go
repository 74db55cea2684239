package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// journal records the args of the runs that began.
type journal struct {
	mu    sync.Mutex
	began []string
}

func (j *journal) add(args []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.began = append(j.began, string(args))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	began := j.began
	j.began = nil
	return began
}

// TestNothingIsLostInACrash loses power at random points, again and again, while runs are
// submitted and executed. Every accepted run ends with the result of its own args, and an end
// that a caller got stays the same.
func TestNothingIsLostInACrash(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := openDisk(t, vfs.NewCrashableMem())
	box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		return echo(ctx, p, args, c)
	}}
	options := engine.Options{Sandbox: box, MaxRuns: 3}
	e := engineOn(t, d.store, options)
	create(t, e, spec("hello", "[]"))
	accepted := map[string]string{}         // args by id
	final := map[string]runtime.Execution{} // ends that a caller got
	next := 0
	for round := range 25 {
		for range 1 + rng.IntN(4) {
			var args [][]byte
			for range 1 + rng.IntN(30) {
				args = append(args, fmt.Appendf(nil, `{"n":%d}`, next))
				next++
			}
			a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: args})
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range a.IDs {
				accepted[id] = string(args[i])
			}
			if id := a.IDs[rng.IntN(len(a.IDs))]; rng.IntN(2) == 0 {
				final[id] = await(t, e, id)
			}
		}
		after := d.crash(t)
		abandon(t, e, d)
		d = after
		e = engineOn(t, d.store, options)
		for id, before := range final {
			if x := getExecution(t, e, id); x.State != before.State || x.Attempt != before.Attempt || !x.Finished.Equal(before.Finished) {
				t.Fatalf("round %d: %+v was returned, now it is %+v", round, before, x)
			}
		}
	}
	for id, args := range accepted {
		x := await(t, e, id)
		if x.State != runtime.StateSucceeded || string(x.Result) != args {
			t.Errorf("the run of %s ended as %+v, %+v", args, x, x.Failure)
		}
	}
	closeAll(t, e, d)
}

// TestRunThatKillsTheProcess has one run that ends the process whenever it runs, beside others. It
// fails after a bounded number of deaths, in the last three of which nothing else began. No other run
// fails.
func TestRunThatKillsTheProcess(t *testing.T) {
	const runs, atOnce = 60, 5
	fs := vfs.NewCrashableMem()
	var ids []string
	for deaths := 0; ; deaths++ {
		// Of the runs that are under way at a death, a few wait for memory with a lease.
		if deaths > 2+4+5 {
			t.Fatalf("the process has died %d times", deaths)
		}
		failed := false
		synctest.Test(t, func(t *testing.T) {
			d := openDisk(t, fs)
			died := make(chan struct{}, 1)
			var j journal
			var alone bool
			box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				if string(args) != `{"n":7}` {
					j.add(args)
					return echo(ctx, p, args, c)
				}
				j.take()
				time.Sleep(10 * time.Millisecond)
				alone = len(j.take()) == 0
				died <- struct{}{}
				<-ctx.Done()
				return runtime.Outcome{}, ctx.Err()
			}}
			e := engineOn(t, d.store, engine.Options{Sandbox: box, MaxRuns: atOnce})
			if deaths == 0 {
				create(t, e, spec("hello", "[]"))
				a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(runs)})
				if err != nil {
					t.Fatal(err)
				}
				ids = a.IDs
			}
			// Others call it all the time.
			calling, stop := context.WithCancel(context.Background())
			var callers sync.WaitGroup
			callers.Go(func() {
				for calling.Err() == nil {
					_, _ = e.Run(calling, runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte(`{"call":1}`)})
					time.Sleep(time.Millisecond)
				}
			})
			done := make(chan runtime.Execution, 1)
			callers.Go(func() {
				if x, err := e.AwaitExecution(calling, tenant, ids[7]); err == nil {
					done <- x
				}
			})
			select {
			case <-died:
				x := getExecution(t, e, ids[7])
				if (x.Suspicion.Probation == runtime.ProbationAlone || x.Suspicion.Probation == runtime.ProbationBeside) && !alone {
					t.Errorf("runs began beside a suspect that goes alone: %+v", x)
				}
			case x := <-done:
				failed = true
				if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassInternal || x.LostAttempts != deaths || x.Attempt != deaths {
					t.Errorf("after %d deaths the run that ends the process is %+v, %+v", deaths, x, x.Failure)
				}
				for i, id := range ids {
					if x := await(t, e, id); i != 7 && x.State != runtime.StateSucceeded {
						t.Errorf("run %d: %+v, %+v", i, x, x.Failure)
					}
				}
			}
			fs = crashClone(d.fs, vfs.CrashCloneCfg{})
			stop()
			callers.Wait()
			abandon(t, e, d)
		})
		if failed {
			return
		}
	}
}

// crashDuring begins runs on a store, n at a time, and returns the disk after a loss of power
// while they run.
func crashDuring(t *testing.T, d disk, n int, begin func(e *engine.Engine)) disk {
	t.Helper()
	g := newGated()
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: n, Memory: memory.New(int64(n)<<30, nil)})
	begin(e)
	for range n {
		<-g.began
	}
	after := d.crash(t)
	abandon(t, e, d)
	return after
}

// TestSuspectsDelayNobody has 64 runs that run for 10 minutes, during which power is lost twice. In
// the third process, runs of another function begin at once, and so do the suspects, one group after
// the other.
func TestSuspectsDelayNobody(t *testing.T) {
	const runs = 64
	var ids []string
	options := engine.Options{MaxRuns: 2 * runs, Memory: memory.New(4*runs<<30, nil)}
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), runs, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		create(t, e, spec("other", "[]"))
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(runs)})
		if err != nil {
			t.Fatal(err)
		}
		ids = a.IDs
	})
	d = crashDuring(t, d, runs, func(*engine.Engine) {})
	remaining := crashClone(d.fs, vfs.CrashCloneCfg{})
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := openDisk(t, remaining)
		var mu sync.Mutex
		var began []time.Duration
		from := time.Now()
		options.Sandbox = &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			if p.Name != "hello" {
				return echo(ctx, p, args, c)
			}
			mu.Lock()
			began = append(began, time.Since(from))
			mu.Unlock()
			time.Sleep(10 * time.Minute)
			return echo(ctx, p, args, c)
		}}
		e := engineOn(t, d.store, options)
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "other", Args: many(1000)})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range a.IDs {
			await(t, e, id)
		}
		if waited := time.Since(from); waited != 0 {
			t.Errorf("runs of another function ended after %v", waited)
		}
		for _, id := range ids {
			if x := await(t, e, id); x.State != runtime.StateSucceeded || x.LostAttempts != 2 {
				t.Errorf("got %+v", x)
			}
		}
		if took := time.Since(from); took > 10*time.Minute+time.Second || len(began) != runs || began[runs/2-1] != 0 {
			t.Errorf("all ended after %v; they began after %v", took, began)
		}
		closeAll(t, e, d)
	})
}

// TestSuspectGoesAlone checks what a suspect that goes alone costs others: nothing begins for a
// quarter of a second before it and after it has begun, runs that callers wait for included.
func TestSuspectGoesAlone(t *testing.T) {
	remaining, suspect := lostTwice(t)
	synctest.Test(t, func(t *testing.T) {
		d := openDisk(t, remaining)
		const probation = 250 * time.Millisecond
		var mu sync.Mutex
		var began time.Duration
		var others []time.Duration
		from := time.Now()
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			mu.Lock()
			if strings.Contains(string(args), "other") {
				others = append(others, time.Since(from))
				mu.Unlock()
				return echo(ctx, p, args, c)
			}
			began = time.Since(from)
			mu.Unlock()
			time.Sleep(time.Minute)
			return echo(ctx, p, args, c)
		}}})
		var callers sync.WaitGroup
		for range 300 { // for 3 s
			callers.Go(func() {
				if _, err := run(e, "hello", `{"other":1}`); err != nil {
					t.Error(err)
				}
			})
			submit(t, e, runtime.SubmitRequest{Args: []byte(`{"other":2}`)})
			time.Sleep(10 * time.Millisecond)
		}
		callers.Wait()
		mu.Lock()
		if began < 2*probation || began > 5*probation {
			t.Errorf("the suspect began after %v", began)
		}
		if len(others) != 600 || others[0] > 10*time.Millisecond {
			t.Errorf("%d others began, the first after %v", len(others), others[0])
		}
		for _, at := range others {
			if at > began-probation && at < began+probation {
				t.Errorf("another run began at %v, the suspect at %v", at, began)
			}
		}
		mu.Unlock()
		if x := getExecution(t, e, suspect); x.State != runtime.StateRunning || x.Suspicion.Probation != runtime.ProbationOutlived {
			t.Errorf("the suspect is %+v", x)
		}
		await(t, e, suspect)
		closeAll(t, e, d)
	})
}

// TestKillsFromOutside kills the process 20 times within a few seconds while runs of an hour are
// under way. None fails, and other runs are never held up.
func TestKillsFromOutside(t *testing.T) {
	const runs = 5
	fs := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(5, 5))
	var ids []string
	for life := range 21 {
		synctest.Test(t, func(t *testing.T) {
			d := openDisk(t, fs)
			e := engineOn(t, d.store, engine.Options{MaxRuns: 2 * runs, Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				if strings.Contains(string(args), "n") {
					select {
					case <-time.After(time.Hour):
					case <-ctx.Done():
						return runtime.Outcome{}, ctx.Err()
					}
				}
				return echo(ctx, p, args, c)
			}}})
			if life == 0 {
				create(t, e, spec("hello", "[]"))
				a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(runs)})
				if err != nil {
					t.Fatal(err)
				}
				ids = a.IDs
			}
			from := time.Now()
			if x := await(t, e, submit(t, e, runtime.SubmitRequest{})); x.State != runtime.StateSucceeded || time.Since(from) != 0 {
				t.Errorf("after %v another run is %+v", time.Since(from), x)
			}
			if life == 20 {
				for _, id := range ids {
					if x := await(t, e, id); x.State != runtime.StateSucceeded {
						t.Errorf("%+v, %+v", x, x.Failure)
					}
				}
				if took := time.Since(from); took > time.Hour+time.Minute {
					t.Errorf("the runs ended %v after the last kill", took)
				}
				closeAll(t, e, d)
				return
			}
			time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
			fs = crashClone(d.fs, vfs.CrashCloneCfg{})
			abandon(t, e, d)
		})
	}
}

// TestLongRunsAreNotLeasedAhead checks that few runs wait with a lease beside long ones: they are
// reported as running, and a crash costs them an attempt.
func TestLongRunsAreNotLeasedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 50, Memory: memory.New(20<<30, nil)})
		create(t, e, spec("hello", "[]"))
		if _, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(300)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		started, err := listExecutions(context.Background(), e, tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, "", runtime.MaxPage)
		if err != nil || len(g.began) != 50 || len(started) > 50+4 {
			t.Errorf("%d run, %d are reported as running: %v", len(g.began), len(started), err)
		}
		close(g.end)
	})
}

// TestCancelSurvivesARestart checks that an acknowledged cancellation holds after a loss of
// power.
func TestCancelSurvivesARestart(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	began := make(chan struct{})
	ignoring := make(chan struct{})
	box := &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		close(began)
		<-ignoring
		return runtime.Outcome{Result: []byte("1")}, nil
	}}
	e := engineOn(t, d.store, engine.Options{Sandbox: box})
	create(t, e, spec("hello", "[]"))
	id := submit(t, e, runtime.SubmitRequest{})
	<-began
	if x, changed := cancelled(t, e, id); !changed || x.State != runtime.StateCancelling {
		t.Errorf("got %+v, changed %v", x, changed)
	}
	after := d.crash(t)
	close(ignoring)
	abandon(t, e, d)
	e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{}})
	if x := await(t, e, id); x.State != runtime.StateCancelled || x.Attempt != 1 {
		t.Errorf("got %+v", x)
	}
	closeAll(t, e, after)
}

// lostTwice returns a disk with a run that was under way when power was lost twice.
func lostTwice(t *testing.T) (remaining *vfs.MemFS, id string) {
	t.Helper()
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 1, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		id = submit(t, e, runtime.SubmitRequest{})
	})
	d = crashDuring(t, d, 1, func(*engine.Engine) {})
	remaining = crashClone(d.fs, vfs.CrashCloneCfg{})
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	return remaining, id
}

// TestSuspectThatDoesNotGo cancels a suspect, deletes its function or closes the engine at every step
// before and while it goes alone. Other runs go on, and all memory is free afterwards.
func TestSuspectThatDoesNotGo(t *testing.T) {
	remaining, id := lostTwice(t)
	for step := range 40 {
		for _, what := range []string{"cancel", "delete", "close"} {
			synctest.Test(t, func(t *testing.T) {
				d := openDisk(t, crashClone(remaining, vfs.CrashCloneCfg{}))
				g := newGated()
				e := engineOn(t, d.store, engine.Options{MaxRuns: 2, Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
					if p.Name == "other" {
						return echo(ctx, p, args, c)
					}
					return g.run(ctx, p, args, c)
				}}})
				create(t, e, spec("other", "[]"))
				time.Sleep(time.Duration(step) * 40 * time.Millisecond)
				switch what {
				case "cancel":
					if _, changed := cancelled(t, e, id); !changed {
						t.Error("the suspect was not cancelled")
					}
				case "delete":
					if _, err := remove(e, "hello"); err != nil {
						t.Error(err)
					}
				}
				if what != "close" {
					from := time.Now()
					if _, err := run(e, "other", "{}"); err != nil {
						t.Error(err)
					}
					if waited := time.Since(from); waited > time.Second {
						t.Errorf("step %d, %s: another run waited for %v", step, what, waited)
					}
				}
				if what == "cancel" {
					if x := await(t, e, id); x.State != runtime.StateCancelled {
						t.Errorf("step %d: got %+v", step, x)
					}
				}
				ended, stop := context.WithCancel(context.Background())
				stop()
				if err := e.Close(ended); err != nil {
					t.Errorf("step %d, %s: %v", step, what, err)
				}
				if err := d.store.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
