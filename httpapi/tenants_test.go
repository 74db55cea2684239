package httpapi_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// tenantOf is a tenant with a token that permits everything in it.
type tenantOf struct {
	*apitest.JobServer
	name, token string
}

func newTenant(t *testing.T, s *apitest.JobServer, name string) tenantOf {
	return tenantOf{s, name, apitest.NewToken(t, s.Access, runtime.TokenSpec{Tenant: runtime.Tenant(name), Name: "all", Scope: runtime.ScopeAdmin})}
}

func (n tenantOf) do(t *testing.T, method, path, body string, h apitest.Header) apitest.Answer {
	t.Helper()
	all := apitest.Header{"Authorization": "Token " + n.token}
	for k, v := range h {
		all[k] = v
	}
	return n.Do(t, method, path, body, all)
}

func (n tenantOf) ok(t *testing.T, method, path, body string, h apitest.Header) apitest.Answer {
	t.Helper()
	a := n.do(t, method, path, body, h)
	if a.Status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	return a
}

var zipped = apitest.Header{"Content-Type": "application/zip"}

// fill gives a tenant something of every kind, and returns the parameters of paths that lead to it.
// {id} depends on the path.
func (n tenantOf) fill(t *testing.T) map[string]string {
	t.Helper()
	n.ok(t, "PUT", "/v1/functions/owned/bundle", string(apitest.Zip(t, "def main(args, context): return 'secret of a'")), zipped)
	n.ok(t, "PUT", "/v1/functions", `{"name":"plain","code":"def main(args, context): pass # secret of a","context":{"secret":"of a"}}`, nil)
	id := strings.Trim(n.ok(t, "POST", "/v1/functions/owned/rpc", `{"secret":"of a"}`, apitest.Header{"Idempotency-Key": "same"}).Body, `"`)
	n.ok(t, "GET", "/v1/executions/"+id+"?wait=60", "", nil)
	n.ok(t, "POST", "/v0/jobs", `{"metadata":{"name":"nightly"},"spec":{"function":"owned",
		"triggers":[{"type":"http-async","configuration":{"path":"the/path","callbackUrl":"https://example.com/hook","retry":0}}]}}`, nil)
	a := n.ok(t, "POST", "/v0/jobs/nightly/triggers/the/path", `{"a":1}`, nil)
	letter := regexp.MustCompile(`"executionId":"([^"]+)"`).FindStringSubmatch(a.Body)[1]
	apitest.Eventually(t, func() bool { return n.do(t, "GET", "/v1/dlq/"+letter, "", nil).Status == 200 })
	token := n.ok(t, "POST", "/v1/tokens", `{"name":"ci","scope":"read"}`, nil).Object(t)["id"].(string)
	operation := n.ok(t, "POST", "/v1/operations", `{"kind":"cancel","function":"none"}`, nil).Object(t)["uuid"].(string)
	apitest.Eventually(t, func() bool { return n.ok(t, "GET", "/v1/operations/"+operation, "", nil).Object(t)["state"] == "done" })
	f, err := n.Engine.GetFunction(t.Context(), runtime.Tenant(n.name), "owned")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"{name}": "owned", "<execution>": id, "<letter>": letter, "<token>": token, "<operation>": operation, "{jobId}": "nightly", "{executionId}": letter,
		"{path:*}": "the/path", "{resourceRid}": f.Function.RID(), "{workspace}": n.name,
	}
}

// nothing are the parameters of paths that lead nowhere.
var nothing = map[string]string{
	"{name}": "no-one", "<execution>": apitest.ID, "<letter>": apitest.ID, "<token>": apitest.ID, "<operation>": apitest.ID, "{jobId}": "nothing", "{executionId}": apitest.ID,
	"{path:*}": "no/path", "{resourceRid}": runtime.FunctionRID(apitest.ID), "{workspace}": "nowhere",
}

// pathTo returns the path of a route with parameters.
func pathTo(r web.Route, params map[string]string) string {
	id := params["<execution>"]
	switch {
	case strings.HasPrefix(r.Path, "/v1/dlq"):
		id = params["<letter>"]
	case strings.HasPrefix(r.Path, "/v1/tokens"):
		id = params["<token>"]
	case strings.HasPrefix(r.Path, "/v1/operations"):
		id = params["<operation>"]
	}
	path := strings.NewReplacer("{id}", id, "{version}", "1").Replace(r.Path)
	for name, value := range params {
		path = strings.ReplaceAll(path, name, value)
	}
	switch {
	case strings.HasPrefix(path, "/api/v2/"):
		path += "?preview=true"
	case strings.HasSuffix(path, "/diff") && r.Method == "GET":
		path += "?from=1&to=1"
	case path == "/v1/schedules/next":
		path += apitest.SomeSchedule
	}
	return path
}

