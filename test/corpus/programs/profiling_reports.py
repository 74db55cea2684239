"""Profiles and traces a computation; what is returned does not depend on the clock."""
import cProfile
import io
import pstats
import sys
import trace


def leaf(n):
    return n * n


def middle(n):
    return sum(leaf(i) for i in range(n))


def main(args, context):
    profile = cProfile.Profile()
    profile.enable()
    total = middle(10) + middle(5)
    profile.disable()
    stats = pstats.Stats(profile, stream=io.StringIO())
    calls = {name: stat[:2] for (file, line, name), stat in stats.stats.items() if file == __file__}
    tracer = trace.Trace(count=1, trace=0)
    tracer.runfunc(middle, 3)
    counts = {line: n for (file, line), n in tracer.results().counts.items() if file == __file__}
    events = []
    sys.settrace(lambda frame, event, arg: events.append([event, frame.f_code.co_name]) if frame.f_code.co_filename == __file__ else None)
    leaf(1)
    sys.settrace(None)
    seen = []
    sys.setprofile(lambda frame, event, arg: seen.append(event))
    len("")
    sys.setprofile(None)
    tool = 5
    sys.monitoring.use_tool_id(tool, "corpus")
    started = []
    sys.monitoring.register_callback(tool, sys.monitoring.events.PY_START, lambda code, offset: started.append(code.co_name))
    sys.monitoring.set_events(tool, sys.monitoring.events.PY_START)
    leaf(2)
    sys.monitoring.set_events(tool, 0)
    sys.monitoring.free_tool_id(tool)
    return {"total": total, "calls": calls, "counts": counts, "events": events, "profile": seen, "monitoring": started, "called": stats.total_calls > 15}
