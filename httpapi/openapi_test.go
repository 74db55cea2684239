package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faaspot/faaspot/clients/python"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// documentPath is how the document writes the path of a route.
func documentPath(r web.Route) string { return strings.ReplaceAll(r.Path, ":*}", "}") }

// TestDocumentHasEveryRoute checks that the document has every route and no other. HEAD exists
// wherever GET does, except for runs; the document says so once for all.
func TestDocumentHasEveryRoute(t *testing.T) {
	t.Parallel()
	doc := apitest.Document(t)
	want, got := map[string]bool{}, map[string]bool{}
	heads, gets := map[string]bool{}, map[string]bool{}
	for _, r := range httpapi.Routes() {
		if r.Method == "HEAD" {
			heads[r.Path] = true
			continue
		}
		if r.Method == "GET" && !strings.HasSuffix(r.Path, "/rpc") {
			gets[r.Path] = true
		}
		want[r.Method+" "+documentPath(r)] = true
	}
	ids := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			key := method + " " + path
			got[key] = true
			if operation.OperationID == "" || operation.Summary == "" || ids[operation.OperationID] != "" {
				t.Errorf("%s: operationId %q, summary %q, id of %s", key, operation.OperationID, operation.Summary, ids[operation.OperationID])
			}
			ids[operation.OperationID] = key
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes and document: %s", diff)
	}
	if diff := cmp.Diff(gets, heads); diff != "" {
		t.Errorf("GET and HEAD: %s", diff)
	}
	// What needs no token says so, and nothing else does.
	for _, r := range httpapi.Routes() {
		if r.Method == "HEAD" {
			continue
		}
		operation := doc.Paths.Value(documentPath(r)).GetOperation(r.Method)
		if open := operation.Security != nil && len(*operation.Security) == 0; open != r.Open {
			t.Errorf("%s %s: open %t, in the document %t", r.Method, r.Path, r.Open, open)
		}
		if scope, _ := operation.Extensions["x-scope"].(string); scope != r.Scope.String() {
			t.Errorf("%s %s: scope %s, in the document %q", r.Method, r.Path, r.Scope, scope)
		}
		if reads := r.MaxBody != web.NoBody; reads != (operation.RequestBody != nil) {
			t.Errorf("%s %s: reads a body %t", r.Method, r.Path, reads)
		}
	}
}

// TestDocumentHasEveryQueryParameter of the routes that refuse others.
func TestDocumentHasEveryQueryParameter(t *testing.T) {
	t.Parallel()
	doc := apitest.Document(t)
	strict := 0
	for _, r := range httpapi.Routes() {
		if r.Query == nil || r.Method == "HEAD" {
			continue
		}
		strict++
		documented := []string{}
		for _, p := range doc.Paths.Value(documentPath(r)).GetOperation(r.Method).Parameters {
			if p.Value.In == "query" {
				documented = append(documented, p.Value.Name)
			}
		}
		slices.Sort(documented)
		if diff := cmp.Diff(slices.Sorted(slices.Values(r.Query)), documented, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s: code and document: %s", r.Method, r.Path, diff)
		}
	}
	if strict < 40 {
		t.Errorf("only %d routes refuse unknown parameters", strict)
	}
}

