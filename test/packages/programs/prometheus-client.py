from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary, generate_latest, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families


class Collector:
    def collect(self):
        family = GaugeMetricFamily("queue", "Waiting.", labels=["name"])
        family.add_metric(['a"\n'], 3)
        yield family


def main(args, context):
    registry = CollectorRegistry()
    requests = Counter("requests", "All requests.", ["method", "path"], registry=registry)
    requests.labels("get", "/").inc()
    requests.labels(method="post", path="/ü").inc(2.5, exemplar={"trace": "1"})
    active = Gauge("active", "Now.", registry=registry)
    with active.track_inprogress():
        during = active._value.get()
    active.set_function(lambda: 7)
    sizes = Histogram("size", "Bytes.", buckets=(1, 10), registry=registry)
    for size in (0.5, 5, 50):
        sizes.observe(size)
    with Summary("took", "Seconds.", registry=registry).time():
        pass
    failures = Counter("failures", "Failures.", registry=registry)
    try:
        with failures.count_exceptions(KeyError):
            {}["a"]
    except KeyError:
        pass
    Info("build", "The build.", registry=registry).info({"version": "1"})
    Enum("state", "The state.", states=["on", "off"], registry=registry).state("off")
    registry.register(Collector())
    lines = [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line and "took_sum" not in line]
    try:
        Counter("requests", "Again.", registry=registry)
    except ValueError as error:
        twice = str(error)
    status = []
    body = b"".join(make_wsgi_app(registry)({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": "name[]=active"}, lambda *a: status.append(a[0])))
    parsed = {f.name: [[s.labels, s.value] for s in f.samples] for f in text_string_to_metric_families("# TYPE a counter\na_total{b=\"c\\n\"} 5\n")}
    return [lines, during, registry.get_sample_value("requests_total", {"method": "get", "path": "/"}), twice, status, body.decode(), parsed, openmetrics(registry).decode().endswith("# EOF\n")]
