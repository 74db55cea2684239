package httpapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// everyPath calls f for every method and path there is: all routes, under both
// names, with and without a slash at the end.
func everyPath(f func(r route, path string)) {
	for _, r := range routes {
		for _, path := range r.paths() {
			path = somePath(path)
			query := ""
			if dialectAt(path).name == "foundry" {
				query = "?preview=true"
			}
			f(r, path+query)
			f(r, path+"/"+query)
		}
	}
}

// somePath is a path in place of the pattern of a route.
func somePath(pattern string) string {
	return strings.NewReplacer("{name}", "hello.py", "{id}", testID, "{jobId}", "hello", "{executionId}", testID, "{path:*}", "in/hook",
		"{resourceRid}", runtime.FunctionRID(testID)).Replace(pattern)
}

func fullFake() *fakeEngine {
	return &fakeEngine{
		exec:           succeeded("1"),
		fakeExecutions: fakeExecutions{all: map[string]runtime.Execution{testID: *succeeded("1")}},
		detail:         runtime.FunctionDetail{Version: runtime.Version{Source: []byte("def main(args, context): pass\n")}},
	}
}

// bodyFor is a body that the route takes.
func bodyFor(r route) string {
	switch {
	case r.maxBody == noBody:
		return ""
	case strings.HasSuffix(r.path, bulkSuffix):
		return "[{}]"
	case r.maxBody == maxIDsBody:
		return `["` + testID + `"]`
	case r.maxBody == maxJobBody:
		return `{"metadata":{"name":"hello"},"spec":{"function":"hello.py"}}`
	case strings.HasPrefix(r.path, jobsPath):
		return `{"tasks":[{}]}`
	case r.writes:
		return `{"name":"hello.py","code":"def main(args, context): pass"}`
	}
	return "{}"
}

func TestEveryRouteNeedsAToken(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, nil)
	everyPath(func(r route, path string) {
		for name, auth := range map[string]string{
			"none":           "",
			"empty":          "Token ",
			"another":        "Token " + strings.ToUpper(testToken),
			"part":           "Token " + testToken[:len(testToken)-1],
			"more":           "Token " + testToken + "x",
			"long":           "Token " + strings.Repeat("x", 10_000),
			"another scheme": "Basic " + testToken,
			"no scheme":      testToken,
		} {
			a := ts.do(t, r.method, path, bodyFor(r), header{"Authorization": auth})
			if r.open {
				if a.status != 200 {
					t.Errorf("%s %s, token %s: %d", r.method, path, name, a.status)
				}
				continue
			}
			if a.status != 401 {
				t.Errorf("%s %s, token %s: %d", r.method, path, name, a.status)
				continue
			}
			if got := a.header.Values("WWW-Authenticate"); len(got) != 2 {
				t.Errorf("%s %s: WWW-Authenticate %q", r.method, path, got)
			}
			if r.method != "HEAD" {
				wantError(t, a, 401, "unauthenticated")
			}
		}
	})
	if len(fake.tenants) > 0 {
		t.Errorf("%d calls came through", len(fake.tenants))
	}
	if log := ts.log.String(); strings.Contains(log, testToken) || strings.Contains(log, strings.ToUpper(testToken)) {
		t.Error("a token is in the log")
	}
}

func TestTokenInQueryIsNone(t *testing.T) {
	ts := start(t, fullFake(), nil)
	a := ts.do(t, "GET", "/v1/functions/?token="+testToken, "", header{"Authorization": ""})
	wantError(t, a, 401, "unauthenticated")
	if strings.Contains(ts.log.String(), testToken) {
		t.Error("the query is in the log")
	}
}

// twoTenants knows a token for each of two tenants.
type twoTenants struct{}

func (twoTenants) Authenticate(token []byte) (runtime.Identity, error) {
	switch string(token) {
	case "token-a":
		return runtime.Identity{Tenant: "a", UserID: "ada"}, nil
	case "token-b":
		return runtime.Identity{Tenant: "b", UserID: "bob"}, nil
	}
	return runtime.Identity{}, errWrongToken
}

// TestEveryRouteTellsTheTenant: whatever a route asks of the engine, it asks in
// the name of the tenant whose token came.
func TestEveryRouteTellsTheTenant(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, func(o *Options) { o.Auth = twoTenants{} })
	everyPath(func(r route, path string) {
		for _, tenant := range []string{"a", "b"} {
			fake.tenants, fake.called = nil, nil
			a := ts.do(t, r.method, path, bodyFor(r), header{"Authorization": "Bearer token-" + tenant})
			if a.status != 200 {
				t.Errorf("%s %s: %d %s", r.method, path, a.status, a.body)
			}
			if r.open {
				continue
			}
			called := slices.Concat(fake.tenants, fake.called)
			if len(called) == 0 || slices.ContainsFunc(called, func(t runtime.Tenant) bool { return t != runtime.Tenant(tenant) }) {
				t.Errorf("%s %s for %s: called for %q", r.method, path, tenant, called)
			}
		}
	})
}

