package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// rid gives the resource identifier of a function.
func (s *jobServer) rid(t *testing.T, function string) string {
	t.Helper()
	rid, _ := s.do(t, "GET", "/v1/functions/"+function, "", nil).object(t)["rid"].(string)
	if _, job, ok := runtime.ParseRID(rid); job || !ok {
		t.Fatalf("the function has the rid %q", rid)
	}
	return rid
}

func observePath(rid string) string {
	return "/api/v2/observability/resources/" + rid + "/listExecutions?preview=true"
}

// observe asks for a page, which must be one.
func (s *jobServer) observe(t *testing.T, rid, body string) (page observedPage) {
	t.Helper()
	a := s.do(t, "POST", observePath(rid), body, nil)
	if a.status != 200 || json.Unmarshal([]byte(a.body), &page) != nil || page.Data == nil {
		t.Fatalf("%s: %d %s", body, a.status, a.body)
	}
	wantHeaders(t, a)
	return page
}

// wantFoundryError checks an error below /api/v2 in all its members.
func wantFoundryError(t *testing.T, a answer, status int, code, name string, parameters map[string]any) {
	t.Helper()
	m := a.object(t)
	id, _ := m["errorInstanceId"].(string)
	message, _ := m["message"].(string)
	if parameters == nil {
		parameters = map[string]any{}
	}
	if a.status != status || m["errorCode"] != code || m["errorName"] != name || len(id) != 36 || message == "" || len(m) != 5 || !cmp.Equal(m["parameters"], any(parameters)) {
		t.Errorf("got %d %s, want %d %s %s %v", a.status, a.body, status, code, name, parameters)
	}
	wantHeaders(t, a)
}

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// ranFunction is a server whose function has succeeded twice, failed and timed
// out, once each in a trace of another's.
func ranFunction(t *testing.T) (s *jobServer, rid string) {
	t.Helper()
	s = startJobs(t, nil)
	rid = s.rid(t, "hello.py")
	for _, run := range []struct{ do, traceparent string }{{"", ""}, {"fail", ""}, {"timeout", someParent}, {"", someParent}} {
		s.do(t, "POST", "/v1/sync/functions/hello.py/rpc/", `{"do":"`+run.do+`"}`, header{"traceparent": run.traceparent})
	}
	return s, rid
}

// TestObserved compares what is told with what is told of the same executions
// elsewhere.
func TestObserved(t *testing.T) {
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
	list := s.do(t, "GET", "/v1/executions/?include_completed=True", "", nil)
	if err := json.Unmarshal([]byte(list.body), &known); err != nil {
		t.Fatal(err)
	}
	var want []observedExecution
	reasons := map[string]runtime.Class{"function_error": runtime.ClassError, "timeout": runtime.ClassTimeout}
	for _, x := range known {
		if x.UserID != "admin" && x.Kind == "run" {
			t.Errorf("%s was asked for by %q", x.UUID, x.UserID)
		}
		if x.Kind != "run" {
			continue
		}
		o := observedExecution{
			ResourceRID: rid, ResourceVersion: "1", FoundryTraceID: x.TraceID, TraceOwningRID: rid, Status: "SUCCEEDED",
			Duration: duration{int64(x.DurationMS), "MILLISECONDS"},
		}
		if x.Error != nil {
			o.Status, o.FailureReason = "FAILED", reasons[x.Error.Code]
		}
		want = append(want, o)
	}
	got := s.observe(t, rid, "")
	for i, x := range got.Data {
		at, err := time.Parse(time.RFC3339Nano, x.StartTime)
		if err != nil || time.Since(at) > time.Hour || i > 0 && got.Data[i-1].StartTime < x.StartTime && len(got.Data[i-1].StartTime) == len(x.StartTime) {
			t.Errorf("startTime %q", x.StartTime)
		}
		got.Data[i].StartTime = ""
	}
	if diff := cmp.Diff(want, got.Data); diff != "" || got.NextPageToken != "" || len(want) != 4 {
		t.Errorf("%q %s", got.NextPageToken, diff)
	}
	if got.Data[0].FoundryTraceID != someTrace {
		t.Errorf("the last run is of the trace %s", got.Data[0].FoundryTraceID)
	}
}

