package foundry_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/foundry"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// ridOf returns the resource identifier of a function.
func ridOf(t *testing.T, s *apitest.JobServer, function string) string {
	t.Helper()
	rid, _ := s.Do(t, "GET", "/v1/functions/"+function, "", nil).Object(t)["rid"].(string)
	if _, job, ok := runtime.ParseRID(rid); job || !ok {
		t.Fatalf("the function has the rid %q", rid)
	}
	return rid
}

func searchPath(rid string) string {
	return "/api/v2/observability/resources/" + rid + "/listExecutions?preview=true"
}

// search requests a page of results, which must succeed.
func search(t *testing.T, s *apitest.JobServer, rid, body string) (page wire.SearchResponse[string]) {
	t.Helper()
	a := s.Do(t, "POST", searchPath(rid), body, nil)
	if a.Status != 200 || json.Unmarshal([]byte(a.Body), &page) != nil || page.Data == nil {
		t.Fatalf("%s: %d %s", body, a.Status, a.Body)
	}
	apitest.WantHeaders(t, a)
	return page
}

// wantFoundryError checks an error below /api/v2 in all its members.
func wantFoundryError(t *testing.T, a apitest.Answer, status int, code, name string, parameters map[string]any) {
	t.Helper()
	m := a.Object(t)
	id, _ := m["errorInstanceId"].(string)
	message, _ := m["message"].(string)
	if parameters == nil {
		parameters = map[string]any{}
	}
	if a.Status != status || m["errorCode"] != code || m["errorName"] != name || len(id) != 36 || message == "" || m["errorDescription"] != message || len(m) != 6 || !cmp.Equal(m["parameters"], any(parameters)) {
		t.Errorf("got %d %s, want %d %s %s %v", a.Status, a.Body, status, code, name, parameters)
	}
	apitest.WantHeaders(t, a)
}

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// ranFunction is a server whose function has succeeded twice, failed and timed
// out, once each in a trace of another's.
func ranFunction(t *testing.T) (s *apitest.JobServer, rid string) {
	t.Helper()
	s = apitest.StartJobs(t, nil)
	rid = ridOf(t, s, "hello.py")
	for _, run := range []struct{ do, traceparent string }{{"", ""}, {"fail", ""}, {"timeout", someParent}, {"", someParent}} {
		s.Do(t, "POST", "/v1/sync/functions/hello.py/rpc/", `{"do":"`+run.do+`"}`, apitest.Header{"traceparent": run.traceparent})
	}
	return s, rid
}

// TestObserved compares found executions with the same executions in other responses.
func TestObserved(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	var known []struct {
		UUID, Started string
		TraceID       string  `json:"trace_id"`
		UserID        string  `json:"user_id"`
		DurationMS    float64 `json:"duration_ms"`
		Kind          string
		Error         *struct {
			Code string `json:"error_code"`
		}
	}
	list := s.Do(t, "GET", "/v1/executions/?include_completed=True", "", nil)
	if err := json.Unmarshal([]byte(list.Body), &known); err != nil {
		t.Fatal(err)
	}
	var want []wire.FoundExecution[string]
	reasons := map[string]runtime.Class{"function_error": runtime.ClassError, "timeout": runtime.ClassTimeout}
	for _, x := range known {
		if x.UserID != "admin" && x.Kind == "run" {
			t.Errorf("%s was requested by %q", x.UUID, x.UserID)
		}
		if x.Kind != "run" {
			continue
		}
		o := wire.FoundExecution[string]{
			ResourceRID: rid, ResourceVersion: "1", TraceID: x.TraceID, TraceOwnerRID: rid, Status: "SUCCEEDED",
			Duration: wire.Duration{Value: int64(x.DurationMS), Unit: "MILLISECONDS"},
		}
		if x.Error != nil {
			o.Status, o.FailureReason = "FAILED", string(reasons[x.Error.Code])
		}
		want = append(want, o)
	}
	got := search(t, s, rid, "")
	for i, x := range got.Data {
		at, err := time.Parse(time.RFC3339Nano, x.Start)
		if err != nil || time.Since(at) > time.Hour || i > 0 && got.Data[i-1].Start < x.Start && len(got.Data[i-1].Start) == len(x.Start) {
			t.Errorf("startTime %q", x.Start)
		}
		got.Data[i].Start = ""
	}
	if diff := cmp.Diff(want, got.Data); diff != "" || got.NextPageToken != "" || len(want) != 4 {
		t.Errorf("%q %s", got.NextPageToken, diff)
	}
	if got.Data[0].TraceID != someTrace {
		t.Errorf("the last run is of the trace %s", got.Data[0].TraceID)
	}
}

