package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// TestExecutionsOfJobsAsTheyAreTold: from the request to the last task.
func TestExecutionsOfJobsAsTheyAreTold(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", `,"runtime":{"timeout":120,"maxConcurrentTasks":2,"memory":128,"envs":[{"name":"A","value":"a"},{"name":"B","value":"b"}]}`)
	const request = `{"tasks":[{"n":1},{"do":"fail"},{"do":"timeout"}],"env":{"C":"s3cret","B":"s3cret"},"memory":64,"executionId":"first","id":"key-1"}`
	a := s.ask(t, "POST", "/v0/jobs/j/executions", request, nil, nil)
	if want := `{"executionId":"first","id":"key-1","jobId":"j","tasks":[{"n":1},{"do":"fail"},{"do":"timeout"}],"workspaceId":"default"}`; a.body != want {
		t.Errorf("created: %s", a.body)
	}
	x := s.ended(t, "j", "first")
	if x.Status != "failed" || (x.Stats != toldJobStats{Failure: 2, Success: 1, Total: 3}) {
		t.Errorf("ended: %+v", x)
	}
	if m := x.Metadata; m.ID != "first" || m.Job != "j" || m.Workspace != "default" || m.Revision != "1" || len(m.TraceID) != 32 ||
		len(m.UUID) != 36 || m.CompletedAt == "" || m.StartedAt == "" || m.UpdatedAt < m.CreatedAt {
		t.Errorf("metadata: %+v", m)
	}
	if p := x.Spec; p.EnvOverride != `{"B":"***","C":"***"}` || p.MemoryOverride != 64 || p.Parallelism != 2 || p.Timeout != 120 || len(p.Tasks) != 3 ||
		p.Tasks[2].Metadata.Name != "task-2" || p.Tasks[2].Spec != (toldTaskBounds{0, "2m"}) {
		t.Errorf("spec: %+v", p)
	}
	if got := s.sandbox.env; slices.ContainsFunc(got, func(env string) bool { return env != `{"A":"a","B":"s3cret","C":"s3cret"}` }) || len(got) != 3 {
		t.Errorf("tasks had %q", got)
	}
	var statuses []string
	for i, task := range x.Tasks {
		last := task.Conditions[len(task.Conditions)-1]
		statuses = append(statuses, fmt.Sprintf("%s %s %s %s %s %s", task.Metadata.Name, task.Status, last.Type, last.State, last.Severity, last.ExecutionReason))
		if m := task.Metadata; m.StartedAt == "" || m.CompletedAt < m.StartedAt || m.UpdatedAt != m.CompletedAt || m.ScheduledAt == "" {
			t.Errorf("task %d: %+v", i, m)
		}
		// The same as any execution.
		var e execution
		s.ask(t, "GET", "/v1/executions/"+task.Execution, "", nil, &e)
		if e.Status != statusSuccess && e.Status != statusFailed || i == 0 && string(e.Output) != `{"n":1}` {
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
	var again toldJobExecution
	s.ask(t, "GET", "/v0/jobs/j/executions/"+x.Metadata.UUID, "", nil, &again)
	if diff := cmp.Diff(x, again); diff != "" {
		t.Error(diff)
	}
	if a := s.do(t, "GET", "/v0/jobs/j/executions/first", "", nil); strings.Contains(a.body, "s3cret") {
		t.Error(a.body)
	}
}

// TestStartingAnExecutionTwice: by the same id or key it is one execution, whatever
// else has that id is refused.
func TestStartingAnExecutionTwice(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", "")
	s.createJob(t, "k", "")
	const path = "/v0/jobs/j/executions"
	first := s.ask(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, nil, nil)
	for _, h := range []header{nil, {"Idempotency-Key": "once"}} {
		again := s.ask(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, h, nil)
		if again.body != first.body || again.header.Get(headerReplayed) != "true" || first.header.Get(headerReplayed) != "" {
			t.Errorf("first %s, again %s", first.body, again.body)
		}
	}
	s.ask(t, "POST", path, `{"tasks":[{"a":1}]}`, header{"Idempotency-Key": "once"}, nil)
	wantError(t, s.do(t, "POST", path, `{"tasks":[{"a":2}],"id":"once"}`, nil), 409, "conflict")
	wantError(t, s.do(t, "POST", "/v0/jobs/k/executions", `{"tasks":[{"a":1}],"id":"once"}`, nil), 409, "conflict")
	wantError(t, s.do(t, "POST", path, `{"tasks":[{"a":1}],"id":"once"}`, header{"Idempotency-Key": "twice"}), 400, "invalid_argument")
	s.ask(t, "POST", path, `{"tasks":[{}],"executionId":"mine"}`, nil, nil)
	wantError(t, s.do(t, "POST", path, `{"tasks":[{}],"executionId":"mine"}`, nil), 409, "already_exists")
	s.ask(t, "POST", "/v0/jobs/k/executions", `{"tasks":[{}],"executionId":"mine"}`, nil, nil) // of another job
	var list []toldJobExecution
	if s.ask(t, "GET", path, "", nil, &list); len(list) != 2 {
		t.Errorf("%d executions", len(list))
	}
	// Without an id each request has one of its own.
	var one, two createdExecution
	s.ask(t, "POST", path, `{"tasks":[{}]}`, nil, &one)
	s.ask(t, "POST", path, `{"tasks":[{}]}`, nil, &two)
	if one.ID == "" || one.ID == two.ID || one.ExecutionID == two.ExecutionID {
		t.Errorf("%+v and %+v", one, two)
	}
}

func TestExecutionsThatAreRefused(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", `,"runtime":{"memory":128,"maxConcurrentTasks":4}`)
	s.createJob(t, "off", `,"enabled":false`)
	s.createJob(t, "huge", `,"runtime":{"memory":1024}`)
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
		m := wantError(t, s.do(t, "POST", "/v0/jobs/j/executions", body, nil), 400, "invalid_argument")
		if text := fmt.Sprint(m["message"], m["hint"]); !strings.Contains(text, want) {
			t.Errorf("%s: %s", body, text)
		}
	}
	wantError(t, s.do(t, "POST", "/v0/jobs/off/executions", `{"tasks":[{}]}`, nil), 400, "invalid_argument")
	wantError(t, s.do(t, "POST", "/v0/jobs/huge/executions", `{"tasks":[{}],"allowQueue":false}`, nil), 400, "invalid_argument")
	wantError(t, s.do(t, "POST", "/v0/jobs/none/executions", `{"tasks":[{}]}`, nil), 404, "not_found")
	wantError(t, s.do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"workspaceId":"other"}`, nil), 404, "not_found")
	wantError(t, s.do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[`+strings.Repeat("{},", runtime.MaxTasks)+`{}]}`, nil), 413, "too_large")
	for _, job := range []string{"j", "off", "huge"} {
		var page toldPage[toldJobExecution]
		if s.ask(t, "GET", "/v0/jobs/"+job+"/executions", "", paged, &page); page.Meta.Total != 0 {
			t.Errorf("%s has %d executions", job, page.Meta.Total)
		}
	}
	for _, method := range []string{"GET", "DELETE"} {
		wantError(t, s.do(t, method, "/v0/jobs/j/executions/none", "", nil), 404, "not_found")
		wantError(t, s.do(t, method, "/v0/jobs/j/executions/"+testID, "", nil), 404, "not_found")
		wantError(t, s.do(t, method, "/v0/jobs/none/executions/none", "", nil), 404, "not_found")
	}
	wantError(t, s.do(t, "GET", "/v0/jobs/j/executions/none/tasks", "", nil), 404, "not_found")
	wantError(t, s.do(t, "GET", "/v0/jobs/j/executions/none?wait=x", "", nil), 400, "invalid_argument")
}