// TestUnknownQueryParameters are refused with an error that names the known ones, except on routes of
// original clients.
func TestUnknownQueryParameters(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	for path, hint := range map[string]string{
		"/v1/executions/?after=x":                         "created_after",
		"/v1/executions/?created-after=2026-01-31":        "did you mean created_after",
		"/v1/executions/?include_completed=True&zzz=1":    "include_completed, function",
		"/v1/stats?sinc=1h":                               "did you mean since",
		"/v1/operations?limit=1":                          "takes none",
		"/v1/dlq/?cursor=x":                               "after, limit",
		"/v1/tokens/?" + strings.Repeat("x", 3000) + "=1": "after",
	} {
		a := s.Do(t, "GET", path, "", nil)
		if a.Status != 400 || !strings.Contains(a.Body, "there is no query parameter") || !strings.Contains(a.Body, hint) || len(a.Body) > 1000 {
			t.Errorf("%.60s: %d %.1200s", path, a.Status, a.Body)
		}
		if a := s.Do(t, "HEAD", path, "", nil); a.Status != 400 {
			t.Errorf("HEAD %.60s: %d", path, a.Status)
		}
	}
	for _, path := range []string{"/v1/functions/?application=None", "/v1/executions/?include_completed=False&deployment=hello.py", "/v0/jobs?x=1"} {
		if a := s.Do(t, "GET", path, "", nil); a.Status != 200 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

// TestDocumentHasEveryCode with its status, and no other.
func TestDocumentHasEveryCode(t *testing.T) {
	t.Parallel()
	schema := apitest.Document(t).Components.Schemas["ErrorCode"].Value
	want := map[string]int{}
	for code, status := range web.StatusOf {
		want[string(code)] = status
	}
	got := map[string]int{}
	for code, status := range schema.Extensions["x-status"].(map[string]any) {
		got[code] = int(status.(float64))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("code and document: %s", diff)
	}
	var listed []string
	for _, code := range schema.Enum {
		listed = append(listed, code.(string))
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), listed); diff != "" {
		t.Errorf("code and document: %s", diff)
	}
}

// A stop is a request of the tour.
type stop struct {
	method, pattern string
	params          map[string]string // of the path
	query, body     string
	h               apitest.Header
	status          int // 0: 200
}

// tour holds requests and answers to the document.
type tour struct {
	*apitest.JobServer
	doc     *openapi3.T
	visited map[string]bool // method and pattern
}

func startTour(t *testing.T) *tour {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-tar", openapi3filter.FileBodyDecoder)
	return &tour{apitest.StartJobs(t, nil), apitest.Document(t), map[string]bool{}}
}

// visit sends a request and returns its response. Both must match the document; a request that the
// server should refuse need not.
func (tr *tour) visit(t *testing.T, s stop) apitest.Answer {
	t.Helper()
	path := s.pattern
	for name, value := range s.params {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	if s.query != "" {
		path += "?" + s.query
	}
	if s.status == 0 {
		s.status = 200
	}
	a := tr.Do(t, s.method, path, s.body, s.h)
	if a.Status != s.status {
		t.Fatalf("%s %s: %d %s", s.method, path, a.Status, a.Body)
	}
	tr.visited[s.method+" "+s.pattern] = true

	method := s.method
	if method == "HEAD" {
		method = "GET"
	}
	item := tr.doc.Paths.Value(s.pattern)
	if item == nil || item.GetOperation(method) == nil {
		t.Fatalf("%s %s is not in the document", method, s.pattern)
	}
	var body io.Reader
	if s.body != "" {
		body = strings.NewReader(s.body)
	}
	request, err := http.NewRequest(s.method, "http://api.test"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range s.h {
		request.Header.Set(name, value)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: s.params,
		Route:   &routers.Route{Spec: tr.doc, Path: s.pattern, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	err = openapi3filter.ValidateRequest(context.Background(), input)
	if s.status == 200 && err != nil {
		t.Errorf("the request %s %s %.200s: %v", s.method, path, s.body, err)
	}
	if s.method == "HEAD" {
		return a
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.Status, Header: a.Header,
		Body: io.NopCloser(bytes.NewReader([]byte(a.Body))), Options: input.Options,
	})
	if err != nil {
		t.Errorf("the answer to %s %s: %v\n%s", s.method, path, err, a.Body)
	}
	return a
}

// TestTour goes over every route with a real engine, in and out of the document.
func TestTour(t *testing.T) {
	t.Parallel()
	tr := startTour(t)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/v1/server/memory", "/v1/server/disk", "/v1/server/workers", "/v1/server/storage", "/metrics"} {
		tr.visit(t, stop{method: "GET", pattern: path})
	}
	tr.visit(t, stop{method: "GET", pattern: "/v1/server/storage", query: "limit=0", status: 400})
	tr.visit(t, stop{method: "POST", pattern: "/v1/server/backup"})
	tr.visit(t, stop{method: "GET", pattern: "/client/{wheel}", params: map[string]string{"wheel": python.WheelName()}})
	tr.visit(t, stop{method: "GET", pattern: "/console"})
	tr.visit(t, stop{method: "GET", pattern: "/console/{file}", params: map[string]string{"file": "licences.txt"}})
	tr.visit(t, stop{method: "POST", pattern: "/console/ticket"})
	for _, method := range []string{"POST", "GET", "DELETE"} {
		tr.visit(t, stop{method: method, pattern: "/console/session"})
	}
	tourFunctions(t, tr)
	tr.visit(t, stop{method: "GET", pattern: "/v1/audit", query: "limit=1&outcome=done&since=2026-01-31T15:04:05Z"})
	tourExecutions(t, tr)
	tourJobs(t, tr)
	tourObservability(t, tr)
	tourDeadLetters(t, tr)
	tourAccess(t, tr)
	for _, r := range httpapi.Routes() {
		if r.Method == "HEAD" {
			params := map[string]string{"wheel": python.WheelName(), "file": "index.html", "name": "hello.py", "id": apitest.ID, "jobId": "nightly", "executionId": "first", "tenant": "default", "version": "1"}
			status := 200
			if strings.Contains(r.Path, "{id}") {
				status = 404
			}
			query := ""
			if r.Path == "/v1/schedules/next" {
				query = apitest.SomeSchedule[1:]
			}
			tr.visit(t, stop{method: "HEAD", pattern: documentPath(r), params: params, query: query, status: status})
		}
		if !tr.visited[r.Method+" "+documentPath(r)] {
			t.Errorf("%s %s is not on the tour", r.Method, r.Path)
		}
	}
}

func tourDeadLetters(t *testing.T, tr *tour) {
	const letters, letter = "/v1/dlq", "/v1/dlq/{id}"
	tr.visit(t, stop{method: "POST", pattern: "/v0/jobs", body: `{"metadata":{"name":"telling"},"spec":{"function":"hello.py",
		"triggers":[{"type":"http-async","configuration":{"path":"go","callbackUrl":"https://example.com/hook","retry":0}}]}}`})
	fail := func() map[string]string {
		a := tr.visit(t, stop{method: "POST", pattern: "/v0/jobs/{jobId}/triggers/{path}", params: map[string]string{"jobId": "telling", "path": "go"}, body: `{"a":1}`})
		id := map[string]string{"id": regexp.MustCompile(`"executionId":"([^"]+)"`).FindStringSubmatch(a.Body)[1]}
		apitest.Eventually(t, func() bool { return tr.Do(t, "GET", letters+"/"+id["id"], "", nil).Status == 200 })
		return id
	}
	id := fail()
	tr.visit(t, stop{method: "GET", pattern: letter, params: id})
	tr.visit(t, stop{method: "GET", pattern: letters})
	tr.visit(t, stop{method: "GET", pattern: letters, query: "after=" + id["id"] + "&limit=1"})
	tr.visit(t, stop{method: "GET", pattern: letters, query: "limit=0", status: 400})
	tr.visit(t, stop{method: "POST", pattern: letter + "/redrive", params: id})
	apitest.Eventually(t, func() bool { return tr.Do(t, "GET", letters+"/"+id["id"], "", nil).Status == 200 })
	tr.visit(t, stop{method: "POST", pattern: letters + "/redrive", body: `{"ids":["` + apitest.ID + `"]}`})
	tr.visit(t, stop{method: "POST", pattern: letters + "/redrive", body: `{"ids":1}`, status: 400})
	tr.visit(t, stop{method: "DELETE", pattern: letter, params: id})
	tr.visit(t, stop{method: "DELETE", pattern: letter, params: id, status: 404})
	tr.visit(t, stop{method: "POST", pattern: letter + "/redrive", params: id, status: 404})
	fail()
	tr.visit(t, stop{method: "DELETE", pattern: letters})
}

func tourAccess(t *testing.T, tr *tour) {
	const tenants, tenant, tokens, token = "/v1/tenants", "/v1/tenants/{tenant}", "/v1/tokens", "/v1/tokens/{id}"
	acme := map[string]string{"tenant": "acme"}
	tr.visit(t, stop{method: "POST", pattern: tenants, body: `{"name":"acme"}`})
	tr.visit(t, stop{method: "POST", pattern: tenants, body: `{"name":"acme"}`, status: 409})
	tr.visit(t, stop{method: "POST", pattern: tenants, body: `{"name":"A"}`, status: 400})
	tr.visit(t, stop{method: "GET", pattern: tenants})
	tr.visit(t, stop{method: "GET", pattern: tenants, query: "limit=1&after=a"})
	tr.visit(t, stop{method: "GET", pattern: tenant, params: acme})
	tr.visit(t, stop{method: "GET", pattern: tenant, params: map[string]string{"tenant": "none"}, status: 404})
	tr.visit(t, stop{method: "PATCH", pattern: tenant, params: acme, body: `{"limits":{"requests_per_second":100,"runs":null,"code_bytes":1073741824,"egress_hosts":["*.example.com:443"]}}`})
	tr.visit(t, stop{method: "PATCH", pattern: tenant, params: acme, body: `{"limits":{"egress_hosts":null,"egress_bytes":null}}`})
	tr.visit(t, stop{method: "PATCH", pattern: tenant, params: acme, body: `{"limits":{"egress_hosts":[]}}`, status: 400})
	tr.visit(t, stop{method: "PATCH", pattern: tenant, params: acme, body: `{"limits":{"egress_hosts":["example.com"]}}`, status: 400})
	tr.visit(t, stop{method: "PATCH", pattern: tenant, params: acme, body: `{"limits":{"runs":0}}`, status: 400})
	tr.visit(t, stop{method: "GET", pattern: tenant + "/usage", params: acme})
	tr.visit(t, stop{method: "GET", pattern: tenant + "/usage", params: map[string]string{"tenant": "none"}, status: 404})
	tr.visit(t, stop{method: "GET", pattern: "/v1/usage"})
	tr.visit(t, stop{method: "GET", pattern: "/v1/whoami"})
	create := func(body string) map[string]string {
		a := tr.visit(t, stop{method: "POST", pattern: tokens, body: body})
		return map[string]string{"id": a.Object(t)["id"].(string)}
	}
	id := create(`{"name":"ci","scope":"invoke","tenant":"acme","functions":["f"],"expires_in":3600}`)
	create(`{"name":"ops","scope":"operator"}`)
	login := create(`{"name":"ada","scope":"read","password":"correct horse battery","expires_in":"720h"}`)
	tr.visit(t, stop{method: "POST", pattern: tokens, body: `{"name":"ci","scope":"invoke","tenant":"acme"}`, status: 409})
	tr.visit(t, stop{method: "POST", pattern: tokens, body: `{"name":"ci","scope":"root"}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: tokens, body: `{"name":"ci","scope":"read","tenant":"none"}`, status: 404})
	tr.visit(t, stop{method: "GET", pattern: tokens})
	tr.visit(t, stop{method: "GET", pattern: tokens, query: "limit=1&tenant=acme"})
	tr.visit(t, stop{method: "GET", pattern: tokens, query: "tenant=none", status: 404})
	tr.visit(t, stop{method: "GET", pattern: token, params: id})
	tr.visit(t, stop{method: "GET", pattern: token, params: map[string]string{"id": apitest.ID}, status: 404})
	tr.visit(t, stop{method: "POST", pattern: token + "/rotate", params: id})
	tr.visit(t, stop{method: "POST", pattern: token + "/rotate", params: id, body: `{"overlap":60}`})
	tr.visit(t, stop{method: "POST", pattern: token + "/rotate", params: login, body: `{"password":"another long password"}`})
	tr.visit(t, stop{method: "POST", pattern: token + "/rotate", params: login, body: `{}`, status: 400})
	tr.visit(t, stop{method: "DELETE", pattern: token, params: id})
	tr.visit(t, stop{method: "DELETE", pattern: token, params: id, status: 404})
	tr.visit(t, stop{method: "DELETE", pattern: tenant, params: map[string]string{"tenant": "default"}, status: 400})
	tr.visit(t, stop{method: "DELETE", pattern: tenant, params: acme, query: "force=true"})
	apitest.Eventually(t, func() bool { return tr.Do(t, "GET", "/v1/tenants/acme", "", nil).Status == 404 })
}

func tourFunctions(t *testing.T, tr *tour) {
	f := map[string]string{"name": "f"}
	const functions, function = "/v1/functions", "/v1/functions/{name}"
	tr.visit(t, stop{method: "PUT", pattern: functions, body: `{"name":"f","code":"def main(args, context): pass","context":"a = 1","timeout":5,"memory":64,"retries":0,"allow":["*.example.com:443"],"encoding":"plain","requirements":[]}`})
	tr.visit(t, stop{method: "PUT", pattern: functions, body: `{"name":"g","code":"def main(args, context): pass","context":{"a":[]}}`, h: apitest.Header{"Idempotency-Key": "k"}})
	tr.visit(t, stop{method: "PUT", pattern: functions, body: `{"name":"f","code":"x"}`, status: 409})
	tr.visit(t, stop{method: "PUT", pattern: functions, body: `{"name":"/","code":"x"}`, status: 400})
	tr.visit(t, stop{method: "PUT", pattern: functions, body: `{`, status: 400})
	tr.visit(t, stop{method: "GET", pattern: functions})
	tr.visit(t, stop{method: "GET", pattern: functions, query: "limit=1&after=f"})
	tr.visit(t, stop{method: "GET", pattern: functions, query: "limit=0", status: 400})
	tr.visit(t, stop{method: "GET", pattern: functions, h: apitest.Header{"Authorization": ""}, status: 401})
	tr.visit(t, stop{method: "GET", pattern: function, params: f})
	tr.visit(t, stop{method: "GET", pattern: function, params: f, query: "encoding=plain"})
	tr.visit(t, stop{method: "GET", pattern: function, params: map[string]string{"name": "none"}, status: 404})
	tr.visit(t, stop{method: "PATCH", pattern: function, params: f, body: `{"timeout":2.5,"code":null}`})
	tr.visit(t, stop{method: "PATCH", pattern: function, params: f, body: `{"allow":["https://example.com"]}`, status: 400})
	tr.visit(t, stop{method: "PUT", pattern: function, params: f, body: `{"name":"f","code":"def main(args, context): pass","timeout":5}`})
	tr.visit(t, stop{method: "PUT", pattern: function, params: f, body: `{"name":"g","code":"x"}`, status: 400})
	tr.visit(t, stop{method: "PUT", pattern: function, params: f, body: `{"timeout":5}`, status: 400})
	const bundle = function + "/bundle"
	zipped := apitest.Header{"Content-Type": "application/zip"}
	tr.visit(t, stop{method: "GET", pattern: bundle, params: f, status: 404})
	tr.visit(t, stop{method: "PUT", pattern: bundle, params: f, body: string(apitest.Zip(t, "def main(args, context): pass")), h: zipped})
	tr.visit(t, stop{method: "PUT", pattern: bundle, params: map[string]string{"name": "hello.py"}, body: string(apitest.Zip(t, "def main(args, context): pass")), h: zipped})
	tr.visit(t, stop{method: "PUT", pattern: bundle, params: f, body: "PK", h: zipped, status: 400})
	tr.visit(t, stop{method: "PUT", pattern: bundle, params: f, body: "{}", status: 415})
	tr.visit(t, stop{method: "GET", pattern: bundle, params: f})
	tr.visit(t, stop{method: "GET", pattern: function, params: f})
	tourVersions(t, tr, f)
	for _, rpc := range []string{"/v1/sync/functions/{name}/rpc", "/v1/functions/{name}/rpc"} {
		tr.visit(t, stop{method: "GET", pattern: rpc, params: f, query: "a=b&c=d"})
		tr.visit(t, stop{method: "GET", pattern: rpc, params: f, query: "a=b&a=d", status: 400})
		tr.visit(t, stop{method: "POST", pattern: rpc, params: f, body: `{"a":[1]}`, h: apitest.Header{"Idempotency-Key": "of " + rpc, "X-Retries": "2"}})
		tr.visit(t, stop{method: "POST", pattern: rpc, params: f})
		tr.visit(t, stop{method: "POST", pattern: rpc, params: f, body: `[]`, status: 400})
	}
	tr.visit(t, stop{method: "PUT", pattern: "/v1/sync/functions/{name}/rpc", params: f, body: `{}`})
	for do, status := range map[string]int{"fail": 500, "timeout": 504} {
		tr.visit(t, stop{method: "PUT", pattern: "/v1/sync/functions/{name}/rpc", params: f, body: `{"do":"` + do + `"}`, status: status})
	}
	bulk := stop{method: "POST", pattern: "/v1/functions/{name}/bulk_rpc", params: f, body: `[{},{"a":1}]`}
	tr.visit(t, bulk)
	bulk.body = `{"values":"[{}]"}`
	tr.visit(t, bulk)
	bulk.body, bulk.status = `[]`, 400
	tr.visit(t, bulk)
	tr.visit(t, stop{method: "DELETE", pattern: function, params: map[string]string{"name": "g"}})
	tr.visit(t, stop{method: "DELETE", pattern: function, params: map[string]string{"name": "g"}, status: 404})
}

func tourVersions(t *testing.T, tr *tour, f map[string]string) {
	const versions, version = "/v1/functions/{name}/versions", "/v1/functions/{name}/versions/{version}"
	const diff, rollback = "/v1/functions/{name}/diff", "/v1/functions/{name}/rollback"
	none := map[string]string{"name": "none", "version": "1"}
	numbered := func(n string) map[string]string { return map[string]string{"name": "f", "version": n} }
	tr.visit(t, stop{method: "GET", pattern: versions, params: f})
	tr.visit(t, stop{method: "GET", pattern: versions, params: none, status: 404})
	tr.visit(t, stop{method: "GET", pattern: version, params: numbered("1")})
	tr.visit(t, stop{method: "GET", pattern: version, params: numbered("4"), query: "encoding=plain"})
	tr.visit(t, stop{method: "GET", pattern: version, params: numbered("99"), status: 404})
	tr.visit(t, stop{method: "GET", pattern: diff, params: f})
	tr.visit(t, stop{method: "GET", pattern: diff, params: f, query: "from=1&to=2"})
	tr.visit(t, stop{method: "GET", pattern: diff, params: f, query: "to=1", status: 404})
	tr.visit(t, stop{method: "GET", pattern: diff, params: f, query: "from=x", status: 400})
	tr.visit(t, stop{method: "POST", pattern: diff, params: f, body: `{"code":"def main(args, context): pass","context":{"k":9},"timeout":7,"memory":64,"retries":1,"allow":[]}`})
	tr.visit(t, stop{method: "POST", pattern: diff, params: f, body: `{"name":"g"}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: diff, params: none, body: `{"timeout":7}`, status: 404})
	tr.visit(t, stop{method: "POST", pattern: rollback, params: f, body: `{"version":1}`})
	for _, pattern := range []string{"/v1/functions/{name}/pause", "/v1/functions/{name}/resume"} {
		tr.visit(t, stop{method: "POST", pattern: pattern, params: f})
		tr.visit(t, stop{method: "POST", pattern: pattern, params: f}) // nothing changes
		tr.visit(t, stop{method: "POST", pattern: pattern, params: none, status: 404})
	}
	const values = "/v1/functions/{name}/context"
	tr.visit(t, stop{method: "PATCH", pattern: values, params: f, body: `{"k":2,"absent":null}`, h: apitest.Header{"Idempotency-Key": "values"}})
	tr.visit(t, stop{method: "PATCH", pattern: values, params: none, body: `{"k":2}`, status: 404})
	tr.visit(t, stop{method: "PATCH", pattern: values, params: f, body: `{}`, status: 400})
	tr.visit(t, stop{method: "PATCH", pattern: values, params: f, body: `{"k":3}`, h: apitest.Header{"If-Match": `"other"`}, status: 412})
	tr.visit(t, stop{method: "POST", pattern: rollback, params: f, body: `{"version":2,"keep_context":true}`, h: apitest.Header{"Idempotency-Key": "back"}})
	tr.visit(t, stop{method: "POST", pattern: rollback, params: f, body: `{"version":99}`, status: 404})
	tr.visit(t, stop{method: "POST", pattern: rollback, params: f, body: `{"version":0}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: rollback, params: f, body: `{"version":1}`, h: apitest.Header{"If-Match": `"other"`}, status: 412})
	tr.visit(t, stop{method: "PUT", pattern: "/v1/functions/{name}", params: f, body: `{"code":"x"}`, h: apitest.Header{"If-None-Match": "*"}, status: 412})
	tr.visit(t, stop{method: "POST", pattern: "/v1/try", body: `{"code":"def main(args, context): pass","args":{"a":1},"context":"k = 1","timeout":5,"memory":64,"allow":["a.test:1"],"name":"x"}`})
	tr.visit(t, stop{method: "POST", pattern: "/v1/try", body: `{"args":{}}`, status: 400})
	zipped := apitest.Header{"Content-Type": "application/zip"}
	tr.visit(t, stop{method: "POST", pattern: "/v1/try/bundle", query: "args=%7B%22a%22:1%7D&timeout=5&memory=64", body: string(apitest.Zip(t, "def main(args, context): pass")), h: zipped})
	tr.visit(t, stop{method: "POST", pattern: "/v1/try/bundle", query: "context=x", body: string(apitest.Zip(t, "def main(args, context): pass")), h: zipped, status: 400})
	tr.visit(t, stop{method: "GET", pattern: "/v1/schedules/next", query: "schedule=30+3+*+*+MON-FRI&timezone=Europe/Berlin&n=3&from=2026-03-27T00:00:00Z"})
	tr.visit(t, stop{method: "GET", pattern: "/v1/schedules/next", query: "schedule=60+*+*+*+*", status: 400})
}

func tourExecutions(t *testing.T, tr *tour) {
	const executions, execution = "/v1/executions", "/v1/executions/{id}"
	submit := func(body string) map[string]string {
		a := tr.visit(t, stop{method: "POST", pattern: "/v1/functions/{name}/rpc", params: map[string]string{"name": "f"}, body: body})
		return map[string]string{"id": strings.Trim(a.Body, `"`)}
	}
	for _, body := range []string{`{"a":1}`, `{"do":"fail"}`, `{"do":"timeout"}`, `{"do":"large"}`} {
		id := submit(body)
		tr.visit(t, stop{method: "GET", pattern: execution, params: id, query: "wait=60", status: 200})
		tr.visit(t, stop{method: "GET", pattern: execution + "/logs", params: id})
		tr.visit(t, stop{method: "POST", pattern: execution + "/rerun", params: id})
		tr.visit(t, stop{method: "DELETE", pattern: execution, params: id})
		tr.visit(t, stop{method: "POST", pattern: "/v1/executions/bulk", body: `["` + id["id"] + `","` + apitest.ID + `","x"]`})
		tr.visit(t, stop{method: "POST", pattern: "/v1/executions/bulk", body: `{"tasks":"[\"` + id["id"] + `\"]"}`})
	}
	rerun := stop{method: "POST", pattern: execution + "/rerun", params: submit(`{"a":1}`)}
	rerun.body = `{"args":{"a":2},"version":1,"retries":1}`
	rerun.h = apitest.Header{"Idempotency-Key": "again"}
	tr.visit(t, rerun)
	tr.visit(t, rerun)
	rerun.body, rerun.h, rerun.status = `{"args":[]}`, nil, 400
	tr.visit(t, rerun)
	rerun.body, rerun.status = `{"version":9}`, 404
	tr.visit(t, rerun)
	const operations, operation = "/v1/operations", "/v1/operations/{id}"
	started := tr.visit(t, stop{method: "POST", pattern: operations, body: `{"kind":"rerun","function":"f","status":"failed,cancelled","created_after":"2020-01-01T00:00:00Z"}`})
	id := map[string]string{"id": started.Object(t)["uuid"].(string)}
	tr.visit(t, stop{method: "GET", pattern: operation, params: id})
	tr.visit(t, stop{method: "DELETE", pattern: operation, params: id})
	tr.visit(t, stop{method: "GET", pattern: operations})
	tr.visit(t, stop{method: "POST", pattern: operations, body: `{"kind":"rerun","status":"started"}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: operations, body: `{"kind":"x"}`, status: 400})
	tr.visit(t, stop{method: "GET", pattern: operation, params: map[string]string{"id": apitest.ID}, status: 404})
	tr.visit(t, stop{method: "DELETE", pattern: operation, params: map[string]string{"id": apitest.ID}, status: 404})
	gated := submit(`{"do":"gate"}`)
	tr.visit(t, stop{method: "GET", pattern: execution, params: gated})
	tr.visit(t, stop{method: "GET", pattern: executions})
	tr.visit(t, stop{method: "DELETE", pattern: execution, params: gated})
	tr.visit(t, stop{method: "GET", pattern: execution + "/logs", params: gated, query: "format=raw&stream=stdout"})
	tr.visit(t, stop{method: "GET", pattern: execution + "/logs", params: gated, query: "follow=1"})
	tr.visit(t, stop{method: "GET", pattern: execution + "/logs", params: gated, query: "stream=x", status: 400})
	tr.visit(t, stop{method: "GET", pattern: "/v1/stats"})
	tr.visit(t, stop{method: "GET", pattern: "/v1/stats", query: "step=15m&since=2h&function=f"})
	tr.visit(t, stop{method: "GET", pattern: "/v1/stats", query: "step=x", status: 400})
	a := tr.visit(t, stop{method: "GET", pattern: executions, query: "include_completed=True&limit=2"})
	_, cursor, _ := strings.Cut(a.Header.Get("Link"), "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	tr.visit(t, stop{method: "GET", pattern: executions, query: "include_completed=True&limit=2&cursor=" + cursor})
	tr.visit(t, stop{method: "GET", pattern: executions, query: "function=f&status=failed&created_after=2020-01-01T00:00:00Z"})
	tr.visit(t, stop{method: "GET", pattern: executions, query: "status=x", status: 400})
	tr.visit(t, stop{method: "GET", pattern: execution, params: map[string]string{"id": apitest.ID}, status: 404})
	tr.visit(t, stop{method: "DELETE", pattern: execution, params: map[string]string{"id": "x"}, status: 404})
}

func tourJobs(t *testing.T, tr *tour) {
	const jobs, job, executions, execution = "/v0/jobs", "/v0/jobs/{jobId}", "/v0/jobs/{jobId}/executions", "/v0/jobs/{jobId}/executions/{executionId}"
	nightly := map[string]string{"jobId": "nightly"}
	tr.visit(t, stop{method: "POST", pattern: jobs, body: apitest.WholeJob})
	tr.visit(t, stop{method: "POST", pattern: jobs, body: apitest.WholeJob, status: 409})
	tr.visit(t, stop{method: "POST", pattern: jobs, body: `{"metadata":{"name":"x"},"spec":{"function":"hello.py","sepc":1}}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: jobs, body: `{"metadata":{"name":"other"},"spec":{"function":"hello.py"}}`})
	for _, h := range []apitest.Header{nil, apitest.Paged} {
		tr.visit(t, stop{method: "GET", pattern: jobs, h: h})
		tr.visit(t, stop{method: "GET", pattern: jobs, h: h, query: "limit=1&sort=name:asc&q=nigh&workspace=default"})
	}
	tr.visit(t, stop{method: "GET", pattern: jobs, query: "workspace=another", status: 404})
	tr.visit(t, stop{method: "GET", pattern: jobs, h: apitest.Header{"Blaxel-Version": "x"}, status: 400})
	a := tr.visit(t, stop{method: "GET", pattern: job, params: nightly})
	tr.visit(t, stop{method: "PUT", pattern: job, params: nightly, body: a.Body})
	tr.visit(t, stop{method: "PUT", pattern: job, params: nightly, body: `{"spec":{"function":"hello.py","runtime":{"timeout":3,"maxRetries":1}}}`})
	tr.visit(t, stop{method: "PUT", pattern: job, params: nightly, body: `{"spec":{"revision":{"active":"1"}}}`})
	tr.visit(t, stop{method: "PUT", pattern: job, params: nightly, body: `{"spec":{"revision":{"active":"9"}}}`, status: 404})
	tr.visit(t, stop{method: "GET", pattern: job + "/revisions", params: nightly})
	tr.visit(t, stop{method: "PUT", pattern: job, params: nightly, body: `{"spec":{"function":"hello.py","runtime":{"timeout":3,"maxRetries":0,"memory":64}}}`})

	created := tr.visit(t, stop{
		method: "POST", pattern: executions, params: nightly,
		body: `{"tasks":[{"a":1},{"do":"fail"},{"do":"timeout"}],"env":{"A":"b"},"memory":64,"executionId":"first","id":"once","parallelism":2,"allowQueue":true}`,
	})
	again := tr.visit(t, stop{
		method: "POST", pattern: executions, params: nightly, h: apitest.Header{"Idempotency-Key": "once"},
		body: `{"tasks":[{"a":1},{"do":"fail"},{"do":"timeout"}],"env":{"A":"b"},"memory":64,"executionId":"first","parallelism":2}`,
	})
	if created.Body != again.Body {
		t.Errorf("%s and %s", created.Body, again.Body)
	}
	tr.visit(t, stop{method: "POST", pattern: executions, params: nightly, body: `{"tasks":[]}`, status: 400})
	run := stop{method: "POST", pattern: "/{workspace}/jobs/{jobId}/executions", params: map[string]string{"workspace": "default", "jobId": "nightly"}, body: `{"tasks":[{}]}`}
	tr.visit(t, run)
	run.params["workspace"], run.status = "another", 404
	tr.visit(t, run)
	gated := map[string]string{"jobId": "nightly", "executionId": "gated"}
	tr.visit(t, stop{method: "POST", pattern: executions, params: nightly, body: `{"tasks":[{"do":"gate"},{}],"executionId":"gated","parallelism":1}`})
	first := map[string]string{"jobId": "nightly", "executionId": "first", "tenant": "default"}
	tr.visit(t, stop{method: "GET", pattern: execution, params: first, query: "wait=60"})
	for _, of := range []map[string]string{first, gated} {
		tr.visit(t, stop{method: "GET", pattern: execution, params: of})
		tr.visit(t, stop{method: "GET", pattern: execution, params: of, h: apitest.Header{"Blaxel-Version": "2026-09-22", "User-Agent": "blaxel/sdk/python/0.4.24"}})
		tr.visit(t, stop{method: "GET", pattern: execution + "/tasks", params: of})
		tr.visit(t, stop{method: "GET", pattern: execution + "/taskmap", params: of})
		tr.visit(t, stop{method: "GET", pattern: execution + "/tasks", params: of, query: "limit=1&sort=name:desc&q=task", h: apitest.Paged})
	}
	tr.visit(t, stop{method: "POST", pattern: execution + "/rerun", params: first})
	tr.visit(t, stop{method: "POST", pattern: execution + "/rerun", params: first, body: `{"tasks":"unsuccessful"}`})
	tr.visit(t, stop{method: "POST", pattern: execution + "/rerun", params: first, body: `{"tasks":"all"}`, status: 400})
	tr.visit(t, stop{method: "POST", pattern: execution + "/rerun", params: gated, status: 409})
	for _, h := range []apitest.Header{nil, apitest.Paged} {
		tr.visit(t, stop{method: "GET", pattern: executions, params: nightly, h: h, query: "limit=1&offset=1"})
	}
	tr.visit(t, stop{method: "GET", pattern: executions, params: nightly, query: "limit=101", status: 400})
	tr.visit(t, stop{method: "DELETE", pattern: execution, params: gated})
	tr.visit(t, stop{method: "POST", pattern: jobs, body: `{"metadata":{"name":"hooked"},"spec":{"function":"hello.py","triggers":[` +
		`{"type":"http","configuration":{"path":"now"}},{"type":"http-async","configuration":{"path":"later","tasks":[{"a":1}]}}]}}`})
	for _, path := range []string{"now", "later"} {
		trigger := stop{method: "POST", pattern: job + "/triggers/{path}", params: map[string]string{"jobId": "hooked", "path": path}}
		tr.visit(t, trigger)
		trigger.body = `{"tasks":[{"a":1},{"do":"fail"},{"do":"large"}]}`
		tr.visit(t, trigger)
		trigger.body, trigger.status = `[]`, 400
		tr.visit(t, trigger)
	}
	tr.visit(t, stop{method: "POST", pattern: job + "/triggers/{path}", params: map[string]string{"jobId": "hooked", "path": "none"}, status: 404})
	close(tr.Sandbox.Gate)
	tr.visit(t, stop{method: "GET", pattern: execution, params: gated, query: "wait=60"})
	tr.visit(t, stop{method: "GET", pattern: execution, params: map[string]string{"jobId": "nightly", "executionId": "none"}, status: 404})
	tr.visit(t, stop{method: "DELETE", pattern: job, params: map[string]string{"jobId": "other"}})
	tr.visit(t, stop{method: "DELETE", pattern: job, params: map[string]string{"jobId": "other"}, status: 404})
}

func tourObservability(t *testing.T, tr *tour) {
	f, err := tr.Engine.GetFunction(t.Context(), runtime.DefaultTenant, "f")
	if err != nil {
		t.Fatal(err)
	}
	j, err := tr.Engine.GetJob(t.Context(), runtime.DefaultTenant, "nightly")
	if err != nil {
		t.Fatal(err)
	}
	for _, rid := range []string{f.Function.RID(), j.RID()} {
		s := stop{method: "POST", pattern: "/api/v2/observability/resources/{resourceRid}/listExecutions", params: map[string]string{"resourceRid": rid}, query: "preview=true"}
		tr.visit(t, s)
		s.query = "preview=true&details=true"
		tr.visit(t, s)
		s.body = `{"startTime":"2020-01-31T15:04:05Z","where":{"type":"and","filters":[{"type":"not","filter":{"type":"in","field":"status","value":["FAILED"]}},` +
			`{"type":"gte","field":"duration","value":{"value":0,"unit":"SECONDS"}}]},"pageSize":1}`
		a := tr.visit(t, s)
		if token, more := a.Object(t)["nextPageToken"].(string); more {
			s.body = strings.Replace(s.body, `"pageSize":1`, `"pageSize":1,"pageToken":"`+token+`"`, 1)
			tr.visit(t, s)
		}
		for _, body := range []string{`{"where":{"type":"eq","field":"duration","value":1}}`, `{"pageSize":101}`, `{"pageToken":"x"}`, `{"more":1}`} {
			s.body, s.status = body, 400
			tr.visit(t, s)
		}
		s.body, s.query = "", ""
		tr.visit(t, s)
		s.query, s.status, s.params = "preview=true", 404, map[string]string{"resourceRid": runtime.JobRID(apitest.ID)}
		tr.visit(t, s)
		s.h, s.status = apitest.Header{"Authorization": ""}, 401
		tr.visit(t, s)
	}
}

// TestDocumentDistinguishesErrors checks that the schemas of errors accept every code and nothing
// else.
func TestDocumentDistinguishesErrors(t *testing.T) {
	t.Parallel()
	doc := apitest.Document(t)
	for name, body := range map[string]map[string]any{
		"FaaspotError": {"message": "m", "error_code": "not_found"},
		"BlaxelError":  {"message": "m", "error": "not_found", "code": 404.0},
	} {
		schema := doc.Components.Schemas[name].Value
		if err := schema.VisitJSON(body, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, wrong := range map[string]any{"error_code": "made_up", "error": "made_up", "more": 1, "message": nil} {
			changed := maps.Clone(body)
			changed[key] = wrong
			if schema.VisitJSON(changed, openapi3.EnableJSONSchema2020()) == nil {
				t.Errorf("%s takes %v", name, changed)
			}
		}
	}
}
