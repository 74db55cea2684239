package httpapi

import (
	"context"
	"errors"
	"net"
	"time"

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
	var err error
	if !s.opts.Standby {
		err = s.checkStarted()
	}
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

const (
	// healthConns bounds the connections of a listener for health checks; those beyond replace the
	// oldest that is silent.
	healthConns = 64
	// healthTime bounds how long a health check may take to send its request, or to read the
	// answer.
	healthTime = 5 * time.Second
)

// newHealthServer returns the library's server for listeners of their own for health checks.
func (s *Server) newHealthServer() *fasthttp.Server {
	return &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			var err error
			switch string(ctx.URI().PathOriginal()) {
			case "/healthz", "/healthz/":
				err = s.health(ctx, "")
			case "/readyz", "/readyz/":
				err = s.ready(ctx, "")
			case "/metrics", "/metrics/":
				err = s.metrics(ctx, "")
			default:
				err = runtime.Errorf(runtime.CodeNotFound, "there is nothing at this path").
					WithHint("this address serves /healthz, /readyz and /metrics only")
			}
			if err != nil {
				s.writeError(ctx, err)
			}
		},
		ErrorHandler: s.unreadable,
		Logger:       libraryLog{s.opts.Log},

		ReadTimeout:        healthTime,
		WriteTimeout:       healthTime,
		Concurrency:        maxServed,
		MaxRequestBodySize: web.NoBody,
		GetOnly:            true,
		DisableKeepalive:   true,

		NoDefaultServerHeader: true,
		SecureErrorLogMessage: true,
	}
}

// ServeHealth answers /healthz, /readyz and /metrics on ln, and nothing else, until [Server.Shutdown] ends. It
// has its own limits, so it answers while the other listeners are flooded.
func (s *Server) ServeHealth(ln net.Listener) error {
	conns := newConnections(s.opts.Memory, healthConns, connBytes)
	conns.always = true // a health check that is refused may end the server
	ours := &listener{Listener: ln, server: s, conns: conns}
	s.mu.Lock()
	s.healthListeners = append(s.healthListeners, ours)
	closed := s.healthClosed
	s.mu.Unlock()
	if closed {
		return ours.Close()
	}
	return s.healthServer.Serve(ours)
}

// closeHealth ends ServeHealth.
func (s *Server) closeHealth() {
	s.mu.Lock()
	s.healthClosed = true
	for _, ln := range s.healthListeners {
		// The library closes it too, and reports the error.
		_ = ln.Close()
		ln.conns.dropSilent()
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), healthTime)
	defer cancel()
	_ = s.healthServer.ShutdownWithContext(ctx) // connections that do not end are short
}
