package httpapi

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fullEngine is a fake engine whose functions, executions and jobs have a value in every
// field.
type fullEngine struct{ *fakeEngine }

const otherID = "01935f9e-7d5c-7000-8000-00000000beef"

func fullExecution() runtime.Execution {
	x := execAt(testID, runtime.StateFailed)
	x.Tenant, x.Function, x.FunctionID = "default", "hello.py", otherID
	x.Kind, x.Version, x.Retries, x.FunctionFailures, x.LostAttempts, x.PlatformFailures = runtime.KindRun, 7, 3, 1, 1, 1
	x.Attempt, x.NotBefore = 4, testTime.Add(2*time.Second)
	x.Caller = runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", RID: "ri.caller", TraceOwner: "ri.owner"}
	x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no <b>&</b> \u2028", Traceback: "frames\n", Line: 3}
	x.Task = &runtime.TaskOf{JobExecution: otherID, Index: 5}
	return x
}

func fullJob(tenant runtime.Tenant, name string) runtime.Job {
	return runtime.Job{
		ID: testID, Tenant: tenant, Name: name, DisplayName: "Nightly <bills>", Labels: map[string]string{"b": "2", "a": "1"}, Revision: 12,
		Created: testTime, Updated: testTime.Add(time.Hour), CreatedBy: "ada", UpdatedBy: "bob",
		Spec: runtime.JobSpec{
			Function: "hello.py", Disabled: true, Memory: 64*runtime.MiB + runtime.MiB/2, Timeout: 1500 * time.Millisecond, MaxRetries: 2, MaxConcurrentTasks: 9,
			Env: []runtime.EnvVar{{Name: "A", Value: "a"}, {Name: "B", Value: "s3cret", Secret: true}},
			Triggers: []runtime.Trigger{
				{ID: "t1", Type: runtime.TriggerHTTP, Path: "in/hook", Timeout: 90 * time.Second, Tasks: []json.RawMessage{json.RawMessage(`{"n": 1}`)}},
				{ID: "t2", Type: runtime.TriggerHTTPAsync, Path: "a", CallbackURL: "https://example.com/", CallbackSecret: "s3cret"},
				{ID: "t3", Type: runtime.TriggerCron, Disabled: true, Schedule: "0 3 * * *", TimeZone: "Europe/Berlin", Missed: runtime.MissedCatchUp, CallbackURL: "https://example.com/", Retry: 4},
			},
		},
	}
}

func fullJobExecution(tenant runtime.Tenant, job string) runtime.JobExecution {
	return runtime.JobExecution{
		ID: testID, Name: "first", Tenant: tenant, JobID: otherID, Job: job, Revision: 12, State: runtime.StateFailed,
		Created: testTime, Started: testTime.Add(time.Second), Finished: testTime.Add(time.Minute), Updated: testTime.Add(time.Minute),
		Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"}, Trigger: "t1",
		Parallelism: 3, MemoryOverride: 128 * runtime.MiB, EnvOverride: map[string]string{"Z": "s3cret", "A": "s3cret"}, Timeout: 2 * time.Minute,
		Stats: runtime.TaskCounts{Total: 20, Succeeded: 1, Failed: 2, TimedOut: 1, Cancelled: 3, Running: 4, Retried: 5},
	}
}

func (e fullEngine) GetFunction(_ context.Context, _ runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	return runtime.FunctionDetail{
		Function: runtime.Function{ID: testID, Name: name, Version: 3, Created: testTime, Updated: testTime.Add(time.Hour)},
		Version:  runtime.Version{Source: []byte("def main(a, c): return '<é>'\n"), Context: []byte(`{"k":"s3cret"}`), Limits: runtime.Limits{Timeout: 1500 * time.Millisecond}, Retries: 4},
	}, nil
}

func (e fullEngine) ListFunctions(context.Context, runtime.Tenant, runtime.PageRequest) (runtime.Page[runtime.Function], error) {
	return runtime.Page[runtime.Function]{Items: []runtime.Function{{ID: testID, Name: "hello.py", Version: 3, Created: testTime, Updated: testTime.Add(time.Hour)}}}, nil
}

