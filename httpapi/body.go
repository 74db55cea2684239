package httpapi

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
)

// prefetched is the size of a body, in bytes, up to which the library reads it with the header. Its
// memory is part of the connection's.
const prefetched = web.FreeBytes

// checkLength refuses a body that is larger than its route allows, if its length is known.
func checkLength(ctx *fasthttp.RequestCtx, route *web.Route) error {
	limit := route.MaxBody
	if !route.Spools {
		limit = web.MemoryOf(ctx).LargestBody(limit)
	}
	if announced(&ctx.Request.Header) > limit {
		return errBodyTooLarge(limit, route.Spools)
	}
	return nil
}

// readBody reads the body of a request whose token was accepted, and takes its memory before. The
// body then belongs to the handler: nothing else changes it, not even after the answer.
func (s *Server) readBody(ctx *fasthttp.RequestCtx, route *web.Route) error {
	if !ctx.Request.IsBodyStream() {
		return nil // there is none, or a test has set it
	}
	if n := ctx.Request.Header.ContentLength(); n >= 0 && n <= prefetched {
		// All of it has arrived.
		body := make([]byte, n)
		if _, err := io.ReadFull(ctx.RequestBodyStream(), body); err != nil {
			return s.readError(err)
		}
		ctx.Request.SetBodyRaw(body)
		return nil
	}
	r := bodyReader{
		server: s, stream: ctx.RequestBodyStream(), conn: ctx.Conn(), memory: web.MemoryOf(ctx),
		end: time.Now().Add(s.opts.BodyTimeout),
	}
	if route.Queues {
		r.memory.Queues()
	}
	var body []byte
	var err error
	if n := ctx.Request.Header.ContentLength(); n >= 0 {
		body, err = r.sized(n)
	} else {
		if body, err = r.chunked(r.memory.LargestBody(route.MaxBody)); err == nil {
			if err = limitTrailer(&ctx.Request.Header); err != nil {
				ctx.SetConnectionClose()
			}
		}
	}
	if err != nil {
		return err
	}
	ctx.Request.SetBodyRaw(body)
	return nil
}

// bodyReader reads one body. Each [pieceBytes] must arrive within the HeaderTimeout, and all of it
// before end.
type bodyReader struct {
	server *Server
	stream io.Reader
	conn   net.Conn
	memory *web.Memory
	end    time.Time
}

// sized reads a body of n bytes.
func (r *bodyReader) sized(n int) ([]byte, error) {
	if err := r.memory.TakeBody(r.server.host.Context(), int64(n)); err != nil {
		return nil, err
	}
	body := make([]byte, n)
	for done := 0; done < n; {
		if err := r.extend(); err != nil {
			return nil, r.server.readError(err)
		}
		piece := body[done:min(done+pieceBytes, n)]
		got, err := io.ReadFull(r.stream, piece)
		if done += got; got < len(piece) {
			return nil, r.server.readError(err)
		}
	}
	return body, nil
}

// chunked reads a body of unknown length.
func (r *bodyReader) chunked(limit int) ([]byte, error) {
	body := make([]byte, 0, min(web.FreeBytes, limit+1))
	held, left := int64(0), 0 // left of the piece
	for {
		if len(body) > limit {
			return nil, errBodyTooLarge(limit, false)
		}
		if len(body) == cap(body) {
			size := min(2*cap(body), limit+1)
			if err := r.memory.TakeBody(r.server.host.Context(), int64(size)); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
			if held > 0 {
				r.memory.GiveBody(held)
			}
			held = int64(size)
		}
		if left <= 0 {
			if err := r.extend(); err != nil {
				return nil, r.server.readError(err)
			}
			left = pieceBytes
		}
		n, err := r.stream.Read(body[len(body):cap(body)])
		body, left = body[:len(body)+n], left-n
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			if len(body) > limit {
				return nil, errBodyTooLarge(limit, false)
			}
			return body, nil
		}
		if err != nil {
			return nil, r.server.readError(err)
		}
	}
}

// extend gives the next piece its time.
func (r *bodyReader) extend() error {
	next := time.Now().Add(r.server.opts.HeaderTimeout)
	if next.After(r.end) {
		next = r.end
	}
	return r.conn.SetReadDeadline(next)
}

// skipBody leaves the connection at the end of a request whose body was not read. If more than the
// beginning of the body is still to come, the answer does not wait for it, and the connection is
// closed.
func (s *Server) skipBody(ctx *fasthttp.RequestCtx) {
	if !ctx.Request.IsBodyStream() {
		return
	}
	if n := announced(&ctx.Request.Header); n < 0 || n > prefetched {
		ctx.SetConnectionClose()
		linger(ctx)
	}
	ctx.Request.SetBodyRaw(nil)
}
