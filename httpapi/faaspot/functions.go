package faaspot

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// maxList bounds how many functions one answer lists. It is also the default, because FaaSpot's
// original clients do not read pages.
const maxList = 10_000

// functionBytes is about the size of a function in memory and in a list, in bytes.
const functionBytes = runtime.KiB

// timeFormat is the layout of all times in this dialect.
const timeFormat = "2006-01-02 15:04:05.000000-07:00"

func (a *api) listFunctions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	limit, err := web.IntParam(query, "limit", maxList, 1, maxList)
	if err != nil {
		return err
	}
	after := string(query.Peek("after"))
	if after != "" {
		if err := runtime.ValidateName(after); err != nil {
			return err
		}
	}
	functions, next, err := a.collect(ctx, tenant, after, limit)
	if err != nil {
		return err
	}
	if next != "" {
		web.NextLink(ctx, "/v1/functions/?after="+url.QueryEscape(next)+"&limit="+strconv.Itoa(limit))
	}
	base := a.URL(ctx)
	list := make([]wire.Function[string], len(functions))
	for i, f := range functions {
		list[i] = renderFunction(base, f)
	}
	return web.WriteValue(ctx, list)
}

// collect returns up to limit functions, which it reads page by page, and the name after which
// the next page begins; empty if there is none.
func (a *api) collect(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, after string, limit int) (all []runtime.Function, next string, err error) {
	for next = after; ; {
		request := runtime.PageRequest{After: next, Limit: min(limit-len(all), runtime.MaxPage)}
		if err := a.Reserve(ctx, (len(all)+request.Limit)*functionBytes); err != nil {
			return nil, "", err
		}
		page, err := a.engine().ListFunctions(a.Context(), tenant, request)
		if err != nil {
			return nil, "", err
		}
		all, next = append(all, page.Items...), page.Next
		if next == "" || len(all) == limit {
			return all, next, nil
		}
	}
}

