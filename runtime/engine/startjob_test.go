package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
)

// concurrency counts the runs at once, and their maximum.
type concurrency struct{ now, most atomic.Int64 }

func (c *concurrency) enter() (leave func()) {
	n := c.now.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return func() { c.now.Add(-1) }
}

// TestParallelismIsBounded checks that tasks that wait for a retry leave their place to others,
// and that never more tasks run at once than the parallelism allows.
func TestParallelismIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c concurrency
		var mu sync.Mutex
		tried := map[string]int{}
		e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
			defer c.enter()()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if tried[string(args)]++; tried[string(args)] <= len(tried)%3 {
				return failure(runtime.ClassError), nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		}}}, runtime.JobSpec{MaxConcurrentTasks: 7, MaxRetries: 3})
		x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(300)}))
		if c.most.Load() != 7 {
			t.Errorf("%d tasks ran at once", c.most.Load())
		}
		c.most.Store(0)
		x = awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(20), Parallelism: 2}))
		if c.most.Load() != 2 || x.Parallelism != 2 {
			t.Errorf("%d tasks ran at once of %+v", c.most.Load(), x)
		}
		c.most.Store(0)
		all := []runtime.JobExecution{startJob(t, e, runtime.JobStartRequest{Tasks: tasks(50)}), startJob(t, e, runtime.JobStartRequest{Tasks: tasks(50)})}
		for _, x := range all {
			awaitJob(t, e, x)
		}
		if c.most.Load() != 14 {
			t.Errorf("%d tasks of two executions ran at once", c.most.Load())
		}
		page, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{})
		if err != nil || len(page.Items) != 4 || page.Total != 4 {
			t.Errorf("there are %d executions of %d, %v", len(page.Items), page.Total, err)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestExecutionsOfAJobTakeTurns checks that a large execution does not delay a small one of the
// same function.
func TestExecutionsOfAJobTakeTurns(t *testing.T) {
	g := newGated()
	var j journal
	e, _ := jobEngine(t, engine.Options{MaxRuns: 1, Sandbox: &fakeSandbox{
		run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
			j.add(args)
			return g.run(ctx, p, args, c)
		},
	}}, runtime.JobSpec{})
	large := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(2000)})
	<-g.began
	small := startJob(t, e, runtime.JobStartRequest{Tasks: []json.RawMessage{[]byte(`{"s":1}`), []byte(`{"s":1}`), []byte(`{"s":1}`)}})
	g.end <- struct{}{}
	for done := 0; done < 3; {
		<-g.began
		began := j.take()
		for _, args := range began {
			if args == `{"s":1}` {
				done++
			}
		}
		g.end <- struct{}{}
	}
	awaitJob(t, e, small)
	x, err := e.GetJobExecution(ctx, tenant, "sums", large.ID)
	if err != nil || x.Stats.Succeeded > 20 {
		t.Errorf("while 3 tasks of the small execution ran, %d of the large one did, %v", x.Stats.Succeeded, err)
	}
	go func() {
		for range g.began {
		}
	}()
	close(g.end)
	awaitJob(t, e, large)
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
	close(g.began)
}

// TestEndsOfJobs checks how the ends of tasks determine the end of their execution.
func TestEndsOfJobs(t *testing.T) {
	box := &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		var a struct{ Class runtime.Class }
		if err := json.Unmarshal(args, &a); err != nil || a.Class == "" {
			return runtime.Outcome{Result: []byte("1")}, err
		}
		return failure(a.Class), nil
	}}
	e, _ := jobEngine(t, engine.Options{Sandbox: box}, runtime.JobSpec{})
	for _, c := range []struct {
		ends  []runtime.Class
		state runtime.State
		stats runtime.TaskCounts
	}{
		{[]runtime.Class{"", ""}, runtime.StateSucceeded, runtime.TaskCounts{Total: 2, Succeeded: 2}},
		{[]runtime.Class{"", runtime.ClassError}, runtime.StateFailed, runtime.TaskCounts{Total: 2, Succeeded: 1, Failed: 1}},
		{[]runtime.Class{"", runtime.ClassTimeout}, runtime.StateTimeout, runtime.TaskCounts{Total: 2, Succeeded: 1, Failed: 1, TimedOut: 1}},
		{[]runtime.Class{runtime.ClassTimeout, runtime.ClassMemory}, runtime.StateFailed, runtime.TaskCounts{Total: 2, Failed: 2, TimedOut: 1}},
		{[]runtime.Class{runtime.ClassTimeout}, runtime.StateTimeout, runtime.TaskCounts{Total: 1, Failed: 1, TimedOut: 1}},
	} {
		var all []json.RawMessage
		for _, class := range c.ends {
			all = append(all, fmt.Appendf(nil, `{"class":%q}`, class))
		}
		if x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: all})); x.State != c.state || x.Stats != c.stats {
			t.Errorf("tasks that end as %q result in %s, %+v", c.ends, x.State, x.Stats)
		}
	}
}