// TestObservedTasks checks that the tasks of a job are found as executions of the function, in one
// trace and with the job as caller, and its execution as one of the job.
func TestObservedTasks(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	job := s.Do(t, "POST", "/v0/jobs", `{"metadata":{"name":"nightly"},"spec":{"function":"hello.py"}}`, nil).Object(t)
	jobRID := job["metadata"].(map[string]any)["rid"].(string)
	a := s.Do(t, "POST", "/v0/jobs/nightly/executions", `{"tasks":[{},{"do":"fail"}],"executionId":"first"}`, apitest.Header{"traceparent": someParent})
	if !strings.HasPrefix(a.Header.Get("traceparent"), "00-"+someTrace+"-") {
		t.Errorf("traceparent %q", a.Header.Get("traceparent"))
	}
	if _, err := s.Engine.AwaitJobExecution(t.Context(), runtime.DefaultTenant, "nightly", "first"); err != nil {
		t.Fatal(err)
	}
	fn := ridOf(t, s, "hello.py")
	tasks := search(t, s, fn, `{"where":{"type":"eq","field":"callerRid","value":"`+jobRID+`"}}`).Data
	if len(tasks) != 2 {
		t.Fatalf("%d tasks", len(tasks))
	}
	for _, x := range tasks {
		if x.CallerRID != jobRID || x.TraceOwnerRID != jobRID || x.TraceID != someTrace || x.ResourceRID != fn {
			t.Errorf("a task is listed as %+v", x)
		}
	}
	runs := search(t, s, jobRID, "{}").Data
	if len(runs) != 1 || runs[0].ResourceRID != jobRID || runs[0].TraceID != someTrace || runs[0].Status != "FAILED" || runs[0].FailureReason != "error" || runs[0].ResourceVersion != "1" {
		t.Errorf("the job's executions are %+v", runs)
	}
}

