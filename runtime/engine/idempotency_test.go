package engine_test

import (
	"context"
	"errors"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func keyed(name, source, key string) runtime.FunctionSpec {
	s := spec(name, source)
	s.IdempotencyKey = key
	return s
}

// countingDeploys counts deploys. Source "bad" fails.
func countingDeploys(deployed *atomic.Int64) *fakeSandbox {
	return &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
		deployed.Add(1)
		for range 1000 { // let concurrent requests proceed as far as they can
			goruntime.Gosched()
		}
		if string(p.Source) == "bad" {
			return failure(runtime.ClassError), nil
		}
		return runtime.Outcome{}, nil
	}}
}

// TestConcurrentIdempotentChanges sends the same change with one key many times at once: one
// request makes the change, and all get its execution.
func TestConcurrentIdempotentChanges(t *testing.T) {
	var deployed atomic.Int64
	e := newEngine(t, engine.Options{Sandbox: countingDeploys(&deployed)})
	ctx := context.Background()
	for _, change := range []struct {
		name    string
		do      func() (runtime.Deployment, error)
		deploys int64
		kind    runtime.Kind
	}{
		{"create", func() (runtime.Deployment, error) { return e.CreateFunction(ctx, keyed("hello", "[1]", "create")) }, 1, runtime.KindCreate},
		{"update", func() (runtime.Deployment, error) {
			return e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]"), IdempotencyKey: "update"})
		}, 1, runtime.KindUpdate},
		{"rename", func() (runtime.Deployment, error) {
			return e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("bye"), IdempotencyKey: "rename"})
		}, 0, runtime.KindUpdate},
		{"delete", func() (runtime.Deployment, error) {
			return e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: tenant, Name: "bye", IdempotencyKey: "delete"})
		}, 0, runtime.KindDelete},
	} {
		t.Run(change.name, func(t *testing.T) {
			deployed.Store(0)
			answers := make([]runtime.Deployment, 100)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					var err error
					if answers[i], err = change.do(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			first := 0
			for _, d := range answers {
				switch {
				case d.ExecutionID == "" || d.ExecutionID != answers[0].ExecutionID:
					t.Errorf("the requests got the executions %q and %q", answers[0].ExecutionID, d.ExecutionID)
				case !d.Replayed:
					first++
				case d.Function != (runtime.Function{}):
					t.Errorf("a replay contains more than the execution: %+v", d)
				}
			}
			if first != 1 || deployed.Load() != change.deploys {
				t.Errorf("%d requests were first, there were %d deploys", first, deployed.Load())
			}
			if x := getExecution(t, e, answers[0].ExecutionID); x.Kind != change.kind || x.State != runtime.StateSucceeded {
				t.Errorf("the execution is %+v", x)
			}
		})
	}
	all, err := listExecutions(ctx, e, tenant, runtime.ExecutionFilter{}, "", 10)
	if err != nil || len(all) != 4 {
		t.Errorf("4 changes left %d executions, %v", len(all), err)
	}
}

