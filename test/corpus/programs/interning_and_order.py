"""The order of sets, dicts and keyword arguments, and the identity of small values."""
import random


class Key:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return self.n % 3

    def __eq__(self, other):
        return self.n == other.n

    def __repr__(self):
        return f"K{self.n}"


def keywords(**kwargs):
    return list(kwargs)


def main(args, context):
    rng = random.Random(4)
    small = [rng.randrange(-50, 1000) for _ in range(60)]
    large = [rng.randrange(2**29) for _ in range(40)]
    keys = [Key(n) for n in range(7)]
    d = dict.fromkeys(small)
    for n in small[::3]:
        d.pop(n, None)
        d[n] = 1
    return {
        "small": list(set(small)), "large": list(set(large)), "floats": list({x / 4 for x in range(20)}), "negative": list(set(range(-8, 8))), "collisions": [repr(list(dict.fromkeys(keys))), repr(set(keys) == set(reversed(keys)))], "dict": list(d), "keywords": keywords(b=1, a=2, **{"z": 3, "y": 4}), "merge": list({"b": 1, "a": 2} | {"c": 3, "b": 4}), "union": list({1, 5, 9} | {2, 1, 17}), "frozen": list(frozenset([100, 3, 50, 7])), "ops": [list({8, 1, 16} - {1}), list({8, 1, 16} & {16, 8}), {3, 1, 2}.pop()], "hashes": [hash(n) for n in (0, 1, -1, 2**20, True, 1.0, -2.0, 1024.0, None.__class__ is None)], "equal": [hash(1) == hash(1.0) == hash(True), hash(2**100) == hash(float(2**100)), hash("x") == hash("x"), hash((1, 2)) == hash((1, 2)), hash(-1) == hash(-2)], "strings": sorted({"b", "a", "c"}) == ["a", "b", "c"], "big": sorted({2**40, 2**31, 2**62})[0] == 2**31, "identity": [a is b for a, b in ((int("256"), int("256")), (int("257"), int("257")), ("".join(["a"]), "a"), ((), tuple([])), (None, None))], "classdict": [k for k in Key.__dict__ if not k.startswith("__")],
    }
