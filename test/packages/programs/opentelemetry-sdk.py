from opentelemetry import baggage, context as contexts, trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace.status import Status, StatusCode


class Numbers(IdGenerator):
    def __init__(self):
        self.number = 0

    def generate_span_id(self):
        self.number += 1
        return self.number

    generate_trace_id = generate_span_id


def main(args, context):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), id_generator=Numbers())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t", "1")
    headers = {}
    with tracer.start_as_current_span("outer", attributes={"a": 1}) as span:
        token = contexts.attach(baggage.set_baggage("user", "ü"))
        inject(headers)
        contexts.detach(token)
        try:
            with tracer.start_as_current_span("inner", kind=trace.SpanKind.CLIENT):
                raise ValueError("bad")
        except ValueError:
            span.set_status(Status(StatusCode.OK))
        span.add_event("done", {"n": [1, 2]})
    remote = trace.get_current_span(extract(headers)).get_span_context()
    spans = [[s.name, s.kind.name, s.status.status_code.name, s.parent and s.parent.span_id, [e.name for e in s.events], dict(s.attributes)] for s in exporter.get_finished_spans()]
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("m")
    counter = meter.create_counter("orders", unit="1")
    counter.add(2, {"k": "a"})
    counter.add(3, {"k": "a"})
    meter.create_histogram("size").record(7)
    metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    points = [[m.name, p.value if hasattr(p, "value") else [p.count, p.sum, p.max], dict(p.attributes)] for m in metrics for p in m.data.data_points]
    return [spans, headers, remote.is_remote, remote.span_id, provider.resource.attributes["service.name"], points]