// TestKeyConflicts checks that a key belongs to one request of any kind. A different request with
// the key is rejected and changes nothing.
func TestKeyConflicts(t *testing.T) {
	e := newEngine(t, engine.Options{})
	ctx := context.Background()
	timeout, memory := time.Second, int64(256*runtime.MiB)
	base := runtime.FunctionSpec{
		Tenant: tenant, Name: "hello", Source: []byte("[1]"), Context: []byte(`{"a":1}`), Retries: 1,
		Limits: runtime.Limits{Timeout: timeout, Memory: memory}, IdempotencyKey: "create",
	}
	create(t, e, base)
	for field, change := range map[string]func(*runtime.FunctionSpec){
		"name":    func(s *runtime.FunctionSpec) { s.Name = "hell" },
		"shifted": func(s *runtime.FunctionSpec) { s.Name, s.Source = "hell", []byte("o[1]") },
		"source":  func(s *runtime.FunctionSpec) { s.Source = []byte("[2]") },
		"context": func(s *runtime.FunctionSpec) { s.Context = nil },
		"timeout": func(s *runtime.FunctionSpec) { s.Limits.Timeout = 0 },
		"memory":  func(s *runtime.FunctionSpec) { s.Limits.Memory = 0 },
		"logs":    func(s *runtime.FunctionSpec) { s.Limits.Logs = 1 },
		"files":   func(s *runtime.FunctionSpec) { s.Limits.OpenFiles = 1 },
		"tmp":     func(s *runtime.FunctionSpec) { s.Limits.Tmp = 1 },
		"retries": func(s *runtime.FunctionSpec) { s.Retries = 0 },
	} {
		other := base
		change(&other)
		if _, err := e.CreateFunction(ctx, other); runtime.CodeOf(err) != runtime.CodeConflict {
			t.Errorf("a create with another %s: %v", field, err)
		}
	}
	update := runtime.FunctionUpdate{
		Tenant: tenant, Name: "hello", NewName: ptr("hello"), Source: []byte("[2]"), Context: []byte(`{}`), Timeout: &timeout, Memory: &memory,
		Retries: ptr(0), IdempotencyKey: "update",
	}
	if _, err := e.UpdateFunction(ctx, update); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*runtime.FunctionUpdate){
		"name":     func(u *runtime.FunctionUpdate) { u.Name = "bye" },
		"new name": func(u *runtime.FunctionUpdate) { u.NewName = nil },
		"source":   func(u *runtime.FunctionUpdate) { u.Source = nil },
		"context":  func(u *runtime.FunctionUpdate) { u.Context = nil },
		"timeout":  func(u *runtime.FunctionUpdate) { u.Timeout = nil },
		"memory":   func(u *runtime.FunctionUpdate) { u.Memory = nil },
		"retries":  func(u *runtime.FunctionUpdate) { u.Retries = nil },
	} {
		other := update
		change(&other)
		if _, err := e.UpdateFunction(ctx, other); runtime.CodeOf(err) != runtime.CodeConflict {
			t.Errorf("an update with another %s: %v", field, err)
		}
	}
	submit(t, e, runtime.SubmitRequest{IdempotencyKey: "run"})

	requests := map[string]func(key string) error{
		"create": func(key string) error {
			_, err := e.CreateFunction(ctx, keyed("other", "[1]", key))
			return err
		},
		"update": func(key string) error {
			_, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[3]"), IdempotencyKey: key})
			return err
		},
		"delete": func(key string) error {
			_, err := e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: tenant, Name: "hello", IdempotencyKey: key})
			return err
		},
		"run": func(key string) error {
			_, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: tenant, Function: "hello", Args: []byte(`{"n":1}`), IdempotencyKey: key})
			return err
		},
	}
	for _, key := range []string{"create", "update", "run"} {
		for kind, request := range requests {
			if err := request(key); runtime.CodeOf(err) != runtime.CodeConflict {
				t.Errorf("a %s with the key of a %s: %v", kind, key, err)
			}
		}
	}
	for _, key := range []string{strings.Repeat("k", runtime.MaxIdempotencyKey+1), "a\nb", "ü"} {
		for kind, request := range requests {
			if err := request(key); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Errorf("a %s with the key %q: %v", kind, key, err)
			}
		}
	}
	if detail, err := e.GetFunction(ctx, tenant, "hello"); err != nil || detail.Version.Number != 2 {
		t.Errorf("a rejected request changed something: %+v, %v", detail, err)
	}
	// Tenants do not share keys.
	s := base
	s.Tenant = "b"
	if d, err := e.CreateFunction(ctx, s); err != nil || d.Replayed {
		t.Errorf("another tenant: %+v, %v", d, err)
	}
}

