package web

import (
	"context"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
	"github.com/faaspot/faaspot/runtime/turns"
)

// Host is the part of the server that handlers use. Its methods may be called concurrently.
type Host struct {
	Log *slog.Logger
	// BaseURL is the scheme and host in the URLs of answers. Empty: those of the request.
	BaseURL string
	// Secrets keeps secrets out of the log; nil: nothing does.
	Secrets *redact.Registry
	// WriteTimeout bounds how long a client may take to read a response.
	WriteTimeout time.Duration
	// Memory is the budget of everything that the server holds for others.
	Memory *memory.Budget
	// Workers returns the worker processes of the server. Nil: there are none.
	Workers func() []runtime.WorkerStatus
	// Followers takes the memory of requests that follow logs.
	Followers *memory.Account

	// runs and waits are fields, against the rule that a context is an argument, because no
	// caller has them to pass: fasthttp's context for a request is reused by the next one and
	// does not end when the client leaves. Both end with the server only.
	runs       context.Context // of all work that requests start; ends when a shutdown is out of time
	cancelRuns context.CancelFunc
	waits      context.Context // of requests that only wait; ends when a shutdown begins
	endWaits   context.CancelFunc

	places *places
	turns  *turns.Turns // see Turn
}

// NewHost returns a Host, which must be stopped by [Host.Cancel].
func NewHost(log *slog.Logger, baseURL string, writeTimeout time.Duration, b *memory.Budget) *Host {
	h := &Host{
		Log: log, BaseURL: baseURL, WriteTimeout: writeTimeout, places: newPlaces(), turns: newTurns(), Memory: b,
		Followers: b.Open(memory.Options{Name: "followers", Heap: true, Requests: true}),
	}
	h.runs, h.cancelRuns = context.WithCancel(context.Background())
	h.waits, h.endWaits = context.WithCancel(h.runs)
	return h
}

// Context returns the context of the work that requests start. It ends with [Host.Cancel].
func (h *Host) Context() context.Context { return h.runs }

// StopWaiting ends all waits: the server answers with the current state.
func (h *Host) StopWaiting() { h.endWaits() }

// Cancel cancels everything that requests have started.
func (h *Host) Cancel() { h.cancelRuns() }

// Encrypted reports whether the connection of a request is one of TLS. [fasthttp.RequestCtx.IsTLS] does not
// know connections of other types.
func Encrypted(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(interface{ Encrypted() bool })
	return ok && c.Encrypted() || ctx.IsTLS()
}

// URL returns the scheme and host under which the caller of a request reaches the server.
func (h *Host) URL(ctx *fasthttp.RequestCtx) string {
	if h.BaseURL != "" {
		return h.BaseURL
	}
	scheme := "http://"
	if Encrypted(ctx) {
		scheme = "https://"
	}
	host := string(ctx.Request.Header.Host())
	if host == "" { // HTTP/1.0 requests need no Host header
		host = ctx.LocalAddr().String()
	}
	return scheme + host
}

// LogInternal logs the cause of an internal error under the id that the caller gets.
func (h *Host) LogInternal(ctx *fasthttp.RequestCtx, id string, err error) {
	defer h.Secrets.Hold(Credentials(&ctx.Request.Header)...)()
	h.Log.Error("internal error",
		slog.String("error_id", id),
		slog.String("method", string(ctx.Method())),
		slog.String("path", string(ctx.URI().PathOriginal())),
		slog.Any("err", err))
}
