package blaxel_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestJobExecutionResponses checks the responses for an execution, from the request to the
// last task.
func TestJobExecutionResponses(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"timeout":120,"maxConcurrentTasks":2,"memory":128,"envs":[{"name":"A","value":"a"},{"name":"B","value":"b"}]}`)
	const request = `{"tasks":[{"n":1},{"do":"fail"},{"do":"timeout"}],"env":{"C":"s3cret","B":"s3cret"},"memory":64,"executionId":"first","id":"key-1"}`
	a := s.Ask(t, "POST", "/v0/jobs/j/executions", request, nil, nil)
	if want := `{"executionId":"first","id":"key-1","jobId":"j","tasks":[{"n":1},{"do":"fail"},{"do":"timeout"}],"workspaceId":"default"}`; a.Body != want {
		t.Errorf("created: %s", a.Body)
	}
	x := s.AwaitEnd(t, "j", "first")
	if x.Status != "failed" || (x.Stats != wire.JobStats{Failure: 2, Success: 1, Total: 3}) {
		t.Errorf("ended: %+v", x)
	}
	if m := x.Metadata; m.ID != "first" || m.Job != "j" || m.Workspace != "default" || m.Revision != "1" || len(m.TraceID) != 32 ||
		len(m.UUID) != 36 || m.CompletedAt == nil || m.StartedAt == nil || m.UpdatedAt < m.CreatedAt {
		t.Errorf("metadata: %+v", m)
	}
	if p := x.Spec; p.EnvOverride != `{"B":"***","C":"***"}` || p.MemoryOverride != 64 || p.Parallelism != 2 || p.Timeout != 120 || len(p.Tasks) != 3 ||
		p.Tasks[2].Metadata.Name != "task-2" || p.Tasks[2].Spec != (wire.TaskBounds{MaxRetries: 0, Timeout: "2m"}) {
		t.Errorf("spec: %+v", p)
	}
	if got := s.Sandbox.Env; slices.ContainsFunc(got, func(env string) bool { return env != `{"A":"a","B":"s3cret","C":"s3cret"}` }) || len(got) != 3 {
		t.Errorf("tasks had %q", got)
	}
	var statuses []string
	for i, task := range x.Tasks {
		last := task.Conditions[len(task.Conditions)-1]
		statuses = append(statuses, fmt.Sprintf("%s %s %s %s %s %s", task.Metadata.Name, task.Status, last.Type, last.State, last.Severity, last.ExecutionReason))
		if m := task.Metadata; m.StartedAt == nil || *m.CompletedAt < *m.StartedAt || m.UpdatedAt != *m.CompletedAt || m.ScheduledAt == "" {
			t.Errorf("task %d: %+v", i, m)
		}
		// The same as any execution.
		var e wire.Execution[*string]
		s.Ask(t, "GET", "/v1/executions/"+task.Execution, "", nil, &e)
		if e.Status != wire.StatusSuccess && e.Status != wire.StatusFailed || i == 0 && string(e.Output) != `{"n":1}` {
			t.Errorf("task %d is %+v", i, e)
		}
	}
	if want := []string{
		"task-0 succeeded Completed CONDITION_SUCCEEDED INFO ",
		"task-1 failed Completed CONDITION_FAILED ERROR function_error",
		"task-2 failed Completed CONDITION_FAILED ERROR timeout",
	}; !slices.Equal(statuses, want) {
		t.Errorf("tasks: %q", statuses)
	}
	// By its name and by its id.
	var again wire.JobExecution[string]
	s.Ask(t, "GET", "/v0/jobs/j/executions/"+x.Metadata.UUID, "", nil, &again)
	if diff := cmp.Diff(x, again); diff != "" {
		t.Error(diff)
	}
	if a := s.Do(t, "GET", "/v0/jobs/j/executions/first", "", nil); strings.Contains(a.Body, "s3cret") {
		t.Error(a.Body)
	}
}

// TestLargeLimits checks that the values in the vendor's own examples are accepted, and returned.
func TestLargeLimits(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	for i, c := range []struct {
		timeout string
		seconds float64
		text    string
	}{
		{`3600`, 3600, "60m"}, {`1800`, 1800, "30m"}, {`"30m"`, 1800, "30m"}, {`"1h0.5s"`, 3600.5, "3600.5s"}, {`86400`, 86400, "1440m"},
	} {
		name := fmt.Sprint("j", i)
		s.CreateJob(t, name, `,"runtime":{"timeout":`+c.timeout+`}`)
		s.Ask(t, "POST", "/v0/jobs/"+name+"/executions", `{"tasks":[{"n":1}],"executionId":"x"}`, nil, nil)
		x := s.AwaitEnd(t, name, "x")
		if float64(x.Spec.Timeout) != math.Ceil(c.seconds) || len(x.Spec.Tasks) != 1 || x.Spec.Tasks[0].Spec.Timeout != c.text {
			t.Errorf("with the timeout %s: %+v", c.timeout, x.Spec)
		}
	}
	for _, memory := range []float64{2048, 3072} {
		name := fmt.Sprint("m", memory)
		s.CreateJob(t, name, fmt.Sprintf(`,"runtime":{"memory":%g,"timeout":3600}`, memory))
		var job wire.Job[string]
		if s.Ask(t, "GET", "/v0/jobs/"+name, "", nil, &job); job.Spec.Runtime.Memory != memory || job.Spec.Runtime.Timeout != 3600 {
			t.Errorf("with %g MB: %+v", memory, job.Spec.Runtime)
		}
	}
}

// TestStartingAnExecutionTwice checks that two equal requests with one id or key start one
// execution, and that a different request with that id is refused.
func TestStartingAnExecutionTwice(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	s.CreateJob(t, "k", "")
	const path = "/v0/jobs/j/executions"
	first := s.Ask(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, nil, nil)
	for _, h := range []apitest.Header{nil, {"Idempotency-Key": "once"}} {
		again := s.Ask(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, h, nil)
		if again.Body != first.Body || again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("first %s, again %s", first.Body, again.Body)
		}
	}
	s.Ask(t, "POST", path, `{"tasks":[{"a":1}]}`, apitest.Header{"Idempotency-Key": "once"}, nil)
	apitest.WantError(t, s.Do(t, "POST", path, `{"tasks":[{"a":2}],"id":"once"}`, nil), 409, "conflict")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/k/executions", `{"tasks":[{"a":1}],"id":"once"}`, nil), 409, "conflict")
	apitest.WantError(t, s.Do(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, apitest.Header{"Idempotency-Key": "twice"}), 400, "invalid_argument")
	s.Ask(t, "POST", path, `{"tasks":[{}],"executionId":"mine"}`, nil, nil)
	apitest.WantError(t, s.Do(t, "POST", path, `{"tasks":[{}],"executionId":"mine"}`, nil), 409, "already_exists")
	s.Ask(t, "POST", "/v0/jobs/k/executions", `{"tasks":[{}],"executionId":"mine"}`, nil, nil) // of another job
	var list []wire.JobExecution[string]
	if s.Ask(t, "GET", path, "", nil, &list); len(list) != 2 {
		t.Errorf("%d executions", len(list))
	}
	// Without an id each request has one of its own.
	var one, two wire.StartJobResponse
	s.Ask(t, "POST", path, `{"tasks":[{}]}`, nil, &one)
	s.Ask(t, "POST", path, `{"tasks":[{}]}`, nil, &two)
	if one.ID == "" || one.ID == two.ID || one.ExecutionID == two.ExecutionID {
		t.Errorf("%+v and %+v", one, two)
	}
}

func TestExecutionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"memory":128,"maxConcurrentTasks":4}`)
	s.CreateJob(t, "off", `,"enabled":false`)
	s.CreateJob(t, "huge", `,"runtime":{"memory":1024}`)
	for body, want := range map[string]string{
		``:                                       "the body is empty",
		`{}`:                                     "there are no tasks",
		`{"tasks":[]}`:                           "there are no tasks",
		`{"tasks":{}}`:                           "tasks is not an array",
		`{"tasks":[1]}`:                          "task 0",
		`{"tasks":[{},null]}`:                    "task 1",
		`{"tasks":[{}],"task":{}}`:               "task is not known here",
		`{"tasks":[{}],"memory":129}`:            "more than the 128 MB of the job",
		`{"tasks":[{}],"memory":32}`:             "out of bounds",
		`{"tasks":[{}],"parallelism":5}`:         "more than the 4 concurrent tasks",
		`{"tasks":[{}],"parallelism":-1}`:        "parallelism of -1 is out of bounds",
		`{"tasks":[{}],"env":{"A":1}}`:           "env.A is not a string",
		`{"tasks":[{}],"env":{"A B":"x"}}`:       "no valid name",
		`{"tasks":[{}],"allowQueue":"no"}`:       "allowQueue is not true or false",
		`{"tasks":[{}],"executionId":"a/b"}`:     "executionId is not valid",
		`{"tasks":[{}],"jobId":"k"}`:             "jobId is not the name in the path",
		`{"tasks":[{}],"id":"` + "\u00fc" + `"}`: "ASCII",
	} {
		m := apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/executions", body, nil), 400, "invalid_argument")
		if text := fmt.Sprint(m["message"], m["hint"]); !strings.Contains(text, want) {
			t.Errorf("%s: %s", body, text)
		}
	}
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/off/executions", `{"tasks":[{}]}`, nil), 400, "invalid_argument")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/huge/executions", `{"tasks":[{}],"allowQueue":false}`, nil), 400, "invalid_argument")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/none/executions", `{"tasks":[{}]}`, nil), 404, "not_found")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"workspaceId":"other"}`, nil), 404, "not_found")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[`+strings.Repeat("{},", runtime.MaxTasks)+`{}]}`, nil), 413, "too_large")
	for _, job := range []string{"j", "off", "huge"} {
		var page wire.Page[wire.JobExecution[string]]
		if s.Ask(t, "GET", "/v0/jobs/"+job+"/executions", "", apitest.Paged, &page); page.Meta.Total != 0 {
			t.Errorf("%s has %d executions", job, page.Meta.Total)
		}
	}
	for _, method := range []string{"GET", "DELETE"} {
		apitest.WantError(t, s.Do(t, method, "/v0/jobs/j/executions/none", "", nil), 404, "not_found")
		apitest.WantError(t, s.Do(t, method, "/v0/jobs/j/executions/"+apitest.ID, "", nil), 404, "not_found")
		apitest.WantError(t, s.Do(t, method, "/v0/jobs/none/executions/none", "", nil), 404, "not_found")
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/j/executions/none/tasks", "", nil), 404, "not_found")
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/j/executions/none?wait=x", "", nil), 400, "invalid_argument")
}

