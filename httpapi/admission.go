package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// smallBody is the largest body, in bytes, that is read without a valid token. Larger bodies, and
// those of unknown size, are only read for a caller with one.
const smallBody = 64 * runtime.KiB

// received decides from a header alone how much of the body is read, and how long it may take.
func (s *Server) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	const chunked = -1
	if n := h.ContentLength(); n <= smallBody && n != chunked {
		return fasthttp.RequestConfig{}
	}
	if s.trusted(h) != nil {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: s.bodyLimit(h), ReadTimeout: s.opts.BodyTimeout}
}

// bodyLimit returns the largest body, in bytes, that any route may have for the target of a
// request. It is called before the request is routed.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) int {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
	path = bytes.TrimSuffix(path, []byte("/"))
	for _, d := range s.dialects {
		if d.TakesBulk(path) {
			return web.MaxBulkBody
		}
	}
	return s.maxBody
}

// expected answers "Expect: 100-continue": whether the client may send the body.
//
// The library documents that only the status is used, but it also sends the body of the
// response, which a test checks: without it, clients would show an error without a message.
func (s *Server) expected(ctx *fasthttp.RequestCtx) int {
	h := &ctx.Request.Header
	err := s.trusted(h)
	if limit := s.bodyLimit(h); err == nil && h.ContentLength() > limit {
		err = errBodyTooLarge(limit)
	}
	if err != nil {
		s.writeError(ctx, err)
		linger(ctx)
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}

// unreadable answers a request that could not be read. The library then closes the connection.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		err = badRequest("it ends too early")
	} else if _, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		err = runtime.Errorf(web.CodeHeaderTooLarge, "the request's header has more than %d bytes", s.opts.MaxHeader)
	} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		err = runtime.Errorf(web.CodeRequestTimeout, "the request did not arrive in time")
	} else if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		err = s.tooLarge(&ctx.Request.Header)
	} else {
		// The library's message may have bytes of the request, even of a token.
		err = badRequest("its first line, header or chunks cannot be read")
	}
	ctx.Response.Reset()
	s.writeError(ctx, err)
	linger(ctx)
}

// tooLarge returns the error for a body that was not read to its end: it is over the limit, or
// the request has no valid token. For a chunked body the library has dropped the header, so the
// error names both limits.
func (s *Server) tooLarge(h *fasthttp.RequestHeader) error {
	if len(h.RawHeaders()) == 0 {
		return runtime.Errorf(runtime.CodeTooLarge, "the body is larger than the %d bytes allowed with a valid token (%d for bulks and executions of jobs), or the %d without",
			s.maxBody, web.MaxBulkBody, smallBody)
	}
	if err := s.trusted(h); err != nil {
		return err
	}
	return errBodyTooLarge(s.bodyLimit(h))
}

// trusted returns why the sender of a header may not send a large body, nil if it may.
func (s *Server) trusted(h *fasthttp.RequestHeader) error {
	if _, err := guard(h); err != nil {
		return err
	}
	_, err := s.authenticate(h)
	return err
}
