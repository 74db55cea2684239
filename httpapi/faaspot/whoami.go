package faaspot

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// whoami answers with what the token of the request is and permits.
func (a *api) whoami(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	i := web.Identity(ctx)
	answer := wire.Whoami{User: i.UserID, Operator: i.Operator, Functions: append([]string{}, i.Functions...)}
	if i.Tenant != "" {
		tenant := string(i.Tenant)
		answer.Tenant = &tenant
	}
	if scope := i.Scope.String(); scope != "" {
		answer.Scope = &scope
	}
	if i.TokenID != "" {
		answer.Token = &i.TokenID
	}
	return web.WriteValue(ctx, answer)
}
