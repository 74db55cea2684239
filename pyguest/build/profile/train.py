"""The programs with which the interpreter is profiled: everyday programs, each for a moment.

They are written for this and are in no benchmark. What they compute does not matter; that they do what functions do, does.
"""

import ast
import base64
import bisect
import collections
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import heapq
import html
import io
import itertools
import json
import math
import operator
import random
import re
import statistics
import string
import struct
import textwrap
import typing
import urllib.parse
import uuid

random.seed(7)
WORDS = "the quick brown fox jumps over a lazy dog while seven wizards mix potions of yellow ink".split()
TEXT = "\n".join(" ".join(random.choice(WORDS) for _ in range(12)) for _ in range(120))


def orders(n):
    for i in range(n):
        yield {
            "id": i,
            "customer": {"name": random.choice(WORDS).title(), "email": f"{random.choice(WORDS)}{i}@example.com", "vip": i % 7 == 0},
            "lines": [{"sku": f"{w}-{j}", "price": round(random.random() * 90, 2), "count": j % 5 + 1} for j, w in enumerate(WORDS[: i % 6 + 1])],
            "note": None if i % 3 else "Grüße, 漢字 \u2603 \"quoted\" \\ back",
        }


def web_handler():
    for order in orders(60):
        body = json.loads(json.dumps(order))
        total = sum(line["price"] * line["count"] for line in body["lines"])
        query = urllib.parse.urlencode({"id": body["id"], "q": body["note"] or "", "total": f"{total:.2f}"})
        parsed = urllib.parse.parse_qs(query)
        reply = {"ok": True, "total": total, "items": len(body["lines"]), "name": parsed["id"][0], "at": datetime.datetime(2024, 1, 2, 3, 4).isoformat()}
        json.dumps(reply, sort_keys=True, indent=1)
        html.escape(str(body["note"]))


class Shape(typing.Protocol):
    def area(self) -> float: ...


@dataclasses.dataclass
class Span:
    low: float
    high: float

    def __and__(self, other):
        return Span(max(self.low, other.low), min(self.high, other.high))

    def __contains__(self, value):
        return self.low <= value < self.high

    def __bool__(self):
        return self.low < self.high


@dataclasses.dataclass(order=True, frozen=True)
class Item:
    key: int
    name: str = dataclasses.field(compare=False)


class Base:
    kind = "base"

    def __init__(self, size):
        self.size = size
        self._cache = {}

    @property
    def double(self):
        return self.size * 2

    def area(self):
        return self.size**2

    @classmethod
    def of(cls, text):
        return cls(int(text))

    @staticmethod
    def unit():
        return 1

    def __eq__(self, other):
        return isinstance(other, Base) and self.size == other.size

    def __hash__(self):
        return hash(self.size)

    def __repr__(self):
        return f"{type(self).__name__}({self.size!r})"


class Circle(Base):
    __slots__ = ("radius",)
    kind = "circle"

    def __init__(self, size):
        super().__init__(size)
        self.radius = size / 2

    def area(self):
        return math.pi * self.radius**2 + super().area()


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def objects():
    shapes = [Circle(i % 9) if i % 2 else Base.of(str(i % 7)) for i in range(300)]
    total = 0.0
    for shape in shapes:
        total += shape.area() + shape.double + shape.unit()
        shape._cache[shape.size] = total
        if isinstance(shape, Circle) and hasattr(shape, "radius"):
            setattr(shape, "last", getattr(shape, "radius", 0))
    len(set(shapes)), shapes.count(shapes[0]), repr(shapes[:20])
    span, inside = Span(0, 1000), 0
    for i in range(200):
        inside += i * 3 in span
        if narrower := span & Span(i / 2, 900 - i):
            span = narrower
    sorted(Item(i * 37 % 101, "n") for i in range(150))
    [Colour.RED if i % 2 else Colour["GREEN"] for i in range(60)]
    copy.deepcopy([shapes[0], {"a": [1, 2, (3, 4)]}])