// TestWhatMayNotQueue: while another execution has all the memory one that may not
// queue is refused, and nothing of it is there.
func TestWhatMayNotQueue(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", `,"runtime":{"memory":300}`)
	id := s.run(t, "j", `{"tasks":[{"do":"gate"}],"allowQueue":false}`)
	a := s.do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"allowQueue":false,"id":"later"}`, nil)
	wantError(t, a, 429, "too_busy")
	if a.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	var page toldPage[toldJobExecution]
	if s.ask(t, "GET", "/v0/jobs/j/executions", "", paged, &page); page.Meta.Total != 1 {
		t.Errorf("%d executions", page.Meta.Total)
	}
	close(s.sandbox.gate)
	s.ended(t, "j", id)
	// The memory comes back a moment after the end is told.
	for s.do(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}],"allowQueue":false,"id":"later"}`, nil).status == http.StatusTooManyRequests {
		time.Sleep(time.Millisecond)
	}
	if s.ask(t, "GET", "/v0/jobs/j/executions", "", paged, &page); page.Meta.Total != 2 {
		t.Errorf("%d executions", page.Meta.Total)
	}
}

// TestCancellingAnExecution: what runs ends, nothing else starts.
func TestCancellingAnExecution(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", `,"runtime":{"maxConcurrentTasks":1}`)
	id := s.run(t, "j", `{"tasks":[{"do":"gate"},{},{}]}`)
	var x toldJobExecution
	for x.Stats.Running == 0 || x.Status == "pending" {
		s.ask(t, "GET", "/v0/jobs/j/executions/"+id, "", nil, &x)
	}
	if x.Status != "running" || x.Tasks[0].Status != taskRunning || x.Tasks[1].Status != taskPending {
		t.Errorf("before: %+v", x)
	}
	for range 2 {
		s.ask(t, "DELETE", "/v0/jobs/j/executions/"+id, "", nil, &x)
		if x.Status != "cancelling" || x.Stats.Cancelled != 2 || x.Tasks[2].Status != taskCancelled {
			t.Errorf("at once: %+v", x)
		}
	}
	close(s.sandbox.gate)
	x = s.ended(t, "j", id)
	if x.Status != "cancelled" || (x.Stats != toldJobStats{Cancelled: 2, Success: 1, Total: 3}) || x.Tasks[0].Status != taskSucceeded {
		t.Errorf("at last: %+v", x)
	}
	if last := x.Tasks[2].Conditions[len(x.Tasks[2].Conditions)-1]; last.Type != "Cancelled" || last.Message == "" {
		t.Errorf("cancelled: %+v", last)
	}
	s.ask(t, "DELETE", "/v0/jobs/j/executions/"+id, "", nil, &x)
	if x.Status != "cancelled" {
		t.Errorf("again: %+v", x)
	}
}

