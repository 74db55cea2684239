package apitest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for the server to do what it must do. It
// only runs out when a test fails.
const Patience = 20 * time.Second

// RawConn is a connection of a test that writes its own HTTP.
type RawConn struct {
	net.Conn
	r *bufio.Reader
}

// DialRaw connects to a server.
func DialRaw(t *testing.T, addr string) *RawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	return &RawConn{conn, bufio.NewReader(conn)}
}

func (c *RawConn) Send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// Answers reads up to want answers, all until the server closes if want is
// negative, and reports whether it closed.
func (c *RawConn) Answers(t *testing.T, want int) (answers []Answer, closed bool) {
	t.Helper()
	r := c.r
	for want < 0 || len(answers) < want {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			if isClosed(err) {
				return answers, true
			}
			t.Fatalf("after %d answers: %v", len(answers), err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, Answer{resp.StatusCode, resp.Header, string(body)})
		if resp.Close {
			_, err := r.ReadByte()
			if !isClosed(err) {
				t.Fatalf("the server said that it closes and went on: %v", err)
			}
			return answers, true
		}
	}
	return answers, false
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

const (
	AuthLine = "Authorization: Token " + Token + "\r\n"
	// BundleLine begins the upload of a bundle.
	BundleLine = "PUT /v1/functions/f/bundle HTTP/1.1\r\nHost: a\r\nContent-Type: application/zip\r\n" + AuthLine
	RunLine    = "POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\n" + AuthLine
	ListLine   = "GET /v1/functions/ HTTP/1.1\r\n"
	ListAll    = ListLine + "Host: a\r\n" + AuthLine + "\r\n"
)
