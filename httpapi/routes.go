package httpapi

import (
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// routes returns the whole API: the routes of the server itself and those of all dialects.
func (s *Server) routes() []web.Route {
	all := []web.Route{
		{Method: "GET", Path: "/healthz", Handle: s.health, Open: true, Node: true, MaxBody: web.NoBody},
		{Method: "GET", Path: "/readyz", Handle: s.ready, Open: true, Node: true, MaxBody: web.NoBody},
		{Method: "GET", Path: "/openapi.json", Handle: s.openapi, Open: true, Node: true, MaxBody: web.NoBody},
		{Method: "GET", Path: "/client/{wheel}", Handle: s.pythonClient, Open: true, Node: true, MaxBody: web.NoBody},
	}
	if s.opts.Metrics != nil {
		all = append(all, web.Route{Method: "GET", Path: "/metrics", Handle: s.metrics, Scope: runtime.ScopeOperator, MaxBody: web.NoBody})
	}
	all = append(all, s.consoleRoutes()...)
	for _, d := range s.dialects {
		all = append(all, d.Routes...)
	}
	return web.WithHeads(all)
}

// newRouter returns the router of all routes. It fails if a route does not say who may use it.
func (s *Server) newRouter() (*router.Router, error) {
	r := router.New()
	for _, route := range s.routes() {
		if err := route.Validate(); err != nil {
			return nil, runtime.Internal("httpapi.routes", err)
		}
		for _, path := range route.Paths() {
			r.Handle(route.Method, path, s.dispatch(route))
		}
	}
	return r, nil
}

// maxBody is the largest body of any route but those for bulks and bundles, in bytes.
func maxBody(routes []web.Route) int {
	largest := 0
	for _, r := range routes {
		if r.MaxBody != web.MaxBulkBody && !r.Spools {
			largest = max(largest, r.MaxBody)
		}
	}
	return largest
}

// find calls the handler of the route of a request. Every path exists with and without a slash
// at the end, because a redirect would make clients drop the body of a POST. The router is only
// used to look up: it would redirect other paths.
func (s *Server) find(ctx *fasthttp.RequestCtx) {
	path := string(ctx.URI().PathOriginal())
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if handle, _ := s.router.Lookup(string(ctx.Method()), path, ctx); handle != nil {
		handle(ctx)
		return
	}
	allowed := s.allowed(path)
	switch {
	case len(allowed) == 0:
		s.writeError(ctx, runtime.Errorf(runtime.CodeNotFound, "there is nothing at this path").
			WithHint("functions are under /v1/functions/, executions under /v1/executions/, jobs under /v0/jobs, blocking runs are /v1/sync/functions/NAME/rpc/; /openapi.json lists all paths"))
	case ctx.IsOptions():
		ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
		web.WriteJSON(ctx, fasthttp.StatusOK, []byte("{}"))
	default:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
		s.writeError(ctx, runtime.Errorf(web.CodeMethodNotAllowed, "this path does not support this method").
			WithHint("use one of "+strings.Join(allowed, ", ")))
	}
}

// allowed returns the methods of a path, in alphabetical order with OPTIONS last. The path "*"
// is the server as a whole.
func (s *Server) allowed(path string) []string {
	var methods []string
	for _, method := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"} {
		if handle, _ := s.router.Lookup(method, path, nil); handle != nil || path == "*" {
			methods = append(methods, method)
		}
	}
	if len(methods) > 0 {
		methods = append(methods, "OPTIONS")
	}
	return methods
}

// dialectAt returns the dialect of a path. The first dialect has every path of no other one.
func (s *Server) dialectAt(path string) *web.Dialect {
	for i := range s.dialects[1:] {
		d := &s.dialects[1+i]
		if rest, ok := strings.CutPrefix(path, d.Prefix); ok && (rest == "" || rest[0] == '/') {
			return d
		}
	}
	for i := range s.dialects {
		if d := &s.dialects[i]; d.Owns != nil && d.Owns(path) {
			return d
		}
	}
	return &s.dialects[0]
}
