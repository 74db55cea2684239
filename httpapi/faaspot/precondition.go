package faaspot

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// maxTags bounds the tags in If-Match.
const maxTags = 20

// precondition reads the headers If-Match and If-None-Match of a change: "*" for any function, or the ETags of
// the versions that may be changed. If-None-Match can only be "*".
func precondition(ctx *fasthttp.RequestCtx) (p runtime.Precondition, err error) {
	h := &ctx.Request.Header
	if fields := h.PeekAll(fasthttp.HeaderIfNoneMatch); len(fields) > 0 {
		if len(fields) > 1 || string(bytes.TrimSpace(fields[0])) != "*" {
			return p, runtime.Errorf(runtime.CodeInvalidArgument, "If-None-Match of a change can only be *").
				WithHint("* creates the function, and changes none that exists")
		}
		p.Absent = true
	}
	for _, field := range h.PeekAll(fasthttp.HeaderIfMatch) {
		for one := range bytes.SplitSeq(field, []byte(",")) {
			one = bytes.TrimSpace(one)
			tag, quoted := bytes.CutPrefix(one, []byte(`"`))
			tag, ends := bytes.CutSuffix(tag, []byte(`"`))
			switch {
			case string(one) == "*":
				p.Exists = true
				continue
			case !quoted || !ends || len(tag) == 0 || len(p.Tags) == maxTags:
				return p, runtime.Errorf(runtime.CodeInvalidArgument, "If-Match is neither * nor a list of at most %d ETags", maxTags).
					WithHint("send the header ETag of the response that has the function")
			}
			p.Exists, p.Tags = true, append(p.Tags, string(tag))
		}
	}
	if p.Absent && p.Exists {
		return p, runtime.Errorf(runtime.CodeInvalidArgument, "If-Match and If-None-Match exclude each other").WithHint("send one of them")
	}
	return p, nil
}

// setFunctionTag sets the ETag of a function, which changes with each version.
func setFunctionTag(ctx *fasthttp.RequestCtx, f *runtime.Function) {
	ctx.Response.Header.Set(fasthttp.HeaderETag, `"`+f.Tag()+`"`)
}
