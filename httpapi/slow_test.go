package httpapi

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// shortTimeouts make the server lose patience before a test does, but not with
// a good request on a busy machine.
func shortTimeouts(o *Options) {
	o.HeaderTimeout = time.Second
	o.BodyTimeout = 1500 * time.Millisecond
	o.WriteTimeout = time.Second
	o.IdleTimeout = time.Second
}

// TestSlowClients opens connections that never end what they began. The server
// must end each of them, and serve others all the while.
func TestSlowClients(t *testing.T) {
	for name, c := range map[string]struct {
		send  string // at once
		drip  string // then this, again and again, until the connection breaks
		first int    // status that must be answered, 0: none
	}{
		"nothing":             {"", "", 408},
		"part of a header":    {listLine + "Host: a\r\n", "", 408},
		"drip of a header":    {listLine, "X: y\r\n", 408},
		"header ends in LF":   {strings.ReplaceAll(listAll, "\r\n", "\n"), "", 408},
		"part of a body":      {runLine + "Content-Length: 9\r\n\r\n{", "", 408},
		"drip of a body":      {runLine + "Content-Length: 60000\r\n\r\n{", " ", 408},
		"part of a big body":  {runLine + "Content-Length: 900000\r\n\r\n{", "", 408},
		"drip of a big body":  {runLine + "Content-Length: 900000\r\n\r\n{", " ", 408},
		"chunks without end":  {runLine + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 408},
		"trailers ends in LF": {runLine + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\n\n", "", 408},
		"no body after 100":   {runLine + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", "", 100},
		"idle after a list":   {listAll, "", 200},
		"TLS":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", 408},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := startTCP(t, &fakeEngine{exec: succeeded("1")}, shortTimeouts)
			conn := dialRaw(t, ts.addr)
			conn.send(t, c.send)
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
			got, closed := conn.answers(t, -1)
			_ = conn.Close()
			<-dripped
			if !closed || len(got) == 0 || got[0].status != c.first {
				t.Errorf("got %+v, closed %v; want %d, closed", got, closed, c.first)
			}
			if a := ts.do(t, "GET", "/healthz", "", nil); a.status != 200 {
				t.Errorf("others get %d", a.status)
			}
		})
	}
}

// TestSlowReader asks for more than the buffers between the two ends hold and
// does not read it.
func TestSlowReader(t *testing.T) {
	big := succeeded(`"` + strings.Repeat("x", 64*runtime.MiB) + `"`)
	began := make(chan struct{})
	ts := startTCP(t, &fakeEngine{run: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		close(began)
		return big, nil
	}}, shortTimeouts)
	conn := dialRaw(t, ts.addr)
	conn.send(t, runLine+"Content-Length: 2\r\n\r\n{}")
	<-began
	// The listener counts as one.
	for deadline := time.Now().Add(patience); ts.http.GetOpenConnectionsCount() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", ts.http.GetOpenConnectionsCount())
		}
	}
	if a := ts.do(t, "GET", "/healthz", "", nil); a.status != 200 {
		t.Errorf("others get %d", a.status)
	}
}

// TestTooManyConnections: what is over MaxConns is turned away, and when there
// is room again the next one is served.
func TestTooManyConnections(t *testing.T) {
	ts := startTCP(t, &fakeEngine{}, func(o *Options) { o.MaxConns = 2 })
	first, second := dialRaw(t, ts.addr), dialRaw(t, ts.addr)
	for _, conn := range []*rawConn{first, second} {
		conn.send(t, listAll)
		if got, _ := conn.answers(t, 1); len(got) != 1 || got[0].status != 200 {
			t.Fatalf("got %+v", got)
		}
	}
	third := dialRaw(t, ts.addr)
	if got, closed := third.answers(t, -1); len(got) != 1 || got[0].status != 503 || !closed {
		t.Fatalf("got %+v, closed %v; want 503, closed", got, closed)
	}
	_ = first.Close()
	for deadline := time.Now().Add(patience); ; {
		conn := dialRaw(t, ts.addr)
		conn.send(t, listAll)
		if got, _ := conn.answers(t, 1); len(got) == 1 && got[0].status == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no room was made")
		}
	}
}
