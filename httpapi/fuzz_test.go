package httpapi_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// runsIn returns the bodies of the runs that package net/http reads in a connection's bytes, up to the
// first request that it refuses. That of a GET, whose args are in its query, is nil.
func runsIn(data []byte) (bodies [][]byte) {
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		for next, _ := r.Peek(2); string(next) == "\r\n"; next, _ = r.Peek(2) { // empty lines before a request are ignored
			_, _ = r.Discard(2)
		}
		request, err := http.ReadRequest(r)
		if err != nil {
			return bodies
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return bodies
		}
		switch {
		case !strings.HasPrefix(request.URL.Path, "/v1/sync/functions/"):
		case request.Method == http.MethodPost:
			bodies = append(bodies, append([]byte{}, body...))
		default:
			bodies = append(bodies, nil)
		}
	}
}

// FuzzConnection sends arbitrary bytes over a connection. Every answer is whole HTTP and none is a fault
// of the server, and what runs has the body that package net/http reads there as well: no proxy in front
// sees other requests than the server.
func FuzzConnection(f *testing.F) {
	for _, c := range refusals() {
		if len(c.send) < 2000 {
			f.Add([]byte(c.send + apitest.ListAll))
		}
	}
	f.Add([]byte(apitest.RunLine + "Content-Length: 2\r\n\r\n{}" + apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-A: x\r\n\r\n" + apitest.ListAll))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 8000 {
			return
		}
		fake := &apitest.Fake{Outcome: apitest.Succeeded("1")}
		ts := apitest.StartTCP(t, fake, nil)
		conn, err := net.Dial("tcp", ts.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(apitest.Patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		readAnswers(t, data, conn)
		bodies := runsIn(data)
		for _, ran := range fake.Ran {
			for len(bodies) > 0 && !isBody(bodies[0], ran.Args) {
				bodies = bodies[1:]
			}
			if len(bodies) == 0 {
				t.Fatalf("%q: the server ran %q, which net/http does not read there", data, ran.Args)
			}
			bodies = bodies[1:]
		}
	})
}

// isBody reports whether args are those of a body; nil: of any request.
func isBody(body, args []byte) bool {
	if body == nil {
		return true
	}
	body, args = bytes.TrimSpace(body), bytes.TrimSpace(args)
	return bytes.Equal(body, args) || len(body) == 0 && string(args) == "{}"
}

// readAnswers reads all answers on a connection.
func readAnswers(t *testing.T, data []byte, conn io.Reader) {
	t.Helper()
	for r := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("%q: the server does not close: %v", data, err)
			}
			return
		}
		body, err := io.ReadAll(answer.Body)
		if answer.StatusCode == http.StatusInternalServerError {
			t.Fatalf("%q: %d %s", data, answer.StatusCode, body)
		}
		if err != nil {
			return // of a connection that was closed after a refusal
		}
	}
}
