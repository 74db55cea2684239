"""Where a program can see the width of a long, a pointer and a hash."""
import array
import itertools
import operator
import struct
import sys
from decimal import Decimal
from fractions import Fraction


class Big:
    def __len__(self):
        return 2**33

    def __index__(self):
        return 2**40


def attempt(function, *args):
    try:
        return function(*args)
    except BaseException as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    return {
        "maxsize": sys.maxsize, "struct": {f: struct.calcsize(f) for f in ("l", "L", "P", "n", "N", "@bl", "@il")}, "array": {c: array.array(c).itemsize for c in "lLu"}, "hashes": [hash(v) for v in (2**31, 2**61, -1, -2, 0.5, 1e300, Fraction(1, 3), Decimal("0.1"), (1, 2, 3), frozenset([1, 2]), 1 + 2j)],
        "range": [attempt(len, range(2**31)), attempt(len, range(10**12)), attempt(lambda: range(10**12)[10**11]), attempt(lambda: 10**11 in range(10**12)), attempt(lambda: range(0, 10**12, 7).index(7 * 10**9)), attempt(lambda: sum(range(2**40, 2**40 + 3)))],
        "len": [attempt(len, Big()), attempt(operator.length_hint, Big())], "repeat": [attempt(lambda: next(itertools.repeat("x", 2**33))), attempt(lambda: list(itertools.islice(itertools.count(2**62), 2))), attempt(lambda: list(itertools.islice("abc", 2**32))), attempt(lambda: next(itertools.islice(itertools.count(), 0, 2**40, 2**33)))],
        "slices": ["abc"[: 2**40], "abc"[-(2**70) :], [1, 2][2**32 :], attempt(lambda: "abc"[2**32]), attempt(lambda: "a".center(2**70)), attempt(lambda: [0] * 2**70), attempt(lambda: "x".replace("x", "y", 2**40)), attempt(lambda: "a b".split(None, 2**40)), attempt(lambda: "abc".find("c", 0, 2**40)), slice(None, None, 2**40).indices(5)],
        "ids": [id(object()) > 0, id(main) % 4], "shift": [attempt(lambda: 5 >> 2**40), attempt(lambda: 0 << 2**40)], "bytes": [attempt(lambda: bytes(2**63)), attempt(lambda: b"x" * 2**63), attempt(lambda: bytearray(-1)), attempt(bytearray, 2**63)],
        "maxlen": attempt(lambda: __import__("collections").deque([1], 2**40).maxlen), "format": [attempt(lambda: f"{1:{2**70}}"), attempt(lambda: "%*d" % (2**70, 1)), attempt(lambda: "{:.{}f}".format(1.5, 2**33))], "lru": attempt(lambda: __import__("functools").lru_cache(2**40)(len)("ab")),
        "sleep": [attempt(__import__("time").sleep, -1), attempt(lambda: __import__("time").gmtime(2**40).tm_year)], "seek": attempt(lambda: open("/tmp/x", "wb").seek(2**40)), "random": __import__("random").Random(5).randrange(2**100), "enumerate": list(enumerate("a", 2**40)), "read": attempt(lambda: __import__("io").BytesIO(b"abc").read(2**40).decode()),
        "limits": [sys.getrecursionlimit(), sys.hash_info.width, sys.int_info.bits_per_digit, sys.int_info.sizeof_digit, sys.maxunicode, sys.byteorder],
    }