def tree(n):
    if n == 0:
        return None
    return (tree(n - 1), n, tree(n - 1))


def depth(t):
    return 0 if t is None else 1 + max(depth(t[0]), depth(t[2]))


def ackermann(m, n):
    return n + 1 if m == 0 else ackermann(m - 1, 1) if n == 0 else ackermann(m - 1, ackermann(m, n - 1))


def hanoi(n, a="a", b="b", c="c"):
    if n:
        yield from hanoi(n - 1, a, c, b)
        yield a, c
        yield from hanoi(n - 1, b, a, c)


def calls():
    depth(tree(9))
    ackermann(2, 12)
    sum(1 for _ in hanoi(8))

    def variadic(*args, scale=1, **kwargs):
        return sum(args) * scale + len(kwargs)

    add = functools.partial(variadic, 1, scale=2)
    for i in range(300):
        variadic(i, i + 1, scale=3, x=i)
        add(i, y=2)
        (lambda a, b=2: a * b)(i)
        max(i, 3), min((i, 4), key=lambda v: -v), abs(-i), len("abc"), divmod(i, 7), isinstance(i, int)

    @functools.lru_cache(maxsize=64)
    def ways(amount, coins=(50, 20, 10, 5, 2)):
        return 1 if amount == 0 else sum(ways(amount - c, tuple(x for x in coins if x <= c)) for c in coins if c <= amount)

    ways(60)

    @contextlib.contextmanager
    def managed():
        yield 1

    for _ in range(60):
        with managed() as m, contextlib.suppress(KeyError):
            {}[m]
    for i in range(200):
        try:
            if i % 3 == 0:
                raise ValueError(i)
            int("x" if i % 2 else "5")
        except (ValueError, TypeError) as error:
            str(error)
        finally:
            i += 1


def numbers():
    sieve = bytearray([1]) * 3000
    for i in range(2, 55):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, 3000, i)))
    grid = [[(x * y) % 7 for x in range(40)] for y in range(40)]
    for _ in range(3):
        grid = [
            [sum(grid[(y + dy) % 40][(x + dx) % 40] for dy in (-1, 0, 1) for dx in (-1, 0, 1)) % 7 for x in range(0, 40, 2)] + grid[y][20:]
            for y in range(40)
        ]
    n, steps = 27, 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    x = 1.0
    for i in range(1, 2000):
        x += math.sin(i) / i - (x * 0.5) ** 2 % 1.0
        steps ^= i << (i & 7)
        steps &= 0xFFFFFFFF
    m = [[float(i * j % 5) for j in range(16)] for i in range(16)]
    [[sum(a * b for a, b in zip(row, column)) for column in zip(*m)] for row in m]
    big = 3**500
    for i in range(40):
        big = big * (i + 12345678901234567890) % (10**150 + 7)
        math.gcd(big, 2**200), big >> 70, big // 12345, str(big)
    pow(7, 10**30, 10**40 + 3), int("9" * 200), math.isqrt(10**80), (-big).bit_length()
    decimal.Decimal("1.1") ** 20 / decimal.Decimal(7)
    sum(fractions.Fraction(1, i) for i in range(1, 30))
    statistics.mean(range(50)), statistics.stdev([1.5, 2.5, 9.0]), f"{x:.3f} {steps:>12,} {big:x}"[:40], round(x, 3), hex(steps)


