package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

func TestEveryRouteNeedsAToken(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		for name, auth := range map[string]string{
			"none":           "",
			"empty":          "Token ",
			"another":        "Token " + strings.ToUpper(apitest.Token),
			"part":           "Token " + apitest.Token[:len(apitest.Token)-1],
			"more":           "Token " + apitest.Token + "x",
			"long":           "Token " + strings.Repeat("x", 10_000),
			"another scheme": "Basic " + apitest.Token,
			"no scheme":      apitest.Token,
		} {
			a := ts.Do(t, r.Method, path, apitest.BodyFor(r), apitest.Header{"Authorization": auth})
			if r.Open {
				if a.Status != 200 {
					t.Errorf("%s %s, token %s: %d", r.Method, path, name, a.Status)
				}
				continue
			}
			if a.Status != 401 {
				t.Errorf("%s %s, token %s: %d", r.Method, path, name, a.Status)
				continue
			}
			if got := a.Header.Values("WWW-Authenticate"); len(got) != 2 {
				t.Errorf("%s %s: WWW-Authenticate %q", r.Method, path, got)
			}
			if r.Method != "HEAD" {
				apitest.WantError(t, a, 401, "unauthenticated")
			}
		}
	})
	if len(fake.Tenants) > 0 {
		t.Errorf("%d calls reached the engine", len(fake.Tenants))
	}
	if log := ts.Log.String(); strings.Contains(log, apitest.Token) || strings.Contains(log, strings.ToUpper(apitest.Token)) {
		t.Error("a token is in the log")
	}
}

func TestTokenInQueryIsNone(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	a := ts.Do(t, "GET", "/v1/functions/?token="+apitest.Token, "", apitest.Header{"Authorization": ""})
	apitest.WantError(t, a, 401, "unauthenticated")
	if strings.Contains(ts.Log.String(), apitest.Token) {
		t.Error("the query is in the log")
	}
}

// TestEveryRoutePassesTheTenant checks that every call of the engine has the tenant of the token.
func TestEveryRoutePassesTheTenant(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.Auth = apitest.TwoTenants{} })
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		for _, tenant := range []string{"a", "b"} {
			fake.Tenants, fake.Called = nil, nil
			path := strings.Replace(path, "/default/", "/"+tenant+"/", 1) // of run URLs
			a := ts.Do(t, r.Method, path, apitest.BodyFor(r), apitest.Header{"Authorization": "Bearer token-" + tenant})
			if r.Scope == runtime.ScopeOperator { // of the whole server
				if a.Status != 403 {
					t.Errorf("%s %s: %d %s", r.Method, path, a.Status, a.Body)
				}
				continue
			}
			if a.Status != 200 {
				t.Errorf("%s %s: %d %s", r.Method, path, a.Status, a.Body)
			}
			if r.Open || r.Path == "/v1/schedules/next" || strings.HasPrefix(r.Path, "/console/") { // these do not concern the engine
				continue
			}
			if r.Path == "/v1/whoami" { // the answer is the tenant
				if r.Method == "GET" && !strings.Contains(a.Body, `"tenant": "`+tenant+`"`) && !strings.Contains(a.Body, `"tenant":"`+tenant+`"`) {
					t.Errorf("%s %s for %s: %s", r.Method, path, tenant, a.Body)
				}
				continue
			}
			called := slices.Concat(fake.Tenants, fake.Called)
			if len(called) == 0 || slices.ContainsFunc(called, func(t runtime.Tenant) bool { return t != runtime.Tenant(tenant) }) {
				t.Errorf("%s %s for %s: called for %q", r.Method, path, tenant, called)
			}
		}
	})
}

// TestEverySuccessIs200WithJSON checks every success: the original client accepts nothing else.
func TestEverySuccessIs200WithJSON(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		a := ts.Do(t, r.Method, path, apitest.BodyFor(r), nil)
		if a.Status != 200 {
			t.Errorf("%s %s: %d %s", r.Method, path, a.Status, a.Body)
		}
		file := strings.HasPrefix(path, "/client/") || r.Open && strings.HasPrefix(path, "/console") || strings.HasSuffix(r.Path, "/bundle") && r.Method != "PUT" ||
			r.Path == "/metrics" || r.Path == "/v1/server/backup"
		if !file {
			apitest.WantHeaders(t, a)
		}
		if (r.Method == "HEAD") != (a.Body == "") {
			t.Errorf("%s %s: body %q", r.Method, path, a.Body)
		}
	})
}

