package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// serve is where every request enters that could be read.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	if !s.opts.Log.Enabled(context.Background(), slog.LevelDebug) {
		s.route(ctx)
		return
	}
	start := time.Now()
	s.route(ctx)
	s.logAccess(ctx, time.Since(start))
}

func (s *Server) route(ctx *fasthttp.RequestCtx) {
	closes, err := guard(&ctx.Request.Header)
	if closes {
		ctx.SetConnectionClose()
	}
	if err != nil {
		s.writeError(ctx, err)
		linger(ctx)
		return
	}
	s.find(ctx)
}

// logAccess tells of a request what is no secret: neither its query nor its
// header.
func (s *Server) logAccess(ctx *fasthttp.RequestCtx, took time.Duration) {
	out := 0 // of a stream, which has only begun
	if !ctx.Response.IsBodyStream() {
		out = len(ctx.Response.Body())
	}
	s.opts.Log.LogAttrs(context.Background(), slog.LevelDebug, "request",
		slog.String("method", string(ctx.Method())),
		slog.String("path", string(ctx.URI().PathOriginal())),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.Int("bytes_in", len(ctx.Request.Body())),
		slog.Int("bytes_out", out),
		slog.Duration("took", took),
		slog.String("remote", ctx.RemoteAddr().String()))
}

// dispatch makes the handler of a route: who may, how much, then the operation
// and its error.
func (s *Server) dispatch(r route) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer s.barrier(ctx, r)
		if err := s.operate(ctx, r); err != nil {
			s.writeError(ctx, err)
		}
	}
}

func (s *Server) operate(ctx *fasthttp.RequestCtx, r route) error {
	var who runtime.Identity
	if !r.open {
		var err error
		if who, err = s.authenticate(&ctx.Request.Header); err != nil {
			if r.denied != "" && runtime.CodeOf(err) == runtime.CodePermissionDenied {
				err = namedError{error: err, name: r.denied}
			}
			return err
		}
		ctx.SetUserValue(keyUser, who.UserID)
	}
	if len(ctx.Request.Body()) > r.maxBody {
		return errBodyTooLarge(r.maxBody)
	}
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && string(enc) != "identity" {
		return runtime.Errorf(codeUnsupportedMedia, "compressed bodies are not taken").
			WithHint("send the body as it is, without Content-Encoding")
	}
	if !r.open {
		if err := s.checkStarted(); err != nil {
			return err
		}
	}
	return r.handle(s, ctx, who.Tenant)
}

// keyUser is under what a request has the user who sends it.
const keyUser = "user"

// userID names the user who asks.
func userID(ctx *fasthttp.RequestCtx) string {
	id, _ := ctx.UserValue(keyUser).(string)
	return id
}

// callerOf is who asks for an execution by a request, and for what trace.
func callerOf(ctx *fasthttp.RequestCtx) runtime.Caller {
	return runtime.Caller{UserID: userID(ctx), TraceID: traceOf(&ctx.Request.Header).id}
}

func errBodyTooLarge(limit int) error {
	return runtime.Errorf(runtime.CodeTooLarge, "the body is larger than the %d bytes that are taken here", limit)
}

// keyWriting marks a request that may write to the store though its route as such
// does not.
const keyWriting = "writing"

// barrier stops a panic of a handler and answers with 500, unless the route
// may write to the store. Then the panic goes on and ends the process: if it
// is the store that panicked it holds its locks, and every later write would
// wait for ever; what was committed is safe on disk.
func (s *Server) barrier(ctx *fasthttp.RequestCtx, r route) {
	p := recover()
	if p == nil {
		return
	}
	err := runtime.Internal("httpapi "+r.method+" "+r.path, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	if r.writes || ctx.UserValue(keyWriting) != nil {
		s.opts.Log.Error("a handler that may write to the store panicked: ending the process", slog.Any("err", err))
		panic(p)
	}
	ctx.Response.Reset()
	ctx.SetConnectionClose()
	s.writeError(ctx, err)
}

// functionName gets the name in the path, with %XX decoded once, as a string
// of its own.
func functionName(ctx *fasthttp.RequestCtx) (string, error) {
	raw, _ := ctx.UserValue("name").(string)
	name := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			d, ok := unhexPair(raw[i+1:])
			if !ok {
				return "", runtime.ValidateName("")
			}
			c = d
			i += 2
		}
		name = append(name, c)
	}
	return string(name), runtime.ValidateName(string(name))
}