func (a *api) createFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	// The code and the context are decoded, and held by the deployment.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	body, err := parseFunctionBody(&a.contexts, ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.name == nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"name" is missing`)
	}
	if err := runtime.ValidateName(*body.name); err != nil {
		return err
	}
	if body.code == nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"code" is missing`).WithHint(codeHint)
	}
	spec := runtime.FunctionSpec{Tenant: tenant, Name: *body.name, Source: body.code, Context: body.context, UserID: web.UserID(ctx)}
	if body.timeout != nil {
		spec.Limits.Timeout = *body.timeout
	}
	if body.memory != nil {
		spec.Limits.Memory = *body.memory
	}
	if body.retries != nil {
		spec.Retries = *body.retries
	}
	spec.Allow, spec.KeepArgs = body.allow, body.keepArgs
	if spec.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return err
	}
	d, err := a.engine().CreateFunction(a.Context(), spec)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Name: spec.Name, Fields: body.fields()})
	writeDeployment(ctx, d)
	return nil
}

func (a *api) getFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	enc, err := parseEncoding(string(ctx.QueryArgs().Peek("encoding")))
	if err != nil {
		return err
	}
	if err := a.Reserve(ctx, runtime.MaxSource+runtime.MaxContext); err != nil {
		return err
	}
	d, err := a.engine().GetFunction(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	// Quoting makes three bytes of one, which are then in the answer, and once more while it grows.
	if err := a.Reserve(ctx, 10*len(d.Version.Source)+2*len(d.Version.Context)); err != nil {
		return err
	}
	limits := d.Version.Limits.WithDefaults()
	response := wire.FunctionDetail[string]{
		Function: renderFunction(a.URL(ctx), d.Function),
		Timeout:  limits.Timeout.Seconds(),
		Memory:   float64(limits.Memory) / runtime.MiB,
		Retries:  d.Version.Retries,
		Allow:    append([]string{}, d.Version.Allow...), // never null
		KeepArgs: d.KeepsArgs,

		ImportsDuringRuns: d.RunImports,
	}
	response.Code, response.Encoding = renderCode(d.Version.Source, enc)
	if b := d.Version.Bundle; !b.IsZero() {
		response.Bundle = &wire.Bundle{SHA256: b.ID.String(), Bytes: b.Bytes}
	}
	if response.ContextKeys, err = contextKeys(d.Version.Context); err != nil {
		return err
	}
	setFunctionTag(ctx, &d.Function)
	return web.WriteValue(ctx, response)
}

// renderCode returns code in an encoding, percent unless it is plain, and the name of the encoding.
func renderCode(source []byte, enc encoding) (code, name string) {
	if enc == encodingPlain {
		return string(source), wire.EncodingPlain
	}
	return quote(source), wire.EncodingPercent
}

// contextKeys returns the sorted names in a context.
func contextKeys(context []byte) ([]string, error) {
	members, err := contextMembers(context)
	return append([]string{}, slices.Sorted(maps.Keys(members))...), err
}

func (a *api) updateFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return a.changeFunction(ctx, tenant, false)
}

// putFunction creates the function in the path, or updates it as updateFunction does: parts that the
// body does not name stay as they are.
func (a *api) putFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return a.changeFunction(ctx, tenant, true)
}

// changeFunction updates a function, and if create is true, creates one that does not exist.
func (a *api) changeFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, create bool) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	// The code and the context are decoded, and held by the deployment.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	body, err := parseFunctionBody(&a.contexts, ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.name != nil {
		if err := runtime.ValidateName(*body.name); err != nil {
			return err
		}
	}
	if create {
		switch {
		case body.name != nil && *body.name != name:
			return runtime.Errorf(runtime.CodeInvalidArgument, `"name" is %q, but the path has %q`, *body.name, name).
				WithHint("leave the name out of the body; PATCH renames a function")
		case body.code == nil:
			return runtime.Errorf(runtime.CodeInvalidArgument, `"code" is missing`).WithHint(codeHint)
		}
		body.name = nil
	}
	key, err := web.IdempotencyKey(ctx)
	if err != nil {
		return err
	}
	condition, err := precondition(ctx)
	if err != nil {
		return err
	}
	update := body.update(tenant, name)
	update.Create, update.If, update.UserID, update.IdempotencyKey = create, condition, web.UserID(ctx), key
	d, err := a.engine().UpdateFunction(a.Context(), update)
	if err != nil {
		return err
	}
	subject := web.Subject{Fields: body.fields()}
	if body.name != nil && *body.name != name {
		subject.NewName = *body.name
	}
	web.SetSubject(ctx, subject)
	writeDeployment(ctx, d)
	return nil
}

func (a *api) deleteFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	key, err := web.IdempotencyKey(ctx)
	if err != nil {
		return err
	}
	d, err := a.engine().DeleteFunction(a.Context(), runtime.FunctionDeletion{Tenant: tenant, Name: name, UserID: web.UserID(ctx), IdempotencyKey: key})
	if err != nil {
		return err
	}
	writeDeployment(ctx, d)
	return nil
}

// pauseFunction pauses a function: its background runs are queued, and do not begin until it is resumed.
func (a *api) pauseFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return a.setPaused(ctx, tenant, true)
}

func (a *api) resumeFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return a.setPaused(ctx, tenant, false)
}

func (a *api) setPaused(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, paused bool) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	f, err := a.engine().PauseFunction(a.Context(), runtime.FunctionPause{Tenant: tenant, Name: name, Paused: paused, UserID: web.UserID(ctx)})
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderFunction(a.URL(ctx), f))
}

// renderFunction renders a function for a caller who reaches the server at base.
func renderFunction(base string, f runtime.Function) wire.Function[string] {
	return wire.Function[string]{
		Name:      f.Name,
		RID:       f.RID(),
		RunnerURL: base + "/v1/functions/" + f.Name + "/rpc/",
		Version:   f.Version,
		Created:   formatTime(f.Created),
		Updated:   formatTime(f.Updated),
		Paused:    f.Paused,
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// writeDeployment answers with the id of the execution that made a change, as a JSON string.
func writeDeployment(ctx *fasthttp.RequestCtx, d runtime.Deployment) {
	web.SetExecution(ctx, d.ExecutionID)
	web.WriteReplayed(ctx, d.Replayed)
	web.WriteJSON(ctx, fasthttp.StatusOK, []byte(strconv.Quote(d.ExecutionID)))
}
