package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestAttemptsAreOnDiskBeforeTheyBegin checks that an attempt is counted, whatever it does to the
// process.
func TestAttemptsAreOnDiskBeforeTheyBegin(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	var mu sync.Mutex
	var clones []*vfs.MemFS
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{
		run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			mu.Lock()
			clones = append(clones, crashClone(d.fs, vfs.CrashCloneCfg{}))
			mu.Unlock()
			return echo(ctx, p, args, c)
		},
	}})
	create(t, e, spec("hello", "[]"))
	var ids []string
	for i := range 5 {
		ids = append(ids, submit(t, e, runtime.SubmitRequest{}))
		await(t, e, ids[i])
	}
	closeAll(t, e, d)
	for i, fs := range clones {
		d := openDisk(t, fs)
		x, err := d.store.GetExecution(tenant, ids[i])
		if err != nil || x.State != runtime.StateRunning || x.Attempt != 1 {
			t.Errorf("when run %d began the disk held %+v, %v", i, x, err)
		}
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// backlog returns the number of executions that are queued when TestRestartWithABacklog loses
// power.
func backlog() int {
	if testing.Short() {
		return 10_000
	}
	return 100_000
}

// TestRestartWithABacklog loses power with 100 running runs and very many queued. The next engine,
// which runs one at a time, runs those that were running first and a second time, and the others
// once, all in order.
func TestRestartWithABacklog(t *testing.T) {
	const running = 100
	d := openDisk(t, vfs.NewCrashableMem())
	g := newGated()
	options := engine.Options{MaxRuns: running, Memory: memory.New(running<<30, nil)}
	options.Sandbox = &fakeSandbox{run: g.run}
	e := engineOn(t, d.store, options)
	create(t, e, spec("hello", "[]"))
	var ids []string
	all := many(backlog())
	for at := 0; at < len(all); at += runtime.MaxBulk {
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: all[at : at+runtime.MaxBulk]})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.IDs...)
	}
	for range running {
		<-g.began
	}
	after := d.crash(t)
	abandon(t, e, d)

	var j journal
	var now atomic.Int64
	var concurrent atomic.Bool
	options.MaxRuns = 1
	options.Sandbox = &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if now.Add(1) > 1 {
			concurrent.Store(true)
		}
		defer now.Add(-1)
		j.add(args)
		return echo(ctx, p, args, c)
	}}
	store := &leaseCounter{Store: after.store}
	e = engineOn(t, store, options)
	await(t, e, ids[len(ids)-1])
	began := j.take()
	if len(began) != len(all) {
		t.Fatalf("%d runs of %d executions", len(began), len(all))
	}
	for i, args := range all {
		if began[i] != string(args) {
			t.Fatalf("run %d was that of %s", i, began[i])
		}
	}
	found, err := e.GetExecutions(context.Background(), tenant, ids[:runtime.MaxBulk])
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, x := range found {
		lost += x.LostAttempts
		if x.State != runtime.StateSucceeded || x.LostAttempts > 1 || x.Attempt != 1+x.LostAttempts {
			t.Fatalf("got %+v", x)
		}
	}
	if lost < running || lost > running+dispatch.MaxAhead {
		t.Errorf("%d attempts were lost, %d ran", lost, running)
	}
	if concurrent.Load() {
		t.Error("more than one run ran at once")
	}
	if store.most.Load() > dispatch.MaxAhead {
		t.Errorf("%d runs were leased at once", store.most.Load())
	}
	closeAll(t, e, after)
}

// leaseCounter records the size of the largest batch of leases.
type leaseCounter struct {
	runtime.Store
	most atomic.Int64
}

func (s *leaseCounter) Start(leases []runtime.Lease) ([]error, error) {
	s.most.Store(max(s.most.Load(), int64(len(leases))))
	return s.Store.Start(leases)
}

// TestDelaysSurviveARestart checks that a delay that began in one process ends in the next at the
// same time, and delays no other run.
func TestDelaysSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDisk(t, vfs.NewCrashableMem())
		failing := &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
			return failure(runtime.ClassError), nil
		}}
		e := engineOn(t, d.store, engine.Options{Sandbox: failing})
		create(t, e, spec("hello", "[]"))
		var ids []string
		var due []time.Time
		for i := range 5 {
			ids = append(ids, submit(t, e, runtime.SubmitRequest{Retries: ptr(1), Args: fmt.Appendf(nil, `{"n":%d}`, i)}))
			time.Sleep(100 * time.Millisecond)
			x := getExecution(t, e, ids[i])
			if x.State != runtime.StateQueued || x.NotBefore.Before(time.Now()) {
				t.Fatalf("it does not wait: %+v", x)
			}
			due = append(due, x.NotBefore)
		}
		after := d.crash(t)
		abandon(t, e, d)
		var j journal
		e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{
			run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				j.add(args)
				return echo(ctx, p, args, c)
			},
		}})
		at := time.Now()
		if x := await(t, e, submit(t, e, runtime.SubmitRequest{})); x.Finished.Sub(at) != 0 {
			t.Errorf("another run waited for %v", x.Finished.Sub(at))
		}
		for i, id := range ids {
			if x := await(t, e, id); x.State != runtime.StateSucceeded || !x.Started.Equal(due[i]) || x.LostAttempts != 0 {
				t.Errorf("it was to start at %v: %+v", due[i], x)
			}
		}
		closeAll(t, e, after)
	})
}

// TestDeleteDuringRuns deletes a function during its runs: they end as usual, but are not
// retried.
func TestDeleteDuringRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		box := &fakeSandbox{call: s.run}
		e := newEngine(t, engine.Options{Sandbox: box})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		var ids []string
		for range 3 {
			ids = append(ids, submit(t, e, runtime.SubmitRequest{Retries: ptr(2)}))
			(<-s.call).Logs.Append(1, []byte("x"))
		}
		if _, err := remove(e, "hello"); err != nil {
			t.Fatal(err)
		}
		if box.held() != 1 {
			t.Errorf("the sandbox holds %d images during the runs", box.held())
		}
		for _, end := range []error{nil, errRaised, errors.New("broken")} {
			s.end <- end
		}
		ends := map[runtime.State]int{}
		for _, id := range ids {
			x := await(t, e, id)
			ends[x.State]++
			if x.State == runtime.StateFailed && x.Failure.Class != runtime.ClassRejected {
				t.Errorf("without its function it ended as %+v", x.Failure)
			}
		}
		if ends[runtime.StateSucceeded] != 1 || ends[runtime.StateFailed] != 2 {
			t.Errorf("they ended as %v", ends)
		}
		if box.held() != 0 {
			t.Errorf("the sandbox holds %d images", box.held())
		}
	})
}
