package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
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

// TestRunThatKillsTheProcess has one run that ends the process whenever it runs. It runs 3 times.
// No other run loses an attempt at the third time, and all others succeed.
func TestRunThatKillsTheProcess(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	var lives int
	died := make(chan struct{}, 100)
	var j journal
	box := &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		j.add(args)
		if string(args) == `{"n":7}` {
			died <- struct{}{}
			<-ctx.Done()
			return runtime.Outcome{}, ctx.Err()
		}
		return echo(ctx, p, args, c)
	}}
	options := engine.Options{Sandbox: box, MaxRuns: 3}
	e := engineOn(t, d.store, options)
	create(t, e, spec("hello", "[]"))
	a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(60)})
	if err != nil {
		t.Fatal(err)
	}
	for lives = 1; lives <= 3; lives++ {
		<-died
		if lives == 3 {
			// It is isolated: a run that began after it would lose an attempt.
			began := j.take()
			if began[len(began)-1] != `{"n":7}` {
				t.Errorf("process %d: together with an isolated run ran %v", lives, began)
			}
		}
		j.take()
		after := d.crash(t)
		abandon(t, e, d)
		d = after
		e = engineOn(t, d.store, options)
	}
	for i, id := range a.IDs {
		x := await(t, e, id)
		if i == 7 {
			if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassInternal || x.Attempt != 3 || x.LostAttempts != 3 {
				t.Errorf("the one that ends the process: %+v, %+v", x, x.Failure)
			}
			continue
		}
		if x.State != runtime.StateSucceeded || x.LostAttempts > 2 {
			t.Errorf("run %d: %+v, %+v", i, x, x.Failure)
		}
	}
	if len(died) != 0 {
		t.Error("it ran a fourth time")
	}
	closeAll(t, e, d)
}

// crashDuring begins runs on a store, n at a time, and returns the disk after a loss of power
// while they run.
func crashDuring(t *testing.T, d disk, n int, begin func(e *engine.Engine)) disk {
	t.Helper()
	g := newGated()
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: n})
	begin(e)
	for range n {
		<-g.began
	}
	after := d.crash(t)
	abandon(t, e, d)
	return after
}

// TestIsolatedRunsRunAlone checks that runs that were running when one process died are not
// isolated: they run side by side, before later ones. Runs that were running twice run before all
// others, one after another.
func TestIsolatedRunsRunAlone(t *testing.T) {
	var ids []string
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 3, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(20)})
		if err != nil {
			t.Fatal(err)
		}
		ids = a.IDs
	})
	d = crashDuring(t, d, 3, func(*engine.Engine) {})
	remaining := d.fs.CrashClone(vfs.CrashCloneCfg{})
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		second := newGated()
		d := openDisk(t, remaining)
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: second.run}, MaxRuns: 3})
		lost := make(map[int]int)
		for _, id := range ids {
			lost[getExecution(t, e, id).LostAttempts]++
		}
		if lost[2] < 3 || lost[1]+lost[2] > 3+4 || lost[3] != 0 {
			t.Errorf("numbers of runs by lost attempts: %v", lost)
		}
		for range lost[2] {
			<-second.began
			synctest.Wait()
			if len(second.began) != 0 {
				t.Errorf("%d runs run together with an isolated one", len(second.began))
			}
			second.end <- struct{}{}
		}
		<-second.began
		close(second.end)
		for _, id := range ids {
			if x := await(t, e, id); x.State != runtime.StateSucceeded {
				t.Errorf("got %+v", x)
			}
		}
		closeAll(t, e, d)
	})
}

// TestOtherRunsOvertakeALongIsolatedRun checks that a long isolated run delays the others for one
// second only.
func TestOtherRunsOvertakeALongIsolatedRun(t *testing.T) {
	var long string
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 1, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		long = submit(t, e, runtime.SubmitRequest{})
	})
	d = crashDuring(t, d, 1, func(*engine.Engine) {})
	remaining := d.fs.CrashClone(vfs.CrashCloneCfg{})
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		second := newGated()
		d := openDisk(t, remaining)
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: second.run}})
		<-second.began
		from := time.Now()
		submit(t, e, runtime.SubmitRequest{})
		<-second.began
		if waited := time.Since(from); waited != time.Second {
			t.Errorf("the other run began %v after the isolated one", waited)
		}
		if x := getExecution(t, e, long); x.State != runtime.StateRunning || x.LostAttempts != 2 {
			t.Errorf("the isolated run is %+v", x)
		}
		close(second.end)
		await(t, e, long)
		closeAll(t, e, d)
	})
}

// TestLongRunsAreNotLeasedAhead checks that few runs wait with a lease beside long ones: they are
// reported as running, and a crash costs them an attempt.
func TestLongRunsAreNotLeasedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 50})
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
