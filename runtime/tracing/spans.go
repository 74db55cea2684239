package tracing

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/faaspot/faaspot/runtime"
)

// OnEnd makes the span of a run that has ended, and those of its attempt if it was blocking.
func (e *Exporter) OnEnd(x *runtime.Execution, blocking bool) {
	attempt := blocking && x.Timeline != nil
	n := 1
	if attempt {
		n += attemptSpans(x.Timeline)
	}
	b, ok := e.begin(x.Tenant, x.ID, x.Caller, n)
	if !ok {
		return
	}
	parent := x.Caller.ParentSpan
	s := &tracepb.Span{SpanId: decode(runtime.SpanOf(x.ID)), Name: x.Function, Kind: tracepb.Span_SPAN_KIND_CONSUMER}
	if blocking {
		s.Kind = tracepb.Span_SPAN_KIND_SERVER
	}
	s.Attributes = append(runAttributes(x), number("faaspot.attempt", int64(x.Attempt)), text("faaspot.outcome", string(x.State)))
	if x.Task != nil {
		parent = runtime.SpanOf(x.Task.JobExecution)
		s.Attributes = append(s.Attributes, text("faaspot.job_execution", x.Task.JobExecution), number("faaspot.task", int64(x.Task.Index)))
	}
	s.ParentSpanId = decode(parent)
	fail(s, x.Failure)
	b.add(s, x.Created, x.Finished)
	if attempt {
		b.attempt(x)
	}
	e.add(&b)
}

// OnAttempt makes the spans of an attempt that has ended.
func (e *Exporter) OnAttempt(x *runtime.Execution) {
	if b, ok := e.begin(x.Tenant, x.ID, x.Caller, attemptSpans(x.Timeline)); ok {
		b.attempt(x)
		e.add(&b)
	}
}

