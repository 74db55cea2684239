# The actions of random programs. main executes args["plan"]: a list of pairs,
# the name of an action and a number that makes it small or large.

import builtins
import collections
import copy
import decimal
import functools
import gc
import io
import json
import os
import random
import re
import sqlite3
import string
import sys
import tempfile
import types
import zlib

state = {"list": [], "dict": {}, "cycle": None}
ballast = [bytes([i % 251]) * (i * 37 % 4096) for i in range(BALLAST)]
fixed = bytearray(FIXED)


class Node:
    def __init__(self, left=None):
        self.left = left
        self.payload = [id(self)]


class Boom(Exception):
    pass


def grow_list(n):
    state["list"].extend(range(n * 10))


def grow_dict(n):
    state["dict"].update((str(i), [i]) for i in range(n * 5))


def touch_ballast(n):
    for i in range(min(n, len(ballast))):
        ballast[i] = b"x" * (n % 977)


def write_fixed(n):
    for i in range(0, len(fixed), 4096):
        fixed[i] = n % 251


def allocate(n):
    state["block"] = bytearray(b"\xa5" * (n * 4096))


def churn(n):
    keep = []
    for i in range(n * 20):
        keep.append(bytes(i % 600))
        if i % 3 == 0:
            keep.pop(i % len(keep))


def cycles(n):
    for _ in range(n):
        node = Node()
        node.left = node
        state["cycle"] = Node(state["cycle"])


def collect(n):
    gc.collect(n % 3)


def unfreeze(n):
    gc.unfreeze()
    gc.collect()


def tune_gc(n):
    gc.set_threshold(n + 1, 2, 2)
    [Node() for _ in range(n)]
    gc.disable()


def recurse(n):
    def down(k):
        return 0 if k == 0 else 1 + down(k - 1)

    down(min(n * 4, 900))


def too_deep(n):
    def down():
        return down()

    try:
        down()
    except RecursionError as error:
        state["error"] = error


def text(n):
    state["text"] = sys.intern("".join(random.choices(string.printable, k=n * 50)))
    state["text"].upper().encode("utf-16")


def patterns(n):
    re.purge()
    for i in range(n % 20):
        re.findall(r"(a|b){%d}c?[x-z]*" % (i + 1), "abc" * n)


def numbers(n):
    decimal.getcontext().prec = n + 1
    state["number"] = decimal.Decimal(1) / 7 + (3 ** (n * 10)) % 1000


def documents(n):
    state["doc"] = json.loads(json.dumps([{"k%d" % i: [i, i / 3]} for i in range(n)]))
    copy.deepcopy(state["doc"])


def files(n):
    for i in range(n % 30):
        with open("/tmp/file%d" % i, "ab") as f:
            f.write(os.urandom(n * 10))
    state["open"] = [tempfile.TemporaryFile() for _ in range(n % 7)]


def descriptors(n):
    fd = os.open("/tmp/fd%d" % n, os.O_CREAT | os.O_RDWR)
    os.write(fd, b"left open")


def database(n):
    db = sqlite3.connect("/tmp/db" if n % 2 else ":memory:")
    db.execute("create table if not exists t (a, b)")
    db.executemany("insert into t values (?, ?)", [(i, "x" * i) for i in range(n)])
    db.commit()
    state["db"] = db


def prints(n):
    print("line " * n)
    sys.stderr.write("error %d\n" % n)


def patch(n):
    builtins.len = lambda x: n
    builtins.evil = n
    del builtins.evil
    sys.modules["json"] = types.ModuleType("json")
    sys.path.append("/tmp/%d" % n)
    os.environ["X%d" % n] = "y"
    sys.setrecursionlimit(900 + n)
    sys.stdout = io.StringIO()


def classes(n):
    for i in range(n % 50):
        made = type("T%d" % i, (Node,), {"x%d" % i: property(lambda self: i)})
        made().payload.append(i)
    functools.lru_cache(maxsize=n)(len)(())


def import_more(n):
    __import__(("colorsys", "wave", "turtledemo_absent", "cProfile", "pdb", "this_is_absent")[n % 6])


def compress(n):
    state["z"] = zlib.compress(os.urandom(n * 100))
    collections.Counter(state["z"]).most_common(n)


def compiled(n):
    source = "def g(x):\n    return x" + " + 1" * n + "\n"
    space = {}
    exec(compile(source, "<made>", "exec"), space)
    space["g"](n)


def generators(n):
    def gen():
        try:
            while True:
                yield n
        finally:
            state["closed"] = True

    g = gen()
    next(g)
    state["gen"] = g if n % 2 else None


def hooks(n):
    sys.settrace(lambda *a: None)
    sys.setprofile(None)
    sys.addaudithook(lambda *a: None)
    sys.excepthook = print


def seed(n):
    random.seed(n)
    random.random()


def grown(n):
    state["grown"] = bytearray(70 << 20)
    state["grown"][-1] = 1


# Ways to end.


def end_return(n):
    return {"n": n, "kept": state["list"][:3]}


def end_raise(n):
    raise Boom(n)


def end_chain(n):
    try:
        raise ValueError(n)
    except ValueError as error:
        raise Boom("after") from error


def end_exit(n):
    sys.exit(n)


def end_hard_exit(n):
    os._exit(n % 256)


def end_abort(n):
    os.abort()


def end_endless(n):
    while True:
        pass


def end_memory(n):
    hoard = []
    while True:
        hoard.append(bytearray(4 << 20))


def end_memory_small(n):
    hoard = []
    while True:
        hoard.append([n] * 1000)


def end_interrupt(n):
    raise KeyboardInterrupt


def end_object(n):
    return object()


def end_surrogate(n):
    return ["\ud800"]


def end_too_large(n):
    return "x" * (7 << 20)


def end_crash(n):
    def f():
        pass

    f.__code__ = f.__code__.replace(co_code=bytes(random.Random(n).randbytes(64)), co_consts=())
    f()


def main(args, context):
    result = None
    for action, n in args["plan"]:
        try:
            result = globals()[action](n)
        except (ImportError, OSError):
            pass
    return result
