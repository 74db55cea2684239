package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// serve handles every request that could be read.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	defer dropArgs(ctx)
	defer s.countAnswer(ctx)
	believe(ctx)
	if !s.logsAccess() {
		s.route(ctx)
		s.skipBody(ctx)
		return
	}
	start := time.Now()
	s.route(ctx)
	s.skipBody(ctx)
	s.logAccess(ctx, string(ctx.Method()), string(ctx.URI().PathOriginal()), time.Since(start))
}

// keptQuery is the size of a query, in bytes, up to which the library may keep its memory for the
// parsed query.
const keptQuery = runtime.KiB

// dropArgs drops the memory of a parsed query with many parameters, which the library would keep as
// long as the connection is open.
func dropArgs(ctx *fasthttp.RequestCtx) {
	if len(ctx.URI().QueryString()) > keptQuery {
		*ctx.QueryArgs() = fasthttp.Args{}
	}
}

func (s *Server) route(ctx *fasthttp.RequestCtx) {
	closes, err := guard(&ctx.Request.Header)
	if closes || s.leaving.Load() {
		ctx.SetConnectionClose()
	}
	if err != nil {
		s.writeError(ctx, err)
		linger(ctx)
		return
	}
	s.find(ctx)
}

// logsAccess reports whether requests are logged at the moment.
func (s *Server) logsAccess() bool {
	return s.opts.AccessLog != nil && s.opts.AccessLog.Enabled(context.Background(), slog.LevelInfo)
}

// logAccess logs a request, without its query, header and body, which may have secrets.
func (s *Server) logAccess(ctx *fasthttp.RequestCtx, method, path string, took time.Duration) {
	out := 0 // of a stream, which has only begun
	if !ctx.Response.IsBodyStream() {
		out = len(ctx.Response.Body())
	}
	s.opts.AccessLog.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("method", method),
		slog.String("path", path),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.Int("bytes_in", web.BodySize(ctx)),
		slog.Int("bytes_out", out),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("user", web.UserID(ctx)),
		slog.String("tenant", string(web.Identity(ctx).Tenant)),
		slog.String("trace", web.TraceID(ctx)),
		slog.String("execution", web.Execution(ctx)),
		slog.String("remote", ctx.RemoteAddr().String()))
}

// dispatch returns the handler that the router has for a route.
func (s *Server) dispatch(r web.Route) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer s.barrier(ctx, &r)
		if err := s.answer(ctx, &r); err != nil {
			if errors.Is(err, runtime.ErrUnknownOutcome) && mayChange(&r) {
				_ = ctx.Conn().Close() // each answer would say whether something was changed
			}
			s.writeError(ctx, err)
		}
	}
}

