package httpapi

import (
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	MaxURI            = maxURI
	RequestsPerConn   = requestsPerConn
	MaxPerAddress     = maxPerAddress
	ConnBytes         = connBytes
	TLSBytes          = tlsBytes
	MaxFields         = maxFields
	SearchBound       = searchBound
	HealthConns       = healthConns
	BurstPerAddress   = burstPerAddress
	MaxTenantRefusals = maxTenantRefusals
)

var (
	Bearer = bearer
	Guard  = guard
)

// anyServer has the routes of every server.
var anyServer = func() *Server {
	s, err := New(Options{
		Auth: TokenHash{}, Access: allRoutes{}, Audit: allRoutes{}, Disk: func() runtime.DiskState { return runtime.DiskState{} },
		Metrics: func() ([]byte, error) { return nil, nil }, Maintenance: allRoutes{},
	})
	if err != nil {
		panic(err)
	}
	return s
}()

// allRoutes makes a server have the routes of tenants and tokens, of the audit log and of the operator.
type allRoutes struct {
	faaspot.Access
	faaspot.Maintenance
	runtime.AuditStore
}

// AddRoute returns the error of a server that has a further route.
func AddRoute(r web.Route) error {
	s, err := New(Options{Auth: TokenHash{}})
	if err != nil {
		return err
	}
	s.dialects[0].Routes = append(s.dialects[0].Routes, r)
	_, err = s.newRouter()
	return err
}

// Routes returns all routes.
func Routes() []web.Route { return anyServer.routes() }

// MaxBody returns the largest body of a request that is not a bulk, in bytes.
func MaxBody() int { return anyServer.maxBody }

// Host returns the host of the server's handlers.
func (s *Server) Host() *web.Host { return s.host }

// ServeRequest handles a request as if the HTTP library had read it.
func (s *Server) ServeRequest(ctx *fasthttp.RequestCtx) { s.serve(ctx) }

// Received handles the header of a request.
func (s *Server) Received(h *fasthttp.RequestHeader) fasthttp.RequestConfig { return s.received(h) }

// Closing reports whether Shutdown has begun.
func (s *Server) Closing() bool { return s.closing.Load() }

// Leaving reports whether HandOver or Shutdown has begun.
func (s *Server) Leaving() bool { return s.leaving.Load() }

// CheckReady returns the error of GET /readyz.
func (s *Server) CheckReady() error { return s.ready(&fasthttp.RequestCtx{}, "") }

// OpenConnections returns the number of open connections.
func (s *Server) OpenConnections() int32 { return s.http.GetOpenConnectionsCount() }

// Spooled returns the bytes and the number of the uploads on disk.
func (s *Server) Spooled() (bytes int64, count int) { return s.spool.Held() }

// The bounds of logins.
const (
	MaxTokenLogins  = maxTokenLogins
	MaxTenantLogins = maxTenantLogins
	MaxLogins       = maxLogins
	LoginBytes      = loginBytes
)

// Logins are the tickets or sessions of the console, with their memory.
type Logins struct {
	*logins
	memory *memory.Account
}

// NewLogins returns logins that last for some time.
func NewLogins(life time.Duration) Logins {
	account := memory.New(1<<30, slog.New(slog.DiscardHandler)).Open(memory.Options{Name: "logins"})
	return Logins{newLogins(life, account), account}
}

// Add adds a login.
func (l Logins) Add(secret, token, tenant string, now time.Time) error {
	_, err := l.add(login{secret: HashToken(secret), token: HashToken(token), tenant: runtime.Tenant(tenant)}, now)
	return err
}

// Has reports whether there is a login with a secret.
func (l Logins) Has(secret string, now time.Time) bool { return l.get(HashToken(secret), now) != nil }

// Len returns the number of logins, and Held their memory in bytes.
func (l Logins) Len() int    { return len(l.all) }
func (l Logins) Held() int64 { return l.memory.Held() }

// IdleStrangers returns the number of connections without a token that are kept between two requests.
func (s *Server) IdleStrangers() (n int) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for e := s.conns.unknown.Front(); e != nil; e = e.Next() {
		if e.Value.(*conn).idle.Load() {
			n++
		}
	}
	return n
}