def containers():
    counts = collections.Counter(TEXT.split())
    counts.most_common(5)
    index = collections.defaultdict(list)
    for position, word in enumerate(TEXT.split()):
        index[word[0], len(word)].append(position)
    merged = {k: len(v) for k, v in sorted(index.items(), key=operator.itemgetter(0))}
    merged |= {(k[0].upper(), 1): v for k, v in merged.items() if v > 3}
    seen, unique = set(), []
    for word in TEXT.split():
        if word not in seen:
            seen.add(word)
            unique.append(word)
    seen & set(WORDS[:4]), seen - {"fox"}, seen | {"new"}, frozenset(unique) == seen
    for i in range(600):
        merged[i % 50] = merged.get(i % 50, 0) + 1
        if i % 40 in merged and i % 5 == 0:
            del merged[i % 40]
    queue = collections.deque(range(20))
    for i in range(300):
        queue.append(queue.popleft() + i)
    heap = []
    for i in range(200):
        heapq.heappush(heap, (i * 73 % 199, str(i)))
    while heap:
        heapq.heappop(heap)
    values = [random.random() for _ in range(500)]
    values.sort(), sorted(values, reverse=True), sorted(WORDS, key=len), sorted(WORDS, key=str.lower), sorted(range(300), key=lambda v: v * 7 % 31)
    for v in values[:100]:
        bisect.insort(values, v)
    a, *rest, z = values
    rest[::3], rest[::-1], rest[5:50], a in rest, [v for v in rest if v > 0.5], list(map(str, rest[:50])), list(filter(None, rest[:50]))
    [x for group in zip(range(50), range(50, 100)) for x in group], dict(zip(WORDS, range(20))), tuple(reversed(rest[:30]))
    for k, group in itertools.groupby(sorted(WORDS, key=len), key=len):
        list(itertools.chain([k], group))
    list(itertools.islice(itertools.product("ab", range(4)), 6)), list(itertools.accumulate(range(40))), any(v > 2 for v in values), all(values)


def texts():
    out = []
    for line in TEXT.splitlines():
        words = line.strip().split(" ")
        out.append(" ".join(w.capitalize() for w in words if w and not w.startswith("z")).replace("Fox", "cat"))
        "%s has %d words, %5.1f" % (line[:10], len(words), len(line) / 3)
        "{0:<10}|{1:>6}|{name}".format(words[0], len(words), name=words[-1])
        f"{words[0]!r:>12} {line.find('lazy')} {line.count('o')} {line.upper()[::-1]}"
        line.partition(" "), line.encode().hex(), line.isalpha(), ",".join(words).rsplit(",", 2), line.lower().title().swapcase()
        line.translate(str.maketrans("aeiou", "12345")), line == out[-1], line < out[-1], line[3] in string.ascii_letters, ord(line[0]), chr(233)
        for ch in line[:40]:
            if ch.isspace() or ch in "aeiou":
                continue
    "".join(out).encode("utf-8").decode("utf-8"), "Grüße 漢字 ☃".encode().decode(), "é" * 20 + "x"
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows([line.split() for line in out[:30]])
    list(csv.DictReader(io.StringIO(buffer.getvalue()), fieldnames=["a", "b"]))
    textwrap.fill(TEXT[:600], 50), textwrap.dedent("  a\n  b"), string.Template("$a and ${b}").substitute(a=1, b=2)
    base64.b64decode(base64.b64encode(TEXT[:500].encode())), struct.unpack("<IhQ", struct.pack("<IhQ", 1, -2, 3)), bytes(range(256)).find(b"\x80")
    data = bytearray()
    for i in range(500):
        data.append(i & 255)
        data += b"ab"
    data[10:20], bytes(data).split(b"a"), memoryview(data)[3:9].tobytes(), hashlib.sha256(data).hexdigest(), hashlib.md5(b"x" * 200).hexdigest()
    str(uuid.UUID(int=5)), ast.literal_eval("{'a': [1, 2, (3, None)], 'b': -1.5}"), ascii("ü"), repr(b"\x00a")


LOG = "\n".join(
    f'10.0.{i % 9}.{i} - - [12/Mar/2024:10:{i % 60:02}:01 +0000] "GET /a/{random.choice(WORDS)}?x={i} HTTP/1.1" {200 + i % 4 * 100} {i * 37}' for i in range(80)
)
LINE = re.compile(r'^(?P<host>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>[^ ?"]+)(?:\?(?P<query>\S*))? [^"]+" (?P<status>\d{3}) (\d+|-)$', re.M)