// operate checks the token and the body of a request, and calls the handler of its route.
func (s *Server) operate(ctx *fasthttp.RequestCtx, r *web.Route) error {
	caller := web.Identity(ctx) // that of nobody
	if !r.Open {
		var err error
		if caller, err = s.admit(ctx, r); err != nil {
			if runtime.CodeOf(err) == runtime.CodePermissionDenied {
				s.audit.refused(ctx, r)
			}
			if r.Denied != "" && runtime.CodeOf(err) == runtime.CodePermissionDenied {
				err = web.Named(err, r.Denied, nil)
			}
			return err
		}
		defer caller.Use.Leave()
	}
	if err := checkLength(ctx, r); err != nil {
		return err
	}
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && string(enc) != "identity" {
		return runtime.Errorf(web.CodeUnsupportedMedia, "compressed bodies are not accepted").
			WithHint("send the body as it is, without Content-Encoding")
	}
	if !r.Open {
		if err := s.checkStarted(); err != nil {
			return err
		}
	}
	if r.Spools {
		upload, err := s.spoolBody(ctx, r, caller.Tenant)
		if err != nil {
			return err
		}
		defer upload.Remove()
		web.SetUpload(ctx, upload)
	} else if err := s.readBody(ctx, r); err != nil {
		return err
	} else if err := checkMediaType(&ctx.Request, r); err != nil {
		return err
	}
	if !r.Writes && !r.Submits && !r.Queues {
		web.MemoryOf(ctx).Reads()
	}
	if err := r.CheckQuery(ctx.QueryArgs()); err != nil {
		return err
	}
	if s.opts.Current != nil && (r.Submits || r.Queues) { // the function may have another version since, and the token be revoked
		if err := s.opts.Current(); err != nil {
			return err
		}
	}
	if r.Writes {
		leave, err := s.stalls.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	if err := s.handle(ctx, r, caller); err != nil {
		return err
	}
	if err := web.MemoryOf(ctx).Refused(); err != nil {
		web.MemoryOf(ctx).Short()
		ctx.Response.ResetBody()
		return err
	}
	return nil
}

// fence returns err, the result of a request, or why the request cannot be answered: this server may not have the
// last state of the data, of which an error says as much as an answer does. It refuses no answer to what was
// stored: that is the last state.
func (s *Server) fence(ctx *fasthttp.RequestCtx, r *web.Route, err error) error {
	if s.opts.Current == nil || r.Open || err == nil && committed(ctx, r) {
		return err
	}
	switch runtime.CodeOf(err) {
	case runtime.CodeUnavailable, runtime.CodeInternal: // they say nothing about the data
		return err
	}
	outdated := s.opts.Current()
	if outdated == nil {
		return err
	}
	resetAnswer(ctx)
	if err == nil && r.Change != "" { // it was made, as far as this server knows
		unknown := runtime.Errorf(runtime.CodeUnavailable, "it is not known whether this was changed").WithHint("look whether it was")
		unknown.Err = runtime.ErrUnknownOutcome
		return unknown
	}
	return outdated
}

// resetAnswer removes an answer, but not that its connection is closed.
func resetAnswer(ctx *fasthttp.RequestCtx) {
	closes := ctx.Response.ConnectionClose()
	if ctx.Response.Reset(); closes {
		ctx.SetConnectionClose()
	}
}

// committed reports whether a request that has succeeded has stored something, after all that its answer depends on was
// read.
func committed(ctx *fasthttp.RequestCtx, r *web.Route) bool {
	if r.Change != "" {
		return web.IsRecorded(ctx)
	}
	return (r.Runs && !r.Spools || web.IsWriting(ctx)) && !web.IsReplayed(ctx)
}

// handle calls the handler of a route, and records what it changes.
func (s *Server) handle(ctx *fasthttp.RequestCtx, r *web.Route, caller *runtime.Identity) error {
	if r.Change == "" {
		return r.Handle(ctx, caller.Tenant)
	}
	err := s.audit.change(ctx, r, caller)
	if err == nil && s.opts.Spread != nil && spreads(r.Change) {
		s.opts.Spread()
	}
	return err
}

// spreads reports whether a change is one that other processes must know before it is answered: they remember functions,
// tenants and tokens.
func spreads(change string) bool {
	of, _, _ := strings.Cut(change, ".")
	return of == "function" || of == "tenant" || of == "token"
}

// admit returns the sender of a request who may use a route. The request counts as one of its tenant
// until the caller calls Leave.
func (s *Server) admit(ctx *fasthttp.RequestCtx, r *web.Route) (*runtime.Identity, error) {
	caller, err := s.authenticate(&ctx.Request.Header)
	if err != nil {
		return nil, err
	}
	web.SetIdentity(ctx, caller)
	if c, ok := ctx.Conn().(*conn); ok && !c.trusted.Load() {
		s.conns.accepted(c)
	}
	if err := r.Authorize(caller); err != nil {
		return nil, err
	}
	if !caller.Use.Enter() { // its tenant was deleted a moment ago
		return nil, runtime.InvalidTokenError()
	}
	if r.Scope != runtime.ScopeOperator { // an operator must be able to raise a limit that is reached
		if err := caller.Use.CheckRate(); err != nil {
			caller.Use.Leave()
			return nil, err
		}
	}
	return caller, nil
}

// errBodyTooLarge returns the error for a body of more than limit bytes. bundle says that it is one.
func errBodyTooLarge(limit int, bundle bool) error {
	hint := "send less at once, in several requests"
	if bundle {
		hint = "leave out what the function does not need, such as tests and documentation of packages"
	}
	return runtime.Errorf(runtime.CodeTooLarge, "the body has more than the %s bytes that are allowed here", runtime.SizeText(limit)).
		WithHint(hint)
}

// barrier recovers from a panic of a handler and answers with 500, unless the request may write
// to the store. Then the panic ends the process: a store that panicked holds its locks, and
// every later write would wait forever. Committed data is safe on disk.
func (s *Server) barrier(ctx *fasthttp.RequestCtx, r *web.Route) {
	p := recover()
	if p == nil {
		return
	}
	err := runtime.Internal("httpapi "+r.Method+" "+r.Path, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	if r.Writes || web.IsWriting(ctx) {
		defer s.host.Secrets.Hold(web.Credentials(&ctx.Request.Header)...)()
		s.opts.Log.Error("a handler that may write to the store panicked: ending the process", slog.Any("err", err))
		panic(s.host.Secrets.Hide(fmt.Sprint(p))) // Go writes it to the standard error
	}
	ctx.Response.Reset()
	ctx.SetConnectionClose()
	s.writeError(ctx, err)
}

// writeError answers with an error in the dialect of the request. A request that could not be
// read has no path.
func (s *Server) writeError(ctx *fasthttp.RequestCtx, err error) {
	status, report := s.host.Report(ctx, err)
	s.dialectAt(string(ctx.URI().PathOriginal())).WriteError(ctx, status, report)
}
