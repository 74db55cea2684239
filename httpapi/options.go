package httpapi

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/foundry"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/redact"
)

// Engine is what the dialects need of the engine. All methods may be called concurrently.
type Engine interface {
	faaspot.Engine
	blaxel.Engine
	foundry.Engine
}

// Options of a Server. Auth must be set; everything else has a default that is safe on an open
// network.
type Options struct {
	// Engine serves the requests. Nil: until [Server.SetEngine], requests that need it get
	// 503.
	Engine Engine
	// Auth identifies the senders of requests. If it is a [PasswordAuthenticator], passwords are
	// accepted as well.
	Auth Authenticator
	// Access manages tenants and tokens. Nil: the server has no routes for them.
	Access faaspot.Access
	// Audit stores the changes that requests make. Nil: they are not recorded, and the server has no route
	// for them.
	Audit runtime.AuditStore
	// Disk returns the state of the disk of the store. Nil: the server has no route for it.
	Disk func() runtime.DiskState
	// Metrics returns the figures of the server in the text format of Prometheus. Nil: the server has no
	// route for them.
	Metrics func() ([]byte, error)
	// Maintenance makes backups of the store and returns what takes room in it. Nil: the server has no
	// routes for them.
	Maintenance faaspot.Maintenance
	// Cursors encrypts the cursors of tokens that do not see all executions. Nil: there are no such tokens.
	Cursors faaspot.Sealer
	// Version of the server, reported by GET /readyz. Empty: not reported.
	Version string

	// Current returns nil if what was read is the last state of the data. It is asked after each request that has
	// stored nothing, also one that has failed, and before a run whose caller waits. The request fails with its error.
	// Nil: it always is.
	Current func() error
	// StallTime is how long a request that writes waits while Current fails, before its connection is closed without an answer: the outcome is
	// not known. From a third of that on, no further one begins. Zero: 15 s.
	StallTime time.Duration
	// Follower forwards requests to the process that owns the data. Nil: this one always does.
	Follower Follower
	// Spread returns when no other process answers with the state from before a change. It is called after each change of
	// functions, tenants and tokens, before that is answered. Nil: there is no other process.
	Spread func()
	// Standby says that there never is an engine: the server forwards requests if it has a Follower, or else refuses them with what Auth
	// returns, and closes their connections. Ready alone says whether it is ready.
	Standby bool

	// Ready returns why the server cannot serve requests yet or any more, nil if it can. Only
	// the message of a *runtime.Error is shown to callers. A nil Ready means always.
	Ready func() error
	Log   *slog.Logger // nil: slog.Default
	// Secrets keeps what it knows, and the credentials of requests, out of Log, whose handler is of
	// [redact.NewHandler]. Nil: nothing does.
	Secrets *redact.Registry
	// AccessLog gets a line for each request. Nil: there is no access log.
	AccessLog *slog.Logger

	// BaseURL is the scheme and host in the URLs of answers, such as
	// "https://faas.example.com". Empty: those of each request. Set it behind a proxy.
	BaseURL string

	// TLS encrypts the connections of [Server.Serve]. Nil: they are not encrypted. Its NextProtos must not
	// have HTTP/2.
	TLS *tls.Config

	// SpoolDir is a folder for the bodies of requests that are too large for memory, created with
	// mode 0700. What is in it when the Server is made is removed. Empty: the folder of the system for
	// temporary files.
	SpoolDir string

	// HeaderTimeout bounds how long the header of a request, or all of a small request, may
	// take to arrive. Zero: 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout bounds how long the body of an authenticated request that is larger than
	// 8 KiB or chunked may take to arrive. Each 256 KiB must arrive within HeaderTimeout. Zero:
	// 60 s.
	BodyTimeout time.Duration
	// WriteTimeout bounds how long an answer may take to be sent, from the end of its handler. An
	// answer of more than 256 KiB has a second more for each 64 KiB that were sent. Zero: 15 s.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long a connection may be idle between two requests. Before a token
	// was accepted, HeaderTimeout does. Zero: 60 s.
	IdleTimeout time.Duration

	// Memory is the budget for connections, bodies and answers. Nil: there is no bound.
	Memory *memory.Budget
	// Workers returns the worker processes in which runs happen. Nil: there are none.
	Workers func() []runtime.WorkerStatus
	// MaxConns bounds the open connections on which no token was accepted yet; those with an
	// accepted token are bounded by memory only. Zero: 5,000.
	MaxConns int
	// MaxHeader bounds the first line and the header of a request, in bytes. Zero: 16 KiB.
	MaxHeader int
}

const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = 60 * time.Second
	defaultWriteTimeout  = 15 * time.Second
	defaultIdleTimeout   = 60 * time.Second
	defaultStallTime     = 15 * time.Second
	defaultMaxConns      = 5_000
	defaultMaxHeader     = 16 * runtime.KiB

	// unboundedMemory is the budget, in bytes, without one in the Options.
	unboundedMemory = 1 << 50

	// maxURI bounds the request target, and with it the args of a GET run, in bytes. Proxies
	// commonly accept 8 KiB.
	maxURI = 8 * runtime.KiB
	// minMaxHeader leaves room for a target of maxURI and the usual fields.
	minMaxHeader = maxURI + 2*runtime.KiB
	// requestsPerConn bounds the requests on one connection, so that long-lived clients
	// distribute over the servers behind a load balancer.
	requestsPerConn = 1000
)

// withDefaults replaces zero values by defaults and checks the others.
func (o Options) withDefaults() (Options, error) {
	if o.Auth == nil {
		return o, runtime.Errorf(runtime.CodeInvalidArgument, "httpapi: Options.Auth must be set")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if err := CheckBaseURL(o.BaseURL); err != nil {
		return o, err
	}
	if min(o.HeaderTimeout, o.BodyTimeout, o.WriteTimeout, o.IdleTimeout, o.StallTime) < 0 {
		return o, runtime.Errorf(runtime.CodeInvalidArgument, "httpapi: a timeout is negative")
	}
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, defaultHeaderTimeout)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, defaultBodyTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, defaultWriteTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, defaultIdleTimeout)
	o.StallTime = cmp.Or(o.StallTime, defaultStallTime)
	if o.Memory == nil {
		o.Memory = memory.New(unboundedMemory, o.Log)
	}
	o.MaxConns = cmp.Or(o.MaxConns, defaultMaxConns)
	o.MaxHeader = cmp.Or(o.MaxHeader, defaultMaxHeader)
	if o.MaxConns < 0 || o.MaxHeader < minMaxHeader {
		return o, runtime.Errorf(runtime.CodeInvalidArgument,
			"httpapi: MaxConns must be positive and MaxHeader at least %d bytes", minMaxHeader)
	}
	return o, nil
}

// connBytes returns the memory of a connection, in bytes.
func (o Options) connBytes() int64 {
	if o.TLS != nil {
		return connBytes + tlsBytes
	}
	return connBytes
}

// CheckBaseURL returns an error for a BaseURL of Options that is not one.
func CheckBaseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the base URL %q is not an http(s) URL", text).
			WithHint("give scheme and host, such as https://faas.example.com")
	}
	return nil
}

// early returns by how much any of the timeouts may be too short: a hundredth of the shortest.
func (o Options) early() time.Duration {
	return min(o.HeaderTimeout, o.BodyTimeout, o.WriteTimeout, o.IdleTimeout) / 100
}
