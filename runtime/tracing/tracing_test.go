package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	id     = "01935f9e-7d5c-7e11-a234-56789abcdef0"
	span   = "a23456789abcdef0"
	caller = "00f067aa0ba902b7"
	trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// collector is a receiver of OTLP. What it answers is set by the test.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collectorpb.ExportTraceServiceRequest
	headers  []http.Header
	answer   func(w http.ResponseWriter, n int) // n is the number of the request, from 1; nil: it takes all
}

func newCollector(t *testing.T, answer func(w http.ResponseWriter, n int)) *collector {
	c := &collector{answer: answer}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, _ := io.ReadAll(body)
	all := &collectorpb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(data, all); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.requests = append(c.requests, all)
	c.headers = append(c.headers, r.Header)
	n := len(c.requests)
	c.mu.Unlock()
	if c.answer != nil {
		c.answer(w, n)
	}
}

// spans returns all spans that were posted.
func (c *collector) spans() (all []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		for _, s := range r.ResourceSpans {
			for _, s := range s.ScopeSpans {
				all = append(all, s.Spans...)
			}
		}
	}
	return all
}

func (c *collector) options() tracing.Options {
	return tracing.Options{URL: c.URL + "/v1/traces", Ratio: 1, Version: "v1.2.3"}
}

// flush ends an exporter.
func flush(t *testing.T, e *tracing.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e.Close(ctx)
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// after returns a time in milliseconds after at.
func after(ms int) time.Time { return at.Add(time.Duration(ms) * time.Millisecond) }

func execution() *runtime.Execution {
	return &runtime.Execution{
		ID: id, Tenant: "acme", Function: "hello", FunctionID: "f1", Version: 3, State: runtime.StateSucceeded, Attempt: 1,
		Created: at, Started: after(1), Finished: after(20), Caller: runtime.Caller{TraceID: runtime.TraceOf(id), UserID: "s3cret"},
		Args: []byte(`{"a": "s3cret"}`),
		Outcome: runtime.Outcome{
			Result: []byte(`"s3cret"`), Logs: runtime.Logs{Data: []byte("s3cret")},
			Timeline: &runtime.Timeline{Began: after(2), Called: after(5), Ended: after(18), Built: true, Calls: []runtime.EgressCall{
				{Network: "tcp", Host: "example.com", Port: 443, TLS: true, Began: after(6), Ended: after(9), Connecting: time.Millisecond, Sent: 10, Received: 20},
				{Host: "nowhere.example", Began: after(10), Ended: after(11), Failure: runtime.CodeNotFound},
			}},
		},
	}
}

// attributes returns the attributes of a span as text.
func attributes(s *tracepb.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range s.Attributes {
		text := fmt.Sprint(a.Value.GetValue()) // &{value}
		all[a.Key] = strings.TrimSuffix(text[strings.Index(text, "{")+1:], "}")
	}
	return all
}

func ids(s *tracepb.Span) (trace, span, parent string) {
	return hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId)
}

func named(t *testing.T, all []*tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no span %q in %v", name, all)
	return nil
}

