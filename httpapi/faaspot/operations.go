package faaspot

import (
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/filterexpr"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// operationIs is what the body of a new operation must be, for errors.
const operationIs = `a JSON object, such as {"kind": "rerun", "function": "hello", "status": "failed"}`

// maxOperationBody is the size of the largest body of a new operation, in bytes.
const maxOperationBody = 4 * maxWhere

func (a *api) operationRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/v1/operations", Handle: a.listOperations, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "POST", Path: "/v1/operations", Handle: a.startOperation, Scope: runtime.ScopeInvoke, Writes: true, Change: "operation.start", MaxBody: maxOperationBody, Body: operationIs},
		{Method: "GET", Path: "/v1/operations/{id}", Handle: a.getOperation, Scope: runtime.ScopeRead, MaxBody: web.NoBody},
		{Method: "DELETE", Path: "/v1/operations/{id}", Handle: a.cancelOperation, Scope: runtime.ScopeInvoke, Writes: true, Change: "operation.cancel", MaxBody: web.NoBody},
	}
}

// startOperation starts to repeat or cancel all executions that the filter in the body selects.
func (a *api) startOperation(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	r, err := parseOperation(ctx.Request.Body())
	if err != nil {
		return err
	}
	r.Tenant, r.Caller = tenant, web.Caller(ctx)
	o, err := a.engine().StartOperation(a.Context(), r)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Name: string(o.Kind), ID: o.ID})
	return web.WriteValue(ctx, renderOperation(&o))
}

// parseOperation reads the body of a new operation.
func parseOperation(body []byte) (r runtime.OperationRequest, err error) {
	f, err := web.ReadFields(body)
	if err != nil {
		return r, err
	}
	f.Quoted()
	r.Kind = runtime.OperationKind(f.Text("kind"))
	filter := &r.Filter
	if filter.Function = f.Text("function"); filter.Function != "" {
		f.AbortIf(runtime.ValidateName(filter.Function))
	}
	if words := f.Text("status"); words != "" {
		filter.States, err = parseStatuses(words)
		f.AbortIf(err)
		// A run that is being stopped needs no further cancellation.
		filter.States = slices.DeleteFunc(filter.States, func(s runtime.State) bool { return s == runtime.StateCancelling })
	}
	filter.After, err = timeOf("created_after", f.Text("created_after"))
	f.AbortIf(err)
	filter.Before, err = timeOf("created_before", f.Text("created_before"))
	f.AbortIf(err)
	if trace := f.Text("trace_id"); trace != "" {
		filter.TraceID, err = traceIDOf(trace)
		f.AbortIf(err)
	}
	filter.Where, err = parseWhere(f.Text("where"))
	f.AbortIf(err)
	if err := f.End(); err != nil {
		return r, err
	}
	return r.Normal()
}

// listOperations answers with the operations that are stored, newest first.
func (a *api) listOperations(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	all, err := a.engine().ListOperations(a.Context(), tenant)
	if err != nil {
		return err
	}
	list := make([]wire.Operation[*string], len(all))
	for i := range all {
		list[i] = renderOperation(&all[i])
	}
	return web.WriteValue(ctx, list)
}

// getOperation answers with an operation and its progress.
func (a *api) getOperation(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	o, err := a.engine().GetOperation(a.Context(), tenant, pathID(ctx))
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderOperation(&o))
}

// cancelOperation ends an operation, and answers with it.
func (a *api) cancelOperation(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	o, err := a.engine().CancelOperation(a.Context(), tenant, pathID(ctx))
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderOperation(&o))
}

func renderOperation(o *runtime.Operation) wire.Operation[*string] {
	response := wire.Operation[*string]{
		UUID: o.ID, Kind: string(o.Kind), State: string(o.State), Matched: o.Matched, Done: o.Done, Failed: o.Failed, Skipped: o.Skipped,
		Error: orNull(o.Error), Created: renderTime(o.Created), Finished: renderTime(o.Finished), TraceID: o.Caller.TraceID, UserID: orNull(o.Caller.UserID),
		Filter: wire.OperationFilter{
			Function: orNull(o.Filter.Function), Status: []wire.Status{}, TraceID: orNull(o.Filter.TraceID),
			CreatedAfter: renderTime(o.Filter.After), CreatedBefore: renderTime(o.Filter.Before),
		},
	}
	if o.Filter.Where != nil {
		where := filterexpr.Format(*o.Filter.Where)
		response.Filter.Where = &where
	}
	for _, s := range o.Filter.States {
		if status := statusOfState[s]; !slices.Contains(response.Filter.Status, status) {
			response.Filter.Status = append(response.Filter.Status, status)
		}
	}
	return response
}