// TestRejectedRequestsDoNotUseTheirKey checks that the key of a rejected request is still free,
// for the same request once its obstacle is gone and for other requests.
func TestRejectedRequestsDoNotUseTheirKey(t *testing.T) {
	var deployed atomic.Int64
	e := newEngine(t, engine.Options{Sandbox: countingDeploys(&deployed)})
	ctx := context.Background()
	for range 2 {
		_, err := e.CreateFunction(ctx, keyed("hello", "bad", "k"))
		wantCode(t, err, runtime.CodeDeployFailed)
	}
	if deployed.Load() != 2 {
		t.Errorf("2 requests with bad code made %d deploys", deployed.Load())
	}
	_, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]"), IdempotencyKey: "k"})
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: tenant, Name: "hello", IdempotencyKey: "k"})
	wantCode(t, err, runtime.CodeNotFound)
	create(t, e, spec("hello", "[1]"))
	_, err = e.CreateFunction(ctx, keyed("hello", "[1]", "k"))
	wantCode(t, err, runtime.CodeAlreadyExists)
	_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("bad"), IdempotencyKey: "k"})
	wantCode(t, err, runtime.CodeDeployFailed)
	if _, err := remove(e, "hello"); err != nil {
		t.Fatal(err)
	}
	d, err := e.CreateFunction(ctx, keyed("hello", "[1]", "k"))
	if err != nil || d.Replayed {
		t.Errorf("without an obstacle: %+v, %v", d, err)
	}
	again, err := e.CreateFunction(ctx, keyed("hello", "[1]", "k"))
	if err != nil || !again.Replayed || again.ExecutionID != d.ExecutionID {
		t.Errorf("repeated: %+v, %v", again, err)
	}
}

// TestChangesWhoseResponseWasLost repeats a request whose response was lost, with its process or
// without: the response names the change that was made, although the change is impossible by now.
func TestChangesWhoseResponseWasLost(t *testing.T) {
	ctx := context.Background()
	requests := map[string]func(e *engine.Engine) (runtime.Deployment, error){
		"create": func(e *engine.Engine) (runtime.Deployment, error) {
			return e.CreateFunction(ctx, keyed("new", "[1]", "k"))
		},
		"rename": func(e *engine.Engine) (runtime.Deployment, error) {
			return e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "old", NewName: ptr("new"), IdempotencyKey: "k"})
		},
		"delete": func(e *engine.Engine) (runtime.Deployment, error) {
			return e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: tenant, Name: "old", IdempotencyKey: "k"})
		},
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			d := openDisk(t, vfs.NewCrashableMem())
			store := &forgetfulStore{Store: d.store}
			e := engineOn(t, store, engine.Options{Sandbox: &fakeSandbox{}})
			create(t, e, spec("old", "[0]"))
			store.forget = true
			if _, err := request(e); err == nil {
				t.Fatal("the response was not lost")
			}
			store.forget = false
			first, err := request(e)
			if err != nil || !first.Replayed {
				t.Errorf("in the same process: %+v, %v", first, err)
			}
			after := d.crash(t)
			abandon(t, e, d)
			e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{}})
			again, err := request(e)
			if err != nil || !again.Replayed || again.ExecutionID != first.ExecutionID {
				t.Errorf("in the next process: %+v, %v", again, err)
			}
			if x := getExecution(t, e, again.ExecutionID); x.State != runtime.StateSucceeded {
				t.Errorf("the execution is %+v", x)
			}
			if name != "delete" {
				if _, err := run(e, "new", ""); err != nil {
					t.Error(err)
				}
			}
			closeAll(t, e, after)
		})
	}
}

// forgetfulStore changes functions and, while forget is set, reports that it failed.
type forgetfulStore struct {
	runtime.Store
	forget bool
}

func (s *forgetfulStore) result(err error) error {
	if s.forget {
		return errors.Join(err, errors.New("lost"))
	}
	return err
}

func (s *forgetfulStore) CreateFunction(f runtime.Function, v runtime.Version, c runtime.Change) error {
	return s.result(s.Store.CreateFunction(f, v, c))
}