// TestBlockingRun tests the spans of a blocking run: their order in time, parents and attributes.
func TestBlockingRun(t *testing.T) {
	c := newCollector(t, nil)
	o := c.options()
	o.Header = map[string]string{"Authorization": "Bearer s3cret"}
	o.Compress = true
	o.Resource = map[string]string{"service.name": "mine"}
	e := tracing.New(o)
	e.OnEnd(execution(), true)
	flush(t, e)
	all := c.spans()
	if len(all) != 6 {
		t.Fatalf("%d spans were exported: %v", len(all), all)
	}
	root := named(t, all, "hello")
	if trace, own, parent := ids(root); trace != runtime.TraceOf(id) || own != span || parent != "" {
		t.Errorf("the span of the execution is %s %s, and its parent %q", trace, own, parent)
	}
	run := named(t, all, "run")
	_, runID, _ := ids(run)
	for name, want := range map[string]struct {
		from, to int
		parent   string
		has      map[string]string
	}{
		"hello":                   {0, 20, "", map[string]string{"faaspot.tenant": "acme", "faas.name": "hello", "faas.version": "3", "faas.invocation_id": id, "faaspot.attempt": "1", "faaspot.outcome": "succeeded"}},
		"queue":                   {0, 2, span, map[string]string{"faas.invocation_id": id, "faaspot.attempt": "1"}},
		"start":                   {2, 5, span, map[string]string{"faas.coldstart": "true"}},
		"run":                     {5, 18, span, map[string]string{"faaspot.tenant": "acme", "faas.name": "hello", "faas.version": "3", "faas.invocation_id": id, "faaspot.attempt": "1", "faaspot.outcome": "succeeded"}},
		"tcp example.com:443":     {6, 9, runID, map[string]string{"server.address": "example.com", "server.port": "443", "network.transport": "tcp", "faaspot.egress.tls": "true", "faaspot.egress.sent_bytes": "10", "faaspot.egress.received_bytes": "20", "faaspot.outcome": "connected", "faas.invocation_id": id}},
		"resolve nowhere.example": {10, 11, runID, map[string]string{"server.address": "nowhere.example", "error.type": "not_found"}},
	} {
		s := named(t, all, name)
		if s.StartTimeUnixNano != uint64(after(want.from).UnixNano()) || s.EndTimeUnixNano != uint64(after(want.to).UnixNano()) {
			t.Errorf("%s lasts from %d to %d", name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
		if _, _, parent := ids(s); parent != want.parent {
			t.Errorf("the parent of %s is %q, not %q", name, parent, want.parent)
		}
		got := attributes(s)
		for key, value := range want.has {
			if got[key] != value {
				t.Errorf("%s has %s = %q, not %q", name, key, got[key], value)
			}
		}
	}
	if text := fmt.Sprint(c.requests); strings.Contains(text, "s3cret") {
		t.Errorf("spans have what they must not: %s", text)
	}
	if got := c.headers[0].Get("Authorization"); got != "Bearer s3cret" {
		t.Errorf("the collector got the header %q", got)
	}
	if r := fmt.Sprint(c.requests[0].ResourceSpans[0].Resource); !strings.Contains(r, "mine") || !strings.Contains(r, "v1.2.3") {
		t.Errorf("the resource is %s", r)
	}
}

// TestBackgroundRun tests that attempts have spans of their own, and that the caller's span is the parent.
func TestBackgroundRun(t *testing.T) {
	c := newCollector(t, nil)
	e := tracing.New(c.options())
	x := execution()
	x.Caller = runtime.Caller{TraceID: trace, ParentSpan: caller, Sampled: runtime.SamplingOn}
	x.State, x.Timeline.Failure = runtime.StateQueued, &runtime.Failure{Class: runtime.ClassError, Message: "s3cret"}
	x.Timeline.Calls = nil
	e.OnAttempt(x)
	x.Attempt, x.State = 2, runtime.StateTimeout
	x.Timeline = &runtime.Timeline{Waiting: after(20), Began: after(40), Ended: after(50), Failure: &runtime.Failure{Class: runtime.ClassTimeout}}
	x.Failure = x.Timeline.Failure
	e.OnAttempt(x)
	e.OnEnd(x, false)
	e.OnJobEnd(&runtime.JobExecution{ID: id, Tenant: "acme", Job: "nightly", State: runtime.StateFailed, Created: at, Finished: after(60), Caller: x.Caller})
	task := *x
	task.ID = runtime.TaskID(id, 7)
	task.Task = &runtime.TaskRef{JobExecution: id, Index: 7}
	task.Function = "task"
	e.OnEnd(&task, false)
	flush(t, e)
	all := c.spans()
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if trace, _, _ := ids(s); hex.EncodeToString(s.TraceId) != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s belongs to the trace %s", s.Name, trace)
		}
	}
	if got := strings.Join(names, " "); got != "queue start run queue start hello nightly task" {
		t.Fatalf("the spans are %s", got)
	}
	if _, _, parent := ids(all[5]); parent != caller {
		t.Errorf("the parent of the execution is %q", parent)
	}
	if _, own, parent := ids(all[6]); parent != caller || own != span {
		t.Errorf("the job has the span %q and the parent %q", own, parent)
	}
	if _, _, parent := ids(all[7]); parent != span {
		t.Errorf("the parent of a task is %q", parent)
	}
	if all[3].StartTimeUnixNano != uint64(after(20).UnixNano()) {
		t.Error("the second attempt does not wait since the end of the first")
	}
	for i, failed := range []bool{2: true, 4: true, 5: true, 6: true, 7: true} {
		if got := all[i].Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR; got != failed {
			t.Errorf("the span %s failed: %v", all[i].Name, got)
		}
	}
	if strings.Contains(fmt.Sprint(c.requests), "s3cret") {
		t.Error("the message of a failure is in a span")
	}
}