func TestOtherPathsAndMethods(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/functions//", "/V1/functions/", "/v1/Functions", "/v1/functions/a/b",
		"/v1/functions/a/rpc/x", "/v1/executions//", "/v1/executions/" + apitest.ID + "/log", "/v1/sync/functions/a", "/healthz/x", "/favicon.ico",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "FOO"} {
			apitest.WantError(t, ts.Do(t, method, path, "", nil), 404, "not_found")
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/v1/functions/", "GET, HEAD, PUT, OPTIONS"},
		{"DELETE", "/v1/deployments", "GET, HEAD, PUT, OPTIONS"},
		{"POST", "/v1/functions/a", "DELETE, GET, HEAD, PATCH, PUT, OPTIONS"},
		{"DELETE", "/v1/sync/functions/a/rpc/", "GET, POST, PUT, OPTIONS"},
		{"FOO", "/v1/sync/deployments/a/rpc", "GET, POST, PUT, OPTIONS"},
		{"PUT", "/v1/functions/a/rpc", "GET, POST, OPTIONS"},
		{"GET", "/v1/deployments/a/bulk_rpc/", "POST, OPTIONS"},
		{"POST", "/v1/executions/", "GET, HEAD, OPTIONS"},
		{"PUT", "/v1/executions/bulk/", "DELETE, GET, HEAD, POST, OPTIONS"},
		{"POST", "/v1/executions/" + apitest.ID, "DELETE, GET, HEAD, OPTIONS"},
		{"DELETE", "/v1/executions/" + apitest.ID + "/logs", "GET, HEAD, OPTIONS"},
		{"POST", "/healthz", "GET, HEAD, OPTIONS"},
	} {
		a := ts.Do(t, c.method, c.path, "", nil)
		apitest.WantError(t, a, 405, "method_not_allowed")
		if got := a.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
		a = ts.Do(t, "OPTIONS", c.path, "", apitest.Header{"Authorization": ""})
		if a.Status != 200 || a.Body != "{}" || a.Header.Get("Allow") != c.allow {
			t.Errorf("OPTIONS %s: %d %s %q", c.path, a.Status, a.Body, a.Header.Get("Allow"))
		}
	}
	// A run is no safe method: HEAD must not start one.
	for _, path := range []string{"/v1/sync/functions/a/rpc/", "/v1/functions/a/rpc/"} {
		if a := ts.Do(t, "HEAD", path, "", nil); a.Status != 405 {
			t.Errorf("HEAD %s: %d", path, a.Status)
		}
	}
	if len(ts.Fake.Ran) > 0 {
		t.Error("something ran")
	}
}

func TestFunctionNames(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
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
		fake.Renew(nil)
		for _, r := range []struct{ method, path, body string }{
			{"GET", "/v1/functions/" + c.path, ""},
			{"PATCH", "/v1/functions/" + c.path + "/", "{}"},
			{"DELETE", "/v1/deployments/" + c.path, ""},
			{"GET", "/v1/sync/functions/" + c.path + "/rpc/", ""},
			{"POST", "/v1/sync/functions/" + c.path + "/rpc", "{}"},
		} {
			a := ts.Do(t, r.method, r.path, r.body, nil)
			if c.name == "" {
				apitest.WantError(t, a, 400, "invalid_argument")
			} else if a.Status != 200 {
				t.Errorf("%s %s: %d %s", r.method, r.path, a.Status, a.Body)
			}
		}
		if c.name == "" && len(fake.Tenants) > 0 {
			t.Errorf("%q was accepted", c.path)
		}
		if c.name != "" && (fake.Updated[0].Name != c.name || fake.Deleted[0].Name != c.name || fake.Ran[0].Function != c.name || fake.Ran[1].Function != c.name) {
			t.Errorf("%q: %+v %+v %+v", c.path, fake.Updated, fake.Deleted, fake.Ran)
		}
	}
}
