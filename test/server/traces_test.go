//go:build linux

package server

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/faaspot/faaspot/test/process"
)

// collector receives spans by OTLP. While it is deaf, it answers nothing.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	deaf  chan struct{} // closed at the end
}

func newCollector(t *testing.T, deaf bool) *collector {
	c := &collector{deaf: make(chan struct{})}
	if !deaf {
		close(c.deaf)
	} else {
		t.Cleanup(func() { close(c.deaf) })
	}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		<-c.deaf
		var all collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &all); err != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range all.ResourceSpans {
			for _, of := range of.ScopeSpans {
				c.spans = append(c.spans, of.Spans...)
			}
		}
	}))
	if !deaf {
		t.Cleanup(c.Close)
	}
	return c
}

// of returns the spans of an execution: "SPAN under PARENT" by name, where both are ids.
func (c *collector) of(id string) map[string][2]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string][2]string{}
	for _, s := range c.spans {
		if strings.Contains(fmt.Sprint(s.Attributes), id) {
			found[s.Name] = [2]string{hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId)}
		}
	}
	return found
}

// TestTraces tests the spans of real runs, in the server and in workers: under the caller's span, with the
// connections of the function; and that a collector that does not answer delays no run and not the end.
func TestTraces(t *testing.T) {
	const parent = "00f067aa0ba902b7"
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-" + parent + "-01"
	peer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(peer.Close)
	address := strings.TrimPrefix(peer.URL, "http://")
	code := "import urllib.request\ndef main(args, context):\n    return urllib.request.urlopen('" + peer.URL + "/s3cret?s3cret=1').status\n"
	for _, workers := range []string{"0", "1"} {
		t.Run("with "+workers+" workers", func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, false)
			s := process.NewSite(t, "--workers", workers, "--egress-allow", "127.0.0.1", "--otlp-endpoint", c.URL)
			server := s.Serve(t)
			server.Deploy(t, "get", code, "allow", []string{address})
			reply := server.Must(t, "POST", "/v1/sync/functions/get/rpc/", `{"a":"s3cret"}`, "traceparent", trace)
			blocking := reply.Header.Get("X-Execution-Id")
			background := server.Submit(t, "get", `{}`, "traceparent", trace)
			server.WaitEnd(t, background)
			for what, id := range map[string]string{"blocking": blocking, "background": background} {
				var got map[string][2]string
				process.Until(t, "the spans of the "+what+" run are exported", func() bool {
					got = c.of(id)
					return len(got) >= 5
				})
				own := strings.ReplaceAll(id, "-", "")[16:]
				for name, want := range map[string]string{"get": parent, "queue": own, "start": own, "run": own, "tcp " + address: got["run"][0]} {
					if s, ok := got[name]; !ok || s[1] != want {
						t.Errorf("%s: the span %q is %v, its parent should be %s", what, name, s, want)
					}
				}
				if got["get"][0] != own {
					t.Errorf("%s: the span of the execution is %s", what, got["get"][0])
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if strings.Contains(fmt.Sprint(c.spans), "s3cret") {
				t.Error("spans have what they must not")
			}
		})
	}
	t.Run("collector that does not answer", func(t *testing.T) {
		t.Parallel()
		c := newCollector(t, true)
		s := process.NewSite(t, "--otlp-endpoint", c.URL, "--otlp-sample-ratio", "1")
		server := s.Serve(t)
		server.Deploy(t, "hello", process.EchoCode)
		for range 50 {
			server.Must(t, "POST", "/v1/sync/functions/hello/rpc/", `{"n":3}`)
		}
		server.WaitAll(t, server.SubmitBulk(t, "hello", process.NumberedArgs(10000)))
		process.Until(t, "spans are dropped", func() bool {
			figures := server.Must(t, "GET", "/metrics", "").Body
			return !strings.Contains(string(figures), `faaspot_trace_spans_total{outcome="dropped"} 0`) &&
				strings.Contains(string(figures), `faaspot_trace_spans_total{outcome="exported"} 0`)
		})
		server.Signal(t, syscall.SIGTERM)
		server.WaitExit(t, 0)
	})
}
