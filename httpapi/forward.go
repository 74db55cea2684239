package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// Follower is what a server needs of a process that may follow the one which owns the data. Its methods may be called
// concurrently.
type Follower interface {
	// Follows reports whether another process owns the data: requests are forwarded to it.
	Follows() bool
	// Runs reports whether this process runs functions itself for callers that wait, while it follows.
	Runs() bool
	// HandsOver reports whether the data are being handed over from one process to another, so that there is an owner soon.
	HandsOver() bool
	// Await waits while they are, until this process or another one owns them, or for as long as a request of the client at an address,
	// and of a tenant, may wait. It fails if no further request may wait, or if ctx ends.
	Await(ctx context.Context, client net.Addr, tenant runtime.Tenant) error
	// Settle is called before a request is forwarded that reads what this process may not have sent to the owner yet.
	Settle()
	// Forward sends the request of the client at an address, and of a tenant, to the owner. The tenant is empty if this process
	// does not know it. The answer's body must be closed. The URL of the request has no host. An error that is a
	// [runtime.Error] says that nothing was sent.
	Forward(r *http.Request, client net.Addr, tenant runtime.Tenant) (*http.Response, error)
}

// headerClient names the client of a request that another node has forwarded, and "https" or "http" for its connection. It
// is believed on connections of [Server.ServePeers] only.
const headerClient = "Faaspot-Client"

// forwardBytes is the memory of a request that is forwarded, in bytes: a connection to the owner with its buffers and
// goroutines, and the header.
const forwardBytes = 96 * runtime.KiB

// hangUpTime is the time after which a forwarded request ends whose client has hung up. A client that only sends nothing
// more looks like one that has.
const hangUpTime = 2 * time.Second

// hopHeaders are the fields of a request or an answer that concern one connection, or that the library writes.
var hopHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Date": true, "Expect": true, "Host": true, "Keep-Alive": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, headerClient: true,
}

// follows reports whether another process owns the data.
func (s *Server) follows() bool { return s.opts.Follower != nil && s.opts.Follower.Follows() }

// answer answers a request, or forwards it.
func (s *Server) answer(ctx *fasthttp.RequestCtx, r *web.Route) error {
	if r.Node || !s.follows() {
		return s.fence(ctx, r, s.operate(ctx, r))
	}
	if r.Shared != nil && r.Shared(ctx) && s.opts.Follower.Runs() {
		err := s.operate(ctx, r)
		if errors.Is(err, runtime.ErrBegan) { // it must not run twice
			return err
		}
		switch runtime.CodeOf(err) {
		case runtime.CodeUnauthenticated, runtime.CodePermissionDenied, runtime.CodeNotFound, runtime.CodeUnavailable:
			// The run has not begun. Only the owner knows whether it must not.
			resetAnswer(ctx)
		default:
			return err
		}
	}
	if !s.opts.Follower.HandsOver() {
		s.settle(r)
	}
	if s.opts.Follower.HandsOver() { // perhaps since settle was called
		if err := s.awaitOwner(ctx); err != nil {
			return err
		}
		if !s.follows() {
			return s.fence(ctx, r, s.operate(ctx, r))
		}
		s.settle(r)
	}
	return s.forward(ctx, r)
}

// settle prepares that a request is forwarded which may read what the owner does not have yet.
func (s *Server) settle(r *web.Route) {
	if !r.Open && !r.Submits && !r.Queues && (!r.Writes || r.Method != fasthttp.MethodPost && r.Method != fasthttp.MethodPut) {
		s.opts.Follower.Settle()
	}
}

// awaitOwner holds a request back while the data are handed over. Its body has not been read.
func (s *Server) awaitOwner(ctx *fasthttp.RequestCtx) error {
	if !s.forwarded.TryTake(forwardBytes) {
		return s.forwarded.Refuse(forwardBytes)
	}
	defer s.forwarded.Give(forwardBytes)
	waits, cancel := context.WithCancel(s.host.Context())
	defer cancel()
	if c, ok := ctx.Conn().(*conn); ok {
		defer s.hangups.Watch(c, cancel)()
	}
	return s.opts.Follower.Await(waits, ctx.RemoteAddr(), s.tenantOf(&ctx.Request.Header))
}