// TestObservedOperators tries every operator on every field.
func TestObservedOperators(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	takes := map[string]string{
		"status": "eq in", "duration": "gte lte", "userId": "eq in isNull", "callerRid": "eq in isNull",
		"resourceVersion": "eq in", "failureReason": "eq in", "foundryTraceId": "eq in", "traceOwningRid": "eq in",
		"startTime": "", "": "", "Status": "",
	}
	values := map[string]string{
		"eq": `,"value":"SUCCEEDED"`, "in": `,"value":["SUCCEEDED","FAILED"]`, "isNull": "",
		"gte": `,"value":{"value":0,"unit":"SECONDS"}`, "lte": `,"value":{"value":1,"unit":"HOURS"}`,
	}
	for field, allowed := range takes {
		for op, value := range values {
			body := fmt.Sprintf(`{"where":{"type":%q,"field":%q%s}}`, op, field, value)
			a := s.Do(t, "POST", searchPath(rid), body, nil)
			if strings.Contains(" "+allowed+" ", " "+op+" ") {
				if a.Status != 200 {
					t.Errorf("%s: %d %s", body, a.Status, a.Body)
				}
				continue
			}
			wantFoundryError(t, a, 400, "INVALID_ARGUMENT", "InvalidExecutionFilter", nil)
		}
	}
	for where, n := range map[string]int{
		`{"type":"eq","field":"status","value":"SUCCEEDED"}`:                                                                  2,
		`{"type":"in","field":"status","value":["SUCCEEDED","FAILED"]}`:                                                       4,
		`{"type":"not","filter":{"type":"eq","field":"status","value":"FAILED"}}`:                                             2,
		`{"type":"eq","field":"failureReason","value":"timeout"}`:                                                             1,
		`{"type":"eq","field":"failureReason","value":"invalid_parameter"}`:                                                   0,
		`{"type":"not","filter":{"type":"eq","field":"failureReason","value":"timeout"}}`:                                     3,
		`{"type":"eq","field":"userId","value":"admin"}`:                                                                      4,
		`{"type":"isNull","field":"userId"}`:                                                                                  0,
		`{"type":"isNull","field":"callerRid"}`:                                                                               4,
		`{"type":"eq","field":"resourceVersion","value":"1"}`:                                                                 4,
		`{"type":"eq","field":"resourceVersion","value":"2"}`:                                                                 0,
		`{"type":"eq","field":"foundryTraceId","value":"` + someTrace + `"}`:                                                  2,
		`{"type":"eq","field":"traceOwningRid","value":"` + rid + `"}`:                                                        4,
		`{"type":"gte","field":"duration","value":{"value":1,"unit":"HOURS"}}`:                                                0,
		`{"type":"lte","field":"duration","value":{"value":60,"unit":"MINUTES"}}`:                                             4,
		`{"type":"lte","field":"duration","value":{"value":9223372036854775807,"unit":"MILLISECONDS"}}`:                       4,
		`{"type":"or","filters":[{"type":"isNull","field":"userId"},{"type":"eq","field":"status","value":"FAILED"}]}`:        2,
		`{"type":"and","filters":[{"type":"isNull","field":"callerRid"},{"type":"eq","field":"status","value":"SUCCEEDED"}]}`: 2,
	} {
		if got := search(t, s, rid, `{"where":`+where+`}`).Data; len(got) != n {
			t.Errorf("%s: %d executions, want %d", where, len(got), n)
		}
	}
}

