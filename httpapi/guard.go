package httpapi

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// guard refuses requests that the HTTP library accepts although a proxy in front may read their
// framing, target or host differently: this is how requests are smuggled. The connection must then
// be closed, because the following bytes may not be the next request. It must also be closed if
// closes is true: the client requests it.
func guard(h *fasthttp.RequestHeader) (closes bool, err error) {
	if err := guardFirstLine(h); err != nil {
		return true, err
	}
	return guardFields(h.RawHeaders())
}

func guardFirstLine(h *fasthttp.RequestHeader) error {
	if p := h.Protocol(); string(p) == manyFields {
		return runtime.Errorf(web.CodeHeaderTooLarge, "the request's header has more than %d lines", maxFields).WithHint("send fewer header fields")
	} else if string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return runtime.Errorf(web.CodeBadVersion, "only HTTP/1.1 and HTTP/1.0 are supported")
	}
	target := h.RequestURI()
	if len(target) > maxURI {
		return runtime.Errorf(web.CodeURITooLong, "the URL has more than %d bytes", maxURI).
			WithHint("send the args of a run as a JSON body, by POST, and a long allow list by PATCH")
	}
	if bytes.IndexByte(target, '#') >= 0 {
		return badRequest("the URL has a fragment")
	}
	if len(target) > 0 && target[0] != '/' && string(target) != "*" {
		if err := guardAbsolute(target, h.Host()); err != nil {
			return err
		}
	}
	return guardHost(h.Host())
}

// maxFields bounds the lines of a header, the names in its Trailer, and the fields of a trailer. The
// library keeps about 100 bytes for each of them, as long as the connection is open and longer.
const maxFields = 100

// manyFields is the protocol of a header whose fields limitFields has dropped. No request can have
// it.
const manyFields = "many fields"

// limitFields drops all but the first line of a header with more than maxFields, and the memory that
// the library has for them. guard then refuses the request, and the connection is closed.
func limitFields(h *fasthttp.RequestHeader) {
	n := bytes.Count(h.RawHeaders(), []byte{'\n'}) - 1 // without the empty line
	names := 0
	for range h.Trailers() {
		names++
	}
	if max(n, names) > maxFields {
		dropFields(h)
	}
}

// limitTrailer is limitFields for a chunked body that was read, with its trailer.
func limitTrailer(h *fasthttp.RequestHeader) error {
	n := 0
	for range h.All() {
		n++
	}
	if n <= 2*maxFields {
		return nil
	}
	dropFields(h)
	return guardFirstLine(h)
}

func dropFields(h *fasthttp.RequestHeader) {
	method, target := bytes.Clone(h.Method()), bytes.Clone(h.RequestURI())
	*h = fasthttp.RequestHeader{}
	h.SetMethodBytes(method)
	h.SetRequestURIBytes(target)
	h.SetProtocol(manyFields)
	h.SetConnectionClose()
}

// guardAbsolute refuses a target in absolute form whose host is not that of the Host header.
func guardAbsolute(target, host []byte) error {
	_, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok {
		return nil // the authority form of CONNECT, which no route has
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	if !bytes.EqualFold(rest, host) {
		return badRequest("the URL names another host than the Host header")
	}
	return nil
}

// guardHost refuses a host that needs percent-encoding in a URL.
func guardHost(host []byte) error {
	for _, c := range host {
		if !hostBytes[c] {
			return badRequest("the Host header is not a host name or address")
		}
	}
	return nil
}

// The header fields that guardFields checks. Their lengths differ, so any other line costs no
// more than a comparison of lengths.
var (
	fieldUpgrade          = []byte("upgrade")
	fieldConnection       = []byte("connection")
	fieldContentLength    = []byte("content-length")
	fieldTransferEncoding = []byte("transfer-encoding")
)

// guardFields checks the raw lines of a header. It accepts a line only if it ends in CRLF and is
// a token, a colon and a value, and a header only if it has at most one Content-Length or
// Transfer-Encoding, the latter with the value "chunked".
//
// The library keeps connections open unless a field is exactly "Connection: close"; closes is true
// for that word in any case, also in a list of words. It is also true for an Upgrade: the server
// ignores the offer of another protocol, as RFC 9110, section 7.8 allows, but a proxy might
// consider it accepted.
func guardFields(raw []byte) (closes bool, err error) {
	framed := false
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return true, badRequest("a header line does not end in CRLF")
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return true, badRequest("a header line does not begin with a name and a colon")
		}
		name, value := line[:colon], line[colon+1:]
		frames := false
		switch len(name) {
		case len(fieldUpgrade):
			closes = closes || bytes.EqualFold(name, fieldUpgrade)
		case len(fieldConnection):
			closes = closes || bytes.EqualFold(name, fieldConnection) && listHas(value, "close")
		case len(fieldContentLength):
			frames = bytes.EqualFold(name, fieldContentLength)
		case len(fieldTransferEncoding):
			frames = bytes.EqualFold(name, fieldTransferEncoding)
			if frames && !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return true, badRequest("the only supported Transfer-Encoding is chunked")
			}
		}
		if frames && framed {
			return true, badRequest("the length of the body is set twice")
		}
		framed = framed || frames
	}
	return closes, nil
}

// listHas reports whether a comma-separated field value has a word, in any case.
func listHas(value []byte, word string) bool {
	for item := range bytes.SplitSeq(value, []byte(",")) {
		if bytes.EqualFold(bytes.Trim(item, " \t"), []byte(word)) {
			return true
		}
	}
	return false
}

// isToken reports whether name is a token of RFC 9110, section 5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenBytes[c] {
			return false
		}
	}
	return true
}

var (
	tokenBytes = alphanumericAnd("!#$%&'*+-.^_`|~")
	hostBytes  = alphanumericAnd("-._:[]")
)

func alphanumericAnd(others string) (table [256]bool) {
	for c := '0'; c <= '9'; c++ {
		table[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		table[c], table[c-'a'+'A'] = true, true
	}
	for _, c := range []byte(others) {
		table[c] = true
	}
	return table
}

func badRequest(reason string) error {
	return runtime.Errorf(web.CodeBadRequest, "the request is not well-formed HTTP: %s", reason)
}