// TestObservedTasks: the tasks of a job are executions of its function that the
// job called, in one trace, and its execution is one of the job.
func TestObservedTasks(t *testing.T) {
	s := startJobs(t, nil)
	job := s.do(t, "POST", "/v0/jobs", `{"metadata":{"name":"nightly"},"spec":{"function":"hello.py"}}`, nil).object(t)
	jobRID := job["metadata"].(map[string]any)["rid"].(string)
	a := s.do(t, "POST", "/v0/jobs/nightly/executions", `{"tasks":[{},{"do":"fail"}],"executionId":"first"}`, header{"traceparent": someParent})
	if !strings.HasPrefix(a.header.Get("traceparent"), "00-"+someTrace+"-") {
		t.Errorf("traceparent %q", a.header.Get("traceparent"))
	}
	if _, err := s.engine.AwaitJobExecution(t.Context(), runtime.DefaultTenant, "nightly", "first"); err != nil {
		t.Fatal(err)
	}
	fn := s.rid(t, "hello.py")
	tasks := s.observe(t, fn, `{"where":{"type":"eq","field":"callerRid","value":"`+jobRID+`"}}`).Data
	if len(tasks) != 2 {
		t.Fatalf("%d tasks", len(tasks))
	}
	for _, x := range tasks {
		if x.CallerRID != jobRID || x.TraceOwningRID != jobRID || x.FoundryTraceID != someTrace || x.ResourceRID != fn {
			t.Errorf("a task is told as %+v", x)
		}
	}
	runs := s.observe(t, jobRID, "{}").Data
	if len(runs) != 1 || runs[0].ResourceRID != jobRID || runs[0].FoundryTraceID != someTrace || runs[0].Status != "FAILED" || runs[0].FailureReason != "error" || runs[0].ResourceVersion != "1" {
		t.Errorf("the job's executions are %+v", runs)
	}
}

// TestObservedOperators tries every operator on every field.
func TestObservedOperators(t *testing.T) {
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
			a := s.do(t, "POST", observePath(rid), body, nil)
			if strings.Contains(" "+allowed+" ", " "+op+" ") {
				if a.status != 200 {
					t.Errorf("%s: %d %s", body, a.status, a.body)
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
		if got := s.observe(t, rid, `{"where":`+where+`}`).Data; len(got) != n {
			t.Errorf("%s: %d executions, want %d", where, len(got), n)
		}
	}
}

// TestObservedRefused: what is not as the contract has it is refused, with the
// name of why.
func TestObservedRefused(t *testing.T) {
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
				s.observe(t, rid, body) // none
				continue
			}
			a := s.do(t, "POST", observePath(rid), body, nil)
			m := a.object(t)
			parameters, _ := m["parameters"].(map[string]any)
			if name != "InvalidPageSize" && len(parameters) > 0 {
				t.Errorf("%s: parameters %v", body, parameters)
			}
			if m["errorName"] != name {
				t.Errorf("%.100s: %s", body, a.body)
			}
			wantFoundryError(t, a, 400, "INVALID_ARGUMENT", name, parameters)
		}
	}
	if a := s.do(t, "POST", observePath(rid), `{"where":{"type":"in","field":"userId","value":["`+strings.Repeat("x", maxObserveBody)+`"]}}`, nil); a.status != 413 {
		t.Errorf("a large body: %d %s", a.status, a.body)
	} else {
		wantFoundryError(t, a, 413, "REQUEST_ENTITY_TOO_LARGE", "TooLarge", nil)
	}
	if got := s.observe(t, rid, `{"where":`+strings.Replace(strings.Replace(deep, `{"type":"not","filter":`, "", 1), "}}", "}", 1)+`}`).Data; len(got) != 2 {
		t.Errorf("ten levels, nine of them not: %d executions", len(got))
	}
}

