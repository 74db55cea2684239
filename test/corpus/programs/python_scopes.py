"""Closures, late binding, class scopes, comprehensions, walrus, globals, defaults and mutation."""
import builtins

COUNT = 0


def counter():
    n = 0

    def step(by=1):
        nonlocal n
        n += by
        return n

    return step


def defaults(x, seen=[]):
    seen.append(x)
    return seen


class Scoped:
    base = 2
    squares = [i * i for i in range(3)]
    try:
        scaled = [i * base for i in range(3)]
    except NameError as error:
        scaled = str(error)
    outer = (lambda: __class__.__name__ if False else "lambda")()

    def who(self):
        return __class__.__name__


def change():
    global COUNT
    COUNT += 1
    del globals()["TEMPORARY"]


def unbound():
    try:
        return value
    except UnboundLocalError as error:
        return str(error)
    value = 1


def flow(n):
    log = []
    for i in range(n):
        try:
            if i == 1:
                continue
            if i == 3:
                break
            log.append(i)
        finally:
            log.append(f"f{i}")
    else:
        log.append("else")
    while n:
        n -= 1
    else:
        log.append("w")
    return log


def returning():
    try:
        return "try"
    finally:
        returning.ran = True


def main(args, context):
    global TEMPORARY
    TEMPORARY = 1
    change()
    step = counter()
    late, early = [lambda: i for i in range(3)], [lambda i=i: i for i in range(3)]
    a = b = []
    a += [1]
    t = ([1],)
    try:
        t[0] += [2]
    except TypeError as error:
        tuple_error = [str(error), t]
    x = 5
    [x for x in range(3)]
    rows = [y := 1, y + 1, (z := [w for w in "ab" if (last := w)]), last]
    i = 0
    i, values = 1, [0, 0, 0]
    values[i], i = 9, 2
    first, *middle, end = range(5)
    (p, q), [r, s] = (1, 2), "ab"
    matrix = [[0] * 2] * 2
    matrix[0][0] = 1
    class Local:
        x = a
        y = [x for _ in range(1)]
    namespace = {}
    exec("def made(a): return a + k\nk = 10", namespace)
    def gen():
        try:
            yield 1
        finally:
            events.append("closed")
    events = []
    for _ in gen():
        break
    try:
        raise ValueError("e")
    except ValueError as e:
        pass
    return {
        "counter": [step(), step(5), step.__closure__[0].cell_contents, step.__code__.co_freevars], "late": [[f() for f in late], [f() for f in early]], "defaults": [defaults(1)[:], defaults(2)[:], defaults(3, [])], "class": [Scoped.squares, Scoped.scaled, Scoped.outer, Scoped().who(), Local.x is a, Local.y], "global": [COUNT >= 1, "TEMPORARY" in globals()], "unbound": unbound(), "flow": [flow(2), flow(5)], "finally": [returning(), returning.ran], "aliases": [b, tuple_error, x, rows, values, [first, middle, end], [p, q, r, s], matrix],
        "exec": [namespace["made"](1), eval("x + 1", {"x": 1}), sorted(locals())[:3], "e" in locals()], "events": events, "chained": [1 < 2 < 3, 1 < 3 > 2, 1 == 1 in [1], not 1 == 2, 1 if [] else 2, [] or {} or 0, 1 and "a", None is None], "identity": [256 is 256, () is (), "a" is "a"] if False else [True], "builtins": [builtins.len is len, hasattr(builtins, "print"), __builtins__ is not None, "__file__" in globals()], "del": [hasattr(builtins, "exit")], "starred": [[*range(2), *"a"], {**{"a": 1}, "a": 2}, (lambda *a, **k: [a, k])(*[1], *[2], **{"x": 1})], "annotations": main.__annotations__,
    }
