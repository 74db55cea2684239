package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

var ctx = context.Background()

func job(s runtime.JobSpec) runtime.Job {
	if s.Function == "" {
		s.Function = "hello"
	}
	return runtime.Job{Tenant: tenant, Name: "sums", Spec: s, CreatedBy: "ada", UpdatedBy: "ada"}
}

// jobEngine returns an engine with the function hello and the job sums.
func jobEngine(t testing.TB, o engine.Options, s runtime.JobSpec) (*engine.Engine, runtime.Job) {
	t.Helper()
	e := newEngine(t, o)
	create(t, e, spec("hello", "[]"))
	j, err := e.CreateJob(ctx, job(s))
	if err != nil {
		t.Fatal(err)
	}
	return e, j
}

// tasks returns the args of n tasks: {"n":0}, {"n":1} and so on.
func tasks(n int) []json.RawMessage {
	all := make([]json.RawMessage, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	return all
}

func startJob(t testing.TB, e *engine.Engine, r runtime.JobStartRequest) runtime.JobExecution {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = tenant
	}
	if r.Job == "" {
		r.Job = "sums"
	}
	a, err := e.StartJob(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return a.Execution
}

func awaitJob(t testing.TB, e *engine.Engine, x runtime.JobExecution) runtime.JobExecution {
	t.Helper()
	x, err := e.AwaitJobExecution(ctx, tenant, x.Job, x.ID)
	if err != nil || !x.State.Terminal() {
		t.Fatalf("AwaitJobExecution returned %+v, %v", x, err)
	}
	return x
}

func TestStartJob(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{MaxConcurrentTasks: 3})
	x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(50)}))
	want := runtime.TaskCounts{Total: 50, Succeeded: 50}
	if x.State != runtime.StateSucceeded || x.Stats != want || x.Started.Before(x.Created) || x.Finished.Before(x.Started) {
		t.Fatalf("it ended as %+v", x)
	}
	page, err := e.ListTasks(ctx, tenant, j.Name, x.ID, runtime.PageRequest{Sort: runtime.SortCreatedAsc})
	if err != nil || len(page.Items) != 50 || page.Total != 50 {
		t.Fatalf("the tasks are %d of %d, %v", len(page.Items), page.Total, err)
	}
	for i, task := range page.Items {
		if string(task.Result) != fmt.Sprintf(`{"n":%d}`, i) || *task.Task != (runtime.TaskRef{JobExecution: x.ID, Index: i}) ||
			task.Caller.RID != runtime.JobRID(j.ID) || task.Caller.TraceID != x.TraceID {
			t.Fatalf("task %d is %+v", i, task)
		}
	}
}

