package faaspot

import (
	"bytes"
	"context"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// Engine is what this dialect needs of the engine. All methods may be called concurrently.
type Engine interface {
	CreateFunction(ctx context.Context, s runtime.FunctionSpec) (runtime.Deployment, error)
	UpdateFunction(ctx context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error)
	DeleteFunction(ctx context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error)
	PauseFunction(ctx context.Context, p runtime.FunctionPause) (runtime.Function, error)
	GetFunction(ctx context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error)
	// GetBundle returns the bundle of a function's current version, and ReadBundle writes its zip to w.
	GetBundle(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Bundle, error)
	ReadBundle(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error
	// ListVersions returns the stored versions of a function, newest first; GetVersion returns one of them.
	ListVersions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.VersionSummary, error)
	GetVersion(ctx context.Context, tenant runtime.Tenant, name string, number uint64) (runtime.VersionDetail, error)
	ListFunctions(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Function], error)

	Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error)
	// Try runs code once and stores nothing.
	Try(ctx context.Context, r runtime.TryRequest) (runtime.Trial, error)
	Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error)
	SubmitBulk(ctx context.Context, r runtime.BulkRequest) (runtime.Acceptance, error)
	GetExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error)
	GetExecutions(ctx context.Context, tenant runtime.Tenant, ids []string) ([]*runtime.Execution, error)
	// GetArgs returns the args of an execution, nil if they are not kept.
	GetArgs(ctx context.Context, tenant runtime.Tenant, id string) ([]byte, error)
	Rerun(ctx context.Context, r runtime.RerunRequest) (runtime.Acceptance, error)
	AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error)
	// FollowExecutions returns what reports the executions that change from now on. The caller closes it.
	FollowExecutions(tenant runtime.Tenant) (runtime.ExecutionFeed, error)
	GetStats(ctx context.Context, tenant runtime.Tenant, q runtime.StatsQuery) (runtime.Stats, error)
	ListExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, r runtime.PageRequest) (runtime.Page[runtime.Execution], error)
	// ScanExecutions lists those that a filter with Where selects and that the scan sees.
	ScanExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, scan runtime.ExecutionScan) (page runtime.Page[runtime.Execution], looks int, err error)
	CancelExecution(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error)
	// EndsLate reports whether an execution has ended, and its end is not stored yet.
	EndsLate(tenant runtime.Tenant, id string) bool
	GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error)
	FollowLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error)

	// StartOperation starts to repeat or cancel all executions that a filter selects.
	StartOperation(ctx context.Context, r runtime.OperationRequest) (runtime.Operation, error)
	GetOperation(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error)
	ListOperations(ctx context.Context, tenant runtime.Tenant) ([]runtime.Operation, error)
	CancelOperation(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Operation, error)

	// ListDeadLetters lists the dead letters, newest first.
	ListDeadLetters(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Delivery], error)
	GetDeadLetter(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error)
	// RedriveDeadLetters delivers dead letters again as if they were new: those with the ids,
	// or all if ids is nil. It returns their number.
	RedriveDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error)
	// PurgeDeadLetters deletes dead letters, chosen in the same way.
	PurgeDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error)
}

// api holds what the handlers of this dialect use.
type api struct {
	*web.Host
	engine      func() Engine            // not called before there is an engine
	access      Access                   // nil: the routes of tenants and tokens do not exist
	audit       Audit                    // nil: the route of the audit log does not exist
	disk        func() runtime.DiskState // nil: the route of the disk does not exist
	maintenance Maintenance              // nil: the routes of backups and of what takes room do not exist
	release     string                   // of the server
	contexts    contextReader
	cursors     cursors
}

// bulkSuffix ends the paths that take the args of many runs.
const bulkSuffix = "/bulk_rpc"

// bundleSuffix ends the paths of bundles.
const bundleSuffix = "/bundle"

// maxFunctionBody leaves room for code and context with every byte written as three (%XX, or
// \uXXXX for two bytes of UTF-8), and for the other members.
const maxFunctionBody = 3*(runtime.MaxSource+runtime.MaxContext) + 64*runtime.KiB

