package httpapi_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestLargeBodyIsNotReadForAnyone checks that the server responds before it reads the body: the
// response depends on the header alone.
func TestLargeBodyIsNotReadForAnyone(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, apitest.FullFake(), nil)
	for name, c := range map[string]struct {
		send   string
		status int
		code   string
	}{
		"no token, length": {
			"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{", 401, "unauthenticated",
		},
		"wrong token, chunks": {
			"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token x\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{", 401, "unauthenticated",
		},
		"health": {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{", 405, "method_not_allowed"},
		"two lengths": {
			apitest.RunLine + "Content-Length: 70000\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{", 400, "bad_request",
		},
		"too large": {apitest.RunLine + "Content-Length: " + strconv.Itoa(httpapi.MaxBody()+1) + "\r\n\r\n{", 413, "too_large"},
		"too large a chunk": {
			apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(httpapi.MaxBody()+2), 16) + "\r\n{" + strings.Repeat(" ", httpapi.MaxBody()), 413, "too_large",
		},
		"bundle, no token":   {"PUT /v1/functions/f/bundle HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\nPK", 401, "unauthenticated"},
		"too large a bundle": {apitest.BundleLine + "Content-Length: " + strconv.Itoa(runtime.MaxBundle+1) + "\r\n\r\nPK", 413, "too_large"},
		"expect, too large a bundle": {
			apitest.BundleLine + "Content-Length: " + strconv.Itoa(runtime.MaxBundle+1) + "\r\nExpect: 100-continue\r\n\r\n", 413, "too_large",
		},
		"a function named bundle": {
			strings.Replace(apitest.BundleLine, "/f/bundle", "/bundle", 1) + "Content-Length: " + strconv.Itoa(runtime.MaxBundle) + "\r\n\r\n" + beginning, 413, "too_large",
		},
		"bundle of another type": {
			strings.Replace(apitest.BundleLine, "application/zip", "text/plain", 1) + "Content-Length: 70000\r\n\r\n" + beginning, 415, "unsupported_media_type",
		},
		"expect, no token":    {"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n", 401, "unauthenticated"},
		"expect, small":       {"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", 401, "unauthenticated"},
		"expect, too large":   {apitest.RunLine + "Content-Length: " + strconv.Itoa(httpapi.MaxBody()+1) + "\r\nExpect: 100-continue\r\n\r\n", 413, "too_large"},
		"expect, two lengths": {apitest.RunLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", 400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := apitest.DialRaw(t, ts.Addr)
			conn.Send(t, c.send)
			got, closed := conn.Answers(t, -1)
			if len(got) != 1 || !closed {
				t.Fatalf("got %+v, closed %v", got, closed)
			}
			apitest.WantError(t, got[0], c.status, c.code)
		})
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.StartTCP(t, fake, nil)
	conn := apitest.DialRaw(t, ts.Addr)
	body := "{" + strings.Repeat(" ", 100_000) + "}"
	conn.Send(t, apitest.RunLine+"Content-Length: "+strconv.Itoa(len(body))+"\r\nExpect: 100-continue\r\n\r\n")
	if got, _ := conn.Answers(t, 1); len(got) != 1 || got[0].Status != 100 {
		t.Fatalf("got %+v", got)
	}
	conn.Send(t, body)
	if got, closed := conn.Answers(t, 1); len(got) != 1 || got[0].Status != 200 || closed {
		t.Fatalf("got %+v, closed %v", got, closed)
	}
	if string(fake.Ran[0].Args) != body {
		t.Error("the args are not the body")
	}
}

// TestAnswerReachesABusySender sends all of a body that is far too large before it reads, as most
// clients do: it must still receive the answer.
func TestAnswerReachesABusySender(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, apitest.FullFake(), nil)
	for range 20 {
		body := strings.NewReader(strings.Repeat(" ", 16*runtime.MiB))
		conn := apitest.DialRaw(t, ts.Addr)
		req, err := http.NewRequest("POST", "http://a/v1/sync/functions/f/rpc/", body)
		if err != nil {
			t.Fatal(err)
		}
		if err := req.Write(conn); err != nil {
			t.Fatalf("sending: %v", err)
		}
		if got, _ := conn.Answers(t, 1); len(got) != 1 || got[0].Status != 401 {
			t.Fatalf("got %+v", got)
		}
		_ = conn.Close() // or the server continues to wait for the rest
	}
}