func (e fullEngine) GetExecution(context.Context, runtime.Tenant, string) (runtime.Execution, error) {
	return fullExecution(), nil
}

func (e fullEngine) AwaitExecution(context.Context, runtime.Tenant, string) (runtime.Execution, error) {
	return fullExecution(), nil
}

func (e fullEngine) GetExecutions(context.Context, runtime.Tenant, []string) ([]*runtime.Execution, error) {
	x := fullExecution()
	return []*runtime.Execution{&x, nil, nil}[:1], nil
}

func (e fullEngine) ListExecutions(_ context.Context, _ runtime.Tenant, _ runtime.Filter, r runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	done := execAt(testID, runtime.StateSucceeded)
	done.Result, done.ResultSize = []byte(`{"a": "<b>"}`), 12
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{fullExecution(), execAt(otherID, runtime.StateQueued), done}, Next: testID}, nil
}

func (e fullEngine) CancelExecution(context.Context, runtime.Tenant, string) (runtime.Execution, bool, error) {
	return fullExecution(), true, nil
}

func (e fullEngine) GetLogs(context.Context, runtime.Tenant, string, runtime.LogPosition) (runtime.LogPage, error) {
	return runtime.LogPage{State: runtime.StateFailed, Attempt: 4, Logs: runtime.Logs{Data: []byte("out\xff<err>"), Marks: []runtime.LogMark{{Stream: 1}, {Stream: 2, Offset: 4}}, Truncated: true}}, nil
}

func (e fullEngine) SearchExecutions(context.Context, runtime.Tenant, runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error) {
	return runtime.Page[runtime.ExecutionSummary]{Next: "position", Items: []runtime.ExecutionSummary{{
		ID: testID, RID: "ri.resource", Version: 7, Status: runtime.SummaryFailed, Reason: runtime.ClassTimeout, Started: testTime, Duration: 1500 * time.Millisecond,
		Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", RID: "ri.caller", TraceOwner: "ri.owner"},
	}, {ID: otherID, RID: "ri.resource", Version: 7, Status: runtime.SummarySucceeded, Started: testTime.Truncate(time.Second)}}}, nil
}

func (e fullEngine) GetJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return fullJob(tenant, name), nil
}

func (e fullEngine) CreateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	full := fullJob(j.Tenant, j.Name)
	full.Spec.Triggers = nil
	return full, nil
}

func (e fullEngine) UpdateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return e.CreateJob(context.Background(), j)
}

func (e fullEngine) DeleteJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return fullJob(tenant, name), nil
}

func (e fullEngine) ListJobs(_ context.Context, tenant runtime.Tenant, _ runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	return runtime.Page[runtime.Job]{Items: []runtime.Job{fullJob(tenant, "a"), {ID: otherID, Name: "b", Tenant: tenant, Created: testTime}}, Total: 2}, nil
}

func (e fullEngine) ListJobRevisions(context.Context, runtime.Tenant, string) ([]runtime.JobRevision, error) {
	return []runtime.JobRevision{{Number: 12, Created: testTime, CreatedBy: "ada"}, {Number: 11, Created: testTime}, {Number: 10}}, nil
}

func (e fullEngine) GetJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return fullJobExecution(tenant, job), nil
}

func (e fullEngine) AwaitJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return fullJobExecution(tenant, job), nil
}

func (e fullEngine) ListJobExecutions(_ context.Context, tenant runtime.Tenant, job string, _ runtime.PageRequest) (runtime.Page[runtime.JobExecution], error) {
	return runtime.Page[runtime.JobExecution]{Items: []runtime.JobExecution{fullJobExecution(tenant, job), {ID: otherID, Name: otherID, Created: testTime}}, Total: 2}, nil
}

func (e fullEngine) ListTasks(context.Context, runtime.Tenant, string, string, runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	retrying := fullExecution()
	retrying.State, retrying.Failure, retrying.Finished = runtime.StateQueued, nil, time.Time{}
	done := execAt(testID, runtime.StateSucceeded)
	done.Result, done.ResultSize = []byte(`{"a": "<b>"}`), 12
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{fullExecution(), retrying, done, execAt(otherID, runtime.StateQueued)}, Total: 4}, nil
}

