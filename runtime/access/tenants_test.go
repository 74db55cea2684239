package access_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
)

// engine has functions, jobs and executions by their tenants. A cancelled execution ends with the next
// list.
type engine struct {
	mu                          sync.Mutex
	functions, jobs, executions map[runtime.Tenant][]string
	cancelled                   map[string]bool
	cancelledRuns               []runtime.Tenant
	largest                     int           // items of one list
	disk                        time.Duration // that a cancellation waits for the disk
	err                         error
}

func newEngine() *engine {
	return &engine{functions: map[runtime.Tenant][]string{}, jobs: map[runtime.Tenant][]string{}, executions: map[runtime.Tenant][]string{}, cancelled: map[string]bool{}}
}

func (e *engine) fill(tenant runtime.Tenant, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range n {
		e.functions[tenant] = append(e.functions[tenant], fmt.Sprint("f", i))
		e.jobs[tenant] = append(e.jobs[tenant], fmt.Sprint("j", i))
		e.executions[tenant] = append(e.executions[tenant], fmt.Sprint(tenant, i))
	}
}

func (e *engine) left(tenant runtime.Tenant) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.functions[tenant]) + len(e.jobs[tenant]) + len(e.executions[tenant])
}

func (e *engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// page returns the first items of a list. The caller holds mu.
func (e *engine) page(all []string, limit int) []string {
	all = all[:min(limit, len(all))]
	e.largest = max(e.largest, len(all))
	return all
}

func (e *engine) ListFunctions(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Function], err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range e.page(e.functions[tenant], r.Limit) {
		page.Items = append(page.Items, runtime.Function{Name: name})
	}
	return page, e.err
}

func (e *engine) DeleteFunction(_ context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.functions[d.Tenant] = without(e.functions[d.Tenant], d.Name)
	return runtime.Deployment{}, nil
}

func (e *engine) ListJobs(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Job], err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range e.page(e.jobs[tenant], r.Limit) {
		page.Items = append(page.Items, runtime.Job{Name: name})
	}
	return page, e.err
}

func (e *engine) DeleteJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs[tenant] = without(e.jobs[tenant], name)
	return runtime.Job{}, nil
}

func (e *engine) ListExecutions(_ context.Context, tenant runtime.Tenant, f runtime.ExecutionFilter, r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.executions[tenant] {
		if e.cancelled[id] {
			e.executions[tenant] = without(e.executions[tenant], id)
		}
	}
	for _, id := range e.page(e.executions[tenant], r.Limit) {
		page.Items = append(page.Items, runtime.Execution{ID: id, State: runtime.StateRunning})
	}
	return page, e.err
}

func (e *engine) LimitsChanged(runtime.Tenant) {}
func (e *engine) ForgetTenant(runtime.Tenant)  {}

func (e *engine) CancelRuns(name runtime.Tenant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelledRuns = append(e.cancelledRuns, name)
}

func (e *engine) MemoryOf(runtime.Tenant) int64 { return 0 }

func (e *engine) CancelExecution(_ context.Context, _ runtime.Tenant, id string) (runtime.Execution, bool, error) {
	time.Sleep(e.disk)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelled[id] = true
	return runtime.Execution{}, true, nil
}

func without(all []string, name string) (rest []string) {
	for _, other := range all {
		if other != name {
			rest = append(rest, other)
		}
	}
	return rest
}

// TestOnlyEmptyTenantsAreDeleted: without force, a tenant with a request in progress stays, because that
// may create something, and goes on as before.
func TestOnlyEmptyTenantsAreDeleted(t *testing.T) {
	k := open(t, access.Options{Store: newStore()})
	defer k.Close()
	_, secret := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
	k.SetEngine(newEngine())
	who, err := k.Authenticate([]byte(secret))
	if err != nil || !who.Use.Enter() {
		t.Fatal(err)
	}
	_, err = k.DeleteTenant(t.Context(), "a", false)
	wantCode(t, err, runtime.CodeConflict)
	if !who.Use.Enter() {
		t.Error("the tenant stays, and its requests are refused")
	}
	who.Use.Leave()
	who.Use.Leave()
	if got, err := k.DeleteTenant(t.Context(), "a", false); err != nil || !got.Deleting || who.Use.Enter() {
		t.Errorf("an empty tenant: %+v, %v", got, err)
	}
}

