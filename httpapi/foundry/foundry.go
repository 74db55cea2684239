package foundry

import (
	"context"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// Engine is what this dialect needs of the engine. Its method may be called concurrently.
type Engine interface {
	SearchExecutions(ctx context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error)
}

// api holds what the handlers of this dialect use.
type api struct {
	*web.Host
	engine func() Engine // not called before there is an engine
}

// maxSearchBody leaves room for a filter with as many values as it may have.
const maxSearchBody = 64 * runtime.KiB

// New returns the dialect. engine is called for each request of a route that is not open.
func New(host *web.Host, engine func() Engine) web.Dialect {
	a := &api{host, engine}
	return web.Dialect{
		Name: "foundry", Prefix: "/api/v2", WriteError: writeError,
		LargeBody: func([]byte) (size int, spools bool) { return 0, false },
		Routes: []web.Route{{
			Method: "POST", Path: "/api/v2/observability/resources/{resourceRid}/listExecutions", Handle: a.search, Scope: runtime.ScopeRead,
			MaxBody: maxSearchBody, Body: "a JSON object with the query", Denied: "ListExecutionsPermissionDenied",
		}},
	}
}
