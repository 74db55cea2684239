package httpapi

import (
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// A handler answers a request or returns the error to answer with.
type handler func(s *Server, ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error

// A route is one operation of the API.
type route struct {
	method  string
	path    string // without a slash at the end
	handle  handler
	open    bool   // needs no token
	writes  bool   // may write to the store: a panic must end the process
	maxBody int    // bytes
	denied  string // name of the error if the sender may not at all; see namedError
}

// routes is the whole API. Each path is there with and without a slash at its
// end, for a redirect would make clients drop the body of a POST, and what is
// under functions/ also under deployments/, its name before July 2017.
var routes = []route{
	{method: "GET", path: "/healthz", handle: (*Server).health, open: true, maxBody: noBody},
	{method: "HEAD", path: "/healthz", handle: (*Server).health, open: true, maxBody: noBody},
	{method: "GET", path: "/readyz", handle: (*Server).ready, open: true, maxBody: noBody},
	{method: "HEAD", path: "/readyz", handle: (*Server).ready, open: true, maxBody: noBody},

	{method: "GET", path: "/openapi.json", handle: (*Server).openapi, open: true, maxBody: noBody},
	{method: "HEAD", path: "/openapi.json", handle: (*Server).openapi, open: true, maxBody: noBody},

	{method: "GET", path: "/v1/functions", handle: (*Server).listFunctions, maxBody: noBody},
	{method: "HEAD", path: "/v1/functions", handle: (*Server).listFunctions, maxBody: noBody},
	{method: "PUT", path: "/v1/functions", handle: (*Server).createFunction, writes: true, maxBody: maxFunctionBody},
	{method: "GET", path: "/v1/functions/{name}", handle: (*Server).getFunction, maxBody: noBody},
	{method: "HEAD", path: "/v1/functions/{name}", handle: (*Server).getFunction, maxBody: noBody},
	{method: "PATCH", path: "/v1/functions/{name}", handle: (*Server).updateFunction, writes: true, maxBody: maxFunctionBody},
	{method: "DELETE", path: "/v1/functions/{name}", handle: (*Server).deleteFunction, writes: true, maxBody: noBody},

	{method: "GET", path: "/v1/sync/functions/{name}/rpc", handle: (*Server).runQuery, maxBody: noBody},
	{method: "POST", path: "/v1/sync/functions/{name}/rpc", handle: (*Server).runBody, maxBody: runtime.MaxArgs},
	{method: "PUT", path: "/v1/sync/functions/{name}/rpc", handle: (*Server).runBody, maxBody: runtime.MaxArgs},

	{method: "GET", path: "/v1/functions/{name}/rpc", handle: (*Server).submitQuery, writes: true, maxBody: noBody},
	{method: "POST", path: "/v1/functions/{name}/rpc", handle: (*Server).submitBody, writes: true, maxBody: runtime.MaxArgs},
	{method: "POST", path: "/v1/functions/{name}" + bulkSuffix, handle: (*Server).submitBulk, writes: true, maxBody: maxBulkBody},

	{method: "GET", path: "/v1/executions", handle: (*Server).listExecutions, maxBody: noBody},
	{method: "HEAD", path: "/v1/executions", handle: (*Server).listExecutions, maxBody: noBody},
	{method: "POST", path: "/v1/executions/bulk", handle: (*Server).getExecutions, maxBody: maxIDsBody},
	{method: "GET", path: "/v1/executions/{id}", handle: (*Server).getExecution, maxBody: noBody},
	{method: "HEAD", path: "/v1/executions/{id}", handle: (*Server).getExecution, maxBody: noBody},
	{method: "DELETE", path: "/v1/executions/{id}", handle: (*Server).cancelExecution, writes: true, maxBody: noBody},
	{method: "GET", path: "/v1/executions/{id}/logs", handle: (*Server).getLogs, maxBody: noBody},
	{method: "HEAD", path: "/v1/executions/{id}/logs", handle: (*Server).getLogs, maxBody: noBody},

	{method: "GET", path: "/v0/jobs", handle: blaxel((*Server).listJobs), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs", handle: blaxel((*Server).listJobs), maxBody: noBody},
	{method: "POST", path: "/v0/jobs", handle: blaxel((*Server).createJob), writes: true, maxBody: maxJobBody},
	{method: "GET", path: "/v0/jobs/{jobId}", handle: blaxel((*Server).getJob), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs/{jobId}", handle: blaxel((*Server).getJob), maxBody: noBody},
	{method: "PUT", path: "/v0/jobs/{jobId}", handle: blaxel((*Server).updateJob), writes: true, maxBody: maxJobBody},
	{method: "DELETE", path: "/v0/jobs/{jobId}", handle: blaxel((*Server).deleteJob), writes: true, maxBody: noBody},
	{method: "GET", path: "/v0/jobs/{jobId}/revisions", handle: blaxel((*Server).listJobRevisions), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs/{jobId}/revisions", handle: blaxel((*Server).listJobRevisions), maxBody: noBody},
	{method: "GET", path: "/v0/jobs/{jobId}/executions", handle: blaxel((*Server).listJobExecutions), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs/{jobId}/executions", handle: blaxel((*Server).listJobExecutions), maxBody: noBody},
	{method: "POST", path: "/v0/jobs/{jobId}/executions", handle: blaxel((*Server).createJobExecution), writes: true, maxBody: maxBulkBody},
	{method: "GET", path: "/v0/jobs/{jobId}/executions/{executionId}", handle: blaxel((*Server).getJobExecution), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs/{jobId}/executions/{executionId}", handle: blaxel((*Server).getJobExecution), maxBody: noBody},
	{method: "DELETE", path: "/v0/jobs/{jobId}/executions/{executionId}", handle: blaxel((*Server).cancelJobExecution), writes: true, maxBody: noBody},
	{method: "GET", path: "/v0/jobs/{jobId}/executions/{executionId}/tasks", handle: blaxel((*Server).listJobTasks), maxBody: noBody},
	{method: "HEAD", path: "/v0/jobs/{jobId}/executions/{executionId}/tasks", handle: blaxel((*Server).listJobTasks), maxBody: noBody},
	{method: "POST", path: "/v0/jobs/{jobId}/triggers/{path:*}", handle: blaxel((*Server).triggerJob), writes: true, maxBody: maxBulkBody},

	{
		method: "POST", path: "/api/v2/observability/resources/{resourceRid}/listExecutions", handle: (*Server).listObserved,
		maxBody: maxObserveBody, denied: "ListExecutionsPermissionDenied",
	},
}

const (
	// maxObserveBody leaves room for a filter of as many values as it may have.
	maxObserveBody = 64 * runtime.KiB
	// maxFunctionBody leaves room for code and context with every byte written
	// as three (%XX, or \uXXXX for two bytes of UTF-8), and for the rest.
	maxFunctionBody = 3*(runtime.MaxSource+runtime.MaxContext) + 64*runtime.KiB
	// noBody is for operations that read none. Clients that send an empty
	// object all the same are not turned away.
	noBody = 1 * runtime.KiB
	// maxIDsBody leaves room for as many ids as can be looked up at once, and for
	// quotes and a line each.
	maxIDsBody = runtime.MaxBulk*48 + noBody
	// maxBulkBody leaves room for the args of a bulk, commas and spaces.
	maxBulkBody = runtime.MaxBulkArgs + 1*runtime.MiB
	// maxJobBody leaves room for the tasks of triggers, and for an environment with
	// every byte written as \uXXXX, and for the rest.
	maxJobBody = runtime.MaxTriggerTasks + 6*runtime.MaxEnv + 512*runtime.KiB
	// maxBody is what any other operation takes.
	maxBody = max(maxFunctionBody, runtime.MaxArgs, maxIDsBody, maxJobBody)

	bulkSuffix = "/bulk_rpc"
)

// paths lists every path that leads to r.
func (r route) paths() []string {
	if old := strings.Replace(r.path, "/functions", "/deployments", 1); old != r.path {
		return []string{r.path, old}
	}
	return []string{r.path}
}

func (s *Server) newRouter() *router.Router {
	r := router.New()
	for _, rt := range routes {
		for _, path := range rt.paths() {
			r.Handle(rt.method, path, s.dispatch(rt))
		}
	}
	return r
}

// find runs the handler of the route that a request is for. The router only
// looks up: what it would do about other paths is redirect.
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
			WithHint("functions are under /v1/functions/, executions under /v1/executions/, jobs under /v0/jobs, blocking runs are /v1/sync/functions/NAME/rpc/; /openapi.json tells all paths"))
	case ctx.IsOptions():
		ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
		writeJSON(ctx, fasthttp.StatusOK, []byte("{}"))
	default:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
		s.writeError(ctx, runtime.Errorf(codeMethodNotAllowed, "this path does not take this method").
			WithHint("use one of "+strings.Join(allowed, ", ")))
	}
}

// allowed lists the methods that a path takes; "*" is the server as a whole.
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
