package web

import (
	"bytes"
	"encoding/json"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

var (
	contentTypeJSON   = []byte("application/json")
	contentTypeText   = []byte("text/plain; charset=utf-8")
	contentTypeFile   = []byte("application/octet-stream")
	contentTypeZip    = []byte("application/zip")
	contentTypeTar    = []byte("application/x-tar")
	contentTypeEvents = []byte("text/event-stream")
	contentTypeProm   = []byte("text/plain; version=0.0.4; charset=utf-8")
	headerNosniff     = []byte("X-Content-Type-Options")
	valueNosniff      = []byte("nosniff")
)

// WriteJSON answers with JSON text, which the caller must not use afterwards.
func WriteJSON(ctx *fasthttp.RequestCtx, status int, text []byte) {
	write(ctx, status, contentTypeJSON, text)
}

// WriteFile answers with a file, which must not change.
func WriteFile(ctx *fasthttp.RequestCtx, data []byte) {
	write(ctx, fasthttp.StatusOK, contentTypeFile, data)
}

// WriteMetrics answers with figures in the text format of Prometheus, which the caller must not use
// afterwards.
func WriteMetrics(ctx *fasthttp.RequestCtx, text []byte) {
	write(ctx, fasthttp.StatusOK, contentTypeProm, text)
}

func write(ctx *fasthttp.RequestCtx, status int, contentType, body []byte) {
	ctx.Response.SetStatusCode(status)
	start(ctx, contentType)
	SetBody(ctx, body)
}

// SetBody sets the body of an answer, which the caller must not use afterwards, and takes its memory.
func SetBody(ctx *fasthttp.RequestCtx, body []byte) {
	ctx.Response.SetBodyRaw(body)
	MemoryOf(ctx).settle(int64(cap(body)))
}

// StartJSON sets the header of an answer whose body, JSON text, the caller sets.
func StartJSON(ctx *fasthttp.RequestCtx) { start(ctx, contentTypeJSON) }

// StartText sets the header of an answer whose body, plain text, the caller sets. Browsers must not
// treat the output of a function as a page.
func StartText(ctx *fasthttp.RequestCtx) { start(ctx, contentTypeText) }

func start(ctx *fasthttp.RequestCtx, contentType []byte) {
	ctx.Response.Header.SetContentTypeBytes(contentType)
	ctx.Response.Header.SetCanonical(headerNosniff, valueNosniff)
}

// StartZip sets the header of an answer whose body, a zip file, the caller sets.
func StartZip(ctx *fasthttp.RequestCtx) { start(ctx, contentTypeZip) }

// StartTar sets the header of an answer whose body, a tar archive, the caller sets.
func StartTar(ctx *fasthttp.RequestCtx) { start(ctx, contentTypeTar) }

// StartEvents sets the header of an answer that is a stream of server-sent events.
func StartEvents(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentTypeBytes(contentTypeEvents)
	ctx.Response.Header.SetCanonical(headerNosniff, valueNosniff)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	// nginx and other proxies that buffer answers would hold back the events.
	ctx.Response.Header.Set("X-Accel-Buffering", "no")
}

// WriteValue answers 200 with the JSON form of a value.
func WriteValue(ctx *fasthttp.RequestCtx, value any) error {
	text, err := EncodeJSON(value)
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	WriteJSON(ctx, fasthttp.StatusOK, text)
	return nil
}

// EncodeJSON returns the JSON form of a value. It does not escape <, > and &: no answer is
// HTML, and tracebacks are full of them.
func EncodeJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), err
}

// Splice appends text up to the value of the first member with a name, which must be null, and a value in place of it. It
// returns the rest of the text. Without a value it appends nothing. [EncodeJSON] would check and compact the value, which
// takes much longer than to copy it. Names in strings are no members: their quotes are escaped.
func Splice(dst, text []byte, name string, value []byte) (out, rest []byte) {
	if len(value) == 0 {
		return dst, text
	}
	before, rest, found := bytes.Cut(text, []byte(`"`+name+`":null`))
	if !found {
		return dst, text
	}
	dst = append(append(append(dst, before...), '"'), name...)
	return append(append(dst, `":`...), value...), rest
}

// Null is the value of a member that [Splice] replaces, where an empty one would be left out.
var Null = json.RawMessage("null")

// AppendString appends UTF-8 text as a JSON string.
func AppendString(dst, text []byte) []byte {
	const lowerHex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// NextLink sets the Link header (RFC 8288) to the next page of a list.
func NextLink(ctx *fasthttp.RequestCtx, target string) {
	ctx.Response.Header.Set(fasthttp.HeaderLink, "<"+target+`>; rel="next"`)
}