// forward sends a request to the process that owns the data, and answers what that does.
func (s *Server) forward(ctx *fasthttp.RequestCtx, r *web.Route) error {
	if announced(&ctx.Request.Header) > r.MaxBody {
		return errBodyTooLarge(r.MaxBody, r.Spools)
	}
	body := s.outgoingBody(ctx)
	taken := forwardBytes + int64(len(body.bytes)) // of which a copy is made
	if !s.forwarded.TryTake(taken) {
		return s.forwarded.Refuse(taken)
	}
	waits, cancel := context.WithCancel(s.host.Context())
	leave := func() {}
	if c, ok := ctx.Conn().(*conn); ok {
		leave = s.hangups.Watch(c, cancel)
	}
	done := sync.OnceFunc(func() {
		leave()
		cancel()
		s.forwarded.Give(taken)
	})
	request, err := outgoing(waits, ctx, r, body)
	if err != nil {
		done()
		return err
	}
	answer, err := s.opts.Follower.Forward(request, ctx.RemoteAddr(), s.tenantOf(&ctx.Request.Header)) //nolint:bodyclose // the library closes it, as an incomingBody
	whole, failed := body.stop()
	if !whole { // what is left of it is no request
		ctx.SetConnectionClose()
		linger(ctx)
	}
	ctx.Request.SetBodyRaw(nil)
	if err != nil {
		done()
		if failed != nil {
			return s.readError(failed)
		}
		return s.lost(ctx, r, err)
	}
	if c, ok := ctx.Conn().(*conn); ok && !r.Open && answer.StatusCode < fasthttp.StatusBadRequest && !c.trusted.Load() {
		s.conns.accepted(c)
	}
	h := &ctx.Response.Header
	h.SetNoDefaultContentType(true)
	for name, values := range answer.Header {
		if !hopHeaders[name] {
			for _, value := range values {
				h.Add(name, value)
			}
		}
	}
	ctx.SetStatusCode(answer.StatusCode)
	incoming := &incomingBody{ReadCloser: answer.Body, conn: ctx.Conn(), timeout: s.opts.WriteTimeout, done: done}
	if ctx.IsHead() { // the library would write the end of the body that it leaves out
		_ = incoming.Close()
		ctx.Response.SkipBody = true
		h.SetContentLength(int(answer.ContentLength))
		return nil
	}
	ctx.Response.SetBodyStream(incoming, int(answer.ContentLength))
	return nil
}

// tenantOf returns the tenant of the sender of a request, empty if this process does not know it: the owner may.
func (s *Server) tenantOf(h *fasthttp.RequestHeader) runtime.Tenant {
	if who := s.known(h); who != nil {
		return who.Tenant
	}
	return ""
}

// lost returns the error of a request that the owner has not answered. What may have changed something has no answer: each
// would say whether it has.
func (s *Server) lost(ctx *fasthttp.RequestCtx, r *web.Route, err error) error {
	if known, ok := errors.AsType[*runtime.Error](err); ok {
		return known
	}
	s.opts.Log.Debug("http: a forwarded request was not answered", "error", err)
	if mayChange(r) {
		_ = ctx.Conn().Close()
	}
	known := runtime.Errorf(runtime.CodeUnavailable, "the node that owns the data did not answer").WithHint("try again in a moment")
	known.RetryAfter = startRetry
	return known
}

// mayChange reports whether a request of a route may change something, or start a run: then it must not be sent twice.
func mayChange(r *web.Route) bool { return r.Writes || r.Submits || r.Queues }

// outgoing returns the request that is forwarded in place of one.
func outgoing(waits context.Context, ctx *fasthttp.RequestCtx, route *web.Route, body *outgoingBody) (*http.Request, error) {
	h := &ctx.Request.Header
	host := string(h.Host())
	if host == "" { // HTTP/1.0 needs none
		host = ctx.LocalAddr().String()
	}
	r := (&http.Request{
		Method: string(h.Method()), Host: host, Header: make(http.Header),
		URL: &url.URL{Opaque: string(ctx.URI().PathOriginal()), RawQuery: string(ctx.URI().QueryString())},
	}).WithContext(waits)
	for name, value := range h.All() {
		if name := http.CanonicalHeaderKey(string(name)); !hopHeaders[name] {
			r.Header.Add(name, string(value))
		}
	}
	if len(r.Header["User-Agent"]) == 0 {
		r.Header["User-Agent"] = nil // else the library adds its own
	}
	scheme := "http "
	if web.Encrypted(ctx) {
		scheme = "https "
	}
	r.Header.Set(headerClient, scheme+ctx.RemoteAddr().String())
	for name, values := range r.Header {
		for _, value := range values {
			if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				return nil, badRequest("the field " + name + " of its header has a control character")
			}
		}
	}
	switch {
	case body.stream != nil:
		r.Body, r.ContentLength = body, int64(max(body.size, -1))
	case len(body.bytes) > 0:
		r.ContentLength = int64(len(body.bytes))
		text := string(body.bytes) // the library may read it for longer than the request lasts
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		r.Body, _ = r.GetBody()
	}
	if mayChange(route) && isRepeatable(r) {
		if r.GetBody = nil; r.Body == nil { // the library sends again what has no body
			r.Body, r.TransferEncoding = io.NopCloser(strings.NewReader("")), []string{"identity"}
		}
	}
	return r, nil
}

