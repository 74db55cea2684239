package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// held is a fake sandbox whose runs of the tenant "hostile" last until release is closed, or until they are
// cancelled.
func held(release <-chan struct{}) *fakeSandbox {
	return &fakeSandbox{call: func(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		if c.Program.Tenant == "hostile" {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return runtime.Outcome{Result: []byte("1")}, nil
	}}
}

// hostile deploys a function of another tenant, and queues n runs of it.
func hostile(t *testing.T, e *engine.Engine, n int) {
	t.Helper()
	create(t, e, runtime.FunctionSpec{Tenant: "hostile", Name: "f", Source: []byte("[]")})
	if _, err := e.SubmitBulk(t.Context(), runtime.BulkRequest{Tenant: "hostile", Function: "f", Args: many(n)}); err != nil {
		t.Fatal(err)
	}
}

// TestQueueOfANeighbourWithItsShare queues a thousand runs of a tenant that take all the memory that they
// may have, and do not end: a run of a neighbour in the background starts all the same.
func TestQueueOfANeighbourWithItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := newEngine(t, engine.Options{Sandbox: held(release), Memory: memory.New(4*runtime.GiB, quiet)})
		create(t, e, spec("hello", "[]"))
		hostile(t, e, 1000)
		synctest.Wait()
		for range 20 {
			id := submit(t, e, runtime.SubmitRequest{})
			synctest.Wait()
			if x := getExecution(t, e, id); x.State != runtime.StateSucceeded {
				t.Errorf("a neighbour's run is %s", x.State)
			}
		}
		close(release)
		_ = e.Close(context.Background())
	})
}

// TestCancelledRunsGiveBackTheirPlaces cancels queued runs of a tenant whose only run does not end: they
// take no places any more, neither of the tenant nor of the server.
func TestCancelledRunsGiveBackTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queued = 3000
		use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 1, Queued: queued})
		release := make(chan struct{})
		end := sync.OnceFunc(func() { close(release) })
		defer end()
		e := newEngine(t, engine.Options{Sandbox: held(release), Memory: memory.New(8*runtime.GiB, quiet), BacklogLimit: queued, Uses: func(runtime.Tenant) *runtime.TenantUse { return use }})
		hostile(t, e, 1)
		synctest.Wait()
		for round := range 3 {
			accepted, err := e.SubmitBulk(t.Context(), runtime.BulkRequest{Tenant: "hostile", Function: "f", Args: many(queued)})
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			for i, id := range accepted.IDs {
				if _, changed, err := e.CancelExecution(t.Context(), "hostile", id); err != nil || !changed {
					t.Fatalf("%s: %t, %v", id, changed, err)
				}
				// Few cancellations may share one look at many runs.
				if left := int64(len(accepted.IDs) - 1 - i); use.Usage().Queued < left || use.Usage().Queued > left+left/4 {
					t.Fatalf("%d runs count as queued, %d are", use.Usage().Queued, left)
				}
			}
		}
		end()
		synctest.Wait()
		if u := use.Usage(); u.Queued != 0 || u.Runs != 0 {
			t.Errorf("the tenant has %+v after all runs", u)
		}
		_ = e.Close(context.Background())
	})
}

// TestMemoryLimitOfATenant verifies that a limited tenant has no more memory than its limit, in the
// background and for callers, that what is refused says so, and that raising the limit starts more.
func TestMemoryLimitOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := runtime.Limits{}.WithDefaults().Reservation()
		use := runtime.NewTenantUse(runtime.TenantLimits{Memory: int(3 * each)})
		release := make(chan struct{})
		e := newEngine(t, engine.Options{Sandbox: held(release), Memory: memory.New(8*runtime.GiB, quiet), Uses: func(tenant runtime.Tenant) *runtime.TenantUse {
			if tenant == "hostile" {
				return use
			}
			return nil
		}})
		holds := func(runs int64) {
			t.Helper()
			synctest.Wait()
			if got := e.MemoryOf("hostile"); got != runs*each {
				t.Errorf("the tenant has %d bytes, want those of %d runs", got, runs)
			}
		}
		create(t, e, spec("hello", "[]"))
		hostile(t, e, 10)
		holds(3)
		_, err := e.Run(t.Context(), runtime.RunRequest{Tenant: "hostile", Function: "f"})
		if failed := wantCode(t, err, runtime.CodeTooBusy); failed.RetryAfter == 0 {
			t.Errorf("%v has no time after which to retry", err)
		}
		large := runtime.FunctionSpec{Tenant: "hostile", Name: "large", Source: []byte("[]"), Limits: runtime.Limits{Memory: 4 * each}}
		_, err = e.CreateFunction(t.Context(), large)
		wantCode(t, err, runtime.CodeTooLarge)
		id := submit(t, e, runtime.SubmitRequest{})
		synctest.Wait()
		if x := getExecution(t, e, id); x.State != runtime.StateSucceeded {
			t.Errorf("a neighbour's run is %s", x.State)
		}
		use.SetLimits(runtime.TenantLimits{Memory: int(5 * each)})
		e.LimitsChanged("hostile")
		holds(5)
		close(release)
		holds(0)
		if u := use.Usage(); u.Queued != 0 || u.Runs != 0 {
			t.Errorf("the tenant has %+v after all runs", u)
		}
		_ = e.Close(context.Background())
	})
}
