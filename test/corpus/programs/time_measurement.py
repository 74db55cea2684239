"""Measures, sleeps and formats durations; only what does not depend on the machine is returned."""
import datetime
import os
import sched
import time
import timeit


def human(seconds):
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        n, seconds = divmod(seconds, size)
        if n:
            parts.append(f"{int(n)}{unit}")
    return " ".join(parts) or "0s"


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    start, wall, cpu = time.monotonic_ns(), time.time_ns(), time.process_time()
    time.sleep(0.01)
    elapsed = time.monotonic_ns() - start
    log, events = [], sched.scheduler(time.monotonic, time.sleep)
    events.enter(0.003, 1, log.append, ("second",))
    events.enter(0.001, 2, log.append, ("first",))
    events.run()
    now = datetime.datetime.now(datetime.UTC)
    return {
        "slept": 9_000_000 <= elapsed, "wall": abs(time.time_ns() - wall - elapsed) < 60_000_000_000, "cpu": time.process_time() >= cpu, "types": [type(time.time()).__name__, type(time.perf_counter_ns()).__name__], "log": log, "human": [human(s) for s in (0, 59, 3661, 90061)], "near": abs((now - datetime.datetime.fromtimestamp(time.time(), datetime.UTC)).total_seconds()) < 60, "year": now.year >= 2024, "utc": [time.timezone, time.altzone, time.daylight, list(time.tzname), time.localtime(0).tm_hour, time.localtime(0).tm_zone, time.localtime(0).tm_gmtoff],
        "asctime": [time.asctime(time.gmtime(0)), time.ctime(1e9), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1234567890))], "struct": [repr(time.gmtime(86399.9)), time.gmtime(0)[:3], time.struct_time(range(9)).tm_yday], "errors": [attempt(lambda: time.sleep("x")), attempt(lambda: time.strptime("x", "%Y")), attempt(lambda: time.strftime("%Y", (1,))), attempt(lambda: time.mktime((1,) * 8)), attempt(lambda: time.gmtime(float("nan"))), attempt(lambda: time.strftime("%d", (2024, 1, 32, 0, 0, 0, 0, 0, 0))), attempt(lambda: time.asctime((2024, 13, 1, 0, 0, 0, 0, 0, 0)))],
        "timeit": [timeit.timeit("x = 1", number=10) >= 0, len(timeit.repeat(lambda: None, number=1, repeat=3))], "clocks": [time.get_clock_info(c).adjustable for c in ("time", "monotonic", "perf_counter")], "tz": [attempt(lambda n=n: zone(n)) for n in ("America/New_York", "CET-1CEST,M3.5.0,M10.5.0/3", "nonsense")],
    }


def zone(name):
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    try:
        time.tzset()
        return [time.tzname[0], time.timezone, time.localtime(1720000000).tm_hour, datetime.datetime.fromtimestamp(1720000000).astimezone().isoformat()]
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
