"""Generators that send, delegate, close and fail; iterators, context managers and exit stacks."""
import contextlib
import inspect
import types


def averager():
    total, count, average = 0, 0, None
    while True:
        try:
            value = yield average
        except ZeroDivisionError as error:
            average = f"reset by {error}"
            total = count = 0
            continue
        if value is None:
            return total
        total, count = total + value, count + 1
        average = total / count


def collect(results):
    while True:
        results.append((yield from averager()))


def flatten(tree):
    for node in tree:
        if isinstance(node, list):
            yield from flatten(node)
        else:
            yield node


def guarded(log):
    try:
        yield 1
        yield 2
    except GeneratorExit:
        log.append("exit")
        raise
    finally:
        log.append("finally")


def stubborn():
    while True:
        try:
            yield 1
        except GeneratorExit:
            pass


@contextlib.contextmanager
def tag(name, log):
    log.append(f"<{name}>")
    try:
        yield name
    except KeyError as error:
        log.append(f"caught {error}")
    finally:
        log.append(f"</{name}>")


def attempt(function):
    try:
        return repr(function())
    except BaseException as error:
        return type(error).__name__ + ": " + str(error) + ("" if error.__cause__ is None else f" from {error.__cause__!r}")


def main(args, context):
    log, results = [], []
    a = averager()
    out = {"average": [next(a), a.send(10), a.send(20), a.throw(ZeroDivisionError("x")), a.send(4), attempt(lambda: a.send(None)), attempt(lambda: next(a))]}
    c = collect(results)
    next(c)
    out["delegate"] = [c.send(1), c.send(2), c.send(None), results, inspect.getgeneratorstate(c), c.gi_yieldfrom is not None, c.close()]
    g = guarded(log)
    out["guard"] = [next(g), g.close(), log[:], attempt(lambda: next(g)), g.gi_frame is None]
    s = stubborn()
    next(s)
    out["stubborn"] = attempt(s.close)
    fresh = guarded(log)
    out["fresh"] = [attempt(lambda: fresh.send(5)), fresh.close(), len(log)]
    out["flat"] = list(flatten([1, [2, [3, []], 4]]))
    log.clear()
    with tag("a", log) as name, tag("b", log):
        log.append(name)
        raise KeyError("k")
    out["tags"] = log[:]
    with contextlib.ExitStack() as stack:
        [stack.enter_context(tag(n, log)) for n in "xy"]
        stack.callback(log.append, "callback")
        stack.push(lambda *e: log.append(e[0] and e[0].__name__) or True)
        raise OSError("swallowed")
    out["stack"] = log[len(out["tags"]) :]
    out["errors"] = [attempt(lambda: list(x for x in [1] if x / 0)), attempt(lambda: contextlib.contextmanager(lambda: iter([]))().__enter__()), attempt(lambda: contextlib.contextmanager(lambda: (i for i in [1, 2]))().__exit__(None, None, None)), attempt(lambda: (lambda: (yield))().send(1)), attempt(lambda: next(iter(int, 0)) if False else list(iter([3, 0].pop, 3))), attempt(lambda: [*(1 for _ in range(2))])]
    out["types"] = [isinstance(g, types.GeneratorType), inspect.isgeneratorfunction(averager), repr(g).split(" at ")[0], g.__name__, g.__qualname__]
    with contextlib.suppress(LookupError), contextlib.closing(flatten([1])) as f, contextlib.nullcontext(5) as n:
        out["with"] = [next(f), n]
        raise IndexError
    return out
