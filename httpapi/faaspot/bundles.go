package faaspot

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

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

const (
	// bundleReaderBytes is the memory, in bytes, of a response with a bundle: the function that is
	// looked up, a chunk of the bundle, and the library's buffers.
	bundleReaderBytes = runtime.MaxSource + runtime.MaxContext + 512*runtime.KiB
	// firstRead is the number of bytes of a bundle that are read before the answer begins.
	firstRead = 4 * runtime.KiB
	// slowestRead is the rate, in bytes per second, at which a client must read a bundle after the
	// time that it has for any answer.
	slowestRead = 64 * runtime.KiB
)

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
	r, err := a.readBundle(ctx.Conn(), tenant, b)
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

// bundleReader is the body of a response with a bundle. It has one chunk of the bundle in memory. The
// library reads it on the goroutine that serves the connection, and closes it.
type bundleReader struct {
	*io.PipeReader
	first   []byte // read before the answer began
	sent    int64  // bytes
	conn    net.Conn
	began   time.Time
	timeout time.Duration // of any answer
}

// readBundle begins to read a bundle. Errors need a status, which an answer can only have before its
// body begins, so it waits for the first bytes.
func (a *api) readBundle(conn net.Conn, tenant runtime.Tenant, b runtime.Bundle) (*bundleReader, error) {
	pr, pw := io.Pipe()
	go func() {
		err := a.copyBundle(pw, tenant, b.ID)
		_ = pw.CloseWithError(err) // always nil
	}()
	r := &bundleReader{PipeReader: pr, first: make([]byte, min(b.Bytes, firstRead)), conn: conn, began: time.Now(), timeout: a.WriteTimeout}
	if _, err := io.ReadFull(pr, r.first); err != nil {
		_ = pr.Close() // always nil
		return nil, err
	}
	return r, nil
}

// copyBundle writes a bundle to w. It runs on a goroutine of its own, where no other code recovers.
func (a *api) copyBundle(w io.Writer, tenant runtime.Tenant, id runtime.BundleID) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = runtime.Internal("httpapi.bundle", fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			a.Log.Error("reading a bundle panicked", slog.Any("err", err))
		}
	}()
	return a.engine().ReadBundle(a.Context(), tenant, id, w)
}

// Read returns the next bytes, once the client has read those before.
func (r *bundleReader) Read(p []byte) (n int, err error) {
	if len(r.first) > 0 {
		n = copy(p, r.first)
		r.first = r.first[n:]
	} else if n, err = r.PipeReader.Read(p); err != nil {
		return n, err
	}
	r.sent += int64(n)
	deadline := r.began.Add(r.timeout + time.Duration(r.sent)*time.Second/slowestRead)
	if next := time.Now().Add(r.timeout); next.Before(deadline) {
		deadline = next
	}
	if r.conn == nil { // a test has none
		return n, nil
	}
	return n, r.conn.SetWriteDeadline(deadline)
}
