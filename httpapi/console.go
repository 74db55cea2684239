package httpapi

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/console"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	consolePath = "/console"
	sessionPath = consolePath + "/session"
	// ticketLife is how long a ticket can be redeemed, and sessionLife how long a session lasts.
	ticketLife  = time.Minute
	sessionLife = 12 * time.Hour
	// ticketScheme is the scheme of a ticket in Authorization.
	ticketScheme = "Ticket"
	// timeLayout is how this dialect writes times.
	timeLayout = "2006-01-02 15:04:05.000000-07:00"
)

var (
	errSessionEnded = runtime.Errorf(runtime.CodeUnauthenticated, "the session of the console has ended").
			WithHint("log in again, for example with `fas open`")
	errBadTicket = runtime.Errorf(runtime.CodeUnauthenticated, "the ticket is not valid: it was used, or is more than a minute old").
			WithHint("get another one with `fas open`")
	errNotConsole = runtime.Errorf(runtime.CodeUnauthenticated, "the session of the console is accepted from the console alone").
			WithHint(tokenHint)
	errNoSecret = runtime.Errorf(runtime.CodeInvalidArgument, "the console needs a token with a secret, not a user name and a password").
			WithHint("create a token with `fas tokens create`")
)

// consoleHeaders are those of each file of the console. Scripts, styles and requests come from this
// server alone, nothing is inline, and text never becomes markup.
var consoleHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// consoleLogins are the tickets and sessions of the console.
type consoleLogins struct{ tickets, sessions *logins }

func newConsoleLogins(b *memory.Budget) consoleLogins {
	account := b.Open(memory.Options{Name: "sessions of the console", Heap: true})
	return consoleLogins{tickets: newLogins(ticketLife, account), sessions: newLogins(sessionLife, account)}
}

// consoleRoutes returns the routes of the console, those of its files and of its sessions. They concern
// every token, so they have the least scope.
func (s *Server) consoleRoutes() []web.Route {
	login := func(method, path string, handle web.Handler) web.Route {
		return web.Route{Method: method, Path: path, Handle: handle, Scope: runtime.ScopeRead, Operators: true, Limited: true, MaxBody: web.NoBody}
	}
	return []web.Route{
		{Method: "GET", Path: consolePath, Handle: s.consoleFile, Open: true, MaxBody: web.NoBody},
		{Method: "GET", Path: consolePath + "/{file}", Handle: s.consoleFile, Open: true, MaxBody: web.NoBody},
		login("POST", consolePath+"/ticket", s.newTicket),
		login("POST", sessionPath, s.newSession),
		login("GET", sessionPath, s.getSession),
		login("DELETE", sessionPath, s.endSession),
	}
}

// consoleFile answers with a file of the console, compressed if the client accepts that.
func (s *Server) consoleFile(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	name, _ := web.PathParam(ctx, "file")
	f, err := console.Lookup(name)
	if err != nil {
		return runtime.Internal("httpapi.consoleFile", err)
	} else if f == nil {
		return runtime.Errorf(runtime.CodeNotFound, "the console has no such file").WithHint("the console is at " + consolePath + "/")
	}
	h := &ctx.Response.Header
	for field, value := range consoleHeaders {
		h.Set(field, value)
	}
	h.Set(fasthttp.HeaderCacheControl, f.CacheControl)
	h.Set(fasthttp.HeaderETag, f.Tag)
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch), []byte(f.Tag)) {
		ctx.Response.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	body := f.Plain
	if ctx.Request.Header.HasAcceptEncoding("gzip") {
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
		body = f.Compressed
	}
	h.SetContentType(f.ContentType)
	web.SetBody(ctx, body)
	return nil
}

