package httpapi

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// headerTraceparent tells of the trace that a request belongs to (W3C Trace
// Context, Level 1): version, trace id, id of the calling span, flags.
const headerTraceparent = "Traceparent"

const (
	traceDigits = 32
	spanDigits  = 16
	// traceLength is that of the header in version 00. Later ones may have more
	// behind it.
	traceLength = len("00-") + traceDigits + len("-") + spanDigits + len("-00")
)

// trace is what a request says of the trace that it belongs to.
type trace struct {
	id      string // empty: none
	sampled bool
}

// traceOf reads the trace of a request. What the standard does not allow is as
// good as absent.
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
	return trace{id, bits[0]&1 == 1}, true
}

// isHexID tells whether an id has so many lower-case digits, not all of them
// zero.
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

// traceOfAccepted is the trace of an execution that was accepted alone.
func traceOfAccepted(c runtime.Caller, id string) string {
	if c.TraceID != "" {
		return c.TraceID
	}
	return strings.ReplaceAll(id, "-", "")
}

// tellTrace answers with the trace of what was started, and a span of its own. A
// trace that begins here is sampled: its executions are kept.
func tellTrace(ctx *fasthttp.RequestCtx, id string) {
	if id == "" {
		return
	}
	flags := "01"
	if t := traceOf(&ctx.Request.Header); t.id == id && !t.sampled {
		flags = "00"
	}
	field := append(make([]byte, 0, traceLength), "00-"...)
	field = append(field, id...)
	field = append(field, '-')
	span := rand.Uint64() | 1 // never zero
	for shift := 60; shift >= 0; shift -= 4 {
		field = append(field, "0123456789abcdef"[span>>shift&15])
	}
	field = append(append(field, '-'), flags...)
	ctx.Response.Header.SetCanonical([]byte(headerTraceparent), field)
}
