"""Finds the lines that allocate most with tracemalloc."""
import tracemalloc


def build(n):
    return [str(i) * 20 for i in range(n)]


def measure():
    tracemalloc.start(5)
    before = tracemalloc.take_snapshot()
    kept = build(2000)
    current, peak = tracemalloc.get_traced_memory()
    top = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__)]).compare_to(before, "lineno")
    tracemalloc.stop()
    return [len(kept), current > 100_000, peak >= current, top[0].traceback[0].lineno, top[0].count_diff >= 1990]


def main(args, context):
    try:
        return {"tracing": tracemalloc.is_tracing(), "measured": measure()}
    except NotImplementedError as error:
        return {"tracing": False, "measured": str(error)}
