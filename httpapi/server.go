package httpapi

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/foundry"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Server serves the API on listeners.
type Server struct {
	opts     Options
	http     *fasthttp.Server
	router   *router.Router
	host     *web.Host
	dialects []web.Dialect // the first one has every path of no other dialect
	maxBody  int           // bytes, of requests that are neither bulks nor bundles

	passwords PasswordAuthenticator // nil: there are no passwords
	audit     *auditor
	console   consoleLogins

	started   atomic.Pointer[Engine] // nil until there is an engine
	leaving   atomic.Bool            // no connections are accepted, and each gets one more answer
	closing   atomic.Bool            // by Shutdown
	mu        sync.Mutex
	listeners []*listener // all that Serve was called with

	healthServer    *fasthttp.Server
	healthListeners []*listener // all that ServeHealth was called with
	healthClosed    bool

	answered [5]atomic.Uint64 // requests by class of the status, 1xx first
	conns    *connections
	accounts *web.Accounts
	spool    *web.Spool
	hangups  web.Hangups // of clients whose requests are forwarded

	forwarded *memory.Account // requests that are
	stalls    *stalls
}

// New returns a Server. It starts nothing.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, host: web.NewHost(o.Log, o.BaseURL, o.WriteTimeout, o.Memory),
		conns: newConnections(o.Memory, o.MaxConns, o.connBytes()), accounts: web.OpenAccounts(o.Memory),
		spool: web.NewSpool(o.SpoolDir),
		audit: newAuditor(o.Audit, o.Log), console: newConsoleLogins(o.Memory),
	}
	if o.Follower != nil {
		s.hangups.Patience = hangUpTime
		s.forwarded = o.Memory.Open(memory.Options{Name: "requests that are forwarded", Heap: true, Requests: true})
	}
	s.stalls = newStalls(o, s.closing.Load)
	s.host.Secrets = o.Secrets
	s.host.Workers = o.Workers
	s.accounts.Short = s.conns.dropStalled
	s.passwords, _ = o.Auth.(PasswordAuthenticator)
	if o.Engine != nil {
		s.SetEngine(o.Engine)
	}
	s.dialects = []web.Dialect{
		faaspot.New(s.host, func() faaspot.Engine { return s.engine() }, faaspot.Options{Access: o.Access, Audit: o.Audit, Disk: o.Disk, Maintenance: o.Maintenance, Cursors: o.Cursors, Release: o.Version}),
		blaxel.New(s.host, func() blaxel.Engine { return s.engine() }),
		foundry.New(s.host, func() foundry.Engine { return s.engine() }),
	}
	s.maxBody = maxBody(s.routes())
	if s.router, err = s.newRouter(); err != nil {
		return nil, err
	}
	s.http = &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.unreadable,
		HeaderReceived: s.received,
		ExpectHandler:  s.expected,
		ConnState:      changed,
		Logger:         libraryLog{o.Log},

		ReadTimeout:        o.HeaderTimeout,
		WriteTimeout:       o.WriteTimeout,
		IdleTimeout:        o.IdleTimeout,
		Concurrency:        maxServed,
		ReadBufferSize:     o.MaxHeader,
		MaxRequestsPerConn: requestsPerConn,
		DisableKeepalive:   o.Standby, // the next connection may be another server's
		// Bodies are read by readBody, once there is memory for them.
		StreamRequestBody: true,

		// Multipart parsing has no limit of its own; bodies are read as bytes.
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
	}
	s.healthServer = s.newHealthServer()
	return s, nil
}

const (
	// maxServed is the library's own bound of connections, which never applies: connections has
	// better ones.
	maxServed = 1 << 20
)

// newConn returns a connection that a listener has accepted.
func (s *Server) newConn(socket net.Conn, l *listener) *conn {
	c := socket
	if l.secure != nil {
		c = tls.Server(socket, l.secure)
		// The handshake writes before the library sets a deadline of an answer.
		_ = socket.SetWriteDeadline(time.Now().Add(s.opts.HeaderTimeout)) // if it fails, so do all writes
	}
	return &conn{
		Conn: c, socket: socket, sender: newSender(c), all: l.conns, memory: web.NewMemory(s.accounts),
		early: s.opts.early(), patience: s.opts.HeaderTimeout, stall: s.opts.WriteTimeout, peer: l.peers,
	}
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

// startRetry is the Retry-After of answers that are sent before there is an engine.
const startRetry = time.Second

// Serve accepts connections on ln until [Server.Shutdown], and then returns nil; at once if the
// server was shut down before. It closes ln. It may be called for more than one listener.
func (s *Server) Serve(ln net.Listener) error {
	return s.serveOn(&listener{Listener: ln, server: s, conns: s.conns, secure: s.opts.TLS})
}

func (s *Server) serveOn(ours *listener) error {
	s.mu.Lock()
	s.listeners = append(s.listeners, ours)
	leaving := s.leaving.Load()
	s.mu.Unlock()
	if leaving {
		return ours.Close()
	}
	return s.http.Serve(ours)
}

// Waiting returns the number of requests that wait for an execution or follow its logs.
func (s *Server) Waiting() int64 { return s.host.Waiting() }

// stopAccepting closes all listeners, including one that the library does not have yet.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving.Store(true)
	for _, ln := range s.listeners {
		// The library closes it too, and reports the error.
		_ = ln.Close()
	}
}

// handOverLook is the time between two looks at the connections of a server that hands over.
const handOverLook = 5 * time.Millisecond

// HandOver begins a shutdown of a server whose place another one takes, at the same socket or for the same data: it stops accepting
// connections, and serves those that it has, each for one more answer, until for a quiet time there was none whose first
// request has not arrived, or ctx ends. In that time requests arrive, and a client that sends one after the other learns with the next
// answer that it must connect again. /readyz answers 200 meanwhile: requests are served, the next ones by the other
// process, so a proxy must not take the address out of use. [Server.Shutdown] does the rest.
func (s *Server) HandOver(ctx context.Context, quiet time.Duration) {
	s.stopAccepting()
	look := time.NewTicker(handOverLook)
	defer look.Stop()
	for last := time.Now(); time.Since(last) < quiet; {
		if s.conns.silent() {
			last = time.Now()
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// cutTime is how long cancelled runs have to answer that they were cancelled.
const cutTime = 2 * time.Second

// Shutdown stops accepting connections, lets requests finish and returns nil. If ctx ends first,
// it cancels runs, whose callers get an error, abandons requests that still do not end, and
// returns the error of ctx: the process should exit. From the start of Shutdown on, /readyz
// answers 503, also on the listeners of [Server.ServeHealth], which end last.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	s.closing.Store(true)
	s.host.StopWaiting()
	s.conns.dropSilent()
	defer s.closeHealth()
	defer s.host.Cancel()
	// The library gives up when its context ends, and cannot be called again. So its context
	// ends later than ctx.
	hard, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		s.host.Cancel()
		timer := time.AfterFunc(cutTime, giveUp)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()
	if err := s.http.ShutdownWithContext(hard); err != nil {
		return fmt.Errorf("httpapi: shut down: %w", err)
	}
	return ctx.Err()
}

// libraryLog logs the messages of the HTTP library about itself. It drops those about single
// requests: they may have bytes of the request, and the caller got an answer.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "error when serving connection") {
		return
	}
	l.log.Warn("http: the library reports", "text", fmt.Sprintf(format, args...))
}
