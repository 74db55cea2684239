package httpapi

import (
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// health answers that the process is alive.
func (s *Server) health(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	writeJSON(ctx, fasthttp.StatusOK, []byte(`{"status":"ok"}`))
	return nil
}

// ready answers whether requests should be sent here.
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
	return writeValue(ctx, struct {
		Status  string `json:"status"`
		Version string `json:"version,omitempty"`
	}{"ready", s.opts.Version})
}