// passing matches what two equal requests may have different: random ids of errors, the window of
// statistics, and when a token was used.
var passing = regexp.MustCompile(`"errorInstanceId":"[^"]+"|"(from|to|complete_since)":"[^"]+"|"last_used":[^,]+`)

// withoutNames removes from an answer the parameters of its request, and what is passing.
func withoutNames(body string, params map[string]string) string {
	values := slices.SortedFunc(maps.Values(params), func(a, b string) int { return len(b) - len(a) })
	for _, value := range values {
		body = strings.ReplaceAll(body, value, "X")
	}
	return passing.ReplaceAllString(body, "")
}

// everythingOf returns what a tenant sees of what fill has made.
func (n tenantOf) everythingOf(t *testing.T, params map[string]string) map[string]string {
	seen := map[string]string{}
	for _, r := range httpapi.Routes() {
		if r.Method == "GET" && !r.Submits && !r.Open && r.Scope != runtime.ScopeOperator {
			path := pathTo(r, params)
			a := n.ok(t, "GET", path, "", nil)
			seen[path] = passing.ReplaceAllString(a.Body, "")
		}
	}
	return seen
}

// TestTenantsDoNotSeeEachOther sends requests of tenant b for everything that tenant a has, over every
// route: the answers are those for what does not exist, and a still has everything.
func TestTenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	owned := a.fill(t)
	before := a.everythingOf(t, owned)
	visited := 0
	for _, r := range httpapi.Routes() {
		creates := r.Method == "PUT" && !strings.Contains(r.Path, "rpc") || r.Method == "POST" && (r.Path == "/v0/jobs" || r.Path == "/v1/tokens" || r.Path == "/v1/operations")
		session := strings.HasPrefix(r.Path, "/console/") // it is the sender's own, and new each time
		if r.Open || r.Scope == runtime.ScopeOperator || creates || session {
			continue
		}
		visited++
		body, h := apitest.BodyFor(r), apitest.Header{"Idempotency-Key": "same"}
		if r.MaxBody == web.MaxIDsBody {
			body = strings.ReplaceAll(body, apitest.ID, owned["<execution>"])
		}
		got := b.do(t, r.Method, pathTo(r, owned), body, h)
		absent := b.do(t, r.Method, pathTo(r, nothing), apitest.BodyFor(r), h)
		if strings.Contains(r.Path, "{") && got.Status != 404 {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, got.Status, got.Body)
		}
		if got.Status != absent.Status || withoutNames(got.Body, owned) != withoutNames(absent.Body, nothing) {
			t.Errorf("%s %s: %d %s, of what does not exist %d %s", r.Method, r.Path, got.Status, got.Body, absent.Status, absent.Body)
		}
		if body == "" && strings.Contains(got.Body, owned["<execution>"]) && !strings.Contains(r.Path, "{id}") || strings.Contains(got.Body, "secret of a") {
			t.Errorf("%s %s shows what another tenant has: %s", r.Method, r.Path, got.Body)
		}
	}
	if visited < 40 {
		t.Errorf("%d routes were visited", visited)
	}
	if diff := cmp.Diff(before, a.everythingOf(t, owned)); diff != "" {
		t.Errorf("b changed what a has: %s", diff)
	}
}

