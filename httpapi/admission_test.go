package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestLargeBodyIsNotReadForAnyone: the answer comes while the body is still to
// come, so it was given from the header alone.
func TestLargeBodyIsNotReadForAnyone(t *testing.T) {
	ts := startTCP(t, fullFake(), nil)
	for name, c := range map[string]struct {
		send   string
		status int
		code   string
	}{
		"no token, length": {
			"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{", 401, "unauthenticated",
		},
		"wrong token, chunks": {
			"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token x\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{", 413, "too_large",
		},
		"health": {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{", 401, "unauthenticated"},
		"two lengths": {
			runLine + "Content-Length: 70000\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{", 413, "too_large",
		},
		"too large":           {runLine + "Content-Length: " + strconv.Itoa(maxBody+1) + "\r\n\r\n{", 413, "too_large"},
		"too large a chunk":   {runLine + "Transfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(maxBody+1, 16) + "\r\n{", 413, "too_large"},
		"expect, no token":    {"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n", 401, "unauthenticated"},
		"expect, small":       {"POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", 401, "unauthenticated"},
		"expect, too large":   {runLine + "Content-Length: " + strconv.Itoa(maxBody+1) + "\r\nExpect: 100-continue\r\n\r\n", 413, "too_large"},
		"expect, two lengths": {runLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", 400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialRaw(t, ts.addr)
			conn.send(t, c.send)
			got, closed := conn.answers(t, -1)
			if len(got) != 1 || !closed {
				t.Fatalf("got %+v, closed %v", got, closed)
			}
			wantError(t, got[0], c.status, c.code)
		})
	}
}

func TestExpectContinue(t *testing.T) {
	fake := fullFake()
	ts := startTCP(t, fake, nil)
	conn := dialRaw(t, ts.addr)
	body := "{" + strings.Repeat(" ", 100_000) + "}"
	conn.send(t, runLine+"Content-Length: "+strconv.Itoa(len(body))+"\r\nExpect: 100-continue\r\n\r\n")
	if got, _ := conn.answers(t, 1); len(got) != 1 || got[0].status != 100 {
		t.Fatalf("got %+v", got)
	}
	conn.send(t, body)
	if got, closed := conn.answers(t, 1); len(got) != 1 || got[0].status != 200 || closed {
		t.Fatalf("got %+v, closed %v", got, closed)
	}
	if string(fake.ran[0].Args) != body {
		t.Error("the args are not the body")
	}
}

// TestAnswerReachesABusySender sends a body that is far too large in full, as
// most clients do, before it reads: the answer must still be there.
func TestAnswerReachesABusySender(t *testing.T) {
	ts := startTCP(t, fullFake(), nil)
	for range 20 {
		body := strings.NewReader(strings.Repeat(" ", 16*runtime.MiB))
		conn := dialRaw(t, ts.addr)
		req, err := http.NewRequest("POST", "http://a/v1/sync/functions/f/rpc/", body)
		if err != nil {
			t.Fatal(err)
		}
		if err := req.Write(conn); err != nil {
			t.Fatalf("sending: %v", err)
		}
		if got, _ := conn.answers(t, 1); len(got) != 1 || got[0].status != 401 {
			t.Fatalf("got %+v", got)
		}
		_ = conn.Close() // or the server goes on waiting for the rest
	}
}
