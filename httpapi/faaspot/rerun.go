package faaspot

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// rerunIs is what the body of a rerun must be, for errors.
const rerunIs = `a JSON object, such as {"args": {"name": "you"}}; all its members are optional`

// maxRerunBody leaves room for the other members beside the args.
const maxRerunBody = runtime.MaxArgs + runtime.KiB

// rerunExecution repeats the run of an execution, and answers with the new one.
func (a *api) rerunExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	r := runtime.RerunRequest{
		Tenant: tenant, ID: pathID(ctx), Caller: web.Caller(ctx), MayRun: web.Identity(ctx).MayRun, Sees: web.Identity(ctx).Sees, KeyOwner: web.Identity(ctx).KeyOwner(),
	}
	var err error
	if r.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return err
	}
	if err := parseRerun(ctx.Request.Body(), &r); err != nil {
		return err
	}
	if r.Version != 0 && !web.Identity(ctx).Permits(runtime.ScopeDeploy) {
		// An older version may reach more, and has the context of that time.
		return runtime.Errorf(runtime.CodePermissionDenied, "the token may run only the current version of a function").
			WithHint("leave the version out, or use a token with the scope deploy")
	}
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	accepted, err := a.engine().Rerun(a.Context(), r)
	if err != nil {
		return err
	}
	id := accepted.IDs[0]
	web.SetExecution(ctx, id)
	writeAccepted(ctx, accepted, traceOfAccepted(r.Caller, id))
	x, err := a.find(tenant, id)
	switch code := runtime.CodeOf(err); {
	case accepted.Replayed && code == runtime.CodeNotFound: // retention has dropped it since
		return web.WriteValue(ctx, renderAbsent(id))
	case err != nil:
		return err
	}
	return web.WriteValue(ctx, renderExecution(a.URL(ctx), &x))
}

// parseRerun reads the body of a rerun, which may be empty.
func parseRerun(body []byte, r *runtime.RerunRequest) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	f, err := web.ReadFields(body)
	if err != nil {
		return err
	}
	f.Quoted()
	if args := f.Take("args"); args != nil {
		r.Args = bytes.Clone(args)
	}
	r.Version = uint64(f.Whole("version", 1, maxVersion))
	r.Retries = readRetries(f)
	return f.End()
}

// maxVersion is the largest number of a version that a request can name.
const maxVersion = 1<<53 - 1
