"""Pickles object graphs by every protocol, with reducers, persistent ids and bad data."""
import array
import collections
import copy
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import io
import operator
import pathlib
import pickle
import pickletools
import re
import types
import uuid
import zoneinfo


class Node:
    def __init__(self, name, parent=None):
        self.name, self.parent, self.children = name, parent, []
        if parent:
            parent.children.append(self)


class Slots:
    __slots__ = ("a", "b")


class Session:
    def __init__(self, user):
        self.user, self.cache = user, {}

    def __getstate__(self):
        return {"user": self.user}

    def __setstate__(self, state):
        self.__dict__.update(state, cache="fresh")


class Temperature(float):
    def __reduce__(self):
        return Temperature, (float(self),)


class Kind(enum.Enum):
    A = "a"


class Safe(pickle.Unpickler):
    def find_class(self, module, name):
        if module != "collections":
            raise pickle.UnpicklingError(f"{module}.{name} is forbidden")
        return super().find_class(module, name)


class Persistent(pickle.Pickler):
    def persistent_id(self, obj):
        return "node:" + obj.name if isinstance(obj, Node) else None


def attempt(function, *args):
    try:
        return repr(function(*args))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    root = Node("root")
    Node("child", root)
    slots = Slots()
    slots.a = 1
    values = [None, True, -1, 255, 65536, 2**31, 2**40, 2**70, 1.5, float("inf"), "é🎉", b"\x00\xff", bytearray(b"x"), (), (1, 2, 3, 4), [1, [2]], {"a": {1: 2}}, {1}, frozenset([2]), ..., NotImplemented, range(3), slice(1, None, 2), complex(1, 2), Kind.A, decimal.Decimal("1.10"), fractions.Fraction(1, 3), datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.timezone.utc), datetime.timedelta(days=1.5), collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1, 2], 5), collections.defaultdict(list, a=[1]), uuid.UUID(int=7), pathlib.PurePosixPath("/a/b"), re.compile("a+", re.I), array.array("d", [1.5]), types.SimpleNamespace(a=1), functools.partial(int, base=2), operator.itemgetter(1), len, int, Node, zoneinfo.ZoneInfo("UTC"), ValueError("x", 1), Temperature(36.6)]
    out = {str(p): [attempt(lambda v=v, p=p: pickle.loads(pickle.dumps(v, p))) for v in values] for p in range(pickle.HIGHEST_PROTOCOL + 1)}
    for key in out:
        out[key] = [re.sub(r" at 0x[0-9a-f]+", "", text) for text in out[key]]
    out["bytes"] = [pickle.dumps(v, p).hex() for p in (0, 2, 4) for v in values[:26] + [array.array("i", [1, 2]), array.array("l", [3]), array.array("q", [2])]]
    back = pickle.loads(pickle.dumps(root))
    session = pickle.loads(pickle.dumps(Session("ada")))
    stream = io.BytesIO()
    Persistent(stream).dump([root, 1])
    stream.seek(0)
    loader = pickle.Unpickler(stream)
    loader.persistent_load = lambda pid: pid
    text = io.StringIO()
    pickletools.dis(pickle.dumps({"a": (1, "b")}, 2), text)
    buffers = []
    pickle.dumps(pickle.PickleBuffer(bytearray(b"big")), 5, buffer_callback=buffers.append)
    out.update({
        "graph": [back.children[0].parent is back, back.children[0].name], "session": [session.user, session.cache], "slots": attempt(lambda: pickle.loads(pickle.dumps(slots)).a), "persistent": loader.load(), "dis": text.getvalue(), "buffers": len(buffers),
        "errors": [attempt(pickle.dumps, v) for v in (lambda: 1, (i for i in []), open("/tmp/x", "w"), types.ModuleType("m"))], "bad": [attempt(pickle.loads, b) for b in (b"", b"\x80\x09.", b"garbage", b"cos\nsystem\n(S'x'\ntR", b"\x80\x04\x95", b"I1\n", b"(.", b"cnone\nx\n.")],
        "safe": [attempt(Safe(io.BytesIO(pickle.dumps(v))).load) for v in (collections.OrderedDict(), Kind.A)], "copy": [copy.copy(root) is not root, copy.deepcopy(root).children[0].parent.name, copy.deepcopy([slots])[0].a, repr(copy.replace(datetime.date(2024, 1, 1), year=2000)), attempt(copy.copy, lambda: 1)[:10], copyreg.dispatch_table.get(complex) is not None], "optimize": len(pickletools.optimize(pickle.dumps(["a", "a"]))),
    })
    return out