// TestEverySuccessIs200WithJSON: the original client takes nothing else.
func TestEverySuccessIs200WithJSON(t *testing.T) {
	ts := start(t, fullFake(), nil)
	everyPath(func(r route, path string) {
		a := ts.do(t, r.method, path, bodyFor(r), nil)
		if a.status != 200 {
			t.Errorf("%s %s: %d %s", r.method, path, a.status, a.body)
		}
		wantHeaders(t, a)
		if (r.method == "HEAD") != (a.body == "") {
			t.Errorf("%s %s: body %q", r.method, path, a.body)
		}
	})
}

func TestOtherPathsAndMethods(t *testing.T) {
	ts := start(t, fullFake(), nil)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/functions//", "/V1/functions/", "/v1/Functions", "/v1/functions/a/b",
		"/v1/functions/a/rpc/x", "/v1/executions//", "/v1/executions/" + testID + "/log", "/v1/sync/functions/a", "/healthz/x", "/favicon.ico",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "FOO"} {
			wantError(t, ts.do(t, method, path, "", nil), 404, "not_found")
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/v1/functions/", "GET, HEAD, PUT, OPTIONS"},
		{"DELETE", "/v1/deployments", "GET, HEAD, PUT, OPTIONS"},
		{"PUT", "/v1/functions/a", "DELETE, GET, HEAD, PATCH, OPTIONS"},
		{"DELETE", "/v1/sync/functions/a/rpc/", "GET, POST, PUT, OPTIONS"},
		{"FOO", "/v1/sync/deployments/a/rpc", "GET, POST, PUT, OPTIONS"},
		{"PUT", "/v1/functions/a/rpc", "GET, POST, OPTIONS"},
		{"GET", "/v1/deployments/a/bulk_rpc/", "POST, OPTIONS"},
		{"POST", "/v1/executions/", "GET, HEAD, OPTIONS"},
		{"PUT", "/v1/executions/bulk/", "DELETE, GET, HEAD, POST, OPTIONS"},
		{"POST", "/v1/executions/" + testID, "DELETE, GET, HEAD, OPTIONS"},
		{"DELETE", "/v1/executions/" + testID + "/logs", "GET, HEAD, OPTIONS"},
		{"POST", "/healthz", "GET, HEAD, OPTIONS"},
	} {
		a := ts.do(t, c.method, c.path, "", nil)
		wantError(t, a, 405, "method_not_allowed")
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
		a = ts.do(t, "OPTIONS", c.path, "", header{"Authorization": ""})
		if a.status != 200 || a.body != "{}" || a.header.Get("Allow") != c.allow {
			t.Errorf("OPTIONS %s: %d %s %q", c.path, a.status, a.body, a.header.Get("Allow"))
		}
	}
	// A run is no safe method: HEAD must not start one.
	for _, path := range []string{"/v1/sync/functions/a/rpc/", "/v1/functions/a/rpc/"} {
		if a := ts.do(t, "HEAD", path, "", nil); a.status != 405 {
			t.Errorf("HEAD %s: %d", path, a.status)
		}
	}
	if len(ts.fake.ran) > 0 {
		t.Error("something ran")
	}
}

func TestFunctionNames(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, nil)
	for _, c := range []struct {
		path, name string // no name: 400
	}{
		{"hello", "hello"},
		{"hello.py", "hello.py"},
		{"A-z_0.9", "A-z_0.9"},
		{"%68ello", "hello"},
		{strings.Repeat("a", runtime.MaxName), strings.Repeat("a", runtime.MaxName)},
		{strings.Repeat("a", runtime.MaxName+1), ""},
		{strings.Repeat("a", 7_000), ""},
		{"..", ""},
		{".", ""},
		{"%2e%2e", ""},
		{"a%2fb", ""},
		{"a%00b", ""},
		{"a%20b", ""},
		{"a+b", ""},
		{"a:b", ""},
		{"a*", ""},
		{"%F0%9F%90%8D", ""},
		{"%E2%80%AEa", ""},
		{"%D0%B0bc", ""},
		{"-rf", ""},
		{".py", ""},
		{"a%252fb", ""},
	} {
		fake.renew(nil)
		for _, r := range []struct{ method, path, body string }{
			{"GET", "/v1/functions/" + c.path, ""},
			{"PATCH", "/v1/functions/" + c.path + "/", "{}"},
			{"DELETE", "/v1/deployments/" + c.path, ""},
			{"GET", "/v1/sync/functions/" + c.path + "/rpc/", ""},
			{"POST", "/v1/sync/functions/" + c.path + "/rpc", "{}"},
		} {
			a := ts.do(t, r.method, r.path, r.body, nil)
			if c.name == "" {
				wantError(t, a, 400, "invalid_argument")
			} else if a.status != 200 {
				t.Errorf("%s %s: %d %s", r.method, r.path, a.status, a.body)
			}
		}
		if c.name == "" && len(fake.tenants) > 0 {
			t.Errorf("%q came through", c.path)
		}
		if c.name != "" && (fake.updated[0].Name != c.name || fake.deleted[0].Name != c.name || fake.ran[0].Function != c.name || fake.ran[1].Function != c.name) {
			t.Errorf("%q: %+v %+v %+v", c.path, fake.updated, fake.deleted, fake.ran)
		}
	}
}
