package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// tokensOfEveryKind returns a server and a token of each kind, by what it permits.
func tokensOfEveryKind(t *testing.T, fake *apitest.Fake) (*apitest.Served, map[string]string) {
	k := apitest.OpenAccess(t)
	tokens := map[string]string{"nobody": "fas_of-nobody"}
	for _, s := range []runtime.Scope{runtime.ScopeRead, runtime.ScopeInvoke, runtime.ScopeDeploy, runtime.ScopeAdmin} {
		tokens[s.String()] = apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "to-" + s.String(), Scope: s})
	}
	tokens["operator"] = apitest.NewToken(t, k, runtime.TokenSpec{Name: "op", Scope: runtime.ScopeOperator})
	tokens["limited"] = apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "limited", Scope: runtime.ScopeInvoke, Functions: []string{"hello.py"}})
	tokens["limited to others"] = apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "others", Scope: runtime.ScopeInvoke, Functions: []string{"other"}})
	tokens["server's own"] = apitest.Token
	return apitest.Start(t, fake, func(o *httpapi.Options) { o.Auth = k }), tokens
}

// want returns the status of a request with a token of a kind for a route. It is written down here a
// second time, by the paths of the API, and does not look at what the route declares.
func want(kind string, r web.Route) int {
	server := strings.HasPrefix(r.Path, "/v1/server") || strings.HasPrefix(r.Path, "/v1/tenants")
	tokens := strings.HasPrefix(r.Path, "/v1/tokens") || r.Path == "/v1/audit"
	runs := strings.HasSuffix(r.Path, "rpc") || strings.HasSuffix(r.Path, "/rerun") || strings.HasSuffix(r.Path, "/executions") && r.Method == "POST" ||
		strings.HasPrefix(r.Path, "/v1/operations") && (r.Method == "POST" || r.Method == "DELETE") || strings.Contains(r.Path, "/triggers/") || r.Method == "DELETE" && strings.Contains(r.Path, "/executions/")
	reads := r.Method == "GET" || r.Method == "HEAD" || r.Path == "/v1/executions/bulk" || strings.HasSuffix(r.Path, "/listExecutions")
	level := 3 // deploy
	switch {
	case tokens:
		level = 4
	case runs:
		level = 2
	case reads:
		level = 1
	}
	levels := map[string]int{"read": 1, "invoke": 2, "deploy": 3, "admin": 4, "server's own": 4}
	allowed := map[bool]int{true: 200, false: 403}
	own := strings.HasSuffix(r.Path, "rpc") || strings.HasPrefix(r.Path, "/v1/executions")
	switch {
	case kind == "nobody":
		return 401
	case kind == "operator":
		return allowed[server || tokens]
	case server:
		return allowed[kind == "server's own"]
	case strings.HasPrefix(kind, "limited") && !own:
		return 403
	case kind == "limited to others" && strings.HasSuffix(r.Path, "rpc"):
		return 404
	case strings.HasPrefix(kind, "limited"):
		if strings.Contains(r.Path, "{id}") { // an execution that another token started
			return 404
		}
		return 200
	}
	return allowed[levels[kind] >= level]
}

// TestEveryRouteWithEveryToken sends a request for every route with every kind of token.
func TestEveryRouteWithEveryToken(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts, tokens := tokensOfEveryKind(t, fake)
	refusals := map[string]map[int]int{}
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		if r.Open {
			return
		}
		for kind, token := range tokens {
			fake.Renew(nil)
			fake.Called = nil
			a := ts.Do(t, r.Method, path, apitest.BodyFor(r), apitest.Header{"Authorization": "Token " + token})
			status := want(kind, r)
			if a.Status != status {
				t.Errorf("%s %s with %s: %d, want %d: %s", r.Method, path, kind, a.Status, status, a.Body)
			}
			if status != 200 && status != 404 && len(fake.Tenants)+len(fake.Called) > 0 {
				t.Errorf("%s %s with %s: the engine was called", r.Method, path, kind)
			}
			if refusals[kind] == nil {
				refusals[kind] = map[int]int{}
			}
			refusals[kind][a.Status]++
		}
	})
	if len(refusals) != len(tokens) || refusals["read"][403] == 0 || refusals["read"][200] == 0 || refusals["operator"][200] == 0 {
		t.Errorf("the tokens were not told apart: %v", refusals)
	}
	if log := ts.Log.String(); strings.Contains(log, tokens["read"]) {
		t.Error("a token is in the log")
	}
}

