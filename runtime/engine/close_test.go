package engine_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func TestCloseWaitsForBackgroundRuns(t *testing.T) {
	synctest.Test(t, closeWaitsForBackgroundRuns)
}

func closeWaitsForBackgroundRuns(t *testing.T) {
	d := openDisk(t, vfs.NewMem())
	g := newGated()
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	var ids []string
	for range 20 {
		ids = append(ids, submit(t, e, runtime.SubmitRequest{}))
	}
	<-g.began
	waiting := make(chan runtime.Execution)
	go func() {
		x, err := e.AwaitExecution(context.Background(), tenant, ids[1])
		if err != nil {
			t.Error(err)
		}
		waiting <- x
	}()
	synctest.Wait()
	if x := getExecution(t, e, ids[1]); x.State != runtime.StateRunning {
		t.Errorf("it should have a lease and wait for memory: %+v", x)
	}
	closed := make(chan error)
	go func() { closed <- e.Close(context.Background()) }()
	synctest.Wait()
	_, err := e.GetExecution(context.Background(), tenant, ids[0])
	wantCode(t, err, runtime.CodeUnavailable)
	close(g.end)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if x := <-waiting; x.State.Terminal() {
		t.Errorf("a run that had not begun ended: %+v", x)
	}
	wantCode(t, func() error {
		_, err := e.Submit(context.Background(), runtime.SubmitRequest{Tenant: tenant, Function: "hello"})
		return err
	}(), runtime.CodeUnavailable)
	for i, id := range ids {
		x, err := d.store.GetExecution(tenant, id)
		want := runtime.StateQueued
		if i == 0 {
			want = runtime.StateSucceeded
		}
		if err != nil || x.State != want || x.PlatformFailures+x.LostAttempts != 0 {
			t.Errorf("run %d: %+v, %v", i, x, err)
		}
	}
	e = engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{}})
	for _, id := range ids {
		if x := await(t, e, id); x.State != runtime.StateSucceeded || x.PlatformFailures+x.LostAttempts != 0 {
			t.Errorf("got %+v", x)
		}
	}
	closeAll(t, e, d)
}

func TestCloseRequeuesRunsThatDoNotEnd(t *testing.T) {
	d := openDisk(t, vfs.NewMem())
	g := newGated()
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 5})
	create(t, e, spec("hello", "[]"))
	a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(50)})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		<-g.began
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ended); err != nil {
		t.Fatalf("runs that can be queued again do not delay Close: %v", err)
	}
	started := 0
	for _, id := range a.IDs {
		x, err := d.store.GetExecution(tenant, id)
		if err != nil || x.State != runtime.StateQueued || x.PlatformFailures+x.LostAttempts+x.FunctionFailures != 0 || !x.NotBefore.IsZero() {
			t.Errorf("got %+v, %v", x, err)
		}
		started += x.Attempt
	}
	if started < 5 {
		t.Errorf("%d attempts are stored, 5 began", started)
	}
	// They are not isolated and run side by side.
	close(g.end)
	e = engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{}})
	for _, id := range a.IDs {
		await(t, e, id)
	}
	closeAll(t, e, d)
}
