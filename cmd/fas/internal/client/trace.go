package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"time"
)

// TraceLevel is the level of detail of a trace line.
type TraceLevel int

// The levels that -v, -vv and -vvv select.
const (
	TraceRequests    TraceLevel = 1 // one line per request, one per answer
	TraceHeaders     TraceLevel = 2
	TraceConnections TraceLevel = 3 // the steps of a connection, with their times
)

// notShown replaces the value of a header with a secret.
const notShown = "(not shown)"

func (c *Client) traceRequest(req *http.Request, size int64) {
	c.trace(TraceRequests, fmt.Sprintf("> %s %s (%d bytes)", req.Method, req.URL, size))
	c.traceHeader(">", req.Header)
}

func (c *Client) traceResponse(resp *http.Response, size int, took time.Duration) {
	c.trace(TraceRequests, fmt.Sprintf("< %s (%d bytes, %v)", resp.Status, size, took.Round(time.Microsecond)))
	c.traceHeader("<", resp.Header)
}

func (c *Client) traceHeader(mark string, header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		value := strings.Join(header[name], ", ")
		if name == "Authorization" || name == "Set-Cookie" {
			value = notShown
		}
		c.trace(TraceHeaders, mark+" "+name+": "+value)
	}
}

// watch returns a context that traces the steps of a connection.
func (c *Client) watch(ctx context.Context) context.Context {
	began := time.Now()
	step := func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		c.trace(TraceConnections, fmt.Sprintf("* %s (%v)", line, time.Since(began).Round(time.Microsecond)))
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			if len(i.Addrs) > 0 {
				step("host found: %s", joinAddresses(i.Addrs))
			}
		},
		ConnectDone: func(_, address string, err error) {
			if err != nil {
				step("not connected to %s: %v", address, err)
				return
			}
			step("connected to %s", address)
		},
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			if err == nil {
				step("%s agreed", tls.VersionName(s.Version))
			}
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { step("request sent") },
		GotFirstResponseByte: func() { step("answer begins") },
	})
}

func joinAddresses(addresses []net.IPAddr) string {
	words := make([]string, len(addresses))
	for i, a := range addresses {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}
