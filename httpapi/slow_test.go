package httpapi_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// shortTimeouts sets timeouts that end long before those of a test, but are long enough for a
// good request on a busy machine.
func shortTimeouts(o *httpapi.Options) {
	o.HeaderTimeout = time.Second
	o.BodyTimeout = 1500 * time.Millisecond
	o.WriteTimeout = time.Second
	o.IdleTimeout = time.Second
}

// TestSlowClients opens connections that never complete what they begin. The server must close
// each of them, and serve other clients meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	checks := make(map[string]func(*testing.T)) // once all clients have begun
	for name, c := range map[string]struct {
		send  string // at once
		drip  string // then this, again and again, until the connection breaks
		first int    // status that must be answered, 0: none
	}{
		"nothing":             {"", "", 408},
		"part of a header":    {apitest.ListLine + "Host: a\r\n", "", 408},
		"drip of a header":    {apitest.ListLine, "X: y\r\n", 408},
		"header ends in LF":   {strings.ReplaceAll(apitest.ListAll, "\r\n", "\n"), "", 408},
		"part of a body":      {apitest.RunLine + "Content-Length: 9\r\n\r\n{", "", 408},
		"drip of a body":      {apitest.RunLine + "Content-Length: 60000\r\n\r\n{", " ", 408},
		"part of a big body":  {apitest.RunLine + "Content-Length: 900000\r\n\r\n{", "", 408},
		"drip of a big body":  {apitest.RunLine + "Content-Length: 900000\r\n\r\n{", " ", 408},
		"part of a bundle":    {apitest.BundleLine + "Content-Length: 900000\r\n\r\nPK", "", 408},
		"drip of a bundle":    {apitest.BundleLine + "Content-Length: 900000\r\n\r\nPK", "x", 408},
		"bundle without end":  {apitest.BundleLine + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 408},
		"chunks without end":  {apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 408},
		"trailers ends in LF": {apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\n\n", "", 408},
		"no body after 100":   {apitest.RunLine + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", "", 100},
		"idle after a list":   {apitest.ListAll, "", 200},
		"TLS":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", 408},
	} {
		ts := apitest.StartTCP(t, &apitest.Fake{Outcome: apitest.Succeeded("1")}, shortTimeouts)
		conn := apitest.DialRaw(t, ts.Addr)
		conn.Send(t, c.send)
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			for c.drip != "" {
				if _, err := io.WriteString(conn, c.drip); err != nil {
					return
				}
				// Slow enough for the server not to reach a size limit.
				time.Sleep(5 * time.Millisecond)
			}
		}()
		checks[name] = func(t *testing.T) {
			got, closed := conn.Answers(t, -1)
			_ = conn.Close()
			<-dripped
			if !closed || len(got) == 0 || got[0].Status != c.first {
				t.Errorf("got %+v, closed %v; want %d, closed", got, closed, c.first)
			}
			if a := ts.Do(t, "GET", "/healthz", "", nil); a.Status != 200 {
				t.Errorf("others get %d", a.Status)
			}
		}
	}
	for name, check := range checks {
		t.Run(name, check)
	}
}

// TestSlowReader requests more than the buffers of the connection hold, and does not read it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	big := apitest.Succeeded(`"` + strings.Repeat("x", 64*runtime.MiB) + `"`)
	began := make(chan struct{})
	ts := apitest.StartTCP(t, &apitest.Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		close(began)
		return big, nil
	}}, shortTimeouts)
	conn := apitest.DialRaw(t, ts.Addr)
	conn.Send(t, apitest.RunLine+"Content-Length: 2\r\n\r\n{}")
	<-began
	// The listener counts as one.
	for deadline := time.Now().Add(apitest.Patience); ts.OpenConnections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", ts.OpenConnections())
		}
	}
	if a := ts.Do(t, "GET", "/healthz", "", nil); a.Status != 200 {
		t.Errorf("others get %d", a.Status)
	}
}