func (s *forgetfulStore) UpdateFunction(f runtime.Function, v *runtime.Version, c runtime.Change) error {
	return s.result(s.Store.UpdateFunction(f, v, c))
}

func (s *forgetfulStore) DeleteFunction(t runtime.Tenant, id string, c runtime.Change) error {
	return s.result(s.Store.DeleteFunction(t, id, c))
}

func TestKeysExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Options{})
		defer e.Close(context.Background())
		d := create(t, e, keyed("hello", "[1]", "k"))
		run := submit(t, e, runtime.SubmitRequest{IdempotencyKey: "run"})
		time.Sleep(runtime.IdempotencyPeriod - time.Nanosecond)
		again, err := e.CreateFunction(context.Background(), keyed("hello", "[1]", "k"))
		if err != nil || again.ExecutionID != d.ExecutionID || !again.Replayed {
			t.Errorf("at the end of the period: %+v, %v", again, err)
		}
		if id := submit(t, e, runtime.SubmitRequest{IdempotencyKey: "run"}); id != run {
			t.Errorf("at the end of the period: run %s became %s", run, id)
		}
		time.Sleep(time.Nanosecond)
		_, err = e.CreateFunction(context.Background(), keyed("hello", "[1]", "k"))
		wantCode(t, err, runtime.CodeAlreadyExists)
		if id := submit(t, e, runtime.SubmitRequest{IdempotencyKey: "run"}); id == run {
			t.Error("after the period the key still refers to its run")
		}
	})
}

// TestKeyOfAChangeInProgress sends requests with the key of a create that takes long: a second
// create waits for the response of the first, or gives up with its ctx; a run with the key is
// stored first and wins.
func TestKeyOfAChangeInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deploying, proceed := make(chan struct{}, 1), make(chan struct{})
		e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
			if p.Name == "slow" {
				deploying <- struct{}{}
				<-proceed
			}
			return runtime.Outcome{}, nil
		}}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[1]"))
		slow := func(ctx context.Context, key string) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := e.CreateFunction(ctx, keyed("slow", "[1]", key))
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first := slow(context.Background(), "k")
		<-deploying
		ctx, cancel := context.WithCancel(context.Background())
		second := slow(ctx, "k")
		cancel()
		wantCode(t, <-second, runtime.CodeUnavailable)
		submit(t, e, runtime.SubmitRequest{IdempotencyKey: "k"})
		close(proceed)
		wantCode(t, <-first, runtime.CodeConflict)
		_, err := e.GetFunction(context.Background(), tenant, "slow")
		wantCode(t, err, runtime.CodeNotFound)
	})
}

// TestReplayOfARequestThatIsNoLongerValid repeats an accepted request after its function was
// deleted, or with a full queue: it gets its response.
func TestReplayOfARequestThatIsNoLongerValid(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, BacklogLimit: 1, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	request := runtime.SubmitRequest{Tenant: tenant, Function: "hello", IdempotencyKey: "k"}
	first, err := e.Submit(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	<-g.began
	for full := false; !full; {
		_, err := e.Submit(context.Background(), runtime.SubmitRequest{Tenant: tenant, Function: "hello"})
		if full = runtime.CodeOf(err) == runtime.CodeTooBusy; err != nil && !full {
			t.Fatal(err)
		}
	}
	replay := func(when string) {
		t.Helper()
		again, err := e.Submit(context.Background(), request)
		if err != nil || !again.Replayed || len(again.IDs) != 1 || again.IDs[0] != first.IDs[0] {
			t.Errorf("%s: %+v, %v", when, again, err)
		}
	}
	replay("with a full queue")
	if _, err := e.DeleteFunction(context.Background(), runtime.FunctionDeletion{Tenant: tenant, Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	replay("without the function")
	other := request
	other.Args = []byte(`{"a":1}`)
	if _, err := e.Submit(context.Background(), other); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("another request: %v", err)
	}
	close(g.end)
}
