package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// ready is an engine that returns its result at once.
type ready struct {
	*apitest.Fake
	exec *runtime.Execution
}

func (r ready) Run(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
	return r.exec, nil
}

// never is a number of requests per second that no benchmark reaches.
const never = 1_000_000_000

// limitedToken is the token of a tenant that has limits.
type limitedToken struct {
	httpapi.TokenHash
	runtime.Identity
}

func (t *limitedToken) Authenticate(token []byte) (*runtime.Identity, error) {
	if _, err := t.TokenHash.Authenticate(token); err != nil {
		return nil, err
	}
	return &t.Identity, nil
}

// readRequest reads a request as if from a connection.
func readRequest(req *fasthttp.Request, head, body string) error {
	text := head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	return req.Read(bufio.NewReader(strings.NewReader(text)))
}

// benchRun measures the work between the HTTP library and the engine for one blocking run: guard,
// route, token, args, response.
func benchRun(b *testing.B, method, query, body string) {
	s, err := httpapi.New(httpapi.Options{
		Engine: ready{Fake: &apitest.Fake{}, exec: apitest.Succeeded(`{"message":"Hello you"}`)},
		Auth: &limitedToken{httpapi.HashToken(apitest.Token), runtime.Identity{
			Tenant: runtime.DefaultTenant, Scope: runtime.ScopeAdmin,
			Use: runtime.NewTenantUse(runtime.TenantLimits{RequestsPerSecond: never, RequestBurst: never}),
		}},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	head := method + " /v1/sync/functions/hello/rpc/" + query + " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench/1.0\r\n" +
		"Accept: */*\r\nContent-Type: application/json\r\n" + apitest.AuthLine
	var ctx fasthttp.RequestCtx
	if err := readRequest(&ctx.Request, head, body); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		ctx.ResetUserValues()
		s.ServeRequest(&ctx)
	}
	if ctx.Response.StatusCode() != 200 {
		b.Fatalf("%s", ctx.Response.Body())
	}
}

func BenchmarkRunPOST(b *testing.B) { benchRun(b, "POST", "", `{"name":"you","n":1}`) }
func BenchmarkRunGET(b *testing.B)  { benchRun(b, "GET", "?name=you&n=1", "") }

func BenchmarkGuard(b *testing.B) {
	var req fasthttp.Request
	if err := readRequest(&req, apitest.RunLine+"User-Agent: bench/1.0\r\nAccept: */*\r\n", `{"name":"you"}`); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := httpapi.Guard(&req.Header); err != nil {
			b.Fatal(err)
		}
	}
}