// TestObservedRefused checks that a request against the contract is refused, with the name of the
// error.
func TestObservedRefused(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	leaf := `{"type":"eq","field":"status","value":"FAILED"}`
	deep := strings.Repeat(`{"type":"not","filter":`, 10) + leaf + strings.Repeat("}", 10)
	for name, bodies := range map[string][]string{
		"InvalidArgument": {
			`[]`, `"x"`, `1`, `{`, `{}{}`, "\xff", `{"a":"` + "\xff" + `"}`, `{"a":"\ud800"}`, strings.Repeat(`{"where":`, 1000),
			`{"unknown":1}`, `{"pageSize":1e400}`, `{"pagesize":1}`, `{"pageSize":1,"pageSize":1}`, `{"where":` + leaf + `,"where":` + leaf + `}`,
			`{"startTime":1}`, `{"startTime":""}`, `{"startTime":"now"}`, `{"startTime":"2026-01-01"}`, `{"startTime":"2026-01-01T00:00:00"}`,
			`{"endTime":"2026-13-01T00:00:00Z"}`, `{"endTime":true}`, `{"pageToken":1}`, `{"where":{"type":"eq","type":"eq","field":"status","value":"FAILED"}}`,
		},
		"InvalidPageSize": {
			`{"pageSize":0}`, `{"pageSize":101}`, `{"pageSize":-1}`, `{"pageSize":1.5}`, `{"pageSize":"1"}`, `{"pageSize":[1]}`,
		},
		"InvalidExecutionFilter": {
			`{"where":{}}`, `{"where":[]}`, `{"where":"status"}`, `{"where":{"type":null}}`, `{"where":{"type":"eq"}}`, `{"where":{"type":"EQ","field":"status","value":"FAILED"}}`,
			`{"where":{"type":"eq","field":"status"}}`, `{"where":{"type":"eq","field":"status","value":null}}`, `{"where":{"type":"eq","field":"status","value":["FAILED"]}}`,
			`{"where":{"type":"eq","field":"status","value":"failed"}}`, `{"where":{"type":"eq","field":"status","value":"RUNNING"}}`, `{"where":{"type":"eq","field":"resourceVersion","value":1}}`,
			`{"where":{"type":"eq","field":"status","value":"FAILED","extra":1}}`, `{"where":{"type":"eq","field":["status"],"value":"FAILED"}}`,
			`{"where":{"type":"eq","field":"status","value":"FAILED","filters":[]}}`, `{"where":{"type":"isNull","field":"userId","value":"x"}}`,
			`{"where":{"type":"in","field":"status","value":"FAILED"}}`, `{"where":{"type":"in","field":"status","value":[]}}`, `{"where":{"type":"in","field":"status","value":[null]}}`, `{"where":{"type":"in","field":"userId","value":["a",1]}}`,
			`{"where":{"type":"in","field":"userId","value":[` + strings.Repeat(`"a",`, 100) + `"a"]}}`,
			`{"where":{"type":"gte","field":"duration","value":30}}`, `{"where":{"type":"gte","field":"duration","value":{"value":-1,"unit":"SECONDS"}}}`,
			`{"where":{"type":"gte","field":"duration","value":{"value":1.5,"unit":"SECONDS"}}}`, `{"where":{"type":"gte","field":"duration","value":{"value":"1","unit":"SECONDS"}}}`,
			`{"where":{"type":"gte","field":"duration","value":{"value":1,"unit":"seconds"}}}`, `{"where":{"type":"gte","field":"duration","value":{"value":1}}}`, `{"where":{"type":"gte","field":"duration","value":{"unit":"SECONDS"}}}`,
			`{"where":{"type":"gte","field":"duration","value":{"value":1,"unit":"SECONDS","x":1}}}`, `{"where":{"type":"gte","field":"duration","value":{"value":9223372036854775807,"unit":"SECONDS"}}}`,
			`{"where":{"type":"gte","field":"duration","value":{"value":9223372036854775808,"unit":"MILLISECONDS"}}}`,
			`{"where":{"type":"and"}}`, `{"where":{"type":"and","filters":[]}}`, `{"where":{"type":"or","filters":{}}}`, `{"where":{"type":"and","filters":[1]}}`, `{"where":{"type":"and","filters":[null]}}`, `{"where":{"type":"and","filters":[{}]}}`,
			`{"where":{"type":"and","filters":[` + leaf + `],"x":1}}`, `{"where":{"type":"not"}}`, `{"where":{"type":"not","filter":[` + leaf + `]}}`, `{"where":{"type":"not","filters":[` + leaf + `]}}`, `{"where":{"type":"not","filter":` + leaf + `,"field":"status"}}`,
			`{"where":` + deep + `}`, `{"where":{"type":"or","filters":[` + strings.Repeat(leaf+",", 100) + leaf + `]}}`,
		},
		"InvalidPageToken": {
			`{"pageToken":""}`, `{"pageToken":"x"}`, `{"pageToken":"AQ"}`, `{"pageToken":"` + strings.Repeat("A", 64) + `"}`,
		},
	} {
		for _, body := range bodies {
			if name == "InvalidPageToken" && body == `{"pageToken":""}` {
				search(t, s, rid, body) // none
				continue
			}
			a := s.Do(t, "POST", searchPath(rid), body, nil)
			m := a.Object(t)
			parameters, _ := m["parameters"].(map[string]any)
			if name != "InvalidPageSize" && len(parameters) > 0 {
				t.Errorf("%s: parameters %v", body, parameters)
			}
			if m["errorName"] != name {
				t.Errorf("%.100s: %s", body, a.Body)
			}
			wantFoundryError(t, a, 400, "INVALID_ARGUMENT", name, parameters)
		}
	}
	if a := s.Do(t, "POST", searchPath(rid), `{"where":{"type":"in","field":"userId","value":["`+strings.Repeat("x", foundry.MaxSearchBody)+`"]}}`, nil); a.Status != 413 {
		t.Errorf("a large body: %d %s", a.Status, a.Body)
	} else {
		wantFoundryError(t, a, 413, "REQUEST_ENTITY_TOO_LARGE", "TooLarge", nil)
	}
	if got := search(t, s, rid, `{"where":`+strings.Replace(strings.Replace(deep, `{"type":"not","filter":`, "", 1), "}}", "}", 1)+`}`).Data; len(got) != 2 {
		t.Errorf("ten levels, nine of them not: %d executions", len(got))
	}
}

