package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// smallBody is how much of a body, in bytes, is read before its sender is
// known. Larger ones, and those that do not tell their size, are read only for
// the holder of a token.
const smallBody = 64 * runtime.KiB

// received decides from a header alone how much body is read, and for how
// long.
func (s *Server) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	const chunked = -1
	if n := h.ContentLength(); n <= smallBody && n != chunked {
		return fasthttp.RequestConfig{}
	}
	if s.trusted(h) != nil {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: bodyLimit(h), ReadTimeout: s.opts.BodyTimeout}
}

// bodyLimit is how much body a request may have, in bytes, as far as its target
// tells.
func bodyLimit(h *fasthttp.RequestHeader) int {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
	path = bytes.TrimSuffix(path, []byte("/"))
	if bytes.HasSuffix(path, []byte(bulkSuffix)) || startsJob(path) {
		return maxBulkBody
	}
	return maxBody
}

// startsJob tells whether a path is one to which tasks are sent.
func startsJob(path []byte) bool {
	at := bytes.Index(path, []byte(jobsPath)) // 0, but in a target that names the host, too
	if at < 0 {
		return false
	}
	_, below, _ := bytes.Cut(path[at+len(jobsPath):], []byte("/"))
	return string(below) == "executions" || bytes.HasPrefix(below, []byte("triggers/"))
}

// expected answers "Expect: 100-continue": may the body come?
//
// The library asks that the answer be only a status, and keeps what is put
// into the response here all the same; a test holds it to that, for without a
// body clients would show an error without words.
func (s *Server) expected(ctx *fasthttp.RequestCtx) int {
	h := &ctx.Request.Header
	err := s.trusted(h)
	if limit := bodyLimit(h); err == nil && h.ContentLength() > limit {
		err = errBodyTooLarge(limit)
	}
	if err != nil {
		s.writeError(ctx, err)
		linger(ctx)
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}

// unreadable answers a request that could not be read. The library closes the
// connection afterwards.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		err = badRequest("it ends too early")
	} else if _, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		err = runtime.Errorf(codeHeaderTooLarge, "the request's header has more than %d bytes", s.opts.MaxHeader)
	} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		err = runtime.Errorf(codeRequestTimeout, "the request did not arrive in time")
	} else if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		err = s.tooLarge(&ctx.Request.Header)
	} else {
		// The library's words may hold bytes of the request, a token even.
		err = badRequest("its first line, header or chunks cannot be read")
	}
	ctx.Response.Reset()
	s.writeError(ctx, err)
	linger(ctx)
}

// tooLarge is the error for a body that was not read to its end: it is over
// the limit, or its sender is not known. Of a body in chunks that cannot be
// told any more: the library has dropped its header.
func (s *Server) tooLarge(h *fasthttp.RequestHeader) error {
	if len(h.RawHeaders()) == 0 {
		return runtime.Errorf(runtime.CodeTooLarge, "the body is larger than the %d bytes that are taken with a valid token (%d for bulks and executions of jobs), or the %d without",
			maxBody, maxBulkBody, smallBody)
	}
	if err := s.trusted(h); err != nil {
		return err
	}
	return errBodyTooLarge(bodyLimit(h))
}

// trusted reports why the sender of a header is not to send a large body.
func (s *Server) trusted(h *fasthttp.RequestHeader) error {
	if _, err := guard(h); err != nil {
		return err
	}
	_, err := s.authenticate(h)
	return err
}