// TestListsOfJobExecutions: both forms.
func TestListsOfJobExecutions(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", "")
	names := []string{"delta", "alpha", "echo", "bravo", "charlie"}
	for _, name := range names {
		s.ended(t, "j", s.run(t, "j", fmt.Sprintf(`{"tasks":[{}],"executionId":%q}`, name)))
	}
	of := func(list []toldJobExecution) (names []string) {
		for _, x := range list {
			if x.Tasks != nil {
				t.Errorf("%s is listed with its tasks", x.Metadata.ID)
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
		var list []toldJobExecution
		if s.ask(t, "GET", path+query, "", nil, &list); !slices.Equal(of(list), want) || list == nil {
			t.Errorf("%s: %q", query, of(list))
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "offset=-1", "offset=x", "limit=1e1"} {
		wantError(t, s.do(t, "GET", path+"?"+query, "", nil), 400, "invalid_argument")
	}
	for _, query := range []string{"limit=0", "limit=101", "sort=status:asc", "cursor=x"} {
		wantError(t, s.do(t, "GET", path+"?"+query, "", paged), 400, "invalid_argument")
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
		var page toldPage[toldJobExecution]
		if s.ask(t, "GET", path+query, "", paged, &page); !slices.Equal(of(page.Data), want) || page.Meta.Total != 5 || page.Meta.HasMore {
			t.Errorf("%s: %q %+v", query, of(page.Data), page.Meta)
		}
	}
	wantError(t, s.do(t, "GET", "/v0/jobs/none/executions", "", nil), 404, "not_found")
	wantError(t, s.do(t, "GET", "/v0/jobs/none/executions", "", paged), 404, "not_found")
}

// TestListsOfTasks: of 450 tasks an execution is told with 200, and all are listed.
func TestListsOfTasks(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", "")
	const count = 450
	id := s.run(t, "j", `{"tasks":[`+strings.TrimSuffix(strings.Repeat("{},", count), ",")+`]}`)
	x := s.ended(t, "j", id)
	if len(x.Tasks) != maxToldTasks || x.Stats.Success != count || x.Tasks[199].Metadata.Name != "task-199" {
		t.Errorf("%d tasks of %+v", len(x.Tasks), x.Stats)
	}
	names := func(query string) (all []string, pages int) {
		for cursor := ""; ; pages++ {
			var page toldPage[toldTask]
			s.ask(t, "GET", "/v0/jobs/j/executions/"+id+"/tasks?"+query+"&cursor="+cursor, "", nil, &page)
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
		wantError(t, s.do(t, "GET", "/v0/jobs/j/executions/"+id+"/tasks?"+query, "", nil), 400, "invalid_argument")
	}
}

// TestTellJobExecution: what callbacks carry is the execution as it is told, and
// results within bounds.
func TestTellJobExecution(t *testing.T) {
	x := runtime.JobExecution{ID: testID, Name: "x", Job: "j", State: runtime.StateFailed, Stats: runtime.TaskCounts{Total: 2000}}
	tasks := make([]runtime.Execution, 2000)
	for i := range tasks {
		tasks[i] = runtime.Execution{ID: testID, State: runtime.StateSucceeded, Task: &runtime.TaskOf{Index: i}}
		tasks[i].Result = []byte(`"` + strings.Repeat("x", 8<<10) + `"`)
		tasks[i].ResultSize = len(tasks[i].Result)
	}
	tasks[0].State = runtime.StateFailed
	tasks[0].Result, tasks[0].ResultSize = nil, 0
	tasks[0].Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no", Traceback: "frames"}
	text := TellJobExecution(x, tasks)
	var told toldJobExecution
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	if len(text) > runtime.MaxJobResultBytes+runtime.MiB || len(told.Tasks) != maxToldTasks || len(told.Results) != runtime.MaxJobResults {
		t.Errorf("%d bytes, %d tasks, %d results", len(text), len(told.Tasks), len(told.Results))
	}
	if r := told.Results[0]; r.Index != 0 || r.Status != taskFailed || r.Error == nil || r.Error.Message != "ValueError: no" || r.Error.Code != "function_error" {
		t.Errorf("%+v", r)
	}
	if r := told.Results[1]; r.Index != 1 || r.Status != taskSucceeded || string(r.Output) != string(tasks[1].Result) || r.OutputOmitted {
		t.Errorf("%+v", r)
	}
	if r := told.Results[runtime.MaxJobResults-1]; r.Output != nil || !r.OutputOmitted {
		t.Errorf("%d bytes of output", len(r.Output))
	}
}

// TestConditionsTellTheStory of a task that was lost, failed, and was tried again.
func TestConditionsTellTheStory(t *testing.T) {
	steps := func(x runtime.Execution) (all []string) {
		for _, c := range tellConditions(&x) {
			if c.Message == "" || c.Reason == "" {
				t.Errorf("%+v", c)
			}
			all = append(all, fmt.Sprintf("%s %s %s %s", c.Type, c.State, c.Severity, c.Reason))
		}
		return all
	}
	const scheduled, started = "Scheduled CONDITION_SUCCEEDED INFO Accepted", "Started CONDITION_SUCCEEDED INFO Started"
	const retried = "Retried CONDITION_FAILED WARNING "
	failure := &runtime.Failure{Class: runtime.ClassMemory, Message: "too much"}
	for _, c := range []struct {
		x      runtime.Execution
		status taskStatus
		want   []string
	}{
		{runtime.Execution{State: runtime.StateQueued}, taskPending, []string{scheduled, "Completed CONDITION_PENDING INFO Waiting"}},
		{runtime.Execution{State: runtime.StateRunning, Attempt: 1}, taskRunning, []string{scheduled, started, "Completed CONDITION_PENDING INFO Running"}},
		{
			runtime.Execution{State: runtime.StateQueued, Attempt: 3, FunctionFailures: 1, PlatformFailures: 1, LostAttempts: 1, NotBefore: testTime},
			taskReconciling,
			[]string{scheduled, started, retried + "AttemptLost", retried + "PlatformFailed", retried + "FunctionFailed", "Completed CONDITION_PENDING INFO Retrying"},
		},
		{
			runtime.Execution{State: runtime.StateFailed, Attempt: 3, FunctionFailures: 2, Outcome: runtime.Outcome{Failure: failure}},
			taskFailed,
			[]string{scheduled, started, retried + "FunctionFailed", retried + "FunctionFailed", "Completed CONDITION_FAILED ERROR Failed"},
		},
		{ // the third loss was followed by no other attempt
			runtime.Execution{State: runtime.StateFailed, Attempt: 3, LostAttempts: 3, Outcome: runtime.Outcome{Failure: failure}},
			taskFailed,
			[]string{scheduled, started, retried + "AttemptLost", retried + "AttemptLost", "Completed CONDITION_FAILED ERROR Failed"},
		},
		{
			runtime.Execution{State: runtime.StateTimeout, Attempt: 1, Outcome: runtime.Outcome{Failure: failure}},
			taskFailed,
			[]string{scheduled, started, "Completed CONDITION_FAILED ERROR TimedOut"},
		},
		{
			runtime.Execution{State: runtime.StateCancelled, Outcome: runtime.Outcome{Failure: failure}},
			taskCancelled,
			[]string{scheduled, "Cancelled CONDITION_SUCCEEDED WARNING Cancelled"},
		},
		{runtime.Execution{State: runtime.StateSucceeded, Attempt: 1}, taskSucceeded, []string{scheduled, started, "Completed CONDITION_SUCCEEDED INFO Succeeded"}},
	} {
		if got := steps(c.x); !slices.Equal(got, c.want) || statusOfTask(&c.x) != c.status {
			t.Errorf("%s: %q, want %q", statusOfTask(&c.x), got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{30 * time.Minute: "30m", 90 * time.Second: "90s", time.Second / 2: "0.5s", time.Minute: "1m", 0: "0s"} {
		if got := durationText(d); got != want {
			t.Errorf("%s is written %s", d, got)
		}
	}
}