// TestExecutionThatMayNotQueue checks that the server refuses and does not store an execution that
// may not queue while another one uses all the memory.
func TestExecutionThatMayNotQueue(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"memory":300}`)
	id := s.Start(t, "j", `{"tasks":[{"do":"gate"}],"allowQueue":false}`)
	a := s.Do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"allowQueue":false,"id":"later"}`, nil)
	apitest.WantError(t, a, 429, "too_busy")
	if a.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	var page wire.Page[wire.JobExecution[string]]
	if s.Ask(t, "GET", "/v0/jobs/j/executions", "", apitest.Paged, &page); page.Meta.Total != 1 {
		t.Errorf("%d executions", page.Meta.Total)
	}
	close(s.Sandbox.Gate)
	s.AwaitEnd(t, "j", id)
	// The memory is released a moment after the end is reported.
	for s.Do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"allowQueue":false,"id":"later"}`, nil).Status == http.StatusTooManyRequests {
		time.Sleep(time.Millisecond)
	}
	if s.Ask(t, "GET", "/v0/jobs/j/executions", "", apitest.Paged, &page); page.Meta.Total != 2 {
		t.Errorf("%d executions", page.Meta.Total)
	}
}

// TestCancellingAnExecution checks that running tasks finish and no other tasks start.
func TestCancellingAnExecution(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"maxConcurrentTasks":1}`)
	id := s.Start(t, "j", `{"tasks":[{"do":"gate"},{},{}]}`)
	var x wire.JobExecution[string]
	for x.Stats.Running == 0 || x.Status == "pending" {
		s.Ask(t, "GET", "/v0/jobs/j/executions/"+id, "", nil, &x)
	}
	if x.Status != "running" || x.Tasks[0].Status != wire.TaskRunning || x.Tasks[1].Status != wire.TaskPending {
		t.Errorf("before: %+v", x)
	}
	for range 2 {
		s.Ask(t, "DELETE", "/v0/jobs/j/executions/"+id, "", nil, &x)
		if x.Status != "cancelling" || x.Stats.Cancelled != 2 || x.Tasks[2].Status != wire.TaskCancelled {
			t.Errorf("at once: %+v", x)
		}
	}
	close(s.Sandbox.Gate)
	x = s.AwaitEnd(t, "j", id)
	if x.Status != "cancelled" || (x.Stats != wire.JobStats{Cancelled: 2, Success: 1, Total: 3}) || x.Tasks[0].Status != wire.TaskSucceeded {
		t.Errorf("at last: %+v", x)
	}
	if last := x.Tasks[2].Conditions[len(x.Tasks[2].Conditions)-1]; last.Type != "Cancelled" || last.Message == "" {
		t.Errorf("cancelled: %+v", last)
	}
	s.Ask(t, "DELETE", "/v0/jobs/j/executions/"+id, "", nil, &x)
	if x.Status != "cancelled" {
		t.Errorf("again: %+v", x)
	}
}

