package httpapi

import (
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// health answers that the process is alive.
func (s *Server) health(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	return web.WriteValue(ctx, wire.Health{Status: "ok"})
}

// ready answers whether the server can serve requests.
func (s *Server) ready(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	if s.closing.Load() {
		return runtime.Errorf(runtime.CodeUnavailable, "the server is shutting down")
	}
	err := s.checkStarted()
	if err == nil {
		err = s.opts.Ready()
	}
	if err != nil {
		e := runtime.Errorf(runtime.CodeUnavailable, "the server is not ready to serve")
		if known, ok := errors.AsType[*runtime.Error](err); ok && known.Code == runtime.CodeUnavailable {
			e.Message, e.Hint, e.RetryAfter = known.Message, known.Hint, known.RetryAfter
		}
		return e
	}
	return web.WriteValue(ctx, wire.Health{Status: "ready", Version: s.opts.Version})
}
