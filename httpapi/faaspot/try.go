package faaspot

import (
	"bytes"
	"encoding/json"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxTryBody is the size of the largest body of a trial, in bytes.
	maxTryBody = maxFunctionBody + runtime.MaxArgs
	// trialName is the name of code that has none, for tracebacks.
	trialName = "main.py"
	// trialIs is what the body of a trial must be, for errors.
	trialIs = `a JSON object with code and args, such as {"code": "def main(args, context): ...", "args": {}}`
)

// try runs the code in the body once, and stores nothing.
func (a *api) try(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	// The code and the context are decoded, and held by the deployment.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	f, err := web.ReadFields(ctx.Request.Body())
	if err != nil {
		return err
	}
	args := f.Take("args")
	body, err := readFunctionBody(f, &a.contexts)
	if err != nil {
		return err
	}
	if body.code == nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"code" is missing`).WithHint(codeHint)
	}
	r := runtime.TryRequest{Function: a.trialSpec(ctx, tenant, &body), Args: args}
	r.Function.Source = body.code
	return a.answerTrial(ctx, r)
}

// tryBundle runs the bundle in the body once. The query has the args, as JSON, and the settings.
func (a *api) tryBundle(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	args, query, err := splitQuery(ctx.URI().QueryString(), "args")
	if err != nil {
		return err
	}
	if len(args) > 1 {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the query has args twice").WithHint("send all args as one JSON object")
	}
	body, err := bundleSettings(query)
	if err != nil {
		return err
	}
	upload := web.UploadOf(ctx)
	r := runtime.TryRequest{
		Function: a.trialSpec(ctx, tenant, &body),
		Upload:   &runtime.BundleUpload{Bundle: upload.Bundle(), Content: upload},
	}
	if len(args) == 1 {
		r.Args = []byte(args[0])
	}
	return a.answerTrial(ctx, r)
}

// trialSpec returns what a function with the settings in a body would be.
func (a *api) trialSpec(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, body *functionBody) runtime.FunctionSpec {
	spec := runtime.FunctionSpec{Tenant: tenant, Name: trialName, Context: body.context, Allow: body.allow, UserID: web.UserID(ctx)}
	if body.name != nil {
		spec.Name = *body.name
	}
	if body.timeout != nil {
		spec.Limits.Timeout = *body.timeout
	}
	if body.memory != nil {
		spec.Limits.Memory = *body.memory
	}
	return spec
}

// answerTrial runs code once and answers with its outcome.
func (a *api) answerTrial(ctx *fasthttp.RequestCtx, r runtime.TryRequest) error {
	t, err := a.engine().Try(a.Context(), r)
	if err != nil {
		return err
	}
	text, err := appendTrial(&t)
	if err != nil {
		return err
	}
	web.WriteJSON(ctx, fasthttp.StatusOK, text)
	return nil
}

// appendTrial returns the JSON form of a trial. It copies the result once.
func appendTrial(t *runtime.Trial) ([]byte, error) {
	response := wire.Trial[*string]{
		Status:     statusOfState[t.State],
		DeployMS:   json.Number(appendMillis(nil, t.Deploy.Duration)),
		DurationMS: json.Number(appendMillis(nil, t.Usage.Duration)),
		Memory:     t.Usage.Memory,
		Egress:     renderEgress(t.Egress),
		Truncated:  t.Logs.Truncated,
		Logs:       []wire.LogEntry[*string]{},
	}
	if t.Failure != nil {
		response.Error = web.RenderFailure(t.Failure)
		response.Error.Hint = web.FailureHint(t.Failure)
	}
	head, err := web.EncodeJSON(response)
	if err != nil {
		return nil, runtime.Internal("httpapi.encode", err)
	}
	text, rest := web.Splice(make([]byte, 0, len(head)+len(t.Result)+len(t.Logs.Data)), bytes.TrimSuffix(head, []byte("]}")), "output", t.Result)
	entries := &entryRenderer{}
	return entries.appendEnd(entries.appendPart(append(text, rest...), t.Logs)), nil
}