// TestDeleteTenant checks that a tenant goes in bounded steps, across errors and a restart, only when no
// request of it is in progress, and that others keep all that they have.
func TestDeleteTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := newStore(), newEngine()
		k := open(t, access.Options{Store: s})
		_, secret := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
		_, kept := create(t, k, runtime.TokenSpec{Tenant: "b", Name: "t", Scope: runtime.ScopeRead})
		_, err := k.DeleteTenant(t.Context(), "a", true)
		wantCode(t, err, runtime.CodeUnavailable) // there is no engine yet
		k.SetEngine(e)
		e.fill("a", 250)
		e.fill("b", 10)
		for name, code := range map[runtime.Tenant]runtime.Code{"a": runtime.CodeConflict, "default": runtime.CodeInvalidArgument, "none": runtime.CodeNotFound, "": runtime.CodeNotFound} {
			_, err := k.DeleteTenant(t.Context(), name, false)
			wantCode(t, err, code)
		}
		who, err := k.Authenticate([]byte(secret))
		if err != nil || !who.Use.Enter() {
			t.Fatal(err)
		}
		e.fail(errors.New("the engine fails for a while"))
		if _, err := k.DeleteTenant(t.Context(), "a", true); err != nil {
			t.Fatal(err)
		}
		if who.Use.Enter() {
			t.Error("a request began after the deletion")
		}
		_, err = k.Authenticate([]byte(secret))
		wantCode(t, err, runtime.CodeUnauthenticated)
		_, err = k.CreateTenant("a")
		wantCode(t, err, runtime.CodeAlreadyExists)
		_, _, err = k.CreateToken(t.Context(), operator, runtime.TokenSpec{Tenant: "a", Name: "new", Scope: runtime.ScopeRead})
		wantCode(t, err, runtime.CodeNotFound)
		time.Sleep(time.Minute)
		e.fail(nil)
		time.Sleep(time.Minute)
		if n := e.left("a"); n != 0 {
			t.Errorf("%d things are left", n)
		}
		if got, err := k.GetTenant("a"); err != nil || !got.Deleting {
			t.Errorf("the tenant went while a request was in progress: %+v, %v", got, err)
		}
		e.fill("a", 150) // what that request has made
		k.Close()        // the request ends with the process
		k = open(t, access.Options{Store: s})
		if _, err := k.Authenticate([]byte(secret)); err == nil {
			t.Error("a token of a tenant that is being deleted is accepted after a restart")
		}
		k.SetEngine(e)
		time.Sleep(time.Minute)
		_, err = k.GetTenant("a")
		wantCode(t, err, runtime.CodeNotFound)
		if e.left("a") != 0 || e.left("b") != 30 || len(s.tenants) != 1 {
			t.Errorf("a has %d things, b %d, the store %d tenants", e.left("a"), e.left("b"), len(s.tenants))
		}
		if e.largest > access.DeleteStep {
			t.Errorf("a step took %d things", e.largest)
		}
		if _, err := k.Authenticate([]byte(kept)); err != nil {
			t.Error(err)
		}
		if _, err := k.CreateTenant("a"); err != nil {
			t.Error(err)
		}
		k.Close()
	})
}

// TestTenantWithManyRunsIsDeleted deletes a tenant with 3,000 queued runs, each of which waits for the disk
// when it is cancelled. Neither these nor pauses between steps add up, in the time of the test.
func TestTenantWithManyRunsIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		e.disk = 5 * time.Millisecond
		k := open(t, access.Options{Store: newStore()})
		defer k.Close()
		k.SetEngine(e)
		create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
		for i := range 3000 {
			e.executions["a"] = append(e.executions["a"], fmt.Sprint(i))
		}
		began := time.Now()
		if _, err := k.DeleteTenant(t.Context(), "a", true); err != nil {
			t.Fatal(err)
		}
		for k.Use("a") != nil && time.Since(began) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > 5*time.Second || e.left("a") > 0 || e.largest > access.DeleteStep {
			t.Errorf("it took %v; %d things are left; a step took %d", took, e.left("a"), e.largest)
		}
	})
}

// TestSpaceIsReclaimedBeside: freeing the disk space of a deleted tenant takes long, and holds up neither
// changes of others nor the end of the Keeper.
func TestSpaceIsReclaimedBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		begun, ended := make(chan runtime.Tenant, 1), make(chan error, 1)
		s.reclaim = func(ctx context.Context, name runtime.Tenant) error {
			begun <- name
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}
		k := open(t, access.Options{Store: s})
		k.SetEngine(newEngine())
		create(t, k, runtime.TokenSpec{Tenant: "gone", Name: "t", Scope: runtime.ScopeRead})
		if _, err := k.DeleteTenant(t.Context(), "gone", true); err != nil {
			t.Fatal(err)
		}
		if name := <-begun; name != "gone" {
			t.Fatalf("the space of %q is freed", name)
		}
		_, err := k.GetTenant("gone")
		wantCode(t, err, runtime.CodeNotFound)
		create(t, k, runtime.TokenSpec{Tenant: "other", Name: "t", Scope: runtime.ScopeRead})
		if _, err := k.Usage("other"); err != nil {
			t.Error(err)
		}
		select {
		case <-ended:
			t.Error("the test did not do anything meanwhile")
		default:
		}
		k.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
