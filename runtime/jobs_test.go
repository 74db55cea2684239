package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

var ctx = context.Background()

func job(s runtime.JobSpec) runtime.Job {
	if s.Function == "" {
		s.Function = "hello"
	}
	return runtime.Job{Tenant: tenant, Name: "sums", Spec: s, CreatedBy: "ada", UpdatedBy: "ada"}
}

// jobEngine is an engine with the function hello and the job sums.
func jobEngine(t testing.TB, o runtime.Options, s runtime.JobSpec) (*runtime.Engine, runtime.Job) {
	t.Helper()
	e := newEngine(t, o)
	create(t, e, spec("hello", "[]"))
	j, err := e.CreateJob(ctx, job(s))
	if err != nil {
		t.Fatal(err)
	}
	return e, j
}

// tasks are args {"n":0}, {"n":1} and so on.
func tasks(n int) []json.RawMessage {
	all := make([]json.RawMessage, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	return all
}

func runJob(t testing.TB, e *runtime.Engine, r runtime.JobRunRequest) runtime.JobExecution {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = tenant
	}
	if r.Job == "" {
		r.Job = "sums"
	}
	a, err := e.RunJob(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return a.Execution
}

func awaitJob(t testing.TB, e *runtime.Engine, x runtime.JobExecution) runtime.JobExecution {
	t.Helper()
	x, err := e.AwaitJob(ctx, tenant, x.Job, x.ID)
	if err != nil || !x.State.Terminal() {
		t.Fatalf("waited for an end and got %+v, %v", x, err)
	}
	return x
}

func TestRunJob(t *testing.T) {
	e, j := jobEngine(t, runtime.Options{Sandbox: &fakeSandbox{run: echo}}, runtime.JobSpec{MaxConcurrentTasks: 3})
	x := awaitJob(t, e, runJob(t, e, runtime.JobRunRequest{Tasks: tasks(50)}))
	want := runtime.JobStats{Total: 50, Succeeded: 50}
	if x.State != runtime.StateSucceeded || x.Stats != want || x.Started.Before(x.Created) || x.Finished.Before(x.Started) {
		t.Fatalf("it ended as %+v", x)
	}
	page, err := e.JobTasks(ctx, tenant, j.Name, x.ID, runtime.JobListing{Sort: runtime.SortCreatedAsc})
	if err != nil || len(page.Elements) != 50 || page.Total != 50 {
		t.Fatalf("the tasks are %d of %d, %v", len(page.Elements), page.Total, err)
	}
	for i, task := range page.Elements {
		if string(task.Result) != fmt.Sprintf(`{"n":%d}`, i) || *task.Task != (runtime.TaskOf{JobExecution: x.ID, Index: i}) ||
			task.Caller.RID != runtime.JobRID(j.ID) || task.Caller.TraceID != x.TraceID {
			t.Fatalf("task %d is %+v", i, task)
		}
	}
}