// TestTaskRetries checks that each task has the retries of its job, and counts as retried once.
func TestTaskRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tried := map[int]int{}
		box := &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
			var a struct{ N int }
			if err := json.Unmarshal(args, &a); err != nil {
				return runtime.Outcome{}, err
			}
			mu.Lock()
			defer mu.Unlock()
			tried[a.N]++
			switch {
			case a.N == 0 && tried[0] == 1: // the platform fails
				return runtime.Outcome{}, errors.New("broken")
			case tried[a.N] <= a.N:
				return failure(runtime.ClassError), nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		}}
		e, _ := jobEngine(t, engine.Options{Sandbox: box}, runtime.JobSpec{MaxRetries: 2})
		x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(5)}))
		if diff := cmp.Diff(map[int]int{0: 2, 1: 2, 2: 3, 3: 3, 4: 3}, tried); diff != "" {
			t.Error(diff)
		}
		if want := (runtime.TaskCounts{Total: 5, Succeeded: 3, Failed: 2, Retried: 5}); x.Stats != want || x.State != runtime.StateFailed {
			t.Errorf("they ended as %s, %+v", x.State, x.Stats)
		}
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestTaskLimitsAndEnvironment checks that tasks use the settings of their execution, else of
// their job, else of their function.
func TestTaskLimitsAndEnvironment(t *testing.T) {
	calls := make(chan runtime.RunCall, 1)
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		calls <- c
		return runtime.Outcome{Result: []byte("1")}, nil
	}}}, runtime.JobSpec{})
	update := func(s runtime.JobSpec) {
		t.Helper()
		if _, err := e.UpdateJob(ctx, job(s)); err != nil {
			t.Fatal(err)
		}
	}
	get := func(r runtime.JobStartRequest) (runtime.Limits, map[string]string, runtime.JobExecution) {
		t.Helper()
		r.Tasks = tasks(1)
		x := awaitJob(t, e, startJob(t, e, r))
		c := <-calls
		if c.Program.Limits.Memory != runtime.DefaultMemory || c.Program.Limits.Timeout != runtime.DefaultTimeout {
			t.Errorf("the program was changed: %+v", c.Program.Limits)
		}
		env := map[string]string{}
		if c.Env != nil {
			if err := json.Unmarshal(c.Env, &env); err != nil {
				t.Fatal(err)
			}
		}
		if x.Memory != c.Limits.Memory || x.Timeout != c.Limits.Timeout || !maps.Equal(x.Env, env) {
			t.Errorf("the run has %+v and %v, the execution is %+v", c.Limits, env, x)
		}
		return c.Limits, env, x
	}
	if l, env, _ := get(runtime.JobStartRequest{}); l.Memory != runtime.DefaultMemory || l.Timeout != runtime.DefaultTimeout || len(env) > 0 {
		t.Errorf("with the settings of the function: %+v, %v", l, env)
	}
	update(runtime.JobSpec{
		Memory: 256 * runtime.MiB, Timeout: time.Minute / 2, MaxRetries: 2,
		Env: []runtime.EnvVar{{Name: "A", Value: "job"}, {Name: "B", Value: "job", Secret: true}},
	})
	if l, env, x := get(runtime.JobStartRequest{}); l.Memory != 256*runtime.MiB || l.Timeout != time.Minute/2 || env["A"] != "job" || env["B"] != "job" || x.MaxRetries != 2 {
		t.Errorf("with the settings of the job: %+v, %v", l, env)
	}
	l, env, x := get(runtime.JobStartRequest{Memory: 64 * runtime.MiB, Env: map[string]string{"B": "run", "C": "run"}})
	if l.Memory != 64*runtime.MiB || !maps.Equal(env, map[string]string{"A": "job", "B": "run", "C": "run"}) || x.MemoryOverride != 64*runtime.MiB {
		t.Errorf("with the settings of the execution: %+v, %v", l, env)
	}
}

