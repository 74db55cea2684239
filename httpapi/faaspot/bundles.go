package faaspot

import (
	"bytes"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// putBundle deploys a bundle: it creates the function in the path, or makes a new version of it. What
// the query does not set stays as it is, and so does the context.
func (a *api) putBundle(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	key, err := web.IdempotencyKey(ctx)
	if err != nil {
		return err
	}
	settings, err := bundleSettings(ctx.URI().QueryString())
	if err != nil {
		return err
	}
	condition, err := precondition(ctx)
	if err != nil {
		return err
	}
	upload := web.UploadOf(ctx)
	d, err := a.engine().UpdateFunction(a.Context(), runtime.FunctionUpdate{
		Tenant:         tenant,
		Name:           name,
		Bundle:         &runtime.BundleUpload{Bundle: upload.Bundle(), Content: upload},
		Timeout:        settings.timeout,
		Memory:         settings.memory,
		Retries:        settings.retries,
		Allow:          settings.allow,
		KeepArgs:       settings.keepArgs,
		Create:         true,
		If:             condition,
		UserID:         web.UserID(ctx),
		IdempotencyKey: key,
	})
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Fields: append(settings.fields(), "bundle")})
	writeDeployment(ctx, d)
	return nil
}

// bundleSettings reads the settings in the query of a bundle.
func bundleSettings(query []byte) (b functionBody, err error) {
	rules, rest, err := splitQuery(query, "allow")
	if err != nil {
		return b, err
	}
	if b.allow, err = allowRules(rules); err != nil {
		return b, err
	}
	f, err := queryFields(rest)
	if err != nil {
		return b, err
	}
	if f.Has("context") {
		f.FailHint("set it with PATCH, before or after the bundle", "context", "is a secret, which must not be in a URL")
	}
	b.timeout = readTimeout(f)
	b.memory = readMemory(f)
	b.retries = readRetries(f)
	b.keepArgs = readKeepArgs(f)
	return b, f.End()
}

// allowRules returns the allow list of repeated parameters: nil if there are none, and an empty list if
// the only one is empty.
func allowRules(rules []string) ([]string, error) {
	if len(rules) == 1 && rules[0] == "" {
		return []string{}, nil
	}
	if _, err := runtime.ParseAllow(rules); err != nil {
		return nil, memberError("allow", err)
	}
	return rules, nil
}

// bundleReaderBytes is the memory, in bytes, of a response with a bundle: the function that is looked
// up, and what streams it.
const bundleReaderBytes = runtime.MaxSource + runtime.MaxContext + streamBytes

// getBundle answers with the bundle of a function, as it was deployed.
func (a *api) getBundle(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	if err := web.MemoryOf(ctx).Reserve(a.Context(), bundleReaderBytes); err != nil {
		return err
	}
	b, err := a.engine().GetBundle(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	if hasTag(&ctx.Request.Header, b.ID.String()) {
		setTag(ctx, b)
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	if ctx.IsHead() {
		a.startBundle(ctx, name, b)
		ctx.Response.Header.SetContentLength(int(b.Bytes))
		ctx.Response.SkipBody = true
		return nil
	}
	r, err := a.sendFile(ctx.Conn(), min(b.Bytes, firstRead), func(w io.Writer) error { return a.engine().ReadBundle(a.Context(), tenant, b.ID, w) })
	if err != nil {
		return err
	}
	a.startBundle(ctx, name, b)
	ctx.Response.SetBodyStream(r, int(b.Bytes))
	return nil
}

// startBundle sets the header of an answer with a bundle.
func (a *api) startBundle(ctx *fasthttp.RequestCtx, name string, b runtime.Bundle) {
	web.StartZip(ctx)
	setTag(ctx, b)
	ctx.Response.Header.Set(fasthttp.HeaderContentDisposition, `attachment; filename="`+name+`.zip"`)
}

// setTag sets the ETag of a bundle, the SHA-256 of its zip.
func setTag(ctx *fasthttp.RequestCtx, b runtime.Bundle) {
	ctx.Response.Header.Set(fasthttp.HeaderETag, `"`+b.ID.String()+`"`)
}

// hasTag reports whether the client says that it has what has a tag: If-None-Match lists the tag, or is
// a star.
func hasTag(h *fasthttp.RequestHeader, tag string) bool {
	for _, field := range h.PeekAll(fasthttp.HeaderIfNoneMatch) {
		for one := range bytes.SplitSeq(field, []byte(",")) {
			one = bytes.TrimPrefix(bytes.TrimSpace(one), []byte("W/"))
			if string(one) == "*" || string(one) == `"`+tag+`"` {
				return true
			}
		}
	}
	return false
}
