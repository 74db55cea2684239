package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// TestRunsKnowTheirExecution verifies what runs learn about themselves: blocking and background ones,
// each attempt, and each task of a job.
func TestRunsKnowTheirExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []runtime.RunInfo
		e, j := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, c.Info)
			if c.Info.Attempt == 1 && c.Info.Task != 1 {
				return failure(runtime.ClassError), nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		}}}, runtime.JobSpec{MaxRetries: 1})
		defer e.Close(ctx)
		want := func(want ...runtime.RunInfo) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			slices.SortFunc(seen, func(a, b runtime.RunInfo) int {
				return 10*(a.Task-b.Task) + a.Attempt - b.Attempt + 100*strings.Compare(a.Job, b.Job)
			})
			for i := range want {
				want[i].Function = "hello"
			}
			if d := cmp.Diff(want, seen); d != "" {
				t.Error(d)
			}
			seen = nil
		}
		x, err := run(e, "hello", "")
		if err != nil {
			t.Fatal(err)
		}
		want(runtime.RunInfo{Execution: x.ID, Attempt: 1})

		id := submit(t, e, runtime.SubmitRequest{Retries: ptr(2)})
		await(t, e, id)
		want(runtime.RunInfo{Execution: id, Attempt: 1}, runtime.RunInfo{Execution: id, Attempt: 2})

		g := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(2)}))
		mu.Lock()
		ids := map[int]string{}
		for _, i := range seen {
			if ids[i.Task] != "" && ids[i.Task] != i.Execution || i.Execution == "" {
				t.Errorf("task %d has the executions %q and %q", i.Task, ids[i.Task], i.Execution)
			}
			ids[i.Task] = i.Execution
		}
		mu.Unlock()
		task := func(n, attempt int) runtime.RunInfo {
			return runtime.RunInfo{Execution: ids[n], Attempt: attempt, Job: j.Name, JobExecution: g.ID, Task: n}
		}
		want(task(0, 1), task(0, 2), task(1, 1))
		for n, id := range ids {
			if x := getExecution(t, e, id); x.Task == nil || x.Task.Index != n || x.Task.JobExecution != g.ID {
				t.Errorf("task %d: %+v", n, x.Task)
			}
		}
	})
}
