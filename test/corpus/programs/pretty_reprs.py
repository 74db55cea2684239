"""How values print themselves: numbers, text, containers, functions, classes, modules, exceptions."""
import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import math
import operator
import pathlib
import re
import sys
import time
import types


class Plain:
    pass


class Named(Plain):
    def __repr__(self):
        return "Named<é>"

    def method(self):
        pass


def clean(value):
    return re.sub(r" at 0x[0-9a-f]+", " at 0x..", repr(value))


def main(args, context):
    def inner():
        pass

    values = [0.1, 1e100, -0.0, 1e-9, 123456789012345678, True, None, ..., "it's", 'say "x"', "both ' and \"", "tab\t\n\x00\x7f\x85\xa0\xad\u200b\u2028\ud800é🎉\U000e0001", b"it's \x00\xff\n", bytearray(b"a"), memoryview(b"a").tolist(), (1,), (), [], {}, set(), {1}, frozenset(), frozenset([1]), range(3), range(0, 5, 2), slice(1), slice(None, 2, 3), 3 + 0j, -1.5j, complex("nan"), Plain(), Named(), Plain, Named().method, Plain.__init__, inner, lambda: 0, main, len, [].append, str.upper, int.from_bytes, type, object(), int, list[int], int | None, (i for i in []), iter([]), iter({}), zip(), map(len, []), reversed([]), enumerate([]), {}.keys(), {1: 2}.values(), {1: [2]}.items(), array.array("i", [1]), array.array("d"), collections.deque([1], 2), collections.OrderedDict([("a", 1)]), collections.Counter("aab"), collections.defaultdict(int, a=1), collections.ChainMap({"a": 1}), collections.namedtuple("P", "x y")(1, 2), datetime.timedelta(1, 2), datetime.date.today().__class__, datetime.timezone.utc, decimal.Decimal("1.0"), decimal.getcontext(), fractions.Fraction(1, 2), enum.Enum("E", "A").A, functools.partial(int, "1", base=2), functools.lru_cache(inner), operator.attrgetter("a.b"), pathlib.PurePath("a"), re.compile("a", re.I), re.match("a", "a"), sys, types, types.SimpleNamespace(a=1), types.MappingProxyType({"a": 1}), io.StringIO(), io.BytesIO(b"x"), itertools.count(2), itertools.repeat(1, 3), ValueError("x", 1), KeyError("k"), OSError(99999, "text"), StopIteration(5), ExceptionGroup("g", [ValueError()]), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), SystemExit(3), NotImplemented, property(len), classmethod(inner), staticmethod(inner), super(Named, Named()), Plain.__dict__, time.gmtime(0), sys.version_info[:3], sys.float_info.__class__, sys.stdout.__class__, types.GenericAlias(list, (int,)), Ellipsis.__class__, type(None), type(NotImplemented), iter(range(1)), open, compile("1", "x", "eval"), contextmanager()]
    strings = ["%r" % ((1,),), f"{'é'!a}", str(b"x"), str(ValueError()), str(KeyError("k")), str(OSError(99999, "t", "f")), ascii("é\n"), format(Named()), "%5s|%-5s|%.2s" % ("a", "b", "cde"), str({"a": [1, (2,)]}), str(Exception("a", "b")), str(int), "{!r:>8}".format("x"), repr("\\"), repr("\x1b[0m")]
    return {"reprs": [clean(v) for v in values], "strings": strings, "names": [inner.__qualname__, Named.method.__qualname__, Plain.__module__, main.__module__, type(main).__name__, __name__], "ids": [repr(Plain()).startswith("<function.Plain object at 0x"), object.__repr__(5)[:11]]}


def contextmanager():
    import contextlib

    return contextlib.nullcontext