// TestSampling tests that callers decide on their traces, and the ratio on all others.
func TestSampling(t *testing.T) {
	const runs = 4000
	for _, ratio := range []float64{0, 0.1, 0.5, 1} {
		c := newCollector(t, nil)
		o := c.options()
		o.Ratio = ratio
		e := tracing.New(o)
		for range runs {
			x := execution()
			x.ID = runtime.NewID()
			x.Timeline = nil
			x.Caller.TraceID = runtime.TraceOf(x.ID)
			e.OnEnd(x, false)
		}
		x := execution()
		x.Timeline = nil
		x.Caller = runtime.Caller{TraceID: trace, ParentSpan: caller, Sampled: runtime.SamplingOn}
		x.Function = "wanted"
		e.OnEnd(x, false)
		x.Caller.Sampled, x.Function = runtime.SamplingOff, "unwanted"
		e.OnEnd(x, false)
		flush(t, e)
		byName := map[string]int{}
		for _, s := range c.spans() {
			byName[s.Name]++
		}
		if byName["wanted"] != 1 || byName["unwanted"] != 0 {
			t.Errorf("ratio %g: traces that callers decide on are exported as %v", ratio, byName)
		}
		// The standard deviation is at most 32.
		if got, want := byName["hello"], int(runs*ratio); got < want-200 || got > want+200 || (ratio == 0 || ratio == 1) && got != want {
			t.Errorf("ratio %g: %d of %d traces are exported", ratio, got, runs)
		}
	}
}

// TestWantedTracesAreBounded tests that callers cannot have more of their traces exported, in spite of the ratio, than
// a bound of each tenant.
func TestWantedTracesAreBounded(t *testing.T) {
	c := newCollector(t, nil)
	o := c.options()
	o.Ratio = 0
	now := at
	o.Now = func() time.Time { return now }
	e := tracing.New(o)
	run := func(tenant runtime.Tenant, runs int) {
		x := execution()
		x.Tenant, x.Function, x.Timeline = tenant, string(tenant), nil
		x.Caller = runtime.Caller{TraceID: strings.Repeat("f", 32), Sampled: runtime.SamplingOn} // any ratio has this trace
		for range runs {
			e.OnEnd(x, false)
		}
	}
	run("greedy", 1500)
	run("modest", 10)
	now = now.Add(10 * time.Second)
	run("greedy", 1)
	flush(t, e)
	got := map[string]int{}
	for _, s := range c.spans() {
		got[s.Name]++
	}
	if got["greedy"] != 1001 || got["modest"] != 10 {
		t.Errorf("exported were %v", got)
	}
}