// TestStatesOfAStartingJob checks that an execution is queued, then pending, then running.
func TestStatesOfAStartingJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		held := &heldStore{Store: newStore(t), hold: make(chan struct{})}
		e, j := jobEngine(t, engine.Options{Store: held, Sandbox: &fakeSandbox{call: s.run}}, runtime.JobSpec{})
		x := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)})
		if x.State != runtime.StateQueued {
			t.Errorf("after acceptance it is %s", x.State)
		}
		wantState := func(want runtime.State, running int) {
			t.Helper()
			synctest.Wait()
			got, err := e.GetJobExecution(ctx, tenant, j.Name, x.ID)
			page, failed := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{})
			if err != nil || failed != nil || got.State != want || got.Stats.Running != running || got.Started.IsZero() != (running == 0) {
				t.Fatalf("it is %+v, %v, %v, want %s", got, err, failed, want)
			}
			if diff := cmp.Diff([]runtime.JobExecution{got}, page.Items); diff != "" {
				t.Error(diff)
			}
		}
		wantState(runtime.StatePending, 0)
		close(held.hold)
		<-s.call
		wantState(runtime.StateRunning, 1)
		s.end <- nil
		awaitJob(t, e, x)
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestRevisionsOfAJob checks that each change of the spec makes a revision, that the last ones
// are stored, and that a rollback makes a stored one current.
func TestRevisionsOfAJob(t *testing.T) {
	e, first := jobEngine(t, engine.Options{}, runtime.JobSpec{})
	if first.Revision != 1 || first.ID == "" || first.Created.IsZero() {
		t.Fatalf("it was created as %+v", first)
	}
	if _, err := e.CreateJob(ctx, job(runtime.JobSpec{})); runtime.CodeOf(err) != runtime.CodeAlreadyExists {
		t.Errorf("created again: %v", err)
	}
	j := job(runtime.JobSpec{})
	j.DisplayName, j.UpdatedBy = "Sums", "bob"
	j, err := e.UpdateJob(ctx, j)
	if err != nil || j.Revision != 1 || j.DisplayName != "Sums" || j.CreatedBy != "ada" || j.UpdatedBy != "bob" || j.ID != first.ID {
		t.Fatalf("with another display name it is %+v, %v", j, err)
	}
	for n := 2; n <= 7; n++ {
		for range 2 { // the second time nothing changes
			j, err = e.UpdateJob(ctx, job(runtime.JobSpec{MaxConcurrentTasks: n}))
			if err != nil || j.Revision != uint64(n) {
				t.Fatalf("update %d returned %+v, %v", n, j, err)
			}
		}
	}
	revisions, err := e.ListJobRevisions(ctx, tenant, "sums")
	var numbers []uint64
	for _, r := range revisions {
		numbers = append(numbers, r.Number)
		if r.Spec.MaxConcurrentTasks != int(r.Number) {
			t.Errorf("revision %d is %+v", r.Number, r)
		}
	}
	if err != nil || !slices.Equal(numbers, []uint64{7, 6, 5, 4, 3}) {
		t.Errorf("the stored revisions are %d, %v", numbers, err)
	}
	_, err = e.RollbackJob(ctx, tenant, "sums", 2, "ada")
	wantCode(t, err, runtime.CodeNotFound)
	j, err = e.RollbackJob(ctx, tenant, "sums", 3, "eve")
	if err != nil || j.Revision != 8 || j.Spec.MaxConcurrentTasks != 3 || j.UpdatedBy != "eve" {
		t.Errorf("rolled back it is %+v, %v", j, err)
	}
	if got, err := e.GetJob(ctx, tenant, "sums"); err != nil || cmp.Diff(j, got) != "" {
		t.Errorf("it is %+v, %v", got, err)
	}
	_, err = e.UpdateJob(ctx, runtime.Job{Tenant: tenant, Name: "other", Spec: runtime.JobSpec{Function: "hello"}})
	wantCode(t, err, runtime.CodeNotFound)
}

// TestTriggersKeepTheirIDs checks that applying the same triggers again, without ids and secrets,
// changes nothing.
func TestTriggersKeepTheirIDs(t *testing.T) {
	triggers := func() []runtime.Trigger {
		return []runtime.Trigger{
			{Type: runtime.TriggerCron, Schedule: "* * * * *", Tasks: tasks(1)},
			{Type: runtime.TriggerHTTP, Path: "/a/b/"},
			{Type: runtime.TriggerHTTPAsync, Path: "c", CallbackURL: "https://example.com/x", Tasks: []json.RawMessage{[]byte(`{"a": "<>"}`)}},
		}
	}
	e, j := jobEngine(t, engine.Options{}, runtime.JobSpec{Triggers: triggers()})
	got := j.Spec.Triggers
	if got[0].ID == "" || got[0].ID == got[1].ID || got[1].Path != "a/b" || len(got[2].CallbackSecret) < 32 || got[1].CallbackSecret != "" {
		t.Fatalf("they were created as %+v", got)
	}
	again, err := e.UpdateJob(ctx, job(runtime.JobSpec{Triggers: triggers()}))
	if err != nil || again.Revision != 1 || again.Spec.Triggers[2].CallbackSecret != got[2].CallbackSecret {
		t.Fatalf("applied again they are %+v, %v", again, err)
	}
	moved := triggers()
	moved[0], moved[2] = moved[2], moved[0]
	moved[1].Path = "d"
	again, err = e.UpdateJob(ctx, job(runtime.JobSpec{Triggers: moved}))
	if now := again.Spec.Triggers; err != nil || again.Revision != 2 || now[0].ID != got[2].ID || now[2].ID != got[0].ID || now[1].ID == got[1].ID {
		t.Errorf("in another order they are %+v, %v", again.Spec.Triggers, err)
	}
}