// newTicket answers with a ticket, which begins one session of the console with the permissions of the
// request's token.
func (s *Server) newTicket(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	token, err := s.tokenOf(&ctx.Request.Header)
	if err != nil {
		return err
	}
	ticket := rand.Text()
	expires, err := s.console.tickets.add(login{secret: HashToken(ticket), token: token, tenant: tenant}, time.Now())
	if err != nil {
		return err
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	return web.WriteValue(ctx, wire.ConsoleTicket{Ticket: ticket, Path: consolePath + "/#ticket=" + ticket, Expires: expires.UTC().Format(timeLayout)})
}

// tokenOf returns the hash of the token of a request, or of the session that it belongs to.
func (s *Server) tokenOf(h *fasthttp.RequestHeader) (TokenHash, error) {
	field := h.Peek(fasthttp.HeaderAuthorization)
	if field == nil {
		field = h.Peek(web.HeaderBlaxelAuthorization)
	}
	if field == nil {
		if x, _ := s.session(h); x != nil {
			return x.token, nil
		}
		return TokenHash{}, errNoToken
	}
	token, ok := bearer(field)
	if !ok {
		return TokenHash{}, errNoSecret
	}
	return sha256.Sum256(token), nil
}

// newSession begins a session of the console, with a token or a ticket. The answer sets the cookie of the
// session and has the key that requests send beside it, which no other site and no other port of this host
// gets.
func (s *Server) newSession(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	h := &ctx.Request.Header
	now := time.Now()
	var token TokenHash
	if secret, ok := ticketOf(h); ok {
		ticket := s.console.tickets.take(secret, now)
		if ticket == nil { // another request has redeemed it at the same time
			return errBadTicket
		}
		token = ticket.token
	} else if h.Peek(fasthttp.HeaderAuthorization) == nil {
		return errNoToken
	} else {
		var err error
		if token, err = s.tokenOf(h); err != nil {
			return err
		}
	}
	secret, key := rand.Text(), rand.Text()
	expires, err := s.console.sessions.add(login{secret: HashToken(secret), key: HashToken(key), token: token, tenant: tenant}, now)
	if err != nil {
		return err
	}
	s.setCookie(ctx, secret, int(sessionLife.Seconds()))
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	return web.WriteValue(ctx, wire.ConsoleKey{Key: key, Expires: expires.UTC().Format(timeLayout)})
}

// setCookie sets the cookie of a session for some seconds; 0 deletes it.
func (s *Server) setCookie(ctx *fasthttp.RequestCtx, secret string, seconds int) {
	var c fasthttp.Cookie
	c.SetKey(cookieName(&ctx.Request.Header))
	c.SetValue(secret)
	c.SetPath("/")
	c.SetHTTPOnly(true)
	c.SetSecure(strings.HasPrefix(s.host.URL(ctx), "https:"))
	c.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	if c.SetMaxAge(seconds); seconds == 0 {
		c.SetExpire(fasthttp.CookieExpireDelete)
	}
	ctx.Response.Header.SetCookie(&c)
}

// getSession answers with who sends the request, and what it may do.
func (s *Server) getSession(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	answer := wire.ConsoleSession{Whoami: web.RenderIdentity(web.Identity(ctx)), Version: s.opts.Version}
	if x, _ := s.session(&ctx.Request.Header); x != nil {
		answer.Expires = new(x.expires.UTC().Format(timeLayout))
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	return web.WriteValue(ctx, answer)
}

// endSession ends the session of the console that a request belongs to.
func (s *Server) endSession(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	if x, _ := s.session(&ctx.Request.Header); x != nil {
		s.console.sessions.take(x.secret, time.Now())
	}
	s.setCookie(ctx, "", 0)
	web.WriteJSON(ctx, fasthttp.StatusOK, []byte("{}"))
	return nil
}

// ticketOf returns the hash of the ticket of a request that begins a session. A ticket is good for nothing
// else.
func ticketOf(h *fasthttp.RequestHeader) (TokenHash, bool) {
	scheme, ticket, ok := bytes.Cut(h.Peek(fasthttp.HeaderAuthorization), []byte(" "))
	if !ok || string(scheme) != ticketScheme {
		return TokenHash{}, false
	}
	path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
	if string(bytes.TrimSuffix(path, []byte("/"))) != sessionPath || !h.IsPost() {
		return TokenHash{}, false
	}
	return sha256.Sum256(bytes.Trim(ticket, " ")), true
}

// session returns the session that a request belongs to. Beside the cookie, the request must have the key
// of the session, which forms cannot send, and come from the console of this host: browsers say so.
func (s *Server) session(h *fasthttp.RequestHeader) (*login, error) {
	cookie, key := web.Cookie(h, cookieName(h)), h.Peek(web.HeaderConsoleKey)
	if len(cookie) == 0 || len(key) == 0 {
		return nil, errNoToken
	}
	if !s.fromConsole(h) {
		return nil, errNotConsole
	}
	x := s.console.sessions.get(sha256.Sum256(cookie), time.Now())
	sent := sha256.Sum256(key)
	if x == nil || subtle.ConstantTimeCompare(sent[:], x.key[:]) != 1 {
		return nil, errSessionEnded
	}
	return x, nil
}

// fromConsole reports whether a request may come from a page of this server. Browsers send neither header
// for reading over plain HTTP; then the key of the session decides.
func (s *Server) fromConsole(h *fasthttp.RequestHeader) bool {
	site, origin := h.Peek("Sec-Fetch-Site"), h.Peek(fasthttp.HeaderOrigin)
	if site != nil && string(site) != "same-origin" {
		return false
	}
	if origin == nil {
		return site != nil || h.IsGet() || h.IsHead()
	}
	u, err := url.Parse(string(origin))
	return err == nil && (strings.EqualFold(u.Host, string(h.Host())) || strings.EqualFold(u.Scheme+"://"+u.Host, s.opts.BaseURL))
}

// cookieName returns the name of the cookie of a session. Browsers send the cookies of a host to all of its
// ports, so the name has the port: sessions of two servers on one host do not end each other.
func cookieName(h *fasthttp.RequestHeader) string {
	host := h.Host()
	port := host[bytes.LastIndexByte(host, ':')+1:]
	for _, c := range port {
		if c < '0' || c > '9' {
			return web.CookiePrefix
		}
	}
	return web.CookiePrefix + "_" + string(port)
}