func TestStartJobValidates(t *testing.T) {
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}, Memory: memory.New(256*runtime.MiB, nil)}, runtime.JobSpec{
		Memory: 128 * runtime.MiB, MaxConcurrentTasks: 2, Env: []runtime.EnvVar{{Name: "A", Value: ""}},
	})
	one := tasks(1)
	long := make([]byte, runtime.MaxEnv)
	for i := range long {
		long[i] = 'x'
	}
	for name, c := range map[string]struct {
		r    runtime.JobStartRequest
		code runtime.Code
	}{
		"no tasks":             {runtime.JobStartRequest{}, runtime.CodeInvalidArgument},
		"too many":             {runtime.JobStartRequest{Tasks: tasks(runtime.MaxTasks + 1)}, runtime.CodeTooLarge},
		"no object":            {runtime.JobStartRequest{Tasks: []json.RawMessage{[]byte(`{}`), []byte(`[]`)}}, runtime.CodeInvalidArgument},
		"no JSON":              {runtime.JobStartRequest{Tasks: []json.RawMessage{[]byte(`{`)}}, runtime.CodeInvalidArgument},
		"memory":               {runtime.JobStartRequest{Tasks: one, Memory: 129 * runtime.MiB}, runtime.CodeInvalidArgument},
		"little memory":        {runtime.JobStartRequest{Tasks: one, Memory: 1 * runtime.MiB}, runtime.CodeInvalidArgument},
		"parallelism":          {runtime.JobStartRequest{Tasks: one, Parallelism: 3}, runtime.CodeInvalidArgument},
		"negative parallelism": {runtime.JobStartRequest{Tasks: one, Parallelism: -1}, runtime.CodeInvalidArgument},
		"variable":             {runtime.JobStartRequest{Tasks: one, Env: map[string]string{"A=B": ""}}, runtime.CodeInvalidArgument},
		"value":                {runtime.JobStartRequest{Tasks: one, Env: map[string]string{"A": "\xff"}}, runtime.CodeInvalidArgument},
		"NUL":                  {runtime.JobStartRequest{Tasks: one, Env: map[string]string{"A": "\x00"}}, runtime.CodeInvalidArgument},
		"environment":          {runtime.JobStartRequest{Tasks: one, Env: map[string]string{"AB": string(long)}}, runtime.CodeTooLarge},
		"name":                 {runtime.JobStartRequest{Tasks: one, Name: "a/b"}, runtime.CodeInvalidArgument},
		"long name":            {runtime.JobStartRequest{Tasks: one, Name: string(long[:129])}, runtime.CodeInvalidArgument},
		"key":                  {runtime.JobStartRequest{Tasks: one, IdempotencyKey: "\n"}, runtime.CodeInvalidArgument},
		"job":                  {runtime.JobStartRequest{Tasks: one, Job: "none"}, runtime.CodeNotFound},
		"tenant":               {runtime.JobStartRequest{Tasks: one, Tenant: "other"}, runtime.CodeNotFound},
	} {
		if c.r.Tenant == "" {
			c.r.Tenant = tenant
		}
		if c.r.Job == "" {
			c.r.Job = "sums"
		}
		if _, err := e.StartJob(ctx, c.r); runtime.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := e.ListJobExecutions(ctx, tenant, "sums", runtime.PageRequest{})
	if err != nil || page.Total != 0 {
		t.Errorf("a rejected execution was stored: %+v, %v", page, err)
	}
	// A task that needs more memory than the server has can never run.
	if _, err := e.UpdateJob(ctx, job(runtime.JobSpec{Memory: 512 * runtime.MiB})); err != nil {
		t.Fatal(err)
	}
	for _, noQueue := range []bool{true, false} {
		_, err := e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: one, NoQueue: noQueue})
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
	if _, err := e.UpdateJob(ctx, job(runtime.JobSpec{Disabled: true})); err != nil {
		t.Fatal(err)
	}
	_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: one})
	wantCode(t, err, runtime.CodeInvalidArgument)
}