// TestObservedErrors: whatever is wrong below /api/v2 is told in its dialect.
func TestObservedErrors(t *testing.T) {
	s, rid := ranFunction(t)
	path := observePath(rid)
	plain := strings.TrimSuffix(path, "?preview=true")
	for _, query := range []string{"", "?preview=false", "?preview=", "?preview=yes", "?Preview=true"} {
		wantFoundryError(t, s.do(t, "POST", plain+query, "{}", nil), 400, "INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly", nil)
	}
	wantFoundryError(t, s.do(t, "POST", path, "{}", header{"Authorization": ""}), 401, "UNAUTHORIZED", "Unauthenticated", nil)
	wantFoundryError(t, s.do(t, "POST", path, "{}", header{"Authorization": "Bearer no"}), 401, "UNAUTHORIZED", "Unauthenticated", nil)
	wantFoundryError(t, s.do(t, "GET", path, "", nil), 405, "CUSTOM_CLIENT", "MethodNotAllowed", nil)
	wantFoundryError(t, s.do(t, "POST", "/api/v2/ontologies", "{}", nil), 404, "NOT_FOUND", "NotFound", nil)
	wantFoundryError(t, s.do(t, "GET", "/api/v2", "", nil), 404, "NOT_FOUND", "NotFound", nil)
	wantError(t, s.do(t, "GET", "/api/v23", "", nil), 404, "not_found")
	for _, absent := range []string{
		"x", "ri.jobs.main.job.", runtime.JobRID(testID), runtime.FunctionRID(testID), strings.ToUpper(rid), strings.Replace(rid, "function-registry", "jobs", 1), rid + "0", "%00", "a%2Fb",
	} {
		a := s.do(t, "POST", observePath(absent), "{}", nil)
		text := strings.NewReplacer("%00", "\x00", "%2F", "/").Replace(absent)
		wantFoundryError(t, a, 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": text})
	}
	if a := s.do(t, "DELETE", "/v1/functions/hello.py", "", nil); a.status != 200 {
		t.Fatal(a.body)
	}
	wantFoundryError(t, s.do(t, "POST", path, "{}", nil), 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": rid})
}

// deniedAuth knows the token, and lets nobody do anything.
type deniedAuth struct{}

func (deniedAuth) Authenticate([]byte) (runtime.Identity, error) {
	return runtime.Identity{}, runtime.Errorf(runtime.CodePermissionDenied, "the token is good for nothing")
}

func TestObservedDenied(t *testing.T) {
	rid := runtime.FunctionRID(testID)
	ts := start(t, fullFake(), func(o *Options) { o.Auth = deniedAuth{} })
	wantFoundryError(t, ts.do(t, "POST", observePath(rid), "{}", nil), 403, "PERMISSION_DENIED", "ListExecutionsPermissionDenied", nil)
	wantError(t, ts.do(t, "GET", "/v1/functions/", "", nil), 403, "permission_denied")

	fake := fullFake()
	ts = start(t, fake, nil)
	fake.failing = runtime.Errorf(runtime.CodePermissionDenied, "not this one")
	wantFoundryError(t, ts.do(t, "POST", observePath(rid), "{}", nil), 403, "PERMISSION_DENIED", "ListExecutionsResourcePermissionDenied", map[string]any{"resourceRid": rid})
	fake.failing = errors.New("s3cret")
	a := ts.do(t, "POST", observePath(rid), "{}", nil)
	wantFoundryError(t, a, 500, "INTERNAL", "Internal", nil)
	if id := a.object(t)["errorInstanceId"].(string); strings.Contains(a.body, "s3cret") || !strings.Contains(ts.log.String(), id) {
		t.Errorf("%s; log %s", a.body, ts.log)
	}
}

// TestObservedTokens: a token is good for the query that it came with, whatever
// happened since, and for nothing else.
func TestObservedTokens(t *testing.T) {
	s, rid := ranFunction(t)
	s.do(t, "PUT", "/v1/functions/", `{"name":"other","code":"def main(args, context): pass"}`, nil)
	where := `"where":{"type":"eq","field":"userId","value":"admin"}`
	all := s.observe(t, rid, `{`+where+`}`).Data
	for _, size := range []int{1, 2, 3, 4, 100} {
		var got []observedExecution
		token := ""
		for {
			body := fmt.Sprintf(`{"pageSize":%d,%s`, size, where)
			if token != "" {
				body += `,"pageToken":"` + token + `"`
			}
			page := s.observe(t, rid, body+"}")
			got = append(got, page.Data...)
			if token = page.NextPageToken; token == "" {
				break
			}
			// What comes later than the first page is on none.
			s.do(t, "POST", "/v1/sync/functions/hello.py/rpc/", `{}`, nil)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
		all = s.observe(t, rid, `{`+where+`}`).Data
	}
	token := s.observe(t, rid, `{"pageSize":1,`+where+`}`).NextPageToken
	with := func(body string) string { return body + `,"pageToken":"` + token + `"}` }
	// The same query, written in another way, with pages of another size.
	s.observe(t, rid, with(`{"pageSize":2,"where": {"value":"admin","type":"eq","field":"userId"}`))
	for name, c := range map[string]struct{ rid, body string }{
		"without the filter": {rid, `{"pageToken":"` + token + `"}`},
		"another value":      {rid, with(`{"where":{"type":"eq","field":"userId","value":"x"}`)},
		"another operator":   {rid, with(`{"where":{"type":"in","field":"userId","value":["admin"]}`)},
		"a start":            {rid, with(`{"startTime":"2020-01-01T00:00:00Z",` + where)},
		"an end":             {rid, with(`{"endTime":"2099-01-01T00:00:00Z",` + where)},
		"another function":   {s.rid(t, "other"), with(`{` + where)},
		"another letter":     {rid, strings.Replace(with(`{`+where), token[30:32], "zz", 1)},
		"cut":                {rid, strings.Replace(with(`{`+where), token, token[:len(token)-4], 1)},
	} {
		a := s.do(t, "POST", observePath(c.rid), c.body, nil)
		if a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		wantFoundryError(t, a, 400, "INVALID_ARGUMENT", "InvalidPageToken", nil)
	}
	mine := observeToken{tenant: "a", rid: rid}
	if _, err := (observeToken{tenant: "b", rid: rid}).open(mine.seal("1.2.3.4")); err == nil {
		t.Error("another tenant's token is taken")
	}
	if a := s.do(t, "DELETE", "/v1/functions/hello.py", "", nil); a.status != 200 {
		t.Fatal(a.body)
	}
	wantFoundryError(t, s.do(t, "POST", observePath(rid), with(`{`+where), nil), 404, "NOT_FOUND", "ResourceNotFound", map[string]any{"resourceRid": rid})
}

// TestObservedWindow: a day by default, from the start on, before the end.
func TestObservedWindow(t *testing.T) {
	s, rid := ranFunction(t)
	all := s.observe(t, rid, `{}`).Data
	first, last := all[len(all)-1].StartTime, all[0].StartTime
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
		if got := s.observe(t, rid, body).Data; len(got) != n {
			t.Errorf("%s: %d executions, want %d", body, len(got), n)
		}
	}
}