// TestObservedErrors checks that all errors below /api/v2 have the form of this dialect.
func TestObservedErrors(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	path := searchPath(rid)
	plain := strings.TrimSuffix(path, "?preview=true")
	for _, query := range []string{"", "?preview=false", "?preview=", "?preview=yes", "?Preview=true"} {
		wantFoundryError(t, s.Do(t, "POST", plain+query, "{}", nil), 400, "INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly", nil)
	}
	wantFoundryError(t, s.Do(t, "POST", path, "{}", apitest.Header{"Authorization": ""}), 401, "UNAUTHORIZED", "Unauthenticated", nil)
	wantFoundryError(t, s.Do(t, "POST", path, "{}", apitest.Header{"Authorization": "Bearer no"}), 401, "UNAUTHORIZED", "Unauthenticated", nil)
	wantFoundryError(t, s.Do(t, "GET", path, "", nil), 405, "CUSTOM_CLIENT", "MethodNotAllowed", nil)
	wantFoundryError(t, s.Do(t, "POST", "/api/v2/ontologies", "{}", nil), 404, "NOT_FOUND", "NotFound", nil)
	wantFoundryError(t, s.Do(t, "GET", "/api/v2", "", nil), 404, "NOT_FOUND", "NotFound", nil)
	apitest.WantError(t, s.Do(t, "GET", "/api/v23", "", nil), 404, "not_found")
	for _, absent := range []string{
		"x", "ri.jobs.main.job.", runtime.JobRID(apitest.ID), runtime.FunctionRID(apitest.ID), strings.ToUpper(rid), strings.Replace(rid, "function-registry", "jobs", 1), rid + "0", "%00", "a%2Fb",
	} {
		a := s.Do(t, "POST", searchPath(absent), "{}", nil)
		text := strings.NewReplacer("%00", "\x00", "%2F", "/").Replace(absent)
		wantFoundryError(t, a, 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": text})
	}
	if a := s.Do(t, "DELETE", "/v1/functions/hello.py", "", nil); a.Status != 200 {
		t.Fatal(a.Body)
	}
	wantFoundryError(t, s.Do(t, "POST", path, "{}", nil), 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": rid})
}

// deniedAuth accepts every token, and permits nothing.
type deniedAuth struct{}

func (deniedAuth) Authenticate([]byte) (*runtime.Identity, error) {
	return nil, runtime.Errorf(runtime.CodePermissionDenied, "the token is good for nothing")
}

func (a deniedAuth) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return a.Authenticate(nil)
}

func TestObservedDenied(t *testing.T) {
	t.Parallel()
	rid := runtime.FunctionRID(apitest.ID)
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.Auth = deniedAuth{} })
	wantFoundryError(t, ts.Do(t, "POST", searchPath(rid), "{}", nil), 403, "PERMISSION_DENIED", "ListExecutionsPermissionDenied", nil)
	apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/", "", nil), 403, "permission_denied")

	fake := apitest.FullFake()
	ts = apitest.Start(t, fake, nil)
	fake.Failing = runtime.Errorf(runtime.CodePermissionDenied, "not this one")
	wantFoundryError(t, ts.Do(t, "POST", searchPath(rid), "{}", nil), 403, "PERMISSION_DENIED", "ListExecutionsResourcePermissionDenied", map[string]any{"resourceRid": rid})
	fake.Failing = errors.New("s3cret")
	a := ts.Do(t, "POST", searchPath(rid), "{}", nil)
	wantFoundryError(t, a, 500, "INTERNAL", "Internal", nil)
	if id := a.Object(t)["errorInstanceId"].(string); strings.Contains(a.Body, "s3cret") || !strings.Contains(ts.Log.String(), id) {
		t.Errorf("%s; log %s", a.Body, ts.Log)
	}
}

