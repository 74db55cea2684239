import more_itertools as more


def main(args, context):
    numbers = list(range(10))
    peek = more.peekable(iter("abc"))
    first = peek.peek()
    bucket = more.bucket(["a1", "b1", "a2"], key=lambda s: s[0])
    before, after = more.before_and_after(str.isupper, "ABcD")
    return [
        list(more.chunked(numbers, 4)), [list(w) for w in more.windowed(numbers, 3, step=3)], more.first([], "none"), more.one([7]), list(more.flatten([[1], [2, 3]])),
        list(more.interleave_longest([1, 2, 3], "a")), [list(g) for g in more.split_when([1, 2, 5, 6, 9], lambda a, b: b != a + 1)], [first, next(peek), peek.peek("z")],
        list(bucket["a"]), list(more.collapse([1, [2, [3, "ab"]]])), more.ilen(iter(numbers)), [list(p) for p in more.partition(lambda n: n % 2, numbers)],
        list(more.unique_everseen("abAB", key=str.lower)), list(more.run_length.encode("aabccc")), list(more.distinct_permutations([1, 1, 2]))[:2], more.nth_product(5, "ab", "cde"),
        list(more.consecutive_groups([1, 2, 4, 5]).__next__()), ["".join(before), "".join(after)], more.minmax([3, 1, 2]), list(more.sliding_window("abcd", 2))[-1], list(more.sieve(20)), more.polynomial_eval([1, 2, 3], 2),
    ]