func TestInvalidJobs(t *testing.T) {
	e, _ := jobEngine(t, engine.Options{}, runtime.JobSpec{})
	cron := runtime.Trigger{Type: runtime.TriggerCron, Schedule: "* * * * *", Tasks: tasks(1)}
	with := func(change func(*runtime.Trigger)) runtime.JobSpec {
		t := cron
		change(&t)
		return runtime.JobSpec{Triggers: []runtime.Trigger{t}}
	}
	http := func(path string) runtime.Trigger { return runtime.Trigger{Type: runtime.TriggerHTTP, Path: path} }
	for name, s := range map[string]runtime.JobSpec{
		"function":        {Function: "none"},
		"function's name": {Function: "../x"},
		"memory":          {Memory: 63 * runtime.MiB},
		"much memory":     {Memory: runtime.MaxMemory + runtime.MiB},
		"timeout":         {Timeout: runtime.MinTimeout - 1},
		"long timeout":    {Timeout: runtime.MaxTimeout + 1},
		"retries":         {MaxRetries: 11},
		"tasks at once":   {MaxConcurrentTasks: 10_001},
		"variable":        {Env: []runtime.EnvVar{{Name: "1"}}},
		"twice":           {Env: []runtime.EnvVar{{Name: "A"}, {Name: "A"}}},
		"type":            with(func(t *runtime.Trigger) { t.Type = "x" }),
		"schedule":        with(func(t *runtime.Trigger) { t.Schedule = "" }),
		"task":            with(func(t *runtime.Trigger) { t.Tasks = []json.RawMessage{[]byte("1")} }),
		"missed":          with(func(t *runtime.Trigger) { t.Missed = "x" }),
		"callback":        with(func(t *runtime.Trigger) { t.CallbackURL = "https://example.com" }),
		"cron's path":     with(func(t *runtime.Trigger) { t.Path = "a" }),
		"id":              with(func(t *runtime.Trigger) { t.ID = "a b" }),
		"path":            {Triggers: []runtime.Trigger{http("a//b")}},
		"parent":          {Triggers: []runtime.Trigger{http("../b")}},
		"no path":         {Triggers: []runtime.Trigger{http("")}},
		"same path":       {Triggers: []runtime.Trigger{http("a"), http("/a")}},
		"many":            {Triggers: slices.Repeat([]runtime.Trigger{cron}, runtime.MaxTriggers+1)},
		"URL":             {Triggers: []runtime.Trigger{{Type: runtime.TriggerHTTPAsync, Path: "a", CallbackURL: "file:///etc/passwd"}}},
		"port":            {Triggers: []runtime.Trigger{{Type: runtime.TriggerHTTPAsync, Path: "a", CallbackURL: "https://example.com:99999/"}}},
		"waits long":      {Triggers: []runtime.Trigger{{Type: runtime.TriggerHTTP, Path: "a", Timeout: runtime.MaxTriggerTimeout + 1}}},
	} {
		j := job(s)
		j.Name = "other"
		if _, err := e.CreateJob(ctx, j); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
		j.Name = "sums"
		if _, err := e.UpdateJob(ctx, j); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%s, as an update: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "a-", "A", "a_b", strings.Repeat("a", 50)} {
		j := job(runtime.JobSpec{})
		j.Name = name
		if _, err := e.CreateJob(ctx, j); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if page, err := e.ListJobs(ctx, tenant, runtime.PageRequest{}); err != nil || page.Total != 1 || page.Items[0].Revision != 1 {
		t.Errorf("there are %+v, %v", page, err)
	}
}

// TestPagesOfTasks lists tasks in each order, page by page.
func TestPagesOfTasks(t *testing.T) {
	e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{})
	x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(12)}))
	for _, c := range []struct {
		request runtime.PageRequest
		want    string
	}{
		{runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: 5}, "0 1 2 3 4|5 6 7 8 9|10 11"},
		{runtime.PageRequest{Sort: runtime.SortCreatedDesc, Limit: 6}, "11 10 9 8 7 6|5 4 3 2 1 0"},
		{runtime.PageRequest{Sort: runtime.SortNameAsc, Limit: 5}, "0 1 10 11 2|3 4 5 6 7|8 9"},
		{runtime.PageRequest{Sort: runtime.SortNameDesc, Limit: 5, Query: "TASK-1"}, "11 10 1"},
		{runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: 2, Offset: 9}, "9 10|11"},
		{runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: 2, Offset: 50}, ""},
	} {
		var pages []string
		for {
			page, err := e.ListTasks(ctx, tenant, j.Name, x.Name, c.request)
			if err != nil || page.Total != 12 {
				t.Fatalf("%+v, %v", page, err)
			}
			var numbers []string
			for _, task := range page.Items {
				numbers = append(numbers, fmt.Sprint(task.Task.Index))
			}
			pages = append(pages, strings.Join(numbers, " "))
			if c.request.After = page.Next; page.Next == "" {
				break
			}
		}
		if got := strings.Join(pages, "|"); got != c.want {
			t.Errorf("%+v lists %s, want %s", c.request, got, c.want)
		}
	}
	for _, after := range []string{"x", "12", "-1"} {
		_, err := e.ListTasks(ctx, tenant, j.Name, x.ID, runtime.PageRequest{After: after})
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
	_, err := e.ListJobExecutions(ctx, tenant, j.Name, runtime.PageRequest{After: "x"})
	wantCode(t, err, runtime.CodeInvalidArgument)
}

