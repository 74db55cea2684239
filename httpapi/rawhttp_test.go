package httpapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for the server to do what it must do. It
// only runs out when a test fails.
const patience = 20 * time.Second

// rawConn is a connection of a test that writes its own HTTP.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func dialRaw(t *testing.T, addr string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{conn, bufio.NewReader(conn)}
}

func (c *rawConn) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answers reads up to want answers, all until the server closes if want is
// negative, and tells whether it closed.
func (c *rawConn) answers(t *testing.T, want int) (answers []answer, closed bool) {
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
		answers = append(answers, answer{resp.StatusCode, resp.Header, string(body)})
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
	authLine = "Authorization: Token " + testToken + "\r\n"
	runLine  = "POST /v1/sync/functions/f/rpc/ HTTP/1.1\r\nHost: a\r\n" + authLine
	listLine = "GET /v1/functions/ HTTP/1.1\r\n"
	listAll  = listLine + "Host: a\r\n" + authLine + "\r\n"
)

// A refusal is what must not be taken for a request, and how it is answered.
type refusal struct {
	send   string
	status int
}

// refusals gives what two readers could understand differently, and what no
// reader should take.
func refusals() map[string]refusal {
	header := func(lines string) string { return listLine + "Host: a\r\n" + lines + authLine + "\r\n" }
	chunks := func(body string) string { return runLine + "Transfer-Encoding: chunked\r\n\r\n" + body }
	length := func(value string) string { return runLine + "Content-Length: " + value + "\r\n\r\n{}" }
	target := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n" }
	return map[string]refusal{
		"length and chunked":             {runLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"chunked and length":             {runLine + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400},
		"two equal lengths":              {length("2\r\nContent-Length: 2"), 400},
		"two lengths":                    {length("2\r\nContent-Length: 3"), 400},
		"list of lengths":                {length("2, 2"), 400},
		"length with plus":               {length("+2"), 400},
		"length with minus":              {length("-2"), 400},
		"hexadecimal length":             {length("0x2"), 400},
		"length that wraps":              {length("18446744073709551618"), 400},
		"empty length":                   {length(""), 400},
		"length with space":              {length("2 2"), 400},
		"transfer-encoding identity":     {runLine + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400},
		"transfer-encoding identity GET": {header("Transfer-Encoding: identity\r\n"), 400},
		"transfer-encoding list":         {runLine + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding xchunked":     {runLine + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding gzip":         {runLine + "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400},
		"two transfer-encodings":         {runLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding vertical tab": {runLine + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding folded":       {runLine + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding HTTP/1.0":     {"POST /v1/sync/functions/f/rpc/ HTTP/1.0\r\nHost: a\r\n" + authLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},

		"chunk extension with LF": {chunks("2;a\n{}\r\n0\r\n\r\n"), 400},
		"chunk extension with CR": {chunks("2;a\rb\r\n{}\r\n0\r\n\r\n"), 400},
		"negative chunk":          {chunks("-2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk 0x":                {chunks("0x2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk that wraps":        {chunks("10000000000000002\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk lines with LF":     {chunks("2\n{}\n0\n\n"), 400},
		"chunk longer than said":  {chunks("2\r\n{}xx0\r\n\r\n"), 400},
		"empty chunk size":        {chunks("\r\n{}\r\n0\r\n\r\n"), 400},
		"token in a trailer":      {chunks("2\r\n{}\r\n0\r\nAuthorization: Token x\r\n\r\n"), 400},
		"length in a trailer":     {chunks("2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"), 400},

		"one line ends in LF":        {listLine + "Host: a\n" + authLine + "\r\n", 400},
		"CR in the header":           {listLine + "Host: a\r" + authLine + "\r\n", 400},
		"CR in a value":              {header("X: a\rb\r\n"), 400},
		"two CR":                     {listLine + "Host: a\r\r\n" + authLine + "\r\n", 400},
		"two CR in the first line":   {"GET /v1/functions/ HTTP/1.1\r\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"folded line":                {header("X: a\r\n b\r\n"), 400},
		"folded first line":          {listLine + " X: a\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"space before colon":         {listLine + "Host : a\r\n" + authLine + "\r\n", 400},
		"tab before colon":           {header("Content-Length\t: 2\r\n"), 400},
		"space in a name":            {header("Foo Bar: x\r\n"), 400},
		"empty name":                 {header(": x\r\n"), 400},
		"no colon":                   {header("foo\r\n"), 400},
		"NUL in a value":             {header("X: a\x00b\r\n"), 400},
		"control byte in a value":    {header("X: a\x01b\r\n"), 400},
		"DEL in a value":             {header("X: a\x7fb\r\n"), 400},
		"NUL in a name":              {header("X\x00Y: ab\r\n"), 400},
		"byte over 127 in a name":    {header("X\xffY: ab\r\n"), 400},
		"header too large":           {header("X: " + strings.Repeat("x", 20_000) + "\r\n"), 431},
		"header too many":            {header(strings.Repeat("a: b\r\n", 20_000)), 431},
		"two hosts":                  {header("Host: a\r\n"), 400},
		"no host":                    {listLine + authLine + "\r\n", 400},
		"empty host":                 {listLine + "Host: \r\n" + authLine + "\r\n", 400},
		"host with quote":            {listLine + "Host: a\"b\r\n" + authLine + "\r\n", 400},
		"host with slash":            {listLine + "Host: a/b\r\n" + authLine + "\r\n", 400},
		"host with user":             {listLine + "Host: u@b\r\n" + authLine + "\r\n", 400},
		"host with comma":            {listLine + "Host: a,b\r\n" + authLine + "\r\n", 400},
		"host with two ports":        {listLine + "Host: a:1:2\r\n" + authLine + "\r\n", 400},
		"target of another host":     {target("http://b/v1/functions/"), 400},
		"target with user":           {target("http://a@b/v1/functions/"), 400},
		"target with port":           {target("http://a:81/v1/functions/"), 400},
		"target without host header": {"GET http://b/v1/functions/ HTTP/1.1\r\n" + authLine + "\r\n", 400},

		"two spaces":               {"GET  /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"two spaces behind":        {target("/v1/functions/ "), 400},
		"tab for space":            {"GET\t/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"space in the path":        {target("/v1/fun ctions/"), 400},
		"NUL in the path":          {target("/v1/fun\x00ctions/"), 400},
		"control byte in the path": {target("/v1/fun\x01ctions/"), 400},
		"DEL in the path":          {target("/v1/fun\x7fctions/"), 400},
		"backslashes":              {target("\\v1\\functions"), 400},
		"fragment":                 {target("/v1/functions/#x"), 400},
		"no slash":                 {target("v1/functions/"), 400},
		"long target":              {target("/v1/functions/?a=" + strings.Repeat("x", maxURI)), 414},
		"method with @":            {"G@T /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"HTTP/1.2":                 {"GET /v1/functions/ HTTP/1.2\r\nHost: a\r\n" + authLine + "\r\n", 505},
		"HTTP/2.0":                 {"GET /v1/functions/ HTTP/2.0\r\nHost: a\r\n" + authLine + "\r\n", 505},
		"HTTP/2 preface":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"HTTP/0.9":                 {"GET /v1/functions/\r\n\r\n", 400},
		"http in small letters":    {"GET /v1/functions/ http/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400},
		"no version number":        {"GET /v1/functions/ HTTP/\r\nHost: a\r\n" + authLine + "\r\n", 400},
	}
}

// TestRawRefused sends what must not be taken for a request, each time with a
// good one behind it that must not be answered any more: exactly one error,
// then the end of the connection.
func TestRawRefused(t *testing.T) {
	fake := &fakeEngine{exec: succeeded("1")}
	ts := startTCP(t, fake, nil)
	for name, c := range refusals() {
		t.Run(name, func(t *testing.T) {
			conn := dialRaw(t, ts.addr)
			conn.send(t, c.send+listAll)
			got, closed := conn.answers(t, -1)
			if len(got) != 1 || !closed || got[0].status != c.status {
				t.Fatalf("got %+v, closed %v; want one %d", got, closed, c.status)
			}
			wantError(t, got[0], c.status, got[0].object(t)["error_code"].(string))
		})
	}
	if len(fake.ran) > 0 || len(fake.pages) > 0 {
		t.Errorf("%d runs and %d lists came through", len(fake.ran), len(fake.pages))
	}
}

// TestRawTaken records what looks odd and is taken all the same, because RFC
// 9110 and 9112 say what it means and no proxy reads it differently. closes
// tells whether the connection ends after it.
func TestRawTaken(t *testing.T) {
	ts := startTCP(t, &fakeEngine{exec: succeeded("1")}, nil)
	header := func(lines string) string { return listLine + "Host: a\r\n" + lines + authLine + "\r\n" }
	chunks := func(body string) string { return runLine + "Transfer-Encoding: chunked\r\n\r\n" + body }
	for name, c := range map[string]struct {
		send   string
		status int
		closes bool
	}{
		"body":                       {runLine + "Content-Length: 2\r\n\r\n{}", 200, false},
		"chunks":                     {chunks("2\r\n{}\r\n0\r\n\r\n"), 200, false},
		"chunked behind a tab":       {runLine + "Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, false},
		"chunk extension":            {chunks("2;a=b\r\n{}\r\n0\r\n\r\n"), 200, false},
		"trailer":                    {chunks("2\r\n{}\r\n0\r\nX-A: x\r\n\r\n"), 200, false},
		"first line ends in LF":      {"GET /v1/functions/ HTTP/1.1\nHost: a\r\n" + authLine + "\r\n", 200, false},
		"empty line first":           {"\r\n" + listAll, 200, false},
		"target of the same host":    {"GET http://A/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 200, false},
		"URL in the query":           {"GET /v1/sync/functions/f/rpc/?u=http://b/x HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 200, false},
		"URL in the path":            {"GET /v1/x://b/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 404, false},
		"two slashes":                {"GET //b/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 404, false},
		"dots":                       {"GET /v1/x/../functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 404, false},
		"dots as a name":             {"GET /v1/functions/%2e%2e HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400, false},
		"broken escape in a name":    {"GET /v1/functions/a%z HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400, false},
		"half an escape in a name":   {"GET /v1/functions/a%0 HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400, false},
		"byte over 127 in a name":    {"GET /v1/functions/\xff HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 400, false},
		"GET with a body":            {header("Content-Length: 2\r\n") + "{}", 200, false},
		"GET with chunks":            {header("Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n", 200, false},
		"offer of HTTP/2":            {header("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), 200, true},
		"offer of a WebSocket":       {header("Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200, true},
		"Connection: close":          {header("Connection: close\r\n"), 200, true},
		"Connection: Close in list":  {header("Connection: Keep-Alive, Close\r\n"), 200, true},
		"Connection: close and more": {header("Connection: close\r\nConnection: keep-alive\r\n"), 200, true},
		"HTTP/1.0":                   {"GET /v1/functions/ HTTP/1.0\r\n" + authLine + "\r\n", 200, true},
		"HTTP/1.0 keep-alive":        {"GET /v1/functions/ HTTP/1.0\r\nConnection: keep-alive\r\n" + authLine + "\r\n", 200, false},
		"CONNECT":                    {"CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n" + authLine + "\r\n", 404, false},
		"TRACE":                      {"TRACE /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 405, false},
		"method in small letters":    {"get /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 405, false},
		"OPTIONS *":                  {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, false},
		"GET *":                      {"GET * HTTP/1.1\r\nHost: a\r\n" + authLine + "\r\n", 405, false},
		"IPv6 host":                  {listLine + "Host: [::1]:8080\r\n" + authLine + "\r\n", 200, false},
		"two tokens":                 {listLine + "Host: a\r\n" + authLine + authLine + "\r\n", 400, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialRaw(t, ts.addr)
			conn.send(t, c.send+listAll)
			want := 2
			if c.closes {
				want = -1
			}
			got, closed := conn.answers(t, want)
			if len(got) == 0 || got[0].status != c.status || closed != c.closes {
				t.Fatalf("got %+v, closed %v; want %d, closed %v", got, closed, c.status, c.closes)
			}
			if c.closes && len(got) != 1 || !c.closes && got[1].status != 200 {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

// TestPipelining sends as many requests at once as one connection may have.
func TestPipelining(t *testing.T) {
	ts := startTCP(t, &fakeEngine{}, nil)
	conn := dialRaw(t, ts.addr)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, strings.Repeat(listAll, requestsPerConn))
	}()
	got, closed := conn.answers(t, -1)
	<-sent
	if len(got) != requestsPerConn || !closed {
		t.Fatalf("%d answers, closed %v", len(got), closed)
	}
	for i, a := range got {
		if a.status != 200 {
			t.Fatalf("answer %d: %+v", i, a)
		}
	}
}
