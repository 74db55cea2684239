//go:build linux

package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/listener"
	"github.com/faaspot/faaspot/test/process"
)

// hostilePeers are servers of HTTP that harm their clients, and the codes with which a run that uses them
// may end; an empty code: it succeeds.
var hostilePeers = map[string]struct {
	serve func(ctx context.Context, c net.Conn)
	codes []string
}{
	"says nothing":      {func(ctx context.Context, _ net.Conn) { <-ctx.Done() }, []string{"timeout"}},
	"hangs up":          {func(context.Context, net.Conn) {}, []string{"function_error"}},
	"resets":            {func(_ context.Context, c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, []string{"function_error"}},
	"no HTTP":           {sends("\x00\xff\x16\x03\x01 what?\r\n\r\n"), []string{"function_error"}},
	"header in drops":   {drips("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 10_000)), []string{"timeout"}},
	"body in drops":     {drips("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), []string{"timeout"}},
	"endless line":      {floods("HTTP/1.1 200 OK\r\nX: ", "x"), []string{"function_error"}},
	"endless header":    {floods("HTTP/1.1 200 OK\r\n", "X: y\r\n"), []string{"function_error"}},
	"endless continue":  {floods("", "HTTP/1.1 100 Continue\r\n\r\n"), []string{"timeout", "function_error"}},
	"endless body":      {floods("HTTP/1.1 200 OK\r\n\r\n", "x"), []string{"function_error", "memory", "timeout"}},
	"endless chunks":    {floods("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), []string{"function_error", "memory", "timeout"}},
	"huge chunk":        {sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"), []string{"function_error"}},
	"length that lies":  {sends("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nx"), []string{"function_error"}},
	"gzip bomb":         {bombs, []string{"function_error", "memory", "timeout"}},
	"redirects to self": {redirects("/"), []string{"function_error"}},
	"redirect to file":  {redirects("file:///etc/passwd"), []string{"function_error"}},
	"redirect inside":   {redirects("http://127.0.0.9:1/"), []string{"function_error"}},
	"pushes by HTTP/2":  {sends(http2Push), []string{"function_error"}},
	"pushes by h2c":     {sends("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + http2Push), []string{"function_error"}},
	"answer with CRLF":  {redirects("/a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), []string{"function_error"}},
	"answers well":      {sends("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), []string{""}},
}

// http2Push is a frame of settings and a promise to push, in HTTP/2.
const http2Push = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x07\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x82\x86\x84"

// begin reads the head of a request.
func begin(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

func sends(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, c net.Conn) {
		begin(c)
		_, _ = io.WriteString(c, text)
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	}
}

// drips sends a text, and then spaces, byte by byte.
func drips(text string) func(context.Context, net.Conn) {
	return func(ctx context.Context, c net.Conn) {
		begin(c)
		for i := 0; ctx.Err() == nil; i++ {
			b := byte(' ')
			if i < len(text) {
				b = text[i]
			}
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// floods sends a text, and another one without end.
func floods(text, again string) func(context.Context, net.Conn) {
	return func(_ context.Context, c net.Conn) {
		begin(c)
		_, err := io.WriteString(c, text)
		for block := strings.Repeat(again, 1<<14); err == nil; {
			_, err = io.WriteString(c, block)
		}
	}
}

func redirects(to string) func(context.Context, net.Conn) {
	return sends("HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n")
}

// bomb returns 256 MiB of zeros, compressed.
var bomb = sync.OnceValue(func() string {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	block := make([]byte, 1<<20)
	for i := 0; i < 256 && err == nil; i++ {
		_, err = w.Write(block)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // it writes to memory
	}
	return out.String()
})

func bombs(ctx context.Context, c net.Conn) {
	sends("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+bomb())(ctx, c)
}

const fetchCode = `import gzip, urllib.request
def main(args, context):
    with urllib.request.urlopen("http://127.0.0.1:%d/" % args["port"]) as answer:
        body = answer.read()
        if answer.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
    return body.decode()
`

// A run that uses a hostile server ends within its limits, and only it is harmed: a run of another tenant
// beside it has its result, and the connections of both ends are closed.
func TestHostilePeers(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t, "--egress-allow", "127.0.0.1").Serve(t)
	neighbour := newTenant(t, server, "neighbour")
	neighbour.Deploy(t, "echo", process.EchoCode)
	ports := listenAll(t)
	var allow []string
	for _, port := range ports {
		allow = append(allow, fmt.Sprint("127.0.0.1:", port))
	}
	server.Deploy(t, "fetch", fetchCode, "allow", allow, "timeout", 2, "memory", 128)
	server.Must(t, "GET", "/healthz", "")
	open := server.Descriptors(t)
	for name, peer := range hostilePeers {
		check := func(how, code, output string) {
			if !slices.Contains(peer.codes, code) || code == "" && output != `"ok"` || code != "" && strings.Contains(output, "evil") {
				t.Errorf("%s, %s: ended with %q: %.500s", name, how, code, output)
			}
		}
		args := fmt.Sprintf(`{"port":%d}`, ports[name])
		id := server.Submit(t, "fetch", args)
		r, err := server.Do(t.Context(), "POST", fmt.Sprintf(runPath, "fetch"), args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		check("with a caller", r.Code(), string(r.Body))
		if r := neighbour.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
			t.Errorf("%s: the neighbour gets %s", name, r.Body)
		}
		x := server.WaitEnd(t, id)
		code := ""
		if x.Error != nil {
			code = x.Error.Code
		}
		check("in the background", code, string(x.Output))
	}
	neighbour.Close()
	process.Until(t, "all connections are closed", func() bool { return server.Descriptors(t) <= open+1 })
}

// listenAll starts all hostile servers, and returns their ports.
func listenAll(t *testing.T) map[string]int {
	t.Helper()
	ports := map[string]int{}
	for name, peer := range hostilePeers {
		ports[name] = int(listener.TCP(t, peer.serve).Port())
	}
	return ports
}
