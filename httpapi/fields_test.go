package httpapi_test

import (
	"bufio"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// manyFields are requests without a token that have far more fields than allowed.
var manyFields = map[string]string{
	"lines":         "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", 3900) + "\r\n",
	"trailer names": "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\nTrailer: " + strings.Repeat("a,", 7500) + "a\r\n\r\n",
	"without a token for a body": "POST /v1/functions/f/bulk_rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n" +
		strings.Repeat("a:\r\n", 101) + "\r\n",
	"expect": "POST /v1/functions/f/bulk_rpc/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n" +
		strings.Repeat("a:\r\n", 101) + "\r\n",
}

// TestManyFieldsAreRefused sends requests with too many fields: they get 431, and the connection is
// closed. As many as allowed are served.
func TestManyFieldsAreRefused(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	for name, send := range manyFields {
		c := apitest.DialRaw(t, ts.Addr)
		c.Send(t, send)
		got, closed := c.Answers(t, -1)
		if len(got) != 1 || !closed {
			t.Fatalf("%s: got %+v, closed %v", name, got, closed)
		}
		apitest.WantError(t, got[0], 431, "header_too_large")
	}
	c := apitest.DialRaw(t, ts.Addr)
	for range 2 {
		c.Send(t, "GET /v1/functions/ HTTP/1.1\r\nHost: a\r\n"+apitest.AuthLine+strings.Repeat("a:\r\n", httpapi.MaxFields-2)+"\r\n")
		if got, _ := c.Answers(t, 1); len(got) != 1 || got[0].Status != 200 {
			t.Fatalf("as many as allowed: %+v", got)
		}
	}
	trailer := apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("a:\r\n", 3000) + "\r\n"
	c.Send(t, trailer)
	got, closed := c.Answers(t, -1)
	if len(got) != 1 || !closed {
		t.Fatalf("a trailer: got %+v, closed %v", got, closed)
	}
	apitest.WantError(t, got[0], 431, "header_too_large")
}

// TestFieldsAreNotKept checks what is kept of a header with too many fields, and of a query with many
// parameters, after the request.
func TestFieldsAreNotKept(t *testing.T) {
	s, err := httpapi.New(httpapi.Options{Engine: &apitest.Fake{}, Auth: httpapi.HashToken(apitest.Token)})
	if err != nil {
		t.Fatal(err)
	}
	const conns = 100
	for name, serve := range map[string]func(ctx *fasthttp.RequestCtx){
		"lines": func(ctx *fasthttp.RequestCtx) {
			h := &ctx.Request.Header
			readHeader(t, h, manyFields["lines"])
			s.Received(h)
		},
		"trailer names": func(ctx *fasthttp.RequestCtx) {
			h := &ctx.Request.Header
			readHeader(t, h, manyFields["trailer names"])
			s.Received(h)
		},
		"a query": func(ctx *fasthttp.RequestCtx) {
			readHeader(t, &ctx.Request.Header, "GET /v1/functions/?"+strings.Repeat("a&", 4000)+" HTTP/1.1\r\nHost: a\r\n"+apitest.AuthLine+"\r\n")
		},
	} {
		var before, after runtime.MemStats
		kept := make([]*fasthttp.RequestCtx, conns)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			kept[i] = &fasthttp.RequestCtx{}
			kept[i].Init(&fasthttp.Request{}, nil, nil)
			serve(kept[i])
			s.ServeRequest(kept[i])
			kept[i].Request.Reset()
			kept[i].Response.Reset()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := int64(after.HeapAlloc-before.HeapAlloc) / conns; each > 48<<10 {
			t.Errorf("%s: each connection keeps %d bytes", name, each)
		}
		runtime.KeepAlive(kept)
	}
}

// readHeader reads the header of a request as the library does.
func readHeader(t *testing.T, h *fasthttp.RequestHeader, text string) {
	t.Helper()
	if err := h.Read(bufio.NewReaderSize(strings.NewReader(text), 16<<10)); err != nil {
		t.Fatal(err)
	}
}