// What the bodies of requests must be, for errors.
const (
	functionIs = `a JSON object, such as {"name": "hello", "code": "def main(args, context): ..."}`
	argsAre    = `a JSON object with the args, such as {"name": "you"}`
	bulkIs     = `a JSON array with the args of each run, such as [{"n": 1}, {"n": 2}]`
	idsAre     = `a JSON array of execution ids`
	redrivenIs = `a JSON object with the dead letters, such as {"ids": ["..."]}`
)

// Options are parts of the server that a server may not have. Nil: there are no routes for it.
type Options struct {
	Access      Access // tenants and tokens
	Audit       Audit  // the audit log
	Disk        func() runtime.DiskState
	Maintenance Maintenance // backups, and what takes room
	Cursors     Sealer      // of senders who do not see all executions; nil: there are none
	Release     string      // of the server, empty if it is not known
}

// New returns the dialect. engine is called for each request of a route that is not open.
func New(host *web.Host, engine func() Engine, o Options) web.Dialect {
	a := &api{Host: host, engine: engine, access: o.Access, audit: o.Audit, disk: o.Disk, maintenance: o.Maintenance, release: o.Release, cursors: cursors{o.Cursors}}
	d := web.Dialect{
		Name:       "faaspot",
		WriteError: writeError,
		LargeBody:  largeBody,
		Routes: []web.Route{
			{Method: "GET", Path: "/v1/functions", Handle: a.listFunctions, Scope: runtime.ScopeRead, AnyQuery: true, MaxBody: web.NoBody},
			{Method: "PUT", Path: "/v1/functions", Handle: a.createFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.create", AnyQuery: true, MaxBody: maxFunctionBody, Body: functionIs},
			{Method: "GET", Path: "/v1/functions/{name}", Handle: a.getFunction, Scope: runtime.ScopeRead, AnyQuery: true, MaxBody: web.NoBody},
			{Method: "PUT", Path: "/v1/functions/{name}", Handle: a.putFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.put", MaxBody: maxFunctionBody, Body: functionIs},
			{Method: "PATCH", Path: "/v1/functions/{name}", Handle: a.updateFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.update", AnyQuery: true, MaxBody: maxFunctionBody, Body: functionIs},
			{Method: "DELETE", Path: "/v1/functions/{name}", Handle: a.deleteFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.delete", AnyQuery: true, MaxBody: web.NoBody},
			{Method: "PATCH", Path: "/v1/functions/{name}/context", Handle: a.patchContext, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.update_context", MaxBody: runtime.MaxContext, Body: patchIs},
			{Method: "GET", Path: "/v1/functions/{name}" + bundleSuffix, Handle: a.getBundle, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
			{Method: "PUT", Path: "/v1/functions/{name}" + bundleSuffix, Handle: a.putBundle, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.put_bundle", AnyQuery: true, MaxBody: runtime.MaxBundle, Spools: true},
			{Method: "GET", Path: "/v1/functions/{name}/versions", Handle: a.listVersions, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
			{Method: "GET", Path: "/v1/functions/{name}/versions/{version}", Handle: a.getVersion, Scope: runtime.ScopeRead, MaxBody: web.NoBody, Query: []string{"encoding"}},
			{Method: "GET", Path: "/v1/functions/{name}/diff", Handle: a.diffVersions, Scope: runtime.ScopeRead, MaxBody: web.NoBody, Query: []string{"from", "to"}},
			{Method: "POST", Path: "/v1/functions/{name}/diff", Handle: a.diffDraft, Scope: runtime.ScopeDeploy, MaxBody: maxFunctionBody, Body: functionIs},
			{Method: "POST", Path: "/v1/functions/{name}/pause", Handle: a.pauseFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.pause", MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/functions/{name}/resume", Handle: a.resumeFunction, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.resume", MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/functions/{name}/rollback", Handle: a.rollback, Scope: runtime.ScopeDeploy, Writes: true, Change: "function.rollback", MaxBody: maxRollbackBody, Body: versionIs},

			{Method: "POST", Path: "/v1/try", Handle: a.try, Scope: runtime.ScopeDeploy, Queues: true, MaxBody: maxTryBody, Body: trialIs},
			{Method: "POST", Path: "/v1/try" + bundleSuffix, Handle: a.tryBundle, Scope: runtime.ScopeDeploy, Writes: true, Runs: true, AnyQuery: true, MaxBody: runtime.MaxBundle, Spools: true},
			{Method: "GET", Path: "/v1/schedules/next", Handle: a.nextTicks, Scope: runtime.ScopeRead, MaxBody: web.NoBody, Query: []string{"schedule", "timezone", "n", "from"}},

			{Method: "GET", Path: "/v1/sync/functions/{name}/rpc", Handle: a.runQuery, Scope: runtime.ScopeInvoke, Limited: true, Shared: runsAtOnce, Submits: true, AnyQuery: true, MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/sync/functions/{name}/rpc", Handle: a.runBody, Scope: runtime.ScopeInvoke, Limited: true, Shared: runsAtOnce, Queues: true, AnyQuery: true, MaxBody: runtime.MaxArgs, Body: argsAre},
			{Method: "PUT", Path: "/v1/sync/functions/{name}/rpc", Handle: a.runBody, Scope: runtime.ScopeInvoke, Limited: true, Shared: runsAtOnce, Queues: true, AnyQuery: true, MaxBody: runtime.MaxArgs, Body: argsAre},

			{Method: "GET", Path: "/v1/functions/{name}/rpc", Handle: a.submitQuery, Scope: runtime.ScopeInvoke, Limited: true, Submits: true, Writes: true, Runs: true, AnyQuery: true, MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/functions/{name}/rpc", Handle: a.submitBody, Scope: runtime.ScopeInvoke, Limited: true, Writes: true, Runs: true, AnyQuery: true, MaxBody: runtime.MaxArgs, Body: argsAre},
			{Method: "POST", Path: "/v1/functions/{name}" + bulkSuffix, Handle: a.submitBulk, Scope: runtime.ScopeInvoke, Limited: true, Writes: true, Runs: true, AnyQuery: true, MaxBody: web.MaxBulkBody, Body: bulkIs},

			{Method: "GET", Path: "/v1/executions", Handle: a.listExecutions, Scope: runtime.ScopeRead, Limited: true, MaxBody: web.NoBody, Query: listQuery},
			{Method: "POST", Path: "/v1/executions/bulk", Handle: a.getExecutions, Scope: runtime.ScopeRead, Limited: true, AnyQuery: true, MaxBody: web.MaxIDsBody, Body: idsAre},
			{Method: "GET", Path: "/v1/executions/{id}", Handle: a.getExecution, Scope: runtime.ScopeRead, Limited: true, AnyQuery: true, MaxBody: web.NoBody},
			{Method: "DELETE", Path: "/v1/executions/{id}", Handle: a.cancelExecution, Scope: runtime.ScopeInvoke, Limited: true, Writes: true, Change: "execution.cancel", AnyQuery: true, MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/executions/{id}/rerun", Handle: a.rerunExecution, Scope: runtime.ScopeInvoke, Limited: true, Writes: true, Runs: true, MaxBody: maxRerunBody, Body: rerunIs},
			{Method: "GET", Path: "/v1/executions/{id}/logs", Handle: a.getLogs, Scope: runtime.ScopeRead, Limited: true, MaxBody: web.NoBody, Query: []string{"follow", "format", "stream", "times"}},

			{Method: "GET", Path: "/v1/stats", Handle: a.getStats, Scope: runtime.ScopeRead, MaxBody: web.NoBody, Query: []string{"since", "step", "function"}},

			{Method: "GET", Path: "/v1/dlq", Handle: a.listDeadLetters, Scope: runtime.ScopeRead, MaxBody: web.NoBody, Query: []string{"after", "limit"}},
			{Method: "DELETE", Path: "/v1/dlq", Handle: a.purgeDeadLetters, Scope: runtime.ScopeDeploy, Writes: true, Change: "dead_letter.purge", MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/dlq/redrive", Handle: a.redriveDeadLetters, Scope: runtime.ScopeDeploy, Writes: true, Change: "dead_letter.redrive", MaxBody: web.MaxIDsBody, Body: redrivenIs},
			{Method: "GET", Path: "/v1/dlq/{id}", Handle: a.getDeadLetter, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
			{Method: "POST", Path: "/v1/dlq/{id}/redrive", Handle: a.redriveDeadLetter, Scope: runtime.ScopeDeploy, Writes: true, Change: "dead_letter.redrive", MaxBody: web.NoBody},
			{Method: "DELETE", Path: "/v1/dlq/{id}", Handle: a.purgeDeadLetter, Scope: runtime.ScopeDeploy, Writes: true, Change: "dead_letter.purge", MaxBody: web.NoBody},

			{Method: "GET", Path: "/v1/whoami", Handle: a.whoami, Scope: runtime.ScopeRead, Operators: true, Limited: true, MaxBody: web.NoBody},
			{Method: "GET", Path: "/v1/server/memory", Handle: a.getMemory, Scope: runtime.ScopeOperator, MaxBody: web.NoBody},
			{Method: "GET", Path: "/v1/server/workers", Handle: a.listWorkers, Scope: runtime.ScopeOperator, MaxBody: web.NoBody},
		},
	}
	d.Routes = append(d.Routes, a.operationRoutes()...)
	if a.access != nil {
		d.Routes = append(d.Routes, a.accessRoutes()...)
	}
	if a.disk != nil {
		d.Routes = append(d.Routes, web.Route{Method: "GET", Path: "/v1/server/disk", Handle: a.getDisk, Scope: runtime.ScopeOperator, MaxBody: web.NoBody})
	}
	if a.maintenance != nil {
		d.Routes = append(d.Routes, a.maintenanceRoutes()...)
	}
	if a.audit != nil {
		d.Routes = append(d.Routes, a.auditRoutes()...)
	}
	for i := range d.Routes {
		if r := &d.Routes[i]; !r.AnyQuery && r.Query == nil {
			r.Query = []string{}
		}
	}
	return d
}

// largeBody returns the size of the largest body for the path of a bulk or a bundle, else 0.
func largeBody(path []byte) (size int, spools bool) {
	switch {
	case bytes.HasSuffix(path, []byte(bulkSuffix)):
		return web.MaxBulkBody, false
	case bytes.HasSuffix(path, []byte(bundleSuffix)):
		return runtime.MaxBundle, true
	}
	return 0, false
}

// writeError answers with an error in the form of this dialect. FaaSpot's original client
// reads message, error_code and server_traceback.
func writeError(ctx *fasthttp.RequestCtx, status int, e web.ErrorReport) {
	text, err := web.EncodeJSON(e.Error)
	if err != nil { // strings and a number: cannot happen
		text = []byte(`{"message":"something went wrong inside the server","error_code":"internal"}`)
	}
	web.WriteJSON(ctx, status, text)
}

// functionName returns the function name in the path.
func functionName(ctx *fasthttp.RequestCtx) (string, error) {
	name, ok := web.PathParam(ctx, "name")
	if !ok {
		name = "" // not a name either
	}
	return name, runtime.ValidateName(name)
}

// runnable returns the function name in the path. For a function that the sender may not run, the error
// is that of one that does not exist.
func runnable(ctx *fasthttp.RequestCtx) (string, error) {
	name, err := functionName(ctx)
	if err == nil && !web.Identity(ctx).MayRun(name) {
		err = runtime.NoFunctionError(name)
	}
	return name, err
}

// pathID returns the id in the path, undecoded: no id has a character to encode.
func pathID(ctx *fasthttp.RequestCtx) string {
	raw, _ := ctx.UserValue("id").(string)
	return string([]byte(raw))
}
