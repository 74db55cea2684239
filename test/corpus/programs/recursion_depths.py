"""Recursion near the limit: own functions, repr, json, sort keys, regular expressions, deep data."""
import copy
import json
import pickle
import sys


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


class Chain:
    def __init__(self, next=None):
        self.next = next

    def __repr__(self):
        return f"Chain({self.next!r})"

    def __eq__(self, other):
        return self.next == other.next


def nested(n, kind=list):
    value = kind()
    for _ in range(n):
        value = [value] if kind is list else {"k": value}
    return value


def attempt(function):
    try:
        return function()
    except RecursionError as error:
        return "RecursionError: " + str(error)


def main(args, context):
    chain = None
    for _ in range(300):
        chain = Chain(chain)
    out = {
        "plain": [attempt(lambda: depth(900)), attempt(lambda: depth(5000))], "limit": [sys.getrecursionlimit(), attempt(lambda: [depth(950), len(repr(chain))][0])], "repr": [attempt(lambda n=n: len(repr(nested(n)))) for n in (300, 100000)], "chain": [attempt(lambda: len(repr(chain))), attempt(lambda: chain == chain)], "json": [attempt(lambda: len(json.dumps(nested(400)))), attempt(lambda: len(json.dumps(nested(50000)))), attempt(lambda: len(json.dumps(nested(500, dict)))), attempt(lambda: json.loads("[" * 900 + "]" * 900) != 1), attempt(lambda: json.loads("[" * 99999))],
        "copy": [attempt(lambda: len(copy.deepcopy(nested(300)))), attempt(lambda: len(copy.deepcopy(nested(3000))))], "pickle": [attempt(lambda: len(pickle.dumps(nested(300))) > 0), attempt(lambda: len(pickle.dumps(nested(50000))))], "compare": [attempt(lambda: nested(400) == nested(400)), attempt(lambda: nested(50000) == nested(50000))], "hash": attempt(lambda: hash(deep_tuple(300)) is not None), "lower": lowered(), "sorted": attempt(lambda: sorted([1], key=lambda x: depth(800))), "isinstance": attempt(lambda: isinstance(1, deep_tuple(300))),
        "compile": attempt(lambda: eval("+".join(["1"] * 2000))), "format": attempt(lambda: eval("(" * 90 + "1" + ")" * 90)), "getattr": attempt(lambda: Loop().missing), "call": attempt(lambda: Loop()()), "str": attempt(lambda: str(Loop())), "again": [attempt(lambda: depth(100000))[:14], depth(900)],
    }
    return out


class Loop:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __call__(self):
        return self()

    def __str__(self):
        return str(self)


def deep_tuple(n):
    value = (int,)
    for _ in range(n):
        value = (value,)
    return value


def lowered():
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(120)
        return [attempt(lambda: depth(50)), attempt(lambda: depth(200))]
    finally:
        sys.setrecursionlimit(before)