// TestEveryRouteSaysWhoMayUseIt checks that a server does not start with a route that does not, or that
// writes and does not say what it changes.
func TestEveryRouteSaysWhoMayUseIt(t *testing.T) {
	t.Parallel()
	for _, r := range httpapi.Routes() {
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
	const deploy = runtime.ScopeDeploy
	for _, r := range []web.Route{
		{},
		{Open: true, Scope: runtime.ScopeRead},
		{Scope: deploy, Writes: true},
		{Scope: deploy, Change: "x.y"},
		{Scope: deploy, Runs: true},
		{Scope: deploy, Writes: true, Change: "x.y", Runs: true},
	} {
		if r.Validate() == nil {
			t.Errorf("%+v is valid", r)
		}
	}
	for _, r := range []web.Route{{Writes: true}, {Change: "x.y"}, {Runs: true}, {Writes: true, Change: "x.y", Runs: true}} {
		if r.Scope = runtime.ScopeDeploy; r.Validate() == nil {
			t.Errorf("%+v is valid", r)
		}
	}
	if err := httpapi.AddRoute(web.Route{Method: "GET", Path: "/v1/new"}); err == nil {
		t.Error("a server started with a route without a scope")
	}
	if err := httpapi.AddRoute(web.Route{Method: "PUT", Path: "/v1/new", Scope: deploy, Writes: true}); err == nil {
		t.Error("a server started with a route that writes without a name of its change")
	}
	if err := httpapi.AddRoute(web.Route{Method: "GET", Path: "/v1/new", Scope: runtime.ScopeRead}); err != nil {
		t.Error(err)
	}
}

// TestRevokedAtOnce checks that a token that is deleted, rotated or of a deleted tenant is refused in the
// next request, and an expired one when it expires.
func TestRevokedAtOnce(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	admin := &runtime.Identity{Operator: true}
	status := func(token string) int {
		return s.Do(t, "GET", "/v1/functions/", "", apitest.Header{"Authorization": "Token " + token}).Status
	}
	create := func(name string, life time.Duration) (id, secret string) {
		if _, err := s.Access.GetTenant("acme"); err != nil {
			if _, err := s.Access.CreateTenant("acme"); err != nil {
				t.Fatal(err)
			}
		}
		token, secret, err := s.Access.CreateToken(t.Context(), admin, runtime.TokenSpec{Tenant: "acme", Name: name, Scope: runtime.ScopeRead, Lifetime: life})
		if err != nil {
			t.Fatal(err)
		}
		if got := status(secret); life == 0 && got != 200 {
			t.Fatalf("a new token: %d", got)
		}
		return token.ID, secret
	}
	deleted, secret := create("deleted", 0)
	if a := s.Do(t, "DELETE", "/v1/tokens/"+deleted, "", nil); a.Status != 200 || status(secret) != 401 {
		t.Errorf("deleted: %d %s, then %d", a.Status, a.Body, status(secret))
	}
	rotated, first := create("rotated", 0)
	a := s.Do(t, "POST", "/v1/tokens/"+rotated+"/rotate", `{"overlap":3600}`, nil)
	second, _ := a.Object(t)["token"].(string)
	if status(first) != 200 || status(second) != 200 {
		t.Errorf("in the overlap: %d, %d", status(first), status(second))
	}
	a = s.Do(t, "POST", "/v1/tokens/"+rotated+"/rotate", "", nil)
	third, _ := a.Object(t)["token"].(string)
	if status(first) != 401 || status(second) != 401 || status(third) != 200 {
		t.Errorf("without overlap: %d, %d, %d", status(first), status(second), status(third))
	}
	if _, secret := create("expired", time.Nanosecond); status(secret) != 401 {
		t.Errorf("expired: %d", status(secret))
	}
	_, last := create("last", 0)
	if a := s.Do(t, "DELETE", "/v1/tenants/acme", "", nil); a.Status != 200 || status(last) != 401 || status(third) != 401 {
		t.Errorf("of a deleted tenant: %d %s, then %d, %d", a.Status, a.Body, status(last), status(third))
	}
}
