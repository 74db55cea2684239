package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/storage"
)

func submit(t testing.TB, e *engine.Engine, r runtime.SubmitRequest) string {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = tenant
	}
	if r.Function == "" {
		r.Function = "hello"
	}
	a, err := e.Submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.IDs) != 1 {
		t.Fatalf("the ids of one run are %v", a.IDs)
	}
	return a.IDs[0]
}

func await(t testing.TB, e *engine.Engine, id string) runtime.Execution {
	t.Helper()
	x, err := e.AwaitExecution(context.Background(), tenant, id)
	if err != nil || !x.State.Terminal() {
		t.Fatalf("AwaitExecution returned %+v, %v", x, err)
	}
	return x
}

func getExecution(t testing.TB, e *engine.Engine, id string) runtime.Execution {
	t.Helper()
	x, err := e.GetExecution(context.Background(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// many returns n args: {"n":0}, {"n":1} and so on.
func many(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	return all
}

// echo returns the args as the result.
func echo(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
	return runtime.Outcome{Result: append([]byte(nil), args...)}, nil
}

// disk is a store in memory that can lose what was not synced.
type disk struct {
	fs    *vfs.MemFS
	store *storage.Store
}

func openDisk(t testing.TB, fs *vfs.MemFS) disk {
	t.Helper()
	store, err := storage.Open(storage.Options{Dir: "store", FS: fs, Log: quiet, Replication: replication(fs)})
	if err != nil {
		t.Fatal(err)
	}
	return disk{fs, store}
}

// crash returns the disk after a loss of power.
func (d disk) crash(t testing.TB) disk {
	t.Helper()
	return openDisk(t, crashClone(d.fs, vfs.CrashCloneCfg{}))
}

func engineOn(t testing.TB, store runtime.Store, o engine.Options) *engine.Engine {
	t.Helper()
	o.Store, o.Log = store, quiet
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// abandon closes the store of an engine and then the engine, which cannot store anything any
// more. The test continues on a copy of the disk.
func abandon(t testing.TB, e *engine.Engine, d disk) {
	t.Helper()
	if err := d.store.Close(); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ended); err != nil {
		t.Errorf("an engine without a store does not close: %v", err)
	}
}

func closeAll(t testing.TB, e *engine.Engine, d disk) {
	t.Helper()
	if err := errors.Join(e.Close(context.Background()), d.store.Close()); err != nil {
		t.Error(err)
	}
}

func TestSubmit(t *testing.T) {
	box := &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		return runtime.Outcome{
			Result: append([]byte(nil), args...), Usage: runtime.Usage{Pages: 7, Duration: 3, Memory: 5},
			Logs: runtime.Logs{Data: []byte("log"), Marks: []runtime.LogMark{{Stream: 1}}},
		}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box})
	d := create(t, e, spec("hello", "[]"))
	caller := runtime.Caller{UserID: "ada", RID: "ri.jobs.main.job.1", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", TraceOwner: "ri.x"}
	id := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"a":1}`), Retries: ptr(2), Caller: caller})
	x := await(t, e, id)
	if x.Created.IsZero() || x.Started.Before(x.Created) || x.Finished.Before(x.Started) {
		t.Errorf("the times are %v, %v, %v", x.Created, x.Started, x.Finished)
	}
	x.Created, x.Started, x.Finished = time.Time{}, time.Time{}, time.Time{}
	want := runtime.Execution{
		ID: id, Tenant: tenant, Kind: runtime.KindRun, FunctionID: d.Function.ID, Function: "hello", Version: 1,
		State: runtime.StateSucceeded, Attempt: 1, Retries: 2, ResultSize: 7, ArgsSize: 7, Caller: caller,
		Outcome: runtime.Outcome{Result: []byte(`{"a":1}`), Usage: runtime.Usage{Pages: 7, Duration: 3, Memory: 5}},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	page, err := e.GetLogs(context.Background(), tenant, id, runtime.LogPosition{})
	wantPage := runtime.LogPage{
		Attempt: 1, Logs: runtime.Logs{Data: []byte("log"), Marks: []runtime.LogMark{{Stream: 1}}},
		Next: runtime.LogPosition{Attempt: 1, Offset: 3}, Size: 3, State: runtime.StateSucceeded,
	}
	if diff := cmp.Diff(wantPage, page); err != nil || diff != "" {
		t.Errorf("the logs are %v, %s", err, diff)
	}
}

func TestSubmitValidates(t *testing.T) {
	e := newEngine(t, engine.Options{Memory: memory.New(256*runtime.MiB, nil)})
	create(t, e, spec("hello", "[]"))
	large := []byte(`{"a":"` + strings.Repeat("x", 5<<20) + `"}`)
	for name, test := range map[string]struct {
		request runtime.BulkRequest
		code    runtime.Code
	}{
		"no function":    {runtime.BulkRequest{Function: "other", Args: many(1)}, runtime.CodeNotFound},
		"bad name":       {runtime.BulkRequest{Function: "../x", Args: many(1)}, runtime.CodeInvalidArgument},
		"nothing":        {runtime.BulkRequest{Function: "hello"}, runtime.CodeInvalidArgument},
		"array":          {runtime.BulkRequest{Function: "hello", Args: [][]byte{[]byte(`{}`), []byte(`[]`)}}, runtime.CodeInvalidArgument},
		"names twice":    {runtime.BulkRequest{Function: "hello", Args: [][]byte{[]byte(`{"a":1,"a":2}`)}}, runtime.CodeInvalidArgument},
		"too many":       {runtime.BulkRequest{Function: "hello", Args: many(runtime.MaxBulk + 1)}, runtime.CodeTooLarge},
		"one too large":  {runtime.BulkRequest{Function: "hello", Args: [][]byte{make([]byte, runtime.MaxArgs+1)}}, runtime.CodeTooLarge},
		"sum too large":  {runtime.BulkRequest{Function: "hello", Args: [][]byte{large, large, large, large, large, large, large, large, large, large, large, large, large}}, runtime.CodeTooLarge},
		"retries":        {runtime.BulkRequest{Function: "hello", Args: many(1), Retries: ptr(runtime.MaxRetries + 1)}, runtime.CodeInvalidArgument},
		"retries below":  {runtime.BulkRequest{Function: "hello", Args: many(1), Retries: ptr(-1)}, runtime.CodeInvalidArgument},
		"key too long":   {runtime.BulkRequest{Function: "hello", Args: many(1), IdempotencyKey: strings.Repeat("k", 256)}, runtime.CodeInvalidArgument},
		"key of control": {runtime.BulkRequest{Function: "hello", Args: many(1), IdempotencyKey: "a\nb"}, runtime.CodeInvalidArgument},
		"key not ASCII":  {runtime.BulkRequest{Function: "hello", Args: many(1), IdempotencyKey: "ü"}, runtime.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			test.request.Tenant = tenant
			_, err := e.SubmitBulk(context.Background(), test.request)
			wantCode(t, err, test.code)
		})
	}
	all, err := listExecutions(context.Background(), e, tenant, runtime.ExecutionFilter{Function: "hello", States: []runtime.State{runtime.StateQueued, runtime.StateRunning}}, "", 10)
	if err != nil || len(all) != 0 {
		t.Errorf("rejected runs were stored: %v, %v", all, err)
	}
}

func TestBacklogIsBounded(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, BacklogLimit: 10, MaxRuns: 1})
	create(t, e, spec("hello", "[1]"))
	request := runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(11)}
	_, err := e.SubmitBulk(context.Background(), request)
	if busy := wantCode(t, err, runtime.CodeTooBusy); busy.RetryAfter == 0 {
		t.Error("the error has no RetryAfter")
	}
	request.Args = many(10)
	a, err := e.SubmitBulk(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	close(g.end)
	for _, id := range a.IDs {
		await(t, e, id)
	}
	if _, err := e.SubmitBulk(context.Background(), request); err != nil {
		t.Errorf("after the backlog is done: %v", err)
	}
}

func TestBulkOfTenThousand(t *testing.T) {
	var runs atomic.Int64
	e := newEngine(t, engine.Options{Sandbox: counted(&runs)})
	create(t, e, spec("hello", "[]"))
	args := many(runtime.MaxBulk)
	a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: args})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range a.IDs {
		if x := await(t, e, id); string(x.Result) != string(args[i]) || x.Attempt != 1 {
			t.Fatalf("run %d of %s returned %s at attempt %d", i, args[i], x.Result, x.Attempt)
		}
	}
	if runs.Load() != runtime.MaxBulk {
		t.Errorf("%d runs for %d executions", runs.Load(), runtime.MaxBulk)
	}
	all, err := e.GetExecutions(context.Background(), tenant, a.IDs)
	if err != nil || len(all) != len(a.IDs) {
		t.Fatal(len(all), err)
	}
	for i, x := range all {
		if x == nil || x.ID != a.IDs[i] {
			t.Fatalf("execution %d is %+v", i, x)
		}
	}
}

func TestConcurrentIdempotentSubmits(t *testing.T) {
	var runs atomic.Int64
	e := newEngine(t, engine.Options{Sandbox: counted(&runs)})
	create(t, e, spec("hello", "[]"))
	request := runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(5), IdempotencyKey: "the key"}
	answers := make([]runtime.Acceptance, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = e.SubmitBulk(context.Background(), request); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := 0
	for _, a := range answers {
		if diff := cmp.Diff(answers[0].IDs, a.IDs); diff != "" {
			t.Error(diff)
		}
		if !a.Replayed {
			first++
		}
	}
	for _, id := range answers[0].IDs {
		await(t, e, id)
	}
	if first != 1 || runs.Load() != 5 {
		t.Errorf("%d requests were first, there were %d runs", first, runs.Load())
	}
	for name, change := range map[string]func(*runtime.BulkRequest){
		"args":                     func(r *runtime.BulkRequest) { r.Args = many(4) },
		"retries":                  func(r *runtime.BulkRequest) { r.Retries = ptr(1) },
		"explicit default retries": func(r *runtime.BulkRequest) { r.Retries = ptr(0) },
		"function":                 func(r *runtime.BulkRequest) { r.Function = "other" },
	} {
		other := request
		change(&other)
		if name == "function" {
			create(t, e, spec("other", "[]"))
		}
		if _, err := e.SubmitBulk(context.Background(), other); runtime.CodeOf(err) != runtime.CodeConflict {
			t.Errorf("with other %s: %v", name, err)
		}
	}
}

// TestQueueIsFair checks that tenants take turns, even if one has far more runs, that the
// functions of a tenant take turns, and that the runs of a function stay in order.
func TestQueueIsFair(t *testing.T) {
	store := newStore(t)
	g := newGated()
	var mu sync.Mutex
	var order []string
	e := newEngine(t, engine.Options{Store: store, MaxRuns: 1, Sandbox: &fakeSandbox{
		run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			mu.Lock()
			order = append(order, string(p.Tenant)+"/"+p.Name+string(args))
			mu.Unlock()
			if p.Name == "first" {
				return g.run(ctx, p, args, c)
			}
			return echo(ctx, p, args, c)
		},
	}})
	for _, name := range []string{"first", "flood", "other"} {
		create(t, e, spec(name, "[]"))
	}
	if _, err := e.CreateFunction(context.Background(), runtime.FunctionSpec{Tenant: "b", Name: "small", Source: []byte("[]")}); err != nil {
		t.Fatal(err)
	}
	submit(t, e, runtime.SubmitRequest{Function: "first"})
	<-g.began
	send := func(tenant runtime.Tenant, function string, n int) []string {
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: function, Args: many(n)})
		if err != nil {
			t.Fatal(err)
		}
		return a.IDs
	}
	ids := send(tenant, "flood", 500)
	send(tenant, "other", 3)
	send("b", "small", 3)
	close(g.end)
	await(t, e, ids[len(ids)-1])
	mu.Lock()
	defer mu.Unlock()
	last := map[string]int{}
	next := map[string]int{}
	for at, call := range order {
		name, n, _ := strings.Cut(call, "{")
		last[name] = at
		if name != "a/first" {
			if want := fmt.Sprintf(`"n":%d}`, next[name]); n != want {
				t.Fatalf("%s ran out of order: %s, want %s", name, n, want)
			}
			next[name]++
		}
	}
	// A few runs of the flood hold leases already.
	if last["b/small"] > 20 || last["a/other"] > 30 {
		t.Errorf("other runs wait for the flood: %v", last)
	}
	if next["a/flood"] != 500 || next["a/other"] != 3 || next["b/small"] != 3 {
		t.Errorf("runs: %v", next)
	}
}

// TestBlockingRunsDuringABulk checks that a blocking run takes turns with a large bulk.
func TestBlockingRunsDuringABulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		e := newEngine(t, engine.Options{MaxRuns: 1, QueueLimit: 1, Sandbox: &fakeSandbox{
			run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				if len(args) > 2 {
					return g.run(ctx, p, args, c)
				}
				return echo(ctx, p, args, c)
			},
		}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(50)})
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		synctest.Wait()
		go func() {
			_, err := run(e, "hello", "")
			answered <- err
		}()
		synctest.Wait()
		for range 2 { // one runs, one may be next before the blocking run
			g.end <- struct{}{}
			synctest.Wait()
		}
		select {
		case err := <-answered:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the caller waits for the bulk")
		}
		close(g.end)
		for _, id := range a.IDs {
			await(t, e, id)
		}
	})
}

// TestBackgroundRunAfterAFunctionChange changes a function while a run is queued: the run uses
// the version that is current when it starts.
func TestBackgroundRunAfterAFunctionChange(t *testing.T) {
	for name, test := range map[string]struct {
		change func(e *engine.Engine) error
		result string // empty: rejected
	}{
		"update": {func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")})
			return err
		}, "[2]"},
		"rename": {func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("bye")})
			return err
		}, "[1]"},
		"rename, and another takes the name": {func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("bye")})
			if err == nil {
				_, err = e.CreateFunction(context.Background(), spec("hello", "[3]"))
			}
			return err
		}, "[1]"},
		"delete": {func(e *engine.Engine) error {
			_, err := remove(e, "hello")
			return err
		}, ""},
		"delete, and another takes the name": {func(e *engine.Engine) error {
			_, err := remove(e, "hello")
			if err == nil {
				_, err = e.CreateFunction(context.Background(), spec("hello", "[3]"))
			}
			return err
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store, box := &heldStore{Store: newStore(t), hold: make(chan struct{})}, &fakeSandbox{}
			e := newEngine(t, engine.Options{Store: store, Sandbox: box})
			create(t, e, spec("hello", "[1]"))
			id := submit(t, e, runtime.SubmitRequest{})
			if err := test.change(e); err != nil {
				t.Fatal(err)
			}
			close(store.hold)
			x := await(t, e, id)
			if test.result == "" {
				if x.State != runtime.StateFailed || x.Failure.Class != runtime.ClassRejected {
					t.Errorf("got %+v, %+v", x, x.Failure)
				}
			} else if x.State != runtime.StateSucceeded || string(x.Result) != test.result {
				t.Errorf("got %+v, %+v", x, x.Failure)
			}
			all, err := listFunctions(context.Background(), e, tenant, "", 10)
			if err != nil || box.held() != len(all) {
				t.Errorf("%d images are held for %d functions, %v", box.held(), len(all), err)
			}
		})
	}
}

// heldStore starts nothing until hold is closed.
type heldStore struct {
	runtime.Store
	hold chan struct{}
}

func (s *heldStore) Start(leases []runtime.Lease) ([]error, error) {
	<-s.hold
	return s.Store.Start(leases)
}

// TestBackgroundRunsStayWithinTheBudget runs them beside blocking runs, again and again.
func TestBackgroundRunsStayWithinTheBudget(t *testing.T) {
	const fit = 3
	var running, most atomic.Int64
	e := newEngine(t, engine.Options{
		Memory: budgetFor(fit),
		Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			now := running.Add(1)
			defer running.Add(-1)
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			time.Sleep(100 * time.Microsecond)
			return echo(ctx, p, args, c)
		}},
	})
	create(t, e, spec("hello", "[]"))
	for range 5 {
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(100)})
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				if _, err := e.Run(context.Background(), runtime.RunRequest{Tenant: tenant, Function: "hello"}); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		for _, id := range a.IDs {
			await(t, e, id)
		}
	}
	if most.Load() > fit {
		t.Errorf("%d runs ran at once, there is memory for %d", most.Load(), fit)
	}
}

// TestLeasedRunsUseTheCurrentVersion changes a function while runs wait with a lease: they run
// the new version, even if it needs more memory. If it is deleted they do not run.
func TestLeasedRunsUseTheCurrentVersion(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *engine.Engine) error
		want   runtime.State
		result string
	}{
		"updated": {func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")})
			return err
		}, runtime.StateSucceeded, "[2]"},
		"needs more memory": {func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{
				Tenant: tenant, Name: "hello", Source: []byte("[2]"), Memory: ptr(int64(2 * runtime.DefaultMemory)),
			})
			return err
		}, runtime.StateSucceeded, "[2]"},
		"deleted": {func(e *engine.Engine) error {
			_, err := e.DeleteFunction(context.Background(), runtime.FunctionDeletion{Tenant: tenant, Name: "hello"})
			return err
		}, runtime.StateFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			gate := make(chan struct{}) // each element ends one run
			var began atomic.Int64
			e := newEngine(t, engine.Options{MaxRuns: 1, Sandbox: &fakeSandbox{
				run: func(_ context.Context, p runtime.Program, _, _ []byte) (runtime.Outcome, error) {
					began.Add(1)
					<-gate
					return runtime.Outcome{Result: p.Source}, nil
				},
			}})
			create(t, e, spec("hello", "[1]"))
			a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(1000)})
			if err != nil {
				t.Fatal(err)
			}
			ids := a.IDs
			gate <- struct{}{}
			changed := make(chan error, 1)
			go func() { changed <- c.change(e) }()
			// A deploy waits for memory and takes turns with the runs.
			for done := false; !done; {
				select {
				case err := <-changed:
					if err != nil {
						t.Fatal(err)
					}
					done = true
				case gate <- struct{}{}:
				}
			}
			// One run may have its version and not have reached the sandbox.
			before := int(began.Load()) + 1
			close(gate)
			after := 0
			for _, id := range ids {
				x := await(t, e, id)
				if x.State == c.want && (c.result == "" || string(x.Result) == c.result) {
					after++
				}
			}
			if after < len(ids)-before || before >= len(ids) {
				t.Errorf("up to %d of %d began before the change, %d used the changed function", before, len(ids), after)
			}
		})
	}
}
