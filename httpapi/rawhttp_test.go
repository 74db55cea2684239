package httpapi_test

import (
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// A refusal is a text that the server must not accept as a request, and the status of the answer.
type refusal struct {
	send   string
	status int
}

// refusals returns requests that two readers could understand differently, and requests that no
// reader should accept.
func refusals() map[string]refusal {
	header := func(lines string) string { return apitest.ListLine + "Host: a\r\n" + lines + apitest.AuthLine + "\r\n" }
	chunks := func(body string) string { return apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n" + body }
	length := func(value string) string { return apitest.RunLine + "Content-Length: " + value + "\r\n\r\n{}" }
	target := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n"
	}
	all := map[string]refusal{
		"length and chunked":             {apitest.RunLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"chunked and length":             {apitest.RunLine + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400},
		"two equal lengths":              {length("2\r\nContent-Length: 2"), 400},
		"two lengths":                    {length("2\r\nContent-Length: 3"), 400},
		"list of lengths":                {length("2, 2"), 400},
		"length with plus":               {length("+2"), 400},
		"length with minus":              {length("-2"), 400},
		"hexadecimal length":             {length("0x2"), 400},
		"length that wraps":              {length("18446744073709551618"), 400},
		"empty length":                   {length(""), 400},
		"length with space":              {length("2 2"), 400},
		"transfer-encoding identity":     {apitest.RunLine + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400},
		"transfer-encoding identity GET": {header("Transfer-Encoding: identity\r\n"), 400},
		"transfer-encoding list":         {apitest.RunLine + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding xchunked":     {apitest.RunLine + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding gzip":         {apitest.RunLine + "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400},
		"two transfer-encodings":         {apitest.RunLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding vertical tab": {apitest.RunLine + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding folded":       {apitest.RunLine + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
		"transfer-encoding HTTP/1.0":     {"POST /v1/sync/functions/f/rpc/ HTTP/1.0\r\nHost: a\r\n" + apitest.AuthLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},

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

		"one line ends in LF":        {apitest.ListLine + "Host: a\n" + apitest.AuthLine + "\r\n", 400},
		"CR in the header":           {apitest.ListLine + "Host: a\r" + apitest.AuthLine + "\r\n", 400},
		"CR in a value":              {header("X: a\rb\r\n"), 400},
		"two CR":                     {apitest.ListLine + "Host: a\r\r\n" + apitest.AuthLine + "\r\n", 400},
		"two CR in the first line":   {"GET /v1/functions/ HTTP/1.1\r\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"folded line":                {header("X: a\r\n b\r\n"), 400},
		"folded first line":          {apitest.ListLine + " X: a\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"space before colon":         {apitest.ListLine + "Host : a\r\n" + apitest.AuthLine + "\r\n", 400},
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
		"no host":                    {apitest.ListLine + apitest.AuthLine + "\r\n", 400},
		"empty host":                 {apitest.ListLine + "Host: \r\n" + apitest.AuthLine + "\r\n", 400},
		"host with quote":            {apitest.ListLine + "Host: a\"b\r\n" + apitest.AuthLine + "\r\n", 400},
		"host with slash":            {apitest.ListLine + "Host: a/b\r\n" + apitest.AuthLine + "\r\n", 400},
		"host with user":             {apitest.ListLine + "Host: u@b\r\n" + apitest.AuthLine + "\r\n", 400},
		"host with comma":            {apitest.ListLine + "Host: a,b\r\n" + apitest.AuthLine + "\r\n", 400},
		"host with two ports":        {apitest.ListLine + "Host: a:1:2\r\n" + apitest.AuthLine + "\r\n", 400},
		"target of another host":     {target("http://b/v1/functions/"), 400},
		"target with user":           {target("http://a@b/v1/functions/"), 400},
		"target with port":           {target("http://a:81/v1/functions/"), 400},
		"target without host header": {"GET http://b/v1/functions/ HTTP/1.1\r\n" + apitest.AuthLine + "\r\n", 400},

		"two spaces":               {"GET  /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"two spaces behind":        {target("/v1/functions/ "), 400},
		"tab for space":            {"GET\t/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"space in the path":        {target("/v1/fun ctions/"), 400},
		"NUL in the path":          {target("/v1/fun\x00ctions/"), 400},
		"control byte in the path": {target("/v1/fun\x01ctions/"), 400},
		"DEL in the path":          {target("/v1/fun\x7fctions/"), 400},
		"backslashes":              {target("\\v1\\functions"), 400},
		"fragment":                 {target("/v1/functions/#x"), 400},
		"no slash":                 {target("v1/functions/"), 400},
		"long target":              {target("/v1/functions/?a=" + strings.Repeat("x", httpapi.MaxURI)), 414},
		"method with @":            {"G@T /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"HTTP/1.2":                 {"GET /v1/functions/ HTTP/1.2\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 505},
		"HTTP/2.0":                 {"GET /v1/functions/ HTTP/2.0\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 505},
		"HTTP/2 preface":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"HTTP/0.9":                 {"GET /v1/functions/\r\n\r\n", 400},
		"http in small letters":    {"GET /v1/functions/ http/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
		"no version number":        {"GET /v1/functions/ HTTP/\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400},
	}
	maps.Copy(all, rawRefusals())
	return all
}

// TestRawRefused sends bytes that the server must refuse, each followed by a valid request that it
// must not answer: it sends exactly one error, and closes the connection.
func TestRawRefused(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{Outcome: apitest.Succeeded("1")}
	ts := apitest.StartTCP(t, fake, nil)
	for name, c := range refusals() {
		t.Run(name, func(t *testing.T) {
			conn := apitest.DialRaw(t, ts.Addr)
			conn.Send(t, c.send+apitest.ListAll)
			got, closed := conn.Answers(t, -1)
			if len(got) != 1 || !closed || got[0].Status != c.status {
				t.Fatalf("got %+v, closed %v; want one %d", got, closed, c.status)
			}
			apitest.WantError(t, got[0], c.status, got[0].Object(t)["error_code"].(string))
		})
	}
	if len(fake.Ran) > 0 || len(fake.Pages) > 0 {
		t.Errorf("%d runs and %d lists reached the engine", len(fake.Ran), len(fake.Pages))
	}
}

// An acceptance is a request that looks odd and is accepted, because RFC 9110 and 9112 define its meaning
// and no proxy reads it differently. closes reports whether the connection ends after the response.
type acceptance struct {
	send   string
	status int
	closes bool
}

func acceptances() map[string]acceptance {
	header := func(lines string) string { return apitest.ListLine + "Host: a\r\n" + lines + apitest.AuthLine + "\r\n" }
	chunks := func(body string) string { return apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n" + body }
	return map[string]acceptance{
		"body":                       {apitest.RunLine + "Content-Length: 2\r\n\r\n{}", 200, false},
		"chunks":                     {chunks("2\r\n{}\r\n0\r\n\r\n"), 200, false},
		"chunked behind a tab":       {apitest.RunLine + "Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, false},
		"chunk extension":            {chunks("2;a=b\r\n{}\r\n0\r\n\r\n"), 200, false},
		"chunk extension with NUL":   {chunks("2;a\x00\r\n{}\r\n0\r\n\r\n"), 200, false}, // the library skips extensions
		"long chunk extension":       {chunks("2;" + strings.Repeat("a", 50_000) + "\r\n{}\r\n0\r\n\r\n"), 200, false},
		"folded trailer":             {chunks("2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n"), 200, false}, // and trailers
		"trailer with space":         {chunks("2\r\n{}\r\n0\r\nX : y\r\n\r\n"), 200, false},
		"port over 65535":            {apitest.ListLine + "Host: a:99999\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"target of another scheme":   {"GET ftp://a/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"byte over 127 in the query": {"GET /v1/functions/?a=\xff HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"trailer":                    {chunks("2\r\n{}\r\n0\r\nX-A: x\r\n\r\n"), 200, false},
		"first line ends in LF":      {"GET /v1/functions/ HTTP/1.1\nHost: a\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"empty line first":           {"\r\n" + apitest.ListAll, 200, false},
		"target of the same host":    {"GET http://A/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"URL in the query":           {"GET /v1/sync/functions/f/rpc/?u=http://b/x HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"URL in the path":            {"GET /v1/x://b/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 404, false},
		"two slashes":                {"GET //b/v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 404, false},
		"dots":                       {"GET /v1/x/../functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 404, false},
		"dots as a name":             {"GET /v1/functions/%2e%2e HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400, false},
		"broken escape in a name":    {"GET /v1/functions/a%z HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400, false},
		"half an escape in a name":   {"GET /v1/functions/a%0 HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400, false},
		"byte over 127 in a name":    {"GET /v1/functions/\xff HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 400, false},
		"GET with a body":            {header("Content-Length: 2\r\n") + "{}", 200, false},
		"GET with chunks":            {header("Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n", 200, false},
		"offer of HTTP/2":            {header("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), 200, true},
		"offer of a WebSocket":       {header("Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200, true},
		"Connection: close":          {header("Connection: close\r\n"), 200, true},
		"Connection: Close in list":  {header("Connection: Keep-Alive, Close\r\n"), 200, true},
		"Connection: close and more": {header("Connection: close\r\nConnection: keep-alive\r\n"), 200, true},
		"HTTP/1.0":                   {"GET /v1/functions/ HTTP/1.0\r\n" + apitest.AuthLine + "\r\n", 200, true},
		"HTTP/1.0 keep-alive":        {"GET /v1/functions/ HTTP/1.0\r\nConnection: keep-alive\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"CONNECT":                    {"CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n" + apitest.AuthLine + "\r\n", 404, false},
		"TRACE":                      {"TRACE /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 405, false},
		"method in small letters":    {"get /v1/functions/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 405, false},
		"OPTIONS *":                  {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, false},
		"GET *":                      {"GET * HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n", 405, false},
		"IPv6 host":                  {apitest.ListLine + "Host: [::1]:8080\r\n" + apitest.AuthLine + "\r\n", 200, false},
		"two tokens":                 {apitest.ListLine + "Host: a\r\n" + apitest.AuthLine + apitest.AuthLine + "\r\n", 400, false},
	}
}

// TestRawAccepted sends odd requests, each followed by another one, which is answered unless the connection
// ends.
func TestRawAccepted(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{Outcome: apitest.Succeeded("1")}, nil)
	for name, c := range acceptances() {
		t.Run(name, func(t *testing.T) {
			conn := apitest.DialRaw(t, ts.Addr)
			conn.Send(t, c.send+apitest.ListAll)
			want := 2
			if c.closes {
				want = -1
			}
			got, closed := conn.Answers(t, want)
			if len(got) == 0 || got[0].Status != c.status || closed != c.closes {
				t.Fatalf("got %+v, closed %v; want %d, closed %v", got, closed, c.status, c.closes)
			}
			if c.closes && len(got) != 1 || !c.closes && got[1].Status != 200 {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

// TestPipelining sends as many requests at once as one connection may have, all of which are answered,
// and ten times as many: the server answers no more, and closes the connection.
func TestPipelining(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	for _, times := range []int{1, 10} {
		conn := apitest.DialRaw(t, ts.Addr)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(conn, strings.Repeat(apitest.ListAll, times*httpapi.RequestsPerConn))
		}()
		text, _ := io.ReadAll(conn) // what was not read resets the connection
		<-sent
		answers, good := strings.Count(string(text), "HTTP/1.1 "), strings.Count(string(text), "HTTP/1.1 200 OK\r\n")
		if good != answers || good > httpapi.RequestsPerConn || times == 1 && good < httpapi.RequestsPerConn {
			t.Errorf("%d times as many: %d answers, %d of them good", times, answers, good)
		}
	}
}
