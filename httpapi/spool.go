package httpapi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// spoolBuffer is the memory, in bytes, through which a body is written to disk.
const spoolBuffer = 64 * runtime.KiB

// spoolBody writes the body of a request whose token was accepted to disk. Its client has the time that
// any body has.
func (s *Server) spoolBody(ctx *fasthttp.RequestCtx, route *web.Route, tenant runtime.Tenant) (_ *web.Upload, err error) {
	if err := checkZipType(&ctx.Request.Header); err != nil {
		return nil, err
	}
	limit := route.MaxBody
	if n := ctx.Request.Header.ContentLength(); n >= 0 {
		limit = n
	}
	// The store needs as much room again.
	if err := s.opts.Ready(); err != nil {
		return nil, err
	}
	memory := web.MemoryOf(ctx)
	if err := memory.TakeBody(s.host.Context(), spoolBuffer); err != nil {
		return nil, err
	}
	defer memory.GiveBody(spoolBuffer)
	upload, err := s.spool.Open(tenant, int64(limit))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			upload.Remove()
		}
	}()
	r := bodyReader{server: s, conn: ctx.Conn(), end: time.Now().Add(s.opts.BodyTimeout)}
	if r.stream = ctx.RequestBodyStream(); r.stream == nil { // a test has set the body, or there is none
		r.stream = bytes.NewReader(ctx.Request.Body())
	}
	if err := r.spool(upload, limit); err != nil {
		return nil, err
	}
	switch {
	case ctx.Request.Header.ContentLength() < 0:
		if err := limitTrailer(&ctx.Request.Header); err != nil {
			ctx.SetConnectionClose()
			return nil, err
		}
	case upload.Bundle().Bytes < int64(limit):
		return nil, s.readError(io.ErrUnexpectedEOF)
	}
	ctx.Request.SetBodyRaw(nil)
	return upload, nil
}

// spool writes a body of at most limit bytes to an upload. A body that ends earlier is not an error.
func (r *bodyReader) spool(upload io.Writer, limit int) error {
	buffer := make([]byte, spoolBuffer)
	total, piece := 0, 0 // bytes that are left of the piece
	for {
		if piece <= 0 {
			if err := r.extend(); err != nil {
				return r.server.readError(err)
			}
			if err := r.server.opts.Ready(); err != nil {
				return err
			}
			piece = pieceBytes
		}
		// One byte more than the limit shows that there is too much.
		n, err := r.stream.Read(buffer[:min(len(buffer), limit-total+1)])
		total, piece = total+n, piece-n
		if total > limit {
			return errBodyTooLarge(limit, true)
		}
		if _, err := upload.Write(buffer[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return r.server.readError(err)
		}
	}
}

// checkZipType refuses a body that its header does not say to be a zip file. A header without a type
// says nothing, and the content is checked.
func checkZipType(h *fasthttp.RequestHeader) error {
	kind, _, _ := strings.Cut(string(h.ContentType()), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "", "application/zip", "application/x-zip-compressed":
		return nil
	}
	return runtime.Errorf(web.CodeUnsupportedMedia, "the body is of another type than a zip file (Content-Type: %.*s)", mediaTypeBytes, kind).
		WithHint("send the bytes of the zip file, with the header Content-Type: application/zip")
}
