"""A small suite of typical Python work. As a function it takes {"repeat": n} and returns seconds by part; as a program it takes the args in argv.

Each part prepares its data and returns the function to time, which takes some ten milliseconds natively.
"""

import hashlib
import json
import random
import re
import time


def calls():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    return lambda: fib(24)


def loops():
    def work():
        total = 0
        for i in range(600_000):
            total += i * i & 7
        while total > 0:
            total -= 9
        return total

    return work


def dicts():
    keys = [f"key{i}" for i in range(30_000)]

    def work():
        counts = {}
        for _ in range(4):
            for i, key in enumerate(keys):
                counts[key] = counts.get(key, 0) + i
        return {value: key for key, value in counts.items() if value & 1}

    return work


def strings():
    words = ["alpha", "Beta", "gamma", "Delta", "epsilon"] * 4000

    def work():
        text = " ".join(word.upper() + str(i) for i, word in enumerate(words))
        parts = [part.strip("0123456789") for part in text.split()]
        return len("".join(parts).replace("ALPHA", "a")) + sum(f"{p:>10}".startswith(" ") for p in parts)

    return work


def json_text():
    data = [{"id": i, "name": f"user{i}", "tags": ["a", "b", "c"], "score": i / 7, "note": "x" * 20} for i in range(4000)]
    return lambda: json.loads(json.dumps(data))


def regex():
    text = "foo bar user@example.com 2024-01-31 " * 3000
    address, date = re.compile(r"(\w+)@(\w+)\.com"), re.compile(r"(\d{4})-(\d\d)-(\d\d)")
    return lambda: (len(address.findall(text)), len(date.sub(r"\3.\2.\1", text)))


def sort():
    rng = random.Random(1)
    numbers = [rng.random() for _ in range(60_000)]
    records = [(f"n{rng.randrange(1000)}", i) for i in range(30_000)]
    return lambda: (sorted(numbers), sorted(records, key=lambda record: record[0]))


def big_integers():
    a, b = 3**20_000, 7**9_000

    def work():
        product = a * b
        for _ in range(8):
            product = a * b + product % b
        return pow(3, 10**200, 10**200 + 1) + product

    return work


def hashing():
    block, small = bytes(4_000_000), b"x" * 200

    def work():
        digest = hashlib.sha256(block).digest()
        for _ in range(5000):
            digest = hashlib.sha256(small + digest).digest()
        return digest

    return work


def classes():
    class Vector:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __add__(self, other):
            return Vector(self.x + other.x, self.y + other.y)

        @property
        def length(self):
            return (self.x * self.x + self.y * self.y) ** 0.5

    def work():
        total = Vector(0, 0)
        for i in range(60_000):
            total = total + Vector(i, 1)
        return total.length

    return work


SUITE = (calls, loops, dicts, strings, json_text, regex, sort, big_integers, hashing, classes)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(args, context):
    times = {}
    for part in SUITE:
        work = part()
        times[part.__name__] = min(seconds(work) for _ in range(args["repeat"]))
    return times


if __name__ == "__main__":
    import sys

    print(json.dumps(main(json.loads(sys.argv[1]), {})))
