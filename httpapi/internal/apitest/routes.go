package apitest

import (
	"strings"

	"github.com/faaspot/faaspot/clients/python"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// EveryPath calls f for every path of routes, with and without a slash at the end.
func EveryPath(routes []web.Route, f func(r web.Route, path string)) {
	for _, r := range routes {
		for _, path := range r.Paths() {
			path = SomePath(path)
			query := ""
			if strings.HasPrefix(path, "/api/v2/") {
				query = "?preview=true"
			}
			f(r, path+query)
			f(r, path+"/"+query)
		}
	}
}

// SomePath returns a path that matches the pattern of a route.
func SomePath(pattern string) string {
	return strings.NewReplacer("{wheel}", python.WheelName(), "{name}", "hello.py", "{id}", ID, "{jobId}", "hello", "{workspace}", string(runtime.DefaultTenant), "{executionId}", ID, "{tenant}", SomeTenant, "{path:*}", "in/hook",
		"{resourceRid}", runtime.FunctionRID(ID)).Replace(pattern)
}

// FullFake returns a Fake that has an answer for every route.
func FullFake() *Fake {
	return &Fake{
		Outcome:        Succeeded("1"),
		FakeExecutions: FakeExecutions{All: map[string]runtime.Execution{ID: *Succeeded("1")}},
		Zip:            []byte("PK a zip"),
		Detail:         runtime.FunctionDetail{Version: runtime.Version{Source: []byte("def main(args, context): pass\n")}},
	}
}

// BodyFor returns a body that the route accepts.
func BodyFor(r web.Route) string {
	switch {
	case r.MaxBody == web.NoBody:
		return ""
	case strings.HasSuffix(r.Path, "/bulk_rpc"):
		return "[{}]"
	case r.Path == "/v1/tenants":
		return `{"name":"` + NewTenant + `"}`
	case r.Path == "/v1/tokens":
		return `{"name":"ci","scope":"deploy"}`
	case r.Path == "/v1/tenants/{tenant}":
		return `{"limits":{"runs":10}}`
	case strings.HasSuffix(r.Path, "/rotate"):
		return `{"overlap":60}`
	case strings.HasPrefix(r.Path, "/v1/dlq"):
		return `{"ids":["` + ID + `"]}`
	case r.Path == "/v1/operations":
		return `{"kind":"rerun"}`
	case strings.HasSuffix(r.Path, "/rerun"):
		return "{}"
	case r.Spools:
		return "PK a zip"
	case r.MaxBody == web.MaxIDsBody:
		return `["` + ID + `"]`
	case r.Path == "/v0/jobs" || r.Path == "/v0/jobs/{jobId}":
		return `{"metadata":{"name":"hello"},"spec":{"function":"hello.py"}}`
	case strings.HasPrefix(r.Path, "/v0/jobs/"), r.Path == web.RunURL:
		return `{"tasks":[{}]}`
	case r.Writes:
		return `{"name":"hello.py","code":"def main(args, context): pass"}`
	}
	return "{}"
}

// TwoTenants knows a token for each of two tenants.
type TwoTenants struct{}

func (TwoTenants) Authenticate(token []byte) (*runtime.Identity, error) {
	switch string(token) {
	case "token-a":
		return &runtime.Identity{Tenant: "a", UserID: "ada", Scope: runtime.ScopeAdmin}, nil
	case "token-b":
		return &runtime.Identity{Tenant: "b", UserID: "bob", Scope: runtime.ScopeAdmin}, nil
	}
	return nil, runtime.Errorf(runtime.CodeUnauthenticated, "the token is not valid")
}