func (e fullEngine) GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	page, err := e.ListTasks(ctx, x.Tenant, x.Job, x.ID, runtime.PageRequest{})
	return page.Items, err
}

// random matches what differs between two equal requests: the span of a trace, and the ids
// that errors are logged under.
var random = regexp.MustCompile(`(-[0-9a-f]{16}-0[01])|("error_id":"[^"]*")|("errorInstanceId":"[^"]*")`)

// TestGoldenAnswers compares the whole answer of every route, and of every route's errors,
// with testdata/answers.golden. Clients depend on each byte of it.
func TestGoldenAnswers(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, func(o *Options) { o.Engine, o.Version = fullEngine{fake}, "v1.2.3" })
	failed := fullFake()
	failed.err = &runtime.Error{Code: runtime.CodeTooBusy, Message: "what & why", Hint: "do <this>", Traceback: "frames", Line: 3, RetryAfter: 1100 * time.Millisecond}
	failed.failing = failed.err
	refusing := start(t, failed, nil)
	var got strings.Builder
	record := func(ts *testServer, method, path, body string, h header) {
		a := ts.do(t, method, path, body, h)
		fmt.Fprintf(&got, "%s %s %v %s\n%d\n", method, path, h, body, a.status)
		for _, name := range []string{"Allow", "Content-Type", "Idempotency-Replayed", "Link", "Retry-After", "Traceparent", "X-Duration-Ms", "X-Execution-Id"} {
			if values := a.header.Values(name); len(values) > 0 {
				fmt.Fprintf(&got, "%s: %s\n", name, values)
			}
		}
		fmt.Fprintf(&got, "%s\n\n", a.body)
	}
	everyPath(func(r route, path string) {
		if strings.HasSuffix(strings.TrimSuffix(path, "?preview=true"), "/") || strings.Contains(path, "/deployments") || r.path == "/openapi.json" {
			return
		}
		record(ts, r.method, path, bodyFor(r), nil)
		record(ts, r.method, path, bodyFor(r), header{"Authorization": ""})
		record(ts, r.method, path, "{\n\"a\":[}", nil)
		if !r.open {
			record(refusing, r.method, path, bodyFor(r), nil)
		}
		if strings.HasPrefix(path, "/v0/") {
			record(ts, r.method, path+"?wait=1&offset=-1", bodyFor(r), nil)
			record(ts, r.method, path+"?limit=0&cursor=AAAA", bodyFor(r), header{"Blaxel-Version": "2026-04-28"})
			record(ts, r.method, path, bodyFor(r), header{"Blaxel-Version": "2026-04-28", "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"})
		}
	})
	for _, request := range []string{
		"GET /v1/functions/?limit=x", "GET /v1/functions/a%2zb", "GET /v1/functions/a%2", "GET /v1/functions/a+b", "GET /v1/functions/%68i?encoding=plain",
		"GET /v1/executions/?limit=2&status=Failed,success", "GET /v1/executions/?limit=0", "GET /v1/executions/?cursor=AA", "GET /v1/executions/x?wait=-1",
		"GET /v1/executions/x/logs?format=raw", "GET /v1/executions/x/logs?stream=stderr", "GET /v1/executions/x/logs?format=x",
		"GET /v1/dlq/?limit=1", "GET /v1/dlq/?limit=1001", "GET /v0/jobs/a%zzb", "GET /v0/jobs/a%2", "GET /v0/jobs/%68i", "GET /v0/jobs/a+b",
		"GET /v0/jobs/j/executions/a%zz?wait=1", "POST /v0/jobs/j/triggers/a%2fb+c", "GET /v0/jobs/j/executions?sort=x", "GET /v0/jobs?q=x&anchor=1",
		"GET /nowhere", "PATCH /v0/jobs", "PUT /api/v2/x", "POST /api/v2/observability/resources/a%2fb+c/listExecutions",
		"POST /api/v2/observability/resources/a%2fb/listExecutions?preview=1", "OPTIONS /v1/functions/", "GET /v1/sync/functions/f/rpc/?a=%zz+b&c=%41",
		`PUT /v1/functions/ {"name":1}`, `PUT /v1/functions/ {"name":"a","timeout":"x"}`, `PUT /v1/functions/ {"name":"a","code":""}`,
		`PUT /v1/functions/ {"name":"a","code":"%zz","encoding":"percent"}`, `PUT /v1/functions/ {"name":"a","code":"x","memory":1}`,
		`PUT /v1/functions/ {"name":"a","code":"x","retries":0.5}`, `PUT /v1/functions/ {"name":"a","code":"x","context":"a = \"\n"}`,
		`PUT /v1/functions/ {"name":"a","code":"x","encoding":3,"context":7}`, `PUT /v1/functions/ {"name":"a","code":"x","context":7}`,
		`PUT /v1/functions/ {"name":"a","code":"x","requirements":"y"}`, `PUT /v1/functions/ {"name":"a","code":7,"timeout":1e9,"name2":1}`,
		`POST /v1/executions/bulk/ {"tasks":7}`, `POST /v1/executions/bulk/ {"tasks":"[\"a\"]"}`, `POST /v1/executions/bulk/ [7]`,
		`POST /v1/functions/f/bulk_rpc/ {"values":null}`, `POST /v1/functions/f/bulk_rpc/ {"values":"[{}]"}`, `POST /v1/dlq/redrive {"ids":7}`, `POST /v1/dlq/redrive {"id":7}`,
		`POST /v0/jobs {"metadata":{"name":7}}`, `POST /v0/jobs {"metadata":{"name":"a"},"spec":{"x":1}}`, `POST /v0/jobs {"metadata":{"name":"a"},"spec":{"runtime":{"memory":-1}}}`,
		`POST /v0/jobs {"metadata":{"name":"a"},"spec":{"triggers":[7]}}`, `POST /v0/jobs {"metadata":{"name":"a","labels":{"x":null}}}`,
		`POST /v0/jobs {"metadata":{"name":"a"},"spec":{"runtime":{"maxRetries":0.5},"revision":{"traffic":7}}}`,
		`PUT /v0/jobs/j {"spec":{"revision":{"active":"x"}}}`, `PUT /v0/jobs/j {"spec":{"function":"f","revision":{"active":"3"}}}`,
		`POST /v0/jobs/j/executions {"tasks":{}}`, `POST /v0/jobs/j/executions {"tasks":[{}],"jobId":"k"}`, `POST /v0/jobs/j/executions {"tasks":[{}],"workspaceId":"k"}`,
		`POST /api/v2/observability/resources/a/listExecutions?preview=1 {"pageSize":0}`, `POST /api/v2/observability/resources/a/listExecutions?preview=1 {"pageToken":"AA"}`,
		`POST /api/v2/observability/resources/a/listExecutions?preview=1 {"where":{"type":"x"}}`, `POST /api/v2/observability/resources/a/listExecutions?preview=1 {"startTime":"x"}`,
		`POST /api/v2/observability/resources/a/listExecutions?preview=1 {"where":{"type":"gte","field":"duration","value":{"value":1,"unit":"x"}}}`,
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		record(ts, method, path, body, nil)
	}
	record(ts, "POST", "/v1/functions/f/rpc", "{}", header{"Idempotency-Key": "k", "X-Retries": "2"})
	record(ts, "POST", "/v1/functions/f/rpc", "{}", header{"X-Retries": "x"})
	record(ts, "POST", "/v1/sync/functions/f/rpc", "{}", header{"Idempotency-Key": "k"})

	x := fullJobExecution("default", "nightly")
	tasks, err := fullEngine{fake}.GetTaskResults(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "callback\n%s\n", TellJobExecution(x, tasks))

	compareGolden(t, "answers.golden", random.ReplaceAllString(got.String(), "<random>"))
}

// compareGolden compares got with a file in testdata, which -update writes anew.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Error(diff)
	}
}
