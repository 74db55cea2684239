package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// smallBody is the largest body, in bytes, whose beginning is awaited without a valid token.
const smallBody = 64 * runtime.KiB

// received drops the fields of a header with too many. It withholds a large body from the library
// unless its sender may send it: the library would wait for its beginning, and the answer depends on
// the header alone.
func (s *Server) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	limitFields(h)
	limit, _ := s.bodyLimit(h)
	if n := h.ContentLength(); n > smallBody && !bytes.Equal(h.Peek(fasthttp.HeaderExpect), []byte("100-continue")) &&
		(n > limit || !s.follows() && s.trusted(h) != nil) {
		h.SetContentLength(0)
		h.SetConnectionClose()
	}
	return fasthttp.RequestConfig{}
}

// announced returns the length of the body that a header announces, even if received withheld it;
// negative if it is unknown.
func announced(h *fasthttp.RequestHeader) int {
	n := h.ContentLength()
	if n != 0 || !h.ConnectionClose() {
		return n
	}
	for line := range bytes.SplitSeq(h.RawHeaders(), []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, fieldContentLength) {
			if n, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil {
				return n
			}
		}
	}
	return n
}

// bodyLimit returns the largest body, in bytes, that any route may have for the target of a
// request, and whether that is spooled. It is called before the request is routed.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) (limit int, spools bool) {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
	path = bytes.TrimSuffix(path, []byte("/"))
	for _, d := range s.dialects {
		if n, spools := d.LargeBody(path); n > 0 {
			return n, spools
		}
	}
	return s.maxBody, false
}

// expected answers "Expect: 100-continue": whether the client may send the body.
//
// The library documents that only the status is used, but it also sends the body of the
// response, which a test checks: without it, clients would show an error without a message.
func (s *Server) expected(ctx *fasthttp.RequestCtx) int {
	h := &ctx.Request.Header
	var err error
	if s.follows() { // the owner says who may send it
		_, err = guard(h)
	} else {
		err = s.trusted(h)
	}
	if limit, spools := s.bodyLimit(h); err == nil && h.ContentLength() > limit {
		err = errBodyTooLarge(limit, spools)
	}
	if err != nil {
		err = s.fence(ctx, new(web.Route), err)
		s.writeError(ctx, err)
		linger(ctx)
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}

// unreadable answers a request that could not be read. The library then closes the connection.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	ctx.Response.Reset()
	s.writeError(ctx, s.readError(err))
	dropFields(&ctx.Request.Header) // there may be many
	if s.logsAccess() {
		s.logAccess(ctx, "", "", 0) // any byte of it may be one of a secret
	}
	linger(ctx)
}

// readError returns the error that the response reports when a request cannot be read.
func (s *Server) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return badRequest("it ends too early")
	} else if _, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		return runtime.Errorf(web.CodeHeaderTooLarge, "the request's header has more than %d bytes", s.opts.MaxHeader).
			WithHint("send fewer or shorter header fields, and args in the body, by POST")
	} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return runtime.Errorf(web.CodeRequestTimeout, "the request did not arrive in time")
	}
	// The library's message may have bytes of the request, even of a token.
	return badRequest("its first line, header or chunks cannot be read")
}

// trusted returns why the sender of a header may not send a large body, nil if it may.
func (s *Server) trusted(h *fasthttp.RequestHeader) error {
	if _, err := guard(h); err != nil {
		return err
	}
	_, err := s.authenticate(h)
	return err
}
