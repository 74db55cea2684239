package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/test/linear"
)

// TestLinearHeads doubles the headers, targets and bodies of requests up to the limits of the server,
// and serves the requests.
func TestLinearHeads(t *testing.T) {
	s, err := httpapi.New(httpapi.Options{
		Engine: apitest.FullFake(),
		Auth:   httpapi.HashToken(apitest.Token),
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := 100; b.Len() < n; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	run := func(query, fields string) string {
		return "GET /v1/sync/functions/hello/rpc/" + query + " HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + fields
	}
	list := func(query string) string {
		return "GET /v1/executions/" + query + " HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine
	}
	for name, head := range map[string]func(n int) string{
		"fields":      func(n int) string { return run("", numbered(n, "X-%d: v\r\n")) },
		"a field":     func(n int) string { return run("", "X: "+strings.Repeat("v", n)+"\r\n") },
		"one field":   func(n int) string { return run("", strings.Repeat("X: v\r\n", n/6)) },
		"cookies":     func(n int) string { return run("", "Cookie: "+numbered(n, "c%d=v; ")+"\r\n") },
		"connections": func(n int) string { return run("", "Connection: "+strings.Repeat("a,", n/2)+"\r\n") },
		"traces":      func(n int) string { return run("", strings.Repeat("Traceparent: 00\r\n", n/17)) },
		"accepts":     func(n int) string { return run("", "Accept: "+strings.Repeat("a/b,", n/4)+"\r\n") },
		"names":       func(n int) string { return run("?"+strings.TrimSuffix(numbered(n/2, "n%d=v&"), "&"), "") },
		"escapes":     func(n int) string { return run("?n="+strings.Repeat("%41", n/6), "") },
		"segments":    func(n int) string { return list(strings.Repeat("a/", n/4)) },
		"dots":        func(n int) string { return list(strings.Repeat("a/../", n/10)) },
		"slashes":     func(n int) string { return list(strings.Repeat("/", n/2)) },
		"a cursor":    func(n int) string { return list("?cursor=" + strings.Repeat("A", n/2)) },
		"statuses":    func(n int) string { return list("?status=" + strings.Repeat("Failed,", n/14)) },
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, 14<<10, func(size int) func() {
				text := head(size)
				return func() {
					for range 20 { // more than what else the process allocates
						var ctx fasthttp.RequestCtx
						if readRequest(&ctx.Request, text, "") == nil {
							s.Received(&ctx.Request.Header)
							s.ServeRequest(&ctx)
						}
					}
				}
			})
		})
	}
}
