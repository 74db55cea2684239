package faaspot

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// whoami answers with what the token of the request is and permits.
func (a *api) whoami(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	return web.WriteValue(ctx, web.RenderIdentity(web.Identity(ctx)))
}
