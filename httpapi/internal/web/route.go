package web

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
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
	// Submits marks a GET that starts a run, which is not a safe method.
	Submits bool
	// Writes marks a route that may write to the store: a panic must end the process.
	Writes  bool
	MaxBody int // bytes
	// Queues marks a route that holds the body until a run has ended.
	Queues bool
	// Denied is the error name for a caller without any permission, see [Named].
	Denied string
}

// Paths returns every path of the route. Those below functions/ also exist below deployments/,
// their name before July 2017.
func (r Route) Paths() []string {
	if old := strings.Replace(r.Path, "/functions", "/deployments", 1); old != r.Path {
		return []string{r.Path, old}
	}
	return []string{r.Path}
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
	Routes []Route
	// WriteError answers with an error.
	WriteError func(ctx *fasthttp.RequestCtx, status int, e ErrorReport)
	// TakesBulk reports whether the body of a request for a path may have up to
	// [MaxBulkBody] bytes. It sees the path before the request is routed.
	TakesBulk func(path []byte) bool
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