// TestStartJobIsIdempotent sends concurrent requests with one key: one starts an execution, and
// all get it.
func TestStartJobIsIdempotent(t *testing.T) {
	var runs atomic.Int64
	e, _ := jobEngine(t, engine.Options{Sandbox: counted(&runs)}, runtime.JobSpec{})
	r := runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(3), IdempotencyKey: "k"}
	var group sync.WaitGroup
	ids := make([]string, 8)
	var first atomic.Int64
	for i := range ids {
		group.Go(func() {
			a, err := e.StartJob(ctx, r)
			if err != nil {
				t.Error(err)
			}
			if !a.Replayed {
				first.Add(1)
			}
			ids[i] = a.Execution.ID
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("the requests got %v", ids)
		}
	}
	x := awaitJob(t, e, runtime.JobExecution{Job: "sums", ID: ids[0]})
	a, err := e.StartJob(ctx, r)
	if diff := cmp.Diff(x, a.Execution); err != nil || !a.Replayed || diff != "" || first.Load() != 1 || runs.Load() != 3 {
		t.Errorf("%d requests were first, %d runs; the replay is %+v, %v, %s", first.Load(), runs.Load(), a, err, diff)
	}
	for _, change := range []func(*runtime.JobStartRequest){
		func(r *runtime.JobStartRequest) { r.Tasks = tasks(2) },
		func(r *runtime.JobStartRequest) { r.Env = map[string]string{"A": "1"} },
		func(r *runtime.JobStartRequest) { r.Name = "x" },
		func(r *runtime.JobStartRequest) { r.Memory = 64 * runtime.MiB },
	} {
		other := r
		change(&other)
		_, err := e.StartJob(ctx, other)
		wantCode(t, err, runtime.CodeConflict)
	}
	if _, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: tenant, Function: "hello", IdempotencyKey: "k"}); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("a run with the same key: %v", err)
	}
}

// TestNamesOfExecutions checks that a name identifies one execution of a job.
func TestNamesOfExecutions(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{})
	x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1), Name: "nightly"}))
	for _, name := range []string{"nightly", x.ID} {
		got, err := e.GetJobExecution(ctx, tenant, j.Name, name)
		if err != nil || got.ID != x.ID || got.Name != "nightly" {
			t.Errorf("%s is %+v, %v", name, got, err)
		}
		_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1), Name: name})
		wantCode(t, err, runtime.CodeAlreadyExists)
	}
	other := job(runtime.JobSpec{})
	other.Name = "other"
	if _, err := e.CreateJob(ctx, other); err != nil {
		t.Fatal(err)
	}
	if _, err := e.GetJobExecution(ctx, tenant, "other", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another job has it: %v", err)
	}
	if y := startJob(t, e, runtime.JobStartRequest{Job: "other", Tasks: tasks(1), Name: "nightly"}); y.ID == x.ID {
		t.Error("another job's execution is the same")
	}
}

// TestNoQueue checks that an execution that must not be queued starts at once or stores nothing.
func TestNoQueue(t *testing.T) {
	g := newGated()
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, Memory: budgetFor(2)}, runtime.JobSpec{MaxConcurrentTasks: 1})
	var running []runtime.JobExecution
	for range 2 {
		running = append(running, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1), NoQueue: true}))
		<-g.began
	}
	_, err := e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1), NoQueue: true, IdempotencyKey: "k", Name: "n"})
	if wantCode(t, err, runtime.CodeTooBusy).RetryAfter == 0 {
		t.Error("the error has no RetryAfter")
	}
	if page, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{}); err != nil || page.Total != 2 {
		t.Errorf("there are %d executions, %v", page.Total, err)
	}
	queued := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(5)})
	g.end <- struct{}{}
	<-g.began
	// There is memory for one run, but queued tasks are first.
	_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: j.Name, Tasks: tasks(1), NoQueue: true})
	wantCode(t, err, runtime.CodeTooBusy)
	close(g.end)
	for _, x := range append(running, queued) {
		awaitJob(t, e, x)
	}
	awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1), NoQueue: true}))
}

// TestTicks checks that each tick of a schedule starts one execution, at concurrent requests and
// after a restart.
func TestTicks(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: echo}})
	create(t, e, spec("hello", "[]"))
	j, err := e.CreateJob(ctx, job(runtime.JobSpec{}))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	tick := func(e *engine.Engine, at time.Time) error {
		_, err := e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(1), Trigger: "t", Tick: at})
		return err
	}
	var group sync.WaitGroup
	var started atomic.Int64
	for range 8 {
		group.Go(func() {
			if err := tick(e, at); err == nil {
				started.Add(1)
			} else if !errors.Is(err, runtime.ErrTick) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if started.Load() != 1 {
		t.Errorf("the tick has started %d executions", started.Load())
	}
	after := d.crash(t)
	abandon(t, e, d)
	e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{run: echo}})
	for _, again := range []time.Time{at, at.Add(-time.Minute)} {
		if err := tick(e, again); !errors.Is(err, runtime.ErrTick) {
			t.Errorf("the tick at %v started again: %v", again, err)
		}
	}
	if err := tick(e, at.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if last, err := after.store.LastTick(tenant, j.ID, "t"); err != nil || !last.Equal(at.Add(time.Minute)) {
		t.Errorf("the last tick is %v, %v", last, err)
	}
	closeAll(t, e, after)
}
