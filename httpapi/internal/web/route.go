package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// A Handler answers an authenticated request of a tenant, or returns the error to answer
// with.
type Handler func(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error

// A Route is one operation of the API. A GET route also serves HEAD, unless it Submits.
type Route struct {
	Method string
	Path   string // without a slash at the end; {name} and {name:*} are parameters
	Handle Handler
	Open   bool // whether the route needs no token
	// Scope is what a token must permit. A route has one unless it is Open.
	Scope runtime.Scope
	// Operators says that a token with ScopeOperator may use the route in place of Scope.
	Operators bool
	// Limited says that a token which is limited to some functions may use the route, whose handler
	// then checks [runtime.Identity.MayRun] and Sees.
	Limited bool
	// Submits marks a GET that starts a run, which is not a safe method.
	Submits bool
	// Writes marks a route that may write to the store: a panic must end the process. It then has a
	// Change, or Runs.
	Writes bool
	// Change is the operation of the route in the audit log, such as "function.update".
	Change string
	// Runs says that all that the route writes is runs, which the audit log does not have.
	Runs    bool
	MaxBody int // bytes
	// Body is what a body must be, for errors, such as "a JSON object"; empty if MaxBody is [NoBody].
	Body string
	// Spools marks a route whose body is written to disk, see [UploadOf], and is a zip file.
	Spools bool
	// Queues marks a route that holds the body until a run has ended.
	Queues bool
	// Query names the parameters that the query may have. Others are refused, see [Route.CheckQuery].
	// Nil: the query may have any.
	Query []string
	// AnyQuery marks a route with a nil Query in a dialect that refuses unknown parameters elsewhere: the
	// query has the args of a run, the handler checks it, or clients send parameters that nothing reads.
	AnyQuery bool
	// Node marks a route whose answer is about this process, which is not forwarded to another one.
	Node bool
	// Shared reports whether a process that follows the owner of the data can answer a request. Nil: it cannot.
	Shared func(ctx *fasthttp.RequestCtx) bool
	// Denied is the error name for a caller without the permission, see [Named].
	Denied string
}

// RunURL is the path at which the vendor's SDKs start executions of jobs, below a base URL of its
// own. The base URL of faaspot for it may be the server itself, or /v0.
const RunURL = "/{workspace}/jobs/{jobId}/executions"

// NoApplication is the segment after functions/ in the paths of FaaSpot's last client: the
// application of its profile, of which no profile that its command line creates has one.
const NoApplication = "/None"

// Paths returns every path of the route. Those below functions/ also exist below deployments/,
// their name before July 2017, and below functions/None/, their name after it.
func (r Route) Paths() []string {
	if r.Path == RunURL {
		return []string{r.Path, "/v0" + r.Path}
	}
	const functions = "/functions"
	if before, below, found := strings.Cut(r.Path, functions); found {
		return []string{r.Path, before + "/deployments" + below, before + functions + NoApplication + below}
	}
	return []string{r.Path}
}

// Validate returns an error for a route that does not say who may use it, and for one that does not say
// what it changes.
func (r Route) Validate() error {
	if r.Open != (r.Scope == 0) {
		return fmt.Errorf("the route %s %s must either be open or have a scope", r.Method, r.Path)
	}
	if changes := r.Change != ""; changes && r.Runs || r.Writes != (changes || r.Runs) {
		return fmt.Errorf("the route %s %s must name its change if it writes, or else write runs only", r.Method, r.Path)
	}
	return nil
}

// Authorize returns an error if an identity may not use the route.
func (r *Route) Authorize(i *runtime.Identity) error {
	if r.Operators && i.Operator {
		return nil
	}
	if !i.Permits(r.Scope) {
		return runtime.Errorf(runtime.CodePermissionDenied, "this needs a token with the scope %s", r.Scope).
			WithHint("ask an admin of the tenant, or the operator of the server, for such a token")
	}
	if i.Limited() && !r.Limited {
		return runtime.Errorf(runtime.CodePermissionDenied, "the token is limited to running some functions").
			WithHint("use a token that is not limited to functions")
	}
	return nil
}

// CheckQuery returns an error for a query with a parameter that the route does not have.
func (r *Route) CheckQuery(query *fasthttp.Args) error {
	if r.Query == nil || query.Len() == 0 {
		return nil
	}
	for key := range query.All() {
		if slices.Contains(r.Query, string(key)) {
			continue
		}
		err := runtime.Errorf(runtime.CodeInvalidArgument, "there is no query parameter %.64q here", key)
		if len(r.Query) == 0 {
			return err.WithHint("leave it out: this path takes none")
		}
		hint := "use " + strings.Join(r.Query, ", ")
		if near := suggest.Closest(string(key[:min(len(key), 64)]), r.Query); near != "" {
			hint = "did you mean " + near + "? The others are " + strings.Join(slices.DeleteFunc(slices.Clone(r.Query), func(q string) bool { return q == near }), ", ")
		}
		return err.WithHint(hint)
	}
	return nil
}

// WithHeads returns routes with a HEAD route after each GET that is a safe method.
func WithHeads(routes []Route) (all []Route) {
	for _, r := range routes {
		all = append(all, r)
		if r.Method == fasthttp.MethodGet && !r.Submits {
			r.Method = fasthttp.MethodHead
			all = append(all, r)
		}
	}
	return all
}

// A Dialect is one of the APIs that the server speaks.
type Dialect struct {
	Name   string
	Prefix string // of its paths, a whole number of segments; empty: every path of no other dialect
	// Owns reports whether the dialect has a path without its prefix. Nil: it has none.
	Owns   func(path string) bool
	Routes []Route
	// WriteError answers with an error.
	WriteError func(ctx *fasthttp.RequestCtx, status int, e ErrorReport)
	// LargeBody returns the size of the largest body of a request for a path, in bytes, if that may be
	// a bulk or a bundle, which the route [Route.Spools], else 0. It sees the path before the request is
	// routed.
	LargeBody func(path []byte) (size int, spools bool)
}

// Limits of request bodies, in bytes.
const (
	// NoBody is for operations that read no body. It leaves room for the empty object that
	// some clients send regardless.
	NoBody = 1 * runtime.KiB
	// MaxIDsBody leaves room for as many ids as one request may look up, with quotes and a
	// line for each.
	MaxIDsBody = runtime.MaxBulk*48 + NoBody
	// MaxBulkBody leaves room for the args of a bulk, with commas and spaces.
	MaxBulkBody = runtime.MaxBulkArgs + 1*runtime.MiB
)