// TestTaskIDs checks that the id of a task follows from its execution and number alone, and is
// unique.
func TestTaskIDs(t *testing.T) {
	const x, y = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
	seen, last := map[string]bool{}, ""
	for i := range runtime.MaxTasks {
		id := runtime.TaskID(x, i)
		if id <= last || len(id) != 36 || id[:13] != x[:13] || id[14] != '7' || strings.IndexByte("89ab", id[19]) < 0 {
			t.Fatalf("task %d has the id %s, after %s", i, id, last)
		}
		seen[id], last = true, id
	}
	for i := range runtime.MaxTasks {
		if seen[runtime.TaskID(y, i)] {
			t.Fatalf("two executions have task %s", runtime.TaskID(y, i))
		}
	}
	for _, id := range []string{runtime.TaskID(x, -1), runtime.TaskID(x, runtime.MaxTasks), runtime.TaskID("x", 0)} {
		if id != "" {
			t.Errorf("a task that cannot exist has the id %s", id)
		}
	}
	if id := runtime.TaskID(x, 0); id != runtime.TaskID(strings.ToUpper(x), 0) || id[15:18] != "000" {
		t.Errorf("the first is %s", id)
	}
}

// TestJobsFollowTheirFunction checks that a job is bound to a function and not to a name: it follows
// a renaming, shows the current name, and never runs another function that gets the name, neither by
// a request, nor by a trigger, a schedule, a retry or a rollback.
func TestJobsFollowTheirFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		ran, failing := map[string]int{}, 0
		box := &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			ran[c.Program.FunctionID]++
			if failing > 0 {
				failing--
				return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError, Type: "E", Message: "m"}}, nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		}}
		store := newStore(t)
		e, j := jobEngine(t, engine.Options{Store: store, Sandbox: box}, runtime.JobSpec{MaxRetries: 2, Triggers: []runtime.Trigger{
			{ID: "hook", Type: runtime.TriggerHTTP, Path: "go", Tasks: tasks(1)},
			{ID: "tick", Type: runtime.TriggerCron, Schedule: "*/15 * * * *", Tasks: tasks(1)},
		}})
		first := j.Spec.FunctionID
		name := "renamed"
		// A task that is queued for a retry while its function is renamed.
		mu.Lock()
		failing = 1
		mu.Unlock()
		retried := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)})
		synctest.Wait()
		if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: &name}); err != nil {
			t.Fatal(err)
		}
		other := create(t, e, spec("hello", "[]"))
		if x := awaitJob(t, e, retried); x.State != runtime.StateSucceeded || x.Stats.Retried != 1 {
			t.Errorf("the task that was queued again: %+v", x)
		}
		if x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)})); x.State != runtime.StateSucceeded || x.Function != name || x.FunctionID != first {
			t.Errorf("after the renaming: %+v", x)
		}
		awaitJob(t, e, trigger(t, e, "go", 1))
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if ran[first] != 5 || len(ran) != 1 {
			t.Errorf("what ran: %v, the job's function is %s, the other %s", ran, first, other.Function.ID)
		}
		mu.Unlock()
		page, err := e.ListJobs(ctx, tenant, runtime.PageRequest{Limit: 10})
		if err != nil || len(page.Items) != 1 || page.Items[0].Spec.Function != name {
			t.Errorf("listed: %+v, %v", page.Items, err)
		}
		revisions, err := e.ListJobRevisions(ctx, tenant, "sums")
		if err != nil || len(revisions) != 1 || revisions[0].Spec.Function != name {
			t.Errorf("revisions: %+v, %v", revisions, err)
		}
		// An update that changes nothing is none.
		got, err := e.GetJob(ctx, tenant, "sums")
		if err != nil || got.Spec.Function != name {
			t.Fatalf("the job is %+v, %v", got, err)
		}
		if again, err := e.UpdateJob(ctx, got); err != nil || again.Revision != 1 {
			t.Errorf("updated to %+v, %v", again, err)
		}

		// A new revision runs the other function; a rollback leads back to the first.
		got.Spec.Function = "hello"
		if got, err = e.UpdateJob(ctx, got); err != nil || got.Revision != 2 || got.Spec.FunctionID != other.Function.ID {
			t.Fatalf("updated to %+v, %v", got, err)
		}
		if got, err = e.RollbackJob(ctx, tenant, "sums", 1, "ada"); err != nil || got.Spec.FunctionID != first || got.Spec.Function != name {
			t.Fatalf("rolled back to %+v, %v", got, err)
		}

		// The function is deleted, and another one gets its name.
		if _, err := remove(e, name); err != nil {
			t.Fatal(err)
		}
		create(t, e, spec(name, "[]"))
		want := func(what string, err error) {
			t.Helper()
			if known, _ := runtime.AsError(err); runtime.CodeOf(err) != runtime.CodeInvalidArgument || !strings.Contains(known.Message, "was deleted") || known.Hint == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks(1)})
		want("a request", err)
		_, _, err = e.TriggerJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums"}, "go")
		want("a trigger", err)
		_, err = e.RollbackJob(ctx, tenant, "sums", 1, "ada")
		want("a rollback", err)
		time.Sleep(time.Hour) // ticks start nothing
		mu.Lock()
		if len(ran) != 1 {
			t.Errorf("what ran: %v", ran)
		}
		mu.Unlock()
		got.Spec.Function = "hello"
		if _, err := e.UpdateJob(ctx, got); err != nil {
			t.Fatal(err)
		}
		if x := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)})); x.State != runtime.StateSucceeded || x.FunctionID != other.Function.ID {
			t.Errorf("after the update: %+v", x)
		}
	})
}
