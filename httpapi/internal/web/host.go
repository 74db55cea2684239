package web

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// MaxWaiting bounds the requests that wait for an execution or follow its logs. Each
	// holds a connection and a goroutine.
	MaxWaiting = 1000
	// WaitingRetry is the Retry-After of a request that may not wait.
	WaitingRetry = 5 * time.Second
)

// Host is the part of the server that handlers use. Its methods may be called concurrently.
type Host struct {
	Log *slog.Logger
	// BaseURL is the scheme and host in the URLs of answers. Empty: those of the request.
	BaseURL string
	// WriteTimeout bounds how long a client may take to read a response.
	WriteTimeout time.Duration

	// runs and waits are fields, against the rule that a context is an argument, because no
	// caller has them to pass: fasthttp's context for a request is reused by the next one and
	// does not end when the client leaves. Both end with the server only.
	runs       context.Context // of all work that requests start; ends when a shutdown is out of time
	cancelRuns context.CancelFunc
	waits      context.Context // of requests that only wait; ends when a shutdown begins
	endWaits   context.CancelFunc
	waiting    atomic.Int64 // requests that wait
}

// NewHost returns a Host, which must be stopped by [Host.Cancel].
func NewHost(log *slog.Logger, baseURL string, writeTimeout time.Duration) *Host {
	h := &Host{Log: log, BaseURL: baseURL, WriteTimeout: writeTimeout}
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

// Wait admits a request that waits, for at most limit, if fewer than [MaxWaiting] others do.
// The context also ends when a shutdown begins. The caller must call leave.
func (h *Host) Wait(limit time.Duration) (ctx context.Context, leave func(), err error) {
	if h.waiting.Add(1) > MaxWaiting {
		h.waiting.Add(-1)
		err := runtime.Errorf(runtime.CodeTooBusy, "%d requests already wait for executions", MaxWaiting).
			WithHint("send the request without wait or follow, or try again later")
		err.RetryAfter = WaitingRetry
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(h.waits, limit)
	return ctx, func() { cancel(); h.waiting.Add(-1) }, nil
}

// Waiting returns the number of requests that wait.
func (h *Host) Waiting() int64 { return h.waiting.Load() }

// URL returns the scheme and host under which the caller of a request reaches the server.
func (h *Host) URL(ctx *fasthttp.RequestCtx) string {
	if h.BaseURL != "" {
		return h.BaseURL
	}
	scheme := "http://"
	if ctx.IsTLS() {
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
	h.Log.Error("internal error",
		slog.String("error_id", id),
		slog.String("method", string(ctx.Method())),
		slog.String("path", string(ctx.URI().PathOriginal())),
		slog.Any("err", err))
}
