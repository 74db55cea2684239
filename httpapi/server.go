package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// Server serves the API on listeners.
type Server struct {
	opts   Options
	http   *fasthttp.Server
	router *router.Router

	started   atomic.Pointer[Engine] // nil until there is an engine
	closing   atomic.Bool
	mu        sync.Mutex
	listeners []*lingerListener // those ever served on

	// runs is the context of everything that requests start. It ends when a
	// Shutdown runs out of time. A request's own context cannot serve: it is
	// reused by the next request and does not end when its client leaves.
	runs   context.Context
	cancel context.CancelFunc
	// waits is the context of requests that only wait for executions. It ends
	// when a Shutdown begins: they are answered as things stand.
	waits    context.Context
	endWaits context.CancelFunc
	waiting  atomic.Int64 // how many there are
}

// New makes a Server. It starts nothing.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o}
	if o.Engine != nil {
		s.SetEngine(o.Engine)
	}
	s.runs, s.cancel = context.WithCancel(context.Background())
	s.waits, s.endWaits = context.WithCancel(s.runs)
	s.router = s.newRouter()
	s.http = &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.unreadable,
		HeaderReceived: s.received,
		ExpectHandler:  s.expected,
		Logger:         libraryLog{o.Log},

		ReadTimeout:        o.HeaderTimeout,
		WriteTimeout:       o.WriteTimeout,
		IdleTimeout:        o.IdleTimeout,
		Concurrency:        o.MaxConns,
		ReadBufferSize:     o.MaxHeader,
		MaxRequestBodySize: smallBody, // received raises it for those who may
		MaxRequestsPerConn: requestsPerConn,

		// Multipart parsing has no limit of its own; bodies are read as bytes.
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		TCPKeepalive:                 true,
	}
	return s, nil
}

// SetEngine lets requests through to the engine.
func (s *Server) SetEngine(e Engine) { s.started.Store(&e) }

// engine returns the engine. It panics before SetEngine; operate checks that.
func (s *Server) engine() Engine { return *s.started.Load() }

// checkStarted returns an error until there is an engine.
func (s *Server) checkStarted() error {
	if s.started.Load() != nil {
		return nil
	}
	err := runtime.Errorf(runtime.CodeUnavailable, "the server is starting").WithHint("try again in a moment")
	err.RetryAfter = startRetry
	return err
}

// startRetry is the Retry-After of answers given before there is an engine.
const startRetry = time.Second

// Serve accepts connections on ln until [Server.Shutdown], then returns nil; at
// once if that was before. It closes ln. It may be called for more than one
// listener.
func (s *Server) Serve(ln net.Listener) error {
	ours := &lingerListener{Listener: ln, early: s.opts.early()}
	s.mu.Lock()
	s.listeners = append(s.listeners, ours)
	closing := s.closing.Load()
	s.mu.Unlock()
	if closing {
		return ours.Close()
	}
	return s.http.Serve(ours)
}

// stopAccepting closes all listeners, also one that the library was not given
// yet.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for _, ln := range s.listeners {
		// What went wrong is told by the library, which closes it too.
		_ = ln.Close()
	}
}

// cutTime is how long cancelled runs have to answer that they were.
const cutTime = 2 * time.Second

// Shutdown stops accepting, lets requests under way finish and returns nil.
// When ctx ends first, runs are cancelled, their callers told so, and what
// still does not end is left: the process is to exit. Then the error is that
// of ctx. From the start of Shutdown on, /readyz answers 503.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	s.endWaits()
	defer s.cancel()
	// The library gives up at the end of the context it is given, and cannot
	// be asked a second time; so it gets one that ends later.
	hard, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		s.cancel()
		timer := time.AfterFunc(cutTime, giveUp)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()
	if err := s.http.ShutdownWithContext(hard); err != nil {
		return fmt.Errorf("httpapi: shut down: %w", err)
	}
	return ctx.Err()
}

// libraryLog passes on what the HTTP library says of itself. What it says of
// single requests is left out: it may hold bytes of them, and the caller was
// told already.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "error when serving connection") {
		return
	}
	l.log.Warn("http: " + fmt.Sprintf(format, args...))
}
