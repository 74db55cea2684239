package faaspot

import (
	"maps"
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// patchIs is what the body of a change of a context must be, for errors.
const patchIs = `a JSON object with the values to set, and null for those to remove, such as {"API_KEY": "...", "OLD_KEY": null}`

// patchContext changes single values of a function's context. The sender need not know the others.
func (a *api) patchContext(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	// The context is read, changed, and held by the deployment.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	if err := a.Reserve(ctx, 2*runtime.MaxContext); err != nil {
		return err
	}
	body := ctx.Request.Body()
	changes, err := web.ParseObject(body)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the body names no value of the context").WithHint("send " + patchIs)
	}
	u := runtime.FunctionUpdate{Tenant: tenant, Name: name, ContextPatch: body, UserID: web.UserID(ctx)}
	if u.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return err
	}
	if u.If, err = precondition(ctx); err != nil {
		return err
	}
	d, err := a.engine().UpdateFunction(a.Context(), u)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Fields: slices.Sorted(maps.Keys(changes))})
	writeDeployment(ctx, d)
	return nil
}