// OnJobEnd makes the span of an execution of a job that has ended.
func (e *Exporter) OnJobEnd(x *runtime.JobExecution) {
	b, ok := e.begin(x.Tenant, x.ID, x.Caller, 1)
	if !ok {
		return
	}
	s := &tracepb.Span{
		SpanId: decode(runtime.SpanOf(x.ID)), ParentSpanId: decode(x.ParentSpan), Name: x.Job, Kind: tracepb.Span_SPAN_KIND_CONSUMER,
		Attributes: []*commonpb.KeyValue{
			text("faaspot.tenant", string(x.Tenant)), text("faas.name", x.Function), text("faaspot.job", x.Job), text("faaspot.job_execution", x.ID),
			text("faaspot.outcome", string(x.State)), number("faaspot.tasks", int64(x.Stats.Total)),
			number("faaspot.tasks.failed", int64(x.Stats.Failed+x.Stats.TimedOut)), number("faaspot.tasks.cancelled", int64(x.Stats.Cancelled)),
		},
	}
	if x.State == runtime.StateFailed || x.State == runtime.StateTimeout {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
	b.add(s, x.Created, x.Finished)
	e.add(&b)
}

// builder makes spans of one trace.
type builder struct {
	tenant runtime.Tenant
	trace  []byte
	spans  []*tracepb.Span
}

// begin returns a builder with places for n spans of what has an id, and false if there are not so many or the trace is not
// exported. The caller makes exactly n.
func (e *Exporter) begin(tenant runtime.Tenant, id string, c runtime.Caller, n int) (b builder, ok bool) {
	c.BeginTrace(id) // queued runs that are in no other trace do not name their own
	b.tenant, b.trace = tenant, decode(c.TraceID)
	if len(b.trace) != 16 || !e.sampled(tenant, b.trace, c.Sampled) || !e.reserve(tenant, n) {
		return b, false
	}
	b.spans = make([]*tracepb.Span, 0, n)
	return b, true
}

// randomBits is the number of the last bits of the id of a trace that are random (W3C Trace Context,
// Level 2), also in those that follow from the id of an execution.
const randomBits = 56

// sampled reports whether a part of a trace is exported: as its caller says, within the bound of its tenant, or
// else if its trace is of the part of all traces, which is the same in all servers. What callers want beyond
// the bound is not left to the ratio, because they choose the ids of their traces.
func (e *Exporter) sampled(tenant runtime.Tenant, trace []byte, caller runtime.Sampling) bool {
	switch caller {
	case runtime.SamplingOn:
		return e.want(tenant)
	case runtime.SamplingOff:
		return false
	}
	const all = 1 << randomBits
	value := binary.BigEndian.Uint64(trace[8:]) & (all - 1)
	return float64(value) >= (1-e.o.Ratio)*all
}

func (b *builder) add(s *tracepb.Span, began, ended time.Time) {
	s.TraceId = b.trace
	if len(s.SpanId) == 0 {
		s.SpanId = binary.BigEndian.AppendUint64(nil, rand.Uint64()|1)
	}
	if ended.Before(began) { // the clock was set back
		ended = began
	}
	s.StartTimeUnixNano, s.EndTimeUnixNano = uint64(began.UnixNano()), uint64(ended.UnixNano())
	b.spans = append(b.spans, s)
}

// attemptSpans returns the number of spans of an attempt.
func attemptSpans(t *runtime.Timeline) int {
	if t.Called.IsZero() {
		return 2 // queue and start
	}
	return 3 + len(t.Calls)
}

// attempt adds the spans of an attempt, which has a timeline: [attemptSpans].
func (b *builder) attempt(x *runtime.Execution) {
	t := x.Timeline
	waiting := t.Waiting
	if waiting.IsZero() {
		waiting = x.Created
	}
	outcome := string(runtime.StateSucceeded)
	if t.Failure != nil {
		outcome = string(t.Failure.Class)
	}
	all := append(runAttributes(x), number("faaspot.attempt", int64(x.Attempt)))
	child := func(name string, began, ended time.Time, more ...*commonpb.KeyValue) *tracepb.Span {
		s := &tracepb.Span{ParentSpanId: decode(runtime.SpanOf(x.ID)), Name: name, Kind: tracepb.Span_SPAN_KIND_INTERNAL}
		s.Attributes = append(slices.Clip(all), more...)
		b.add(s, began, ended)
		return s
	}
	child("queue", waiting, t.Began)
	cold := flag("faas.coldstart", t.Built)
	if t.Called.IsZero() {
		fail(child("start", t.Began, t.Ended, cold, text("faaspot.outcome", outcome)), t.Failure)
		return
	}
	child("start", t.Began, t.Called, cold)
	run := child("run", t.Called, t.Ended, text("faaspot.outcome", outcome))
	fail(run, t.Failure)
	for i := range t.Calls {
		b.call(&t.Calls[i], run, all)
	}
	if t.CallsLost > 0 {
		run.Attributes = append(run.Attributes, number("faaspot.egress.dropped", int64(t.CallsLost)))
	}
}

// call adds the span of a connection.
func (b *builder) call(c *runtime.EgressCall, run *tracepb.Span, all []*commonpb.KeyValue) {
	s := &tracepb.Span{ParentSpanId: run.SpanId, Kind: tracepb.Span_SPAN_KIND_CLIENT}
	s.Attributes = append(slices.Clip(all), text("server.address", c.Host))
	if c.Port == 0 {
		s.Name = "resolve " + c.Host
	} else {
		s.Name = c.Network + " " + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
		s.Attributes = append(s.Attributes, number("server.port", int64(c.Port)), text("network.transport", c.Network))
	}
	outcome := "connected"
	if c.Failure != "" {
		outcome = string(c.Failure)
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		s.Attributes = append(s.Attributes, text("error.type", outcome))
	} else {
		s.Attributes = append(s.Attributes, flag("faaspot.egress.tls", c.TLS), number("faaspot.egress.sent_bytes", c.Sent),
			number("faaspot.egress.received_bytes", c.Received), number("faaspot.egress.connect_us", c.Connecting.Microseconds()))
	}
	s.Attributes = append(s.Attributes, text("faaspot.outcome", outcome))
	b.add(s, c.Began, c.Ended)
}

// fail marks a span of something that has failed. The message of a failure is the function's, and stays out.
func fail(s *tracepb.Span, f *runtime.Failure) {
	if f == nil {
		return
	}
	s.Attributes = append(s.Attributes, text("error.type", string(f.Class)))
	if f.Class != runtime.ClassCancelled {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
}

// runAttributes returns the attributes that all spans of a run have.
func runAttributes(x *runtime.Execution) []*commonpb.KeyValue {
	return append(make([]*commonpb.KeyValue, 0, 12),
		text("faaspot.tenant", string(x.Tenant)), text("faas.name", x.Function), text("faas.version", strconv.FormatUint(x.Version, 10)),
		text("faas.invocation_id", x.ID))
}

func resourceOf(o Options) *resourcepb.Resource {
	all := map[string]string{"service.name": "faaspot", "service.version": o.Version, "telemetry.sdk.language": "go"}
	maps.Copy(all, o.Resource)
	r := &resourcepb.Resource{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r.Attributes = append(r.Attributes, text(name, all[name]))
	}
	return r
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func flag(key string, value bool) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value}}}
}

// decode decodes the id of a trace or a span, which is empty or valid.
func decode(id string) []byte {
	b, err := hex.DecodeString(id)
	if err != nil {
		return nil
	}
	return b
}