// TestObservedTokens checks that a page token is valid for its own query, even after changes, and
// for no other.
func TestObservedTokens(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	s.Do(t, "PUT", "/v1/functions/", `{"name":"other","code":"def main(args, context): pass"}`, nil)
	where := `"where":{"type":"eq","field":"userId","value":"admin"}`
	all := search(t, s, rid, `{`+where+`}`).Data
	for _, size := range []int{1, 2, 3, 4, 100} {
		var got []wire.FoundExecution[string]
		token := ""
		for {
			body := fmt.Sprintf(`{"pageSize":%d,%s`, size, where)
			if token != "" {
				body += `,"pageToken":"` + token + `"`
			}
			page := search(t, s, rid, body+"}")
			got = append(got, page.Data...)
			if token = page.NextPageToken; token == "" {
				break
			}
			// What comes later than the first page is on none.
			s.Do(t, "POST", "/v1/sync/functions/hello.py/rpc/", `{}`, nil)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
		all = search(t, s, rid, `{`+where+`}`).Data
	}
	token := search(t, s, rid, `{"pageSize":1,`+where+`}`).NextPageToken
	with := func(body string) string { return body + `,"pageToken":"` + token + `"}` }
	// The same query, written in another way, with pages of another size.
	search(t, s, rid, with(`{"pageSize":2,"where": {"value":"admin","type":"eq","field":"userId"}`))
	for name, c := range map[string]struct{ rid, body string }{
		"without the filter": {rid, `{"pageToken":"` + token + `"}`},
		"another value":      {rid, with(`{"where":{"type":"eq","field":"userId","value":"x"}`)},
		"another operator":   {rid, with(`{"where":{"type":"in","field":"userId","value":["admin"]}`)},
		"a start":            {rid, with(`{"startTime":"2020-01-01T00:00:00Z",` + where)},
		"an end":             {rid, with(`{"endTime":"2099-01-01T00:00:00Z",` + where)},
		"another function":   {ridOf(t, s, "other"), with(`{` + where)},
		"another letter":     {rid, strings.Replace(with(`{`+where), token[30:32], "zz", 1)},
		"cut":                {rid, strings.Replace(with(`{`+where), token, token[:len(token)-4], 1)},
	} {
		a := s.Do(t, "POST", searchPath(c.rid), c.body, nil)
		if a.Status != 400 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
			continue
		}
		wantFoundryError(t, a, 400, "INVALID_ARGUMENT", "InvalidPageToken", nil)
	}
	if a := s.Do(t, "DELETE", "/v1/functions/hello.py", "", nil); a.Status != 200 {
		t.Fatal(a.Body)
	}
	wantFoundryError(t, s.Do(t, "POST", searchPath(rid), with(`{`+where), nil), 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": rid})
}

// TestObservedWindow checks that a search covers one day by default, includes its start and
// excludes its end.
func TestObservedWindow(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	all := search(t, s, rid, `{}`).Data
	first, last := all[len(all)-1].Start, all[0].Start
	for body, n := range map[string]int{
		`{"startTime":"` + first + `"}`:                                            4,
		`{"startTime":"` + last + `"}`:                                             1,
		`{"endTime":"` + last + `"}`:                                               3,
		`{"endTime":"` + first + `"}`:                                              0,
		`{"startTime":"` + first + `","endTime":"` + last + `"}`:                   3,
		`{"startTime":"` + last + `","endTime":"` + first + `"}`:                   0,
		`{"startTime":null,"endTime":null,"where":null}`:                           4,
		`{"startTime":"1900-01-01T00:00:00+05:30"}`:                                4,
		`{"endTime":"2999-12-31T23:59:59.999999999-01:00"}`:                        4,
		`{"startTime":"2999-12-31T23:59:59Z"}`:                                     0,
		`{"endTime":"` + time.Now().Add(-25*time.Hour).Format(time.RFC3339) + `"}`: 0,
	} {
		if got := search(t, s, rid, body).Data; len(got) != n {
			t.Errorf("%s: %d executions, want %d", body, len(got), n)
		}
	}
}