// TestTenantsShareTheRoom tests that a tenant whose spans are more than fit leaves room for those of others.
func TestTenantsShareTheRoom(t *testing.T) {
	held := make(chan struct{})
	c := newCollector(t, func(http.ResponseWriter, int) { <-held })
	defer close(held)
	o := c.options()
	o.Memory = memory.New(64<<20, nil)
	e := tracing.New(o)
	x := execution()
	for range 5000 {
		e.OnEnd(x, true)
	}
	_, before, _ := e.Figures()
	for i := range 3 {
		x.Tenant = runtime.Tenant(fmt.Sprint("other", i))
		e.OnEnd(x, true)
	}
	if _, dropped, _ := e.Figures(); before == 0 || dropped != before {
		t.Errorf("%d spans were dropped before other tenants came, and %d since then", before, dropped-before)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(ended)
	if used := o.Memory.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}

// TestCollectorFails tests what becomes of spans whose collector does not take them at once, or never.
func TestCollectorFails(t *testing.T) {
	status := func(code int) func(w http.ResponseWriter, n int) {
		return func(w http.ResponseWriter, _ int) { w.WriteHeader(code) }
	}
	for name, test := range map[string]struct {
		answer            func(w http.ResponseWriter, n int)
		exported, dropped uint64
	}{
		"takes": {nil, 6, 0},
		"busy at 429": {func(w http.ResponseWriter, n int) {
			if n == 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 6, 0},
		"503, then it takes": {func(w http.ResponseWriter, n int) {
			if n == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}, 6, 0},
		"refuses":       {status(http.StatusBadRequest), 0, 6},
		"wants a login": {status(http.StatusUnauthorized), 0, 6},
		"redirects": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, 0, 6},
		"rejects some": {func(w http.ResponseWriter, _ int) {
			reply, _ := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "no"}})
			_, _ = w.Write(reply)
		}, 4, 2},
		"rejects more than it got": {func(w http.ResponseWriter, _ int) {
			reply, _ := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 100}})
			_, _ = w.Write(reply)
		}, 0, 6},
		"answers nonsense": {func(w http.ResponseWriter, _ int) { _, _ = w.Write([]byte("<html>")) }, 6, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, test.answer)
			e := tracing.New(c.options())
			defer flush(t, e)
			e.OnEnd(execution(), true)
			for exported, dropped, _ := e.Figures(); exported+dropped < 6; exported, dropped, _ = e.Figures() {
				if t.Context().Err() != nil {
					t.Fatal("the spans are neither exported nor dropped")
				}
				time.Sleep(time.Millisecond)
			}
			if exported, dropped, waiting := e.Figures(); exported != test.exported || dropped != test.dropped || waiting != 0 {
				t.Errorf("%d spans were exported, %d dropped, and %d wait", exported, dropped, waiting)
			}
		})
	}
}

// TestCollectorHangs tests that spans are bounded while the collector does not answer, that nobody waits for
// it, and that all are counted.
func TestCollectorHangs(t *testing.T) {
	held := make(chan struct{})
	c := newCollector(t, func(http.ResponseWriter, int) { <-held })
	defer close(held)
	budget := memory.New(64<<20, nil)
	o := c.options()
	o.Memory = budget
	e := tracing.New(o)
	const runs = 5000
	for range runs {
		e.OnEnd(execution(), true)
	}
	_, dropped, waiting := e.Figures()
	if limit := 64 << 20 / 64 / 1024 / 3; waiting == 0 || waiting > limit || dropped == 0 {
		t.Errorf("%d spans wait, at most %d may, and %d were dropped", waiting, limit, dropped)
	}
	if used := budget.Used(); used > 2<<20 {
		t.Errorf("spans have %d bytes of the budget", used)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(ended) // it gives up at once
	e.OnEnd(execution(), true)
	exported, dropped, waiting := e.Figures()
	if exported != 0 || dropped != 6*(runs+1) || waiting != 0 {
		t.Errorf("%d spans were exported, %d dropped, and %d wait", exported, dropped, waiting)
	}
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}

// TestCollectorIsDown tests that spans of a collector that is not there are given up, without its URL in the
// log.
func TestCollectorIsDown(t *testing.T) {
	c := newCollector(t, nil)
	o := c.options()
	o.URL += "?key=s3cret"
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	c.Close()
	e := tracing.New(o)
	e.OnEnd(execution(), true)
	flush(t, e) // it tries once
	flush(t, e)
	if text := log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, "s3cret") || strings.Contains(text, "/v1/traces") {
		t.Errorf("the log is %q", text)
	}
	if exported, dropped, waiting := e.Figures(); exported != 0 || dropped != 6 || waiting != 0 {
		t.Errorf("%d spans were exported, %d dropped, and %d wait", exported, dropped, waiting)
	}
}

// BenchmarkOnEnd measures the spans of a blocking run without connections.
func BenchmarkOnEnd(b *testing.B) {
	c := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer c.Close()
	for name, ratio := range map[string]float64{"exported": 1, "unsampled": 0} {
		b.Run(name, func(b *testing.B) {
			e := tracing.New(tracing.Options{URL: c.URL, Ratio: ratio})
			x := execution()
			x.Timeline.Calls = nil
			b.ReportAllocs()
			for b.Loop() {
				e.OnEnd(x, true)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			e.Close(ctx)
		})
	}
}
