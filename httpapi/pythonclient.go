package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/clients/python"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// pythonClient answers with the wheel of the Python client. It needs no token, because the client is
// public, and pip has none.
func (s *Server) pythonClient(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	if name, _ := web.PathParam(ctx, "wheel"); !python.IsWheelName(name) {
		return runtime.Errorf(runtime.CodeNotFound, "there is no such client").
			WithHint("the client for Python is /client/" + python.WheelName())
	}
	wheel, err := python.Wheel()
	if err != nil {
		return runtime.Internal("httpapi.pythonClient", err)
	}
	ctx.Response.Header.Set(fasthttp.HeaderETag, wheelTag())
	if bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch), []byte(wheelTag())) {
		ctx.Response.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	web.WriteFile(ctx, wheel)
	return nil
}

// wheelTag returns the entity tag of the wheel.
var wheelTag = sync.OnceValue(func() string {
	wheel, _ := python.Wheel() // pythonClient reports the error
	digest := sha256.Sum256(wheel)
	return `"` + hex.EncodeToString(digest[:16]) + `"`
})