// TestTenantsShareNoNames checks that the same names, contents, idempotency keys, ids and cursors are
// different things in two tenants.
func TestTenantsShareNoNames(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	ofA, ofB := a.fill(t), b.fill(t) // the same zip, names and key
	for name := range ofA {
		if slices.Contains([]string{"{name}", "{jobId}", "{path:*}"}, name) {
			continue
		}
		if ofA[name] == ofB[name] {
			t.Errorf("both have %s %s", name, ofA[name])
		}
	}
	before := a.everythingOf(t, ofA)

	// The key of a leads b to its own execution.
	again := b.ok(t, "POST", "/v1/functions/owned/rpc", `{"secret":"of a"}`, apitest.Header{"Idempotency-Key": "same"})
	if again.Body != `"`+ofB["<execution>"]+`"` || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the key of a leads b to %s", again.Body)
	}
	// A cursor of a is none of b.
	list := a.ok(t, "GET", "/v1/executions/?include_completed=True&limit=1", "", nil)
	next := regexp.MustCompile(`<([^>]+)>`).FindStringSubmatch(list.Header.Get("Link"))[1]
	apitest.WantError(t, b.do(t, "GET", next, "", nil), 400, "invalid_argument")
	a.ok(t, "GET", next, "", nil)
	// A workspace must be that of the token, in whatever way it is named.
	for _, path := range []string{"/v0/jobs?workspace=tenant-a", "/v0/jobs?workspace=none"} {
		apitest.WantError(t, b.do(t, "GET", path, "", nil), 404, "not_found")
	}
	apitest.WantError(t, b.do(t, "GET", "/v0/jobs", "", apitest.Header{"X-Blaxel-Workspace": "tenant-a"}), 404, "not_found")
	b.ok(t, "GET", "/v0/jobs?workspace=tenant-b", "", apitest.Header{"X-Blaxel-Workspace": "tenant-b"})
	for _, tenant := range []string{"tenant-a", "none", "default"} {
		apitest.WantError(t, b.do(t, "GET", "/v1/tokens?tenant="+tenant, "", nil), 404, "not_found")
		apitest.WantError(t, b.do(t, "POST", "/v1/tokens", `{"name":"x","scope":"read","tenant":"`+tenant+`"}`, nil), 404, "not_found")
	}
	apitest.WantError(t, b.do(t, "POST", "/v1/tokens", `{"name":"x","scope":"operator"}`, nil), 403, "permission_denied")

	// b deletes all that it has under the same names.
	b.ok(t, "DELETE", "/v1/dlq", "", nil)
	b.ok(t, "DELETE", "/v0/jobs/nightly", "", nil)
	b.ok(t, "DELETE", "/v1/functions/owned", "", nil)
	b.ok(t, "DELETE", "/v1/functions/plain", "", nil)
	if diff := cmp.Diff(before, a.everythingOf(t, ofA)); diff != "" {
		t.Errorf("b changed what a has: %s", diff)
	}
	if result := a.ok(t, "POST", "/v1/sync/functions/owned/rpc", `{"n":1}`, nil); result.Body != `{"n":1}` {
		t.Errorf("the function of a returns %s", result.Body)
	}
}

// TestDeletedTenantLeavesNothing checks that a tenant which is deleted with force leaves nothing that a
// tenant with its name can see, whatever it was doing, and that other tenants lose nothing.
func TestDeletedTenantLeavesNothing(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	ofA, ofB := a.fill(t), b.fill(t)
	before := b.everythingOf(t, ofB)
	gated := a.ok(t, "POST", "/v1/functions/owned/bulk_rpc", `[{"do":"gate"},{"do":"gate"},{"do":"gate"}]`, nil)
	blocked := make(chan int, 1)
	go func() { blocked <- a.do(t, "POST", "/v1/sync/functions/owned/rpc", `{"do":"gate"}`, nil).Status }()
	apitest.Eventually(t, func() bool {
		return strings.Count(a.ok(t, "GET", "/v1/executions", "", nil).Body, `"uuid"`) >= 3
	})

	apitest.WantError(t, s.Do(t, "DELETE", "/v1/tenants/tenant-a", "", nil), 409, "conflict")
	a.ok(t, "GET", "/v1/functions/owned", "", nil)
	if answer := s.Do(t, "DELETE", "/v1/tenants/tenant-a?force=true", "", nil); answer.Status != 200 || answer.Object(t)["state"] != "deleting" {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	apitest.WantError(t, a.do(t, "GET", "/v1/functions", "", nil), 401, "unauthenticated")
	apitest.Eventually(t, func() bool { return s.Do(t, "GET", "/v1/tenants/tenant-a", "", nil).Status == 404 })
	if status := <-blocked; status == 200 {
		t.Error("a run of a deleted tenant succeeded")
	}

	again := newTenant(t, s, "tenant-a")
	ids := regexp.MustCompile(`[0-9a-f-]{36}`).FindAllString(gated.Body, -1)
	for _, path := range []string{"/v1/functions", "/v1/executions?include_completed=True", "/v1/dlq", "/v0/jobs"} {
		if answer := again.ok(t, "GET", path, "", nil); answer.Body != "[]" {
			t.Errorf("%s of a new tenant: %s", path, answer.Body)
		}
	}
	for _, id := range append(ids, ofA["<execution>"]) {
		apitest.WantError(t, again.do(t, "GET", "/v1/executions/"+id, "", nil), 404, "not_found")
	}
	if diff := cmp.Diff(before, b.everythingOf(t, ofB)); diff != "" {
		t.Errorf("the deletion of a changed what b has: %s", diff)
	}
	again.fill(t) // the same bundle and names once more
}