def patterns():
    for match in LINE.finditer(LOG):
        match.groupdict(), match.start(), match["status"]
    re.sub(r"\b(\w)(\w*)\b", lambda m: m[1].upper() + m[2], TEXT[:800])
    re.findall(r"https?://([^\s/:]+)(?::\d+)?(/\S*)?", "see http://a.example/x?y=1 or https://b.example:81; ftp://no " * 5)
    re.split(r"[\s,;]+", TEXT[:600]), re.search(r"(?i)WIZARDS\s+mix", TEXT), re.fullmatch(r"(?:a|b|cd)*e?", "abcdabcde" * 8)
    re.match(r"\s*([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", " 23:59:07"), re.sub(r"\d+", "#", LOG[:1500]), re.compile(r"(a+)(b*)\1|[^x-z]{2,5}?\d").search("aabaa9" * 10)
    tokens = re.compile(r"\s*(?:(?P<num>\d+(?:\.\d*)?)|(?P<name>[A-Za-z_]\w*)|(?P<op>[-+*/()=<>!]=?|.))")
    for m in tokens.finditer("total = (price * 1.25 + tax_7) / count >= 10 - x" * 6):
        m.lastgroup, m.group(m.lastgroup)


def parse(source, position=0):
    """A recursive-descent calculator: character by character."""

    def expression():
        nonlocal position
        value = term()
        while position < len(source) and source[position] in "+-":
            sign = source[position]
            position += 1
            value = value + term() if sign == "+" else value - term()
        return value

    def term():
        nonlocal position
        value = factor()
        while position < len(source) and source[position] in "*/":
            op = source[position]
            position += 1
            value = value * factor() if op == "*" else value / (factor() or 1)
        return value

    def factor():
        nonlocal position
        if source[position] == "(":
            position += 1
            value = expression()
            position += 1
            return value
        start = position
        while position < len(source) and source[position].isdigit():
            position += 1
        return int(source[start:position])

    return expression()


def programs():
    parse("+".join(["(12*3-4)/2*(7+8)"] * 30))
    graph = {i: [(i * 7 + 1) % 120, (i * 3 + 2) % 120, (i + 1) % 120] for i in range(120)}
    best, todo = {0: 0}, [(0, 0)]
    while todo:
        cost, node = heapq.heappop(todo)
        for step, other in enumerate(graph[node]):
            if cost + step + 1 < best.get(other, 1 << 30):
                best[other] = cost + step + 1
                heapq.heappush(todo, (best[other], other))
    rows, board = [], [0] * 6

    def queens(row):
        if row == 6:
            rows.append(tuple(board))
            return
        for column in range(6):
            if all(column != c and abs(column - c) != row - r for r, c in enumerate(board[:row])):
                board[row] = column
                queens(row + 1)

    queens(0)
    a, b = "kitten sitting on the mat", "sitting kitten at the mat"
    previous = list(range(len(b) + 1))
    for i, ca in enumerate(a):
        current = [i + 1]
        for j, cb in enumerate(b):
            current.append(min(previous[j + 1] + 1, current[j] + 1, previous[j] + (ca != cb)))
        previous = current
    day = datetime.date(2024, 1, 31)
    for i in range(60):
        day += datetime.timedelta(days=i)
        day.isoformat(), day.strftime("%Y-%m-%d"), datetime.datetime.fromisoformat("2024-01-02T03:04:05+01:00") - datetime.timedelta(hours=i)

    def stream():
        total = yield
        while True:
            total = yield (total or 0) + 1

    generator = stream()
    next(generator)
    for i in range(200):
        generator.send(i)
    match {"type": "point", "at": [1, 2]}:
        case {"type": "circle"}:
            pass
        case {"type": "point", "at": [x, y]}:
            x + y
    compile("def f(a, *b, c=1):\n    return [x for x in b if x] or {a: c}\n", "f", "exec")


def main(rounds=3):
    for _ in range(rounds):
        for work in (web_handler, objects, calls, numbers, containers, texts, patterns, programs):
            work()


if __name__ == "__main__":
    main()
