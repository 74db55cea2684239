"""Sorts records by many keys, checks stability, and merges, partitions and searches."""
import bisect
import functools
import heapq
import locale
import operator
import random


def merge_sort(items, key=lambda x: x):
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left, right = merge_sort(items[:middle], key), merge_sort(items[middle:], key)
    out, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if key(right[j]) < key(left[i]):
            out.append(right[j])
            j += 1
        else:
            out.append(left[i])
            i += 1
    return out + left[i:] + right[j:]


class Odd:
    def __init__(self, n):
        self.n = n

    def __lt__(self, other):
        return (self.n % 2, self.n) < (other.n % 2, other.n)

    def __repr__(self):
        return str(self.n)


class Raises:
    def __lt__(self, other):
        raise ArithmeticError("cannot compare")


def attempt(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    rng = random.Random(9)
    records = [(rng.randrange(5), rng.choice("abc"), n) for n in range(40)]
    numbers = [rng.uniform(-5, 5) for _ in range(100)]
    mutating = [3, 1, 2]
    return {
        "stable": [r[2] for r in sorted(records, key=operator.itemgetter(0))], "reverse": [r[2] for r in sorted(records, key=operator.itemgetter(0), reverse=True)], "multi": sorted(records, key=lambda r: (-r[0], r[1]))[:6], "two": sorted(sorted(records, key=operator.itemgetter(1)), key=operator.itemgetter(0))[:6], "merge": merge_sort(records, operator.itemgetter(1)) == sorted(records, key=operator.itemgetter(1)), "odd": repr(sorted(map(Odd, range(9)))), "cmp": sorted(numbers, key=functools.cmp_to_key(lambda a, b: (abs(a) > abs(b)) - (abs(a) < abs(b))))[:3],
        "heap": [heapq.nsmallest(3, numbers, key=abs), list(heapq.merge([1, 4, 7], [2, 5], reverse=False))], "bisect": [bisect.bisect_left(sorted(numbers), 0.0), bisect.bisect_right([(1, "a"), (2, "b")], 1, key=lambda p: p[0])], "errors": [attempt(lambda: sorted([1, None])), attempt(lambda: sorted([Raises(), Raises()])), attempt(lambda: sorted([1j, 2j])), attempt(lambda: mutating.sort(key=lambda x: mutating.append(x) or x)), attempt(lambda: [1].sort(None)), attempt(lambda: sorted([{}, {}])), attempt(lambda: sorted([1], key=5))], "nan": repr(sorted([3.0, float("nan"), 1.0, 2.0, float("nan"), 0.0])), "mixed": [sorted([True, 0.5, 2, -1]), sorted(["a10", "a9", "A1"], key=lambda s: (s[0].lower(), int(s[1:]))), sorted([(1, "b"), (1, "a"), (0, "z")]), sorted("éeèE", key=locale.strxfrm)], "sets": [sorted({3, 1, 2}), max("abc", "abd"), min([3, 1], [3, 0]), sorted({"b": 1, "a": 2}.items(), key=lambda kv: kv[1])], "reversed": [list(reversed([1, 2, 3])), [1, 2, 3][::-1], (lambda x: x.reverse() or x)([1, 2])], "large": sum(i * v for i, v in enumerate(sorted(rng.sample(range(10**6), 2000)))),
    }
