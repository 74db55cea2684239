"""Batches, windows, groupings, caches, dispatch and partial application."""
import functools
import itertools
import operator
from functools import cache, cached_property, lru_cache, partial, partialmethod, reduce, singledispatch, singledispatchmethod, total_ordering, wraps


@total_ordering
class Version:
    def __init__(self, text):
        self.parts = tuple(map(int, text.split(".")))

    def __eq__(self, other):
        return self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts if isinstance(other, Version) else NotImplemented


class Report:
    computed = 0

    @cached_property
    def total(self):
        self.computed += 1
        return 42

    @singledispatchmethod
    def show(self, value):
        return "other"

    @show.register
    def _(self, value: int | float):
        return "number"

    def scale(self, n, by):
        return n * by

    double = partialmethod(scale, by=2)


@singledispatch
def encode(value):
    raise TypeError(type(value).__name__)


encode.register(str, lambda v: f"s{len(v)}:{v}")
encode.register(list, lambda v: "l" + "".join(map(encode, v)) + "e")


@cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    it = itertools
    report, calls = Report(), []
    slow = lru_cache(maxsize=2, typed=True)(lambda x: calls.append(x) or x)
    for x in (1, 1.0, 2, 1, 3, 2):
        slow(x)
    left, right = it.tee([1, 2, 3])
    next(left)
    words = ["apple", "avocado", "bean", "blueberry", "cherry"]
    return {
        "batched": [list(it.batched("abcde", 2)), attempt(lambda: list(it.batched("abc", 2, strict=True))), list(it.pairwise("abc")), list(zip(left, right))], "groupby": [[k, list(g)] for k, g in it.groupby(words, key=lambda w: w[0])], "combine": [len(list(it.product("ab", repeat=3))), list(it.permutations("abc", 2))[:3], list(it.combinations("abc", 2)), list(it.combinations_with_replacement("ab", 2))],
        "chain": [list(it.chain.from_iterable(["ab", [1]])), list(it.compress("abc", [1, 0, 1])), list(it.dropwhile(str.isalpha, "ab1c")), list(it.takewhile(str.isalpha, "ab1c")), list(it.filterfalse(str.isalpha, "a1")), list(it.starmap(pow, [(2, 3)])), list(it.zip_longest("ab", "c", fillvalue="-")), list(it.accumulate([1, 2, 3], operator.mul, initial=10)), list(it.islice(it.cycle("ab"), 3, 8, 2)), list(it.islice(it.count(10, -2.5), 3))],
        "versions": [sorted(["1.10", "1.9", "1.2.3"], key=Version), Version("1") >= Version("0.9"), attempt(lambda: Version("1") < 1), sorted("bca", key=functools.cmp_to_key(lambda a, b: (a < b) - (a > b)))], "cached": [report.total, report.total, report.computed, slow.cache_info(), calls, fib(200), fib.cache_info().hits], "dispatch": [report.show(1), report.show("x"), report.double(4), encode(["a", ["bc"]]), attempt(lambda: encode(1.5)), encode.dispatch(str)("z")],
        "partial": [repr(partial(int, base=2)), partial(int, base=2)("101"), partial(max, 3)(1, 2), attempt(lambda: partial(5)), partial(partial(print, 1), 2).args], "reduce": [reduce(operator.add, [1, 2], 10), attempt(lambda: reduce(operator.add, [])), operator.attrgetter("real", "imag")(1 + 2j), operator.methodcaller("split", ",")("a,b"), operator.itemgetter(slice(2))("abc"), repr(operator.itemgetter(1))],
        "wraps": [wraps(fib)(lambda: 0).__name__, fib.__wrapped__.__qualname__, attempt(lambda: zip([1], [2, 3], strict=True).__next__() and list(zip([1], [2, 3], strict=True)))], "errors": [attempt(lambda: next(iter([]))), attempt(lambda: it.islice([], -1)), attempt(lambda: list(it.repeat(1, "x"))), attempt(lambda: fib([])), attempt(lambda: sum(["a"])), attempt(lambda: sum([[1], [2]], []))],
    }
