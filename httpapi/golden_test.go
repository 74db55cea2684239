package httpapi_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// random matches what differs between two equal requests: the span of a trace, and the ids
// that errors are logged under.
var random = regexp.MustCompile(`(-[0-9a-f]{16}-0[01])|("error_id":"[^"]*")|("errorInstanceId":"[^"]*")`)

// TestGoldenAnswers compares the whole answer of every route, and of every route's errors,
// with testdata/answers.golden. Clients depend on each byte of it.
func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.Engine, o.Version = apitest.FullEngine{Fake: fake}, "v1.2.3" })
	failed := apitest.FullFake()
	failed.Err = &runtime.Error{Code: runtime.CodeTooBusy, Message: "what & why", Hint: "do <this>", Traceback: "frames", Line: 3, RetryAfter: 1100 * time.Millisecond}
	failed.Failing = failed.Err
	refusing := apitest.Start(t, failed, nil)
	var got strings.Builder
	record := func(ts *apitest.Served, method, path, body string, h apitest.Header) {
		a := ts.Do(t, method, path, body, h)
		fmt.Fprintf(&got, "%s %s %v %s\n%d\n", method, path, h, body, a.Status)
		for _, name := range []string{"Allow", "Content-Type", "Idempotency-Replayed", "Link", "Retry-After", "Traceparent", "X-Duration-Ms", "X-Execution-Id"} {
			if values := a.Header.Values(name); len(values) > 0 {
				fmt.Fprintf(&got, "%s: %s\n", name, values)
			}
		}
		fmt.Fprintf(&got, "%s\n\n", a.Body)
	}
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		if strings.HasSuffix(strings.TrimSuffix(path, "?preview=true"), "/") || strings.Contains(path, "/deployments") || strings.Contains(path, web.NoApplication) || r.Path == "/openapi.json" || strings.HasPrefix(path, "/client/") || strings.HasPrefix(path, "/console") || r.Path == "/v1/server/memory" || r.Path == "/metrics" {
			return
		}
		record(ts, r.Method, path, apitest.BodyFor(r), nil)
		record(ts, r.Method, path, apitest.BodyFor(r), apitest.Header{"Authorization": ""})
		record(ts, r.Method, path, "{\n\"a\":[}", nil)
		if !r.Open {
			record(refusing, r.Method, path, apitest.BodyFor(r), nil)
		}
		if strings.HasPrefix(path, "/v0/") {
			record(ts, r.Method, path+"?wait=1&offset=-1", apitest.BodyFor(r), nil)
			record(ts, r.Method, path+"?limit=0&cursor=AAAA", apitest.BodyFor(r), apitest.Header{"Blaxel-Version": "2026-04-28"})
			record(ts, r.Method, path, apitest.BodyFor(r), apitest.Header{"Blaxel-Version": "2026-04-28", "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"})
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
	record(ts, "POST", "/v1/functions/f/rpc", "{}", apitest.Header{"Idempotency-Key": "k", "X-Retries": "2"})
	record(ts, "POST", "/v1/functions/f/rpc", "{}", apitest.Header{"X-Retries": "x"})
	record(ts, "POST", "/v1/sync/functions/f/rpc", "{}", apitest.Header{"Idempotency-Key": "k"})

	x := apitest.FullJobExecution("default", "nightly")
	tasks, err := apitest.FullEngine{Fake: fake}.GetTaskResults(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "callback\n%s\n", blaxel.RenderExecution(x, tasks))

	compareGolden(t, "answers.golden", random.ReplaceAllString(got.String(), "<random>"))
}

// compareGolden compares got with a file in testdata, which -update rewrites.
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