// isRepeatable reports whether the library, if it can, sends a request again when its connection breaks before the
// answer.
func isRepeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// outgoingBody is the body of a request that is forwarded while it arrives. Its client has the time that any body has.
type outgoingBody struct {
	bodyReader        // stream is nil if the body has arrived, or there is none
	bytes      []byte // of a body that has arrived

	ending  atomic.Bool // stop was called
	mu      sync.Mutex  // held by Read
	size    int         // in bytes; negative: unknown
	got     int         // bytes
	left    int         // of the piece
	whole   bool        // all of it was read
	stopped bool
	failed  error // of the client
}

// outgoingBody returns the body of a request.
func (s *Server) outgoingBody(ctx *fasthttp.RequestCtx) *outgoingBody {
	b := &outgoingBody{bodyReader: bodyReader{server: s, conn: ctx.Conn(), end: time.Now().Add(s.opts.BodyTimeout)}, size: ctx.Request.Header.ContentLength()}
	switch {
	case !ctx.Request.IsBodyStream():
		b.bytes = ctx.Request.Body()
	case b.size != 0:
		b.stream = ctx.RequestBodyStream()
	}
	return b
}

// errStopped reports that the body of a request is not read any more.
var errStopped = errors.New("the request was answered before it had arrived")

// Read implements [io.Reader].
func (b *outgoingBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.whole: // the library looks for more, perhaps after the answer has begun to arrive
		return 0, io.EOF
	case b.stopped:
		return 0, errStopped
	}
	if b.left <= 0 {
		if err := b.extend(); err != nil {
			return 0, b.fail(err)
		}
		b.left = pieceBytes
	}
	n, err := b.stream.Read(p)
	b.got, b.left = b.got+n, b.left-n
	switch {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF), b.got == b.size:
		b.whole = true
	case err != nil:
		err = b.fail(err)
	}
	return n, err
}

// fail notes why the client has sent no more, unless it is because of stop.
func (b *outgoingBody) fail(err error) error {
	if b.ending.Load() {
		return errStopped
	}
	b.failed = err
	return err
}

// Close implements [io.Closer]. The stream is the server's.
func (b *outgoingBody) Close() error { return nil }

// stop ends Read, and reports whether it has read all of the body, and why it could not.
func (b *outgoingBody) stop() (whole bool, failed error) {
	if b.stream == nil {
		return true, nil
	}
	b.ending.Store(true)
	if !b.mu.TryLock() { // Read waits for the client
		if c, ok := b.conn.(*conn); ok {
			_ = c.socket.SetReadDeadline(time.Unix(1, 0)) // the connection is closed, or the body ends anyway
		}
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.stopped = true
	return b.whole, b.failed
}

// incomingBody is the body of an answer that is forwarded while it arrives. Each part of it must be read by the client
// within a timeout, before the next one is read.
type incomingBody struct {
	io.ReadCloser
	conn    net.Conn
	timeout time.Duration
	done    func()
}

// Read implements [io.Reader].
func (b *incomingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.conn != nil {
		if err := b.conn.SetWriteDeadline(time.Now().Add(b.timeout)); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Close implements [io.Closer].
func (b *incomingBody) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// ServePeers is like Serve for connections on which other nodes forward requests.
func (s *Server) ServePeers(ln net.Listener) error {
	return s.serveOn(&listener{Listener: ln, server: s, conns: s.conns, peers: true})
}

// believe takes from a request what the node that has forwarded it says of its client.
func believe(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*conn)
	if !ok || !c.peer {
		return
	}
	scheme, address, _ := strings.Cut(string(ctx.Request.Header.Peek(headerClient)), " ")
	c.viaTLS = scheme == "https"
	var client net.Addr
	if at, err := netip.ParseAddrPort(address); err == nil {
		client = net.TCPAddrFromAddrPort(at)
	}
	ctx.SetRemoteAddr(client) // nil: the node itself
}