// TestListsOfJobExecutions checks both forms of the list.
func TestListsOfJobExecutions(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	names := []string{"delta", "alpha", "echo", "bravo", "charlie"}
	for _, name := range names {
		s.AwaitEnd(t, "j", s.Start(t, "j", fmt.Sprintf(`{"tasks":[{}],"executionId":%q}`, name)))
	}
	of := func(list []wire.JobExecution[string]) (names []string) {
		for _, x := range list {
			if len(x.Tasks) != 1 || x.Tasks[0].Status != wire.TaskSucceeded {
				t.Errorf("%s is listed with %+v", x.Metadata.ID, x.Tasks)
			}
			names = append(names, x.Metadata.ID)
		}
		return names
	}
	newest := slices.Clone(names)
	slices.Reverse(newest)
	const path = "/v0/jobs/j/executions"
	for query, want := range map[string][]string{
		"":                                newest,
		"?limit=100":                      newest,
		"?limit=2":                        newest[:2],
		"?limit=2&offset=2":               newest[2:4],
		"?offset=4":                       newest[4:],
		"?offset=5":                       nil,
		"?offset=1000000":                 nil,
		"?limit=2&sort=name:asc&cursor=x": newest[:2], // not looked at in this form
	} {
		var list []wire.JobExecution[string]
		if s.Ask(t, "GET", path+query, "", nil, &list); !slices.Equal(of(list), want) || list == nil {
			t.Errorf("%s: %q", query, of(list))
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "offset=-1", "offset=x", "limit=1e1"} {
		apitest.WantError(t, s.Do(t, "GET", path+"?"+query, "", nil), 400, "invalid_argument")
	}
	for _, query := range []string{"limit=0", "limit=101", "sort=status:asc", "cursor=x"} {
		apitest.WantError(t, s.Do(t, "GET", path+"?"+query, "", apitest.Paged), 400, "invalid_argument")
	}
	for query, want := range map[string][]string{
		"":                     newest,
		"?offset=3":            newest, // not looked at in this form
		"?sort=createdAt:asc":  names,
		"?sort=name:asc":       slices.Sorted(slices.Values(names)),
		"?sort=name:asc&q=LTA": {"delta"},
		"?q=h":                 newest,
		"?q=ha":                {"charlie", "alpha"},
	} {
		var page wire.Page[wire.JobExecution[string]]
		if s.Ask(t, "GET", path+query, "", apitest.Paged, &page); !slices.Equal(of(page.Data), want) || page.Meta.Total != 5 || page.Meta.HasMore {
			t.Errorf("%s: %q %+v", query, of(page.Data), page.Meta)
		}
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/none/executions", "", nil), 404, "not_found")
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/none/executions", "", apitest.Paged), 404, "not_found")
}

// TestListsOfTasks checks that an execution of 450 tasks shows 200 of them, and that the list has
// all.
func TestListsOfTasks(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	const count = 450
	id := s.Start(t, "j", `{"tasks":[`+strings.TrimSuffix(strings.Repeat("{},", count), ",")+`]}`)
	x := s.AwaitEnd(t, "j", id)
	if len(x.Tasks) != 200 || x.Stats.Success != count || x.Tasks[199].Metadata.Name != "task-199" {
		t.Errorf("%d tasks of %+v", len(x.Tasks), x.Stats)
	}
	names := func(query string) (all []string, pages int) {
		for cursor := ""; ; pages++ {
			var page wire.Page[wire.Task[string]]
			s.Ask(t, "GET", "/v0/jobs/j/executions/"+id+"/tasks?"+query+"&cursor="+cursor, "", nil, &page)
			for _, task := range page.Data {
				all = append(all, task.Metadata.Name)
			}
			if page.Meta.Total != count {
				t.Errorf("%+v", page.Meta)
			}
			if cursor = page.Meta.NextCursor; cursor == "" {
				return all, pages + 1
			}
		}
	}
	var want []string
	for i := range count {
		want = append(want, fmt.Sprint("task-", i))
	}
	for query, size := range map[string]int{"": 50, "limit=200": 200, "limit=201": 200, "limit=100000": 200, "limit=7": 7, "sort=createdAt:asc": 50} {
		if got, pages := names(query); !slices.Equal(got, want) || pages != (count+size-1)/size {
			t.Errorf("%q: %d tasks on %d pages", query, len(got), pages)
		}
	}
	slices.Reverse(want)
	if got, _ := names("sort=createdAt:desc"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	slices.Sort(want)
	if got, _ := names("sort=name:asc"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got, _ := names("q=SK-44"); len(got) != 11 {
		t.Errorf("%q", got)
	}
	for _, query := range []string{"limit=0", "limit=x", "sort=x", "cursor=AAAA"} {
		apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/j/executions/"+id+"/tasks?"+query, "", nil), 400, "invalid_argument")
	}
}

// TestRenderJobExecution checks that the body of a callback has the execution, and results within
// bounds.
func TestRenderJobExecution(t *testing.T) {
	t.Parallel()
	x := runtime.JobExecution{ID: apitest.ID, Name: "x", Job: "j", State: runtime.StateFailed, Stats: runtime.TaskCounts{Total: 2000}}
	tasks := make([]runtime.Execution, 2000)
	for i := range tasks {
		tasks[i] = runtime.Execution{ID: apitest.ID, State: runtime.StateSucceeded, Task: &runtime.TaskRef{Index: i}}
		tasks[i].Result = []byte(`"` + strings.Repeat("x", 8<<10) + `"`)
		tasks[i].ResultSize = len(tasks[i].Result)
	}
	tasks[0].State = runtime.StateFailed
	tasks[0].Result, tasks[0].ResultSize = nil, 0
	tasks[0].Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no", Traceback: "frames"}
	text := blaxel.RenderExecution(x, tasks)
	var got wire.JobExecution[string]
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(text) > runtime.MaxJobResultBytes+runtime.MiB || len(got.Tasks) != 200 || len(got.Results) != runtime.MaxJobResults {
		t.Errorf("%d bytes, %d tasks, %d results", len(text), len(got.Tasks), len(got.Results))
	}
	if r := got.Results[0]; r.Index != 0 || r.Status != wire.TaskFailed || r.Error == nil || r.Error.Message != "ValueError: no" || r.Error.Code != "function_error" {
		t.Errorf("%+v", r)
	}
	if r := got.Results[1]; r.Index != 1 || r.Status != wire.TaskSucceeded || string(r.Output) != string(tasks[1].Result) || r.OutputOmitted {
		t.Errorf("%+v", r)
	}
	if r := got.Results[runtime.MaxJobResults-1]; r.Output != nil || !r.OutputOmitted {
		t.Errorf("%d bytes of output", len(r.Output))
	}
}
