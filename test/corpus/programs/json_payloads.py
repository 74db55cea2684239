"""Encodes and decodes JSON with hooks, limits and the errors of bad input."""
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections import OrderedDict, namedtuple


class Colour(enum.IntEnum):
    RED = 1


class Level(enum.StrEnum):
    LOW = "low"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 1.5


class Encoder(json.JSONEncoder):
    def default(self, o):
        if dataclasses.is_dataclass(o):
            return dataclasses.asdict(o)
        if isinstance(o, (datetime.date, uuid.UUID, decimal.Decimal)):
            return str(o)
        if isinstance(o, (set, frozenset)):
            return sorted(o)
        return super().default(o)


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "pos", None), getattr(error, "colno", None)] + getattr(error, "__notes__", [])


def main(args, context):
    Pair = namedtuple("Pair", "a b")
    loop = []
    loop.append(loop)
    values = {"enum": [Colour.RED, Level.LOW, {Colour.RED: 1, Level.LOW: 2}], "tuple": Pair(1, (2,)), "keys": {1: 1, 2.5: 2, True: 3, None: 4, float("inf"): 5}, "floats": [0.1, 1e16, 1e-7, 1.0, -0.0, 1e22, 123456789012345680.0, 5e-324], "big": 10**30, "text": "é\u2028\x00\x1f\"\\/🎉\ud800\x7f"}
    bad = ["", "{", '{"a" 1}', "[1,]", "{'a': 1}", '"\t"', '"\\x"', "01", "1.", "-", "nul", "[1] x", '{"a":1,}', '"\\ud800', "\ufeff1", "[" * 3, "1e999", "--1", '{"a":1 "b":2}', "\x00", '"abc']
    return {
        "dumps": {k: json.dumps(v) for k, v in values.items()}, "unicode": json.dumps("é🎉\u2028", ensure_ascii=False), "indent": json.dumps({"b": [1, {}, []], "a": {"x": None}}, indent=2, sort_keys=True), "tabs": json.dumps([1, [2]], indent="\t", separators=(",", ":")),
        "encoder": json.dumps([Point(1), datetime.date(2024, 2, 29), uuid.UUID(int=5), {3, 1}, decimal.Decimal("1.10")], cls=Encoder), "nan": json.dumps([float("nan"), -float("inf")]),
        "errors": [attempt(json.dumps, v) for v in ({1, 2}, b"x", object, loop, {(1, 2): 3}, [{"a": 1j}], datetime.date(2024, 1, 1)) if not isinstance(v, type)] + [attempt(json.dumps, float("nan"), allow_nan=False), attempt(json.dumps, {1: 1, "a": 2}, sort_keys=True), json.dumps({(1,): 1, "b": 2}, skipkeys=True)],
        "bad": {b: attempt(json.loads, b) for b in bad if b != "1e999"}, "inf": [repr(json.loads("1e999")), repr(json.loads("-Infinity")), repr(json.loads("[NaN]"))],
        "hooks": [json.loads('{"a": {"b": 1}, "a": 2}', object_pairs_hook=OrderedDict) == OrderedDict(a=2), json.loads('{"x": 1}', object_hook=lambda d: list(d.items())), str(json.loads("1.10", parse_float=decimal.Decimal)), json.loads("12", parse_int=lambda s: s + "!"), attempt(json.loads, "NaN", parse_constant=lambda c: "const " + c)],
        "dup": json.loads('{"a": 1, "a": 2}'), "bytes": [json.loads('"é"'.encode(e)) for e in ("utf-8", "utf-16", "utf-32-be", "utf-8-sig")], "raw": json.JSONDecoder().raw_decode('{"a": 1} tail'), "surrogates": [ascii(json.loads(r'"\ud83c\udf89 \ud83c \u0041"')), attempt(json.loads, b'"\xff"')],
        "deep": [attempt(json.loads, "[" * 100000)[:2], attempt(lambda: len(json.dumps(json.loads("[" * 500 + "]" * 500))))], "digits": attempt(json.loads, "1" * 5000)[0], "numbers": [json.loads(n) for n in ("-0", "-0.0", "1E5", "0.1", "1e-2", "12345678901234567890")], "strict": json.loads('"a\tb"', strict=False), "iter": list(json.JSONEncoder().iterencode({"a": [1, 2]})),
    }
