package web

import (
	"encoding/hex"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// headerTraceparent names the trace of a request (W3C Trace Context, Level 1): version, trace
// id, id of the calling span, flags.
const headerTraceparent = "Traceparent"

const (
	traceDigits = 32
	spanDigits  = 16
	// traceLength is the length of the header in version 00. Later versions may append to it.
	traceLength = len("00-") + traceDigits + len("-") + spanDigits + len("-00")
)

// trace is the trace of a request.
type trace struct {
	id      string // empty: none
	span    string // of the caller
	sampled runtime.Sampling
}

// traceOf reads the trace of a request. A header that the standard does not allow counts as
// absent.
func traceOf(h *fasthttp.RequestHeader) trace {
	if h.Peek(headerTraceparent) == nil {
		return trace{}
	}
	fields := h.PeekAll(headerTraceparent)
	if len(fields) != 1 {
		return trace{}
	}
	t, _ := parseTraceparent(string(fields[0]))
	return t
}

func parseTraceparent(field string) (trace, bool) {
	if len(field) < traceLength {
		return trace{}, false
	}
	version, id, span, flags := field[:2], field[3:3+traceDigits], field[4+traceDigits:4+traceDigits+spanDigits], field[traceLength-2:traceLength]
	switch {
	case field[2] != '-' || field[3+traceDigits] != '-' || field[traceLength-3] != '-',
		!isHex(version) || version == "ff" || !isHex(flags),
		!isHexID(id, traceDigits) || !isHexID(span, spanDigits),
		len(field) > traceLength && (version == "00" || field[traceLength] != '-'):
		return trace{}, false
	}
	bits, _ := hex.DecodeString(flags)
	sampled := runtime.SamplingOff
	if bits[0]&1 == 1 {
		sampled = runtime.SamplingOn
	}
	return trace{id, span, sampled}, true
}

// IsTraceID reports whether id is 32 lower-case hexadecimal digits that are not all zero.
func IsTraceID(id string) bool { return isHexID(id, traceDigits) }

// isHexID reports whether id consists of that number of lower-case hexadecimal digits, not all of
// them zero.
func isHexID(id string, digits int) bool {
	return len(id) == digits && isHex(id) && strings.Trim(id, "0") != ""
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// TraceID returns the trace in the answer to a request, else that of the request. Empty: none.
func TraceID(ctx *fasthttp.RequestCtx) string {
	if t, ok := parseTraceparent(string(ctx.Response.Header.Peek(headerTraceparent))); ok {
		return t.id
	}
	return traceOf(&ctx.Request.Header).id
}

// WriteTrace answers with the trace of what a request started, and the span of the execution; without an
// execution, with a span of its own. A trace that begins here is sampled, because the server stores its
// executions.
func WriteTrace(ctx *fasthttp.RequestCtx, id, execution string) {
	if id == "" {
		return
	}
	flags := "01"
	if t := traceOf(&ctx.Request.Header); t.id == id && t.sampled == runtime.SamplingOff {
		flags = "00"
	}
	field := append(make([]byte, 0, traceLength), "00-"...)
	field = append(append(field, id...), '-')
	before := len(field)
	if field = runtime.AppendSpan(field, execution); len(field) == before {
		field = append(field, runtime.RandomHex(spanDigits/2)...)
	}
	field = append(append(field, '-'), flags...)
	ctx.Response.Header.SetCanonical([]byte(headerTraceparent), field)
}
